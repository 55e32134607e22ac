import io.nats.client.Connection;
import io.nats.client.JetStream;
import io.nats.client.JetStreamApiException;
import io.nats.client.JetStreamManagement;
import io.nats.client.JetStreamOptions;
import io.nats.client.Nats;
import io.nats.client.PublishOptions;
import io.nats.client.PurgeOptions;
import io.nats.client.api.AckPolicy;
import io.nats.client.api.ConsumerConfiguration;
import io.nats.client.api.MessageInfo;
import io.nats.client.api.PublishAck;
import io.nats.client.api.StorageType;
import io.nats.client.api.StreamConfiguration;
import io.nats.client.api.StreamInfo;
import io.nats.client.api.StreamInfoOptions;
import io.nats.client.api.StreamState;
import io.nats.client.impl.Headers;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Streams and publishing on the server with JetStream. */
final class Streams {
    private Streams() {}

    static void addTo(Map<String, Main.Check> checks) {
        checks.put("js_account", () -> on("account", plain(), Streams::account));
        checks.put("js_stream_edit", () -> on("edit", plain(), Streams::streamEdit));
        checks.put("js_stream_purge", () -> on("purge", plain(), Streams::streamPurge));
        checks.put("js_stream_list", () -> on("list", plain(), Streams::streamList));
        checks.put("js_publish", () -> on("publish", plain(), Streams::publish));
        checks.put("js_publish_duplicate", () -> on("dupe", plain(), Streams::publishDuplicate));
        checks.put("js_publish_expected", () -> on("expect", plain(), Streams::publishExpected));
        checks.put("js_messages", () -> on("msgs", plain(), Streams::messages));
        checks.put("js_direct_get", () -> on("direct", plain().allowDirect(true), Streams::messages));
        checks.put("js_errors", () -> on("errors", plain(), Streams::errors));
        checks.put("js_message_ttl", () -> on("ttl", plain().allowMessageTtl(true), Streams::messageTtl));
        checks.put("js_counter", () -> on("counter", plain().allowMessageCounter(true), Streams::counter));
        checks.put("js_batch", () -> on("batch", plain().allowAtomicPublish(true), Streams::batch));
        checks.put("js_survives_kill", Streams::survivesKill);
        checks.put("js_mirror", Mirrors::mirror);
    }

    /** A fresh stream JAVA_name on java.name.&gt; and the connection to it. */
    record Fixture(Connection nc, JetStream js, JetStreamManagement jsm, String stream, String prefix) {
        /** Publishes 0, 1, ... one after the other. */
        void fill(String subject, int count) throws Exception {
            for (int i = 0; i < count; i++) {
                js.publish(prefix + subject, Harness.bytes(String.valueOf(i)));
            }
        }

        StreamState state() throws Exception {
            return jsm.getStreamInfo(stream).getStreamState();
        }
    }

    /** Something to do with a stream. */
    interface Body {
        void run(Fixture f) throws Exception;
    }

    /** Something that is to be refused. */
    interface Call {
        void run() throws Exception;
    }

    static StreamConfiguration.Builder plain() {
        return StreamConfiguration.builder();
    }

    static void on(String label, StreamConfiguration.Builder config, Body body) throws Exception {
        Harness.with(Harness.options("JETSTREAM_URL"), nc -> {
            JetStreamOptions options = JetStreamOptions.builder().requestTimeout(Harness.WAIT).build();
            JetStreamManagement jsm = nc.jetStreamManagement(options);
            String name = "JAVA_" + label;
            jsm.addStream(config.name(name).subjects("java." + label + ".>").build());
            body.run(new Fixture(nc, nc.jetStream(options), jsm, name, "java." + label + "."));
            jsm.deleteStream(name);
        });
    }

    /** Fails unless the call ends in this JetStream error; returns its text. */
    static String refused(String what, Call call, int code) throws Exception {
        try {
            call.run();
        } catch (JetStreamApiException error) {
            Harness.expect(what + ": err_code", error.getApiErrorCode(), code);
            return error.getErrorDescription();
        }
        throw new IllegalStateException(what + ": accepted");
    }

    private static void account(Fixture f) throws Exception {
        Harness.expect("streams at least", f.jsm().getAccountStatistics().getStreams() >= 1, true);
        Harness.expect("unlimited streams", f.jsm().getAccountStatistics().getLimits().getMaxStreams(), -1L);
    }

    private static void streamEdit(Fixture f) throws Exception {
        StreamConfiguration old = f.jsm().getStreamInfo(f.stream()).getConfiguration();
        f.jsm().updateStream(StreamConfiguration.builder(old)
                .subjects("java.edit.>", "java.more").maxMessages(3).description("edited").build());
        for (int i = 0; i < 5; i++) {
            f.js().publish("java.more", new byte[0]);
        }
        StreamInfo info = f.jsm().getStreamInfo(f.stream());
        Harness.expect("description", info.getConfiguration().getDescription(), "edited");
        expectState(info.getStreamState(), 3, 3, 5);
        StreamConfiguration moved =
                StreamConfiguration.builder(info.getConfiguration()).storageType(StorageType.Memory).build();
        refused("storage change", () -> f.jsm().updateStream(moved), 10052);
    }

    private static void expectState(StreamState state, long messages, long first, long last) {
        Harness.expect("state", List.of(state.getMsgCount(), state.getFirstSequence(), state.getLastSequence()),
                List.of(messages, first, last));
    }

    private static void streamPurge(Fixture f) throws Exception {
        f.fill("a", 5);
        f.fill("b", 5);
        f.jsm().purgeStream(f.stream(), PurgeOptions.builder().subject("java.purge.a").keep(1).build());
        Harness.expect("after a filtered purge", f.state().getMsgCount(), 6L);
        f.jsm().purgeStream(f.stream(), PurgeOptions.builder().sequence(8).build());
        Harness.expect("after a purge up to a sequence", f.state().getMsgCount(), 3L);
        Harness.expect("purged", f.jsm().purgeStream(f.stream()).getPurged(), 3L);
        expectState(f.state(), 0, 11, 10);
    }

    private static void streamList(Fixture f) throws Exception {
        f.fill("a", 2);
        f.fill("b", 1);
        Harness.expect("names", f.jsm().getStreamNames("java.list.b"), List.of(f.stream()));
        boolean listed = f.jsm().getStreams().stream().anyMatch(info -> info.getConfiguration().getName().equals(f.stream()));
        Harness.expect("listed", listed, true);
        StreamInfo info = f.jsm().getStreamInfo(f.stream(), StreamInfoOptions.allSubjects());
        Harness.expect("subjects", info.getStreamState().getSubjectMap(), Map.of("java.list.a", 2L, "java.list.b", 1L));
    }

    private static void publish(Fixture f) throws Exception {
        PublishAck ack = f.js().publish("java.publish.one", Harness.bytes("one"));
        Harness.expect("ack", List.of(ack.getStream(), ack.getSeqno(), ack.isDuplicate()), List.of(f.stream(), 1L, false));
        List<CompletableFuture<PublishAck>> acks = new ArrayList<>();
        for (int i = 0; i < 500; i++) {
            acks.add(f.js().publishAsync("java.publish.many", Harness.bytes("m")));
        }
        for (int i = 0; i < acks.size(); i++) {
            PublishAck each = acks.get(i).get(Harness.WAIT.toMillis(), TimeUnit.MILLISECONDS);
            Harness.expect("sequence", each.getSeqno(), i + 2L);
        }
        try {
            f.js().publish("java.nostream", new byte[0]);
        } catch (java.io.IOException error) {
            Harness.expect("no stream", error.getMessage().contains("503"), true);
            return;
        }
        throw new IllegalStateException("an ack for a subject of no stream");
    }

    private static void publishDuplicate(Fixture f) throws Exception {
        PublishOptions id = PublishOptions.builder().messageId("id-1").build();
        PublishAck first = f.js().publish("java.dupe.x", Harness.bytes("1"), id);
        PublishAck again = f.js().publish("java.dupe.x", Harness.bytes("2"), id);
        Harness.expect("acks", List.of(first.isDuplicate(), again.isDuplicate(), again.getSeqno()), List.of(false, true, 1L));
        Harness.expect("messages", f.state().getMsgCount(), 1L);
    }

    private static void publishExpected(Fixture f) throws Exception {
        send(f, "a", PublishOptions.builder().expectedStream(f.stream()).messageId("first"));
        send(f, "a", PublishOptions.builder().expectedLastSequence(1).expectedLastMsgId("first"));
        send(f, "a", PublishOptions.builder().expectedLastSubjectSequence(2));
        String text = refused("wrong last sequence",
                () -> send(f, "a", PublishOptions.builder().expectedLastSequence(1)), 10071);
        Harness.expect("its text", text, "wrong last sequence: 3");
        refused("wrong last subject sequence",
                () -> send(f, "b", PublishOptions.builder().expectedLastSubjectSequence(9)), 10071);
        refused("wrong last id", () -> send(f, "a", PublishOptions.builder().expectedLastMsgId("other")), 10070);
        refused("wrong stream", () -> send(f, "a", PublishOptions.builder().expectedStream("OTHER")), 10060);
    }

    private static void send(Fixture f, String subject, PublishOptions.Builder options) throws Exception {
        f.js().publish("java.expect." + subject, Harness.bytes("x"), options.build());
    }

    /** With direct get or without: the client chooses by the stream's configuration. */
    private static void messages(Fixture f) throws Exception {
        Headers headers = new Headers().add("X-Multi", "one", "two");
        f.js().publish(f.prefix() + "a", headers, Harness.bytes("1"));
        f.fill("b", 2);
        MessageInfo first = f.jsm().getMessage(f.stream(), 1);
        Harness.expect("headers", first.getHeaders().get("X-Multi"), List.of("one", "two"));
        Harness.expect("payload", new String(first.getData()), "1");
        Harness.expect("subject", first.getSubject(), f.prefix() + "a");
        Harness.expect("last", f.jsm().getLastMessage(f.stream(), f.prefix() + "b").getSeq(), 3L);
        Harness.expect("next", f.jsm().getNextMessage(f.stream(), 2, f.prefix() + "b").getSeq(), 2L);
        Harness.expect("deleted", f.jsm().deleteMessage(f.stream(), 2), true);
        refused("a deleted message", () -> f.jsm().getMessage(f.stream(), 2), 10037);
        Harness.expect("messages", f.state().getMsgCount(), 2L);
    }

    private static void errors(Fixture f) throws Exception {
        refused("no stream", () -> f.jsm().getStreamInfo("JAVA_NONE"), 10059);
        refused("name in use", () -> f.jsm().addStream(plain().name(f.stream()).subjects("java.else").build()), 10058);
        refused("overlap", () -> f.jsm().addStream(plain().name("JAVA_OTHER").subjects("java.errors.x").build()), 10065);
        refused("no consumer", () -> f.jsm().getConsumerInfo(f.stream(), "none"), 10014);
        ConsumerConfiguration bad = ConsumerConfiguration.builder().durable("c").ackPolicy(AckPolicy.Explicit)
                .maxDeliver(1).backoff(Duration.ofSeconds(1), Duration.ofSeconds(2)).build();
        refused("bad consumer", () -> f.jsm().addOrUpdateConsumer(f.stream(), bad), 10116);
    }

    private static void messageTtl(Fixture f) throws Exception {
        f.js().publish("java.ttl.short", Harness.bytes("x"), PublishOptions.builder().messageTtlSeconds(1).build());
        f.js().publish("java.ttl.long", Harness.bytes("x"), PublishOptions.builder().messageTtlSeconds(3600).build());
        long deadline = System.nanoTime() + Harness.WAIT.toNanos();
        while (f.state().getMsgCount() != 1) {
            if (System.nanoTime() > deadline) {
                throw new TimeoutException("the message did not expire");
            }
            Thread.sleep(50);
        }
    }

    private static void counter(Fixture f) throws Exception {
        for (String[] step : new String[][] {{"+5", "5"}, {"-7", "-2"}}) {
            Headers headers = new Headers().add("Nats-Incr", step[0]);
            PublishAck ack = f.js().publish("java.counter.hits", headers, new byte[0]);
            Harness.expect("total in the ack", ack.getVal(), step[1]);
        }
        byte[] last = f.jsm().getLastMessage(f.stream(), "java.counter.hits").getData();
        Harness.expect("stored", new String(last), "{\"val\":\"-2\"}");
    }

    /** What a batch publisher would send: the client itself has none. */
    private static void batch(Fixture f) throws Exception {
        byte[] opened = f.nc().request("java.batch.1", part(1), null, Harness.WAIT).getData();
        Harness.expect("answer to the first", opened.length, 0);
        f.nc().publish("java.batch.2", part(2), new byte[0]);
        Harness.expect("before the commit", f.state().getMsgCount(), 0L);
        PublishAck ack = f.js().publish("java.batch.3", part(3).add("Nats-Batch-Commit", "1"), new byte[0]);
        Harness.expect("sequence of the commit", ack.getSeqno(), 3L);
        Harness.expect("after the commit", f.state().getMsgCount(), 3L);
    }

    private static Headers part(int sequence) {
        return new Headers().add("Nats-Batch-Id", "java-batch").add("Nats-Batch-Sequence", String.valueOf(sequence));
    }

    private static void survivesKill() throws Exception {
        try (Connection nc = Nats.connect(Lifecycle.reconnecting(new Harness.Watch()).build())) {
            JetStreamManagement jsm = nc.jetStreamManagement();
            JetStream js = nc.jetStream(JetStreamOptions.builder().requestTimeout(Duration.ofSeconds(1)).build());
            jsm.addStream(plain().name("JAVA_KILL").subjects("java.kill.>").build());
            for (int i = 0; i < 50; i++) {
                js.publish("java.kill.x", Harness.bytes(String.valueOf(i)), id(i));
            }
            Harness.control("kill");
            Harness.control("start");
            PublishAck again = resend(js);
            Harness.expect("the duplicate after the kill", List.of(again.getSeqno(), again.isDuplicate()), List.of(50L, true));
            Harness.expect("messages", jsm.getStreamInfo("JAVA_KILL").getStreamState().getMsgCount(), 50L);
            Harness.expect("the next", js.publish("java.kill.x", Harness.bytes("50"), id(50)).getSeqno(), 51L);
        }
    }

    private static PublishOptions id(int number) {
        return PublishOptions.builder().messageId("kill-" + number).build();
    }

    private static PublishAck resend(JetStream js) throws Exception {
        long deadline = System.nanoTime() + Harness.WAIT.toNanos();
        while (true) {
            try {
                return js.publishAsync("java.kill.x", Harness.bytes("49"), id(49)).get(1, TimeUnit.SECONDS);
            } catch (ExecutionException | TimeoutException | IllegalStateException error) {
                if (System.nanoTime() > deadline) {
                    throw error;
                }
                Thread.sleep(50);
            }
        }
    }
}
