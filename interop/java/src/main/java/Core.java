import io.nats.client.Connection;
import io.nats.client.JetStreamStatusException;
import io.nats.client.Message;
import io.nats.client.Subscription;
import io.nats.client.api.ServerInfo;
import io.nats.client.impl.Headers;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Core messaging on the plain server. */
final class Core {
    private static final byte[] EMPTY = new byte[0];

    private Core() {}

    static void addTo(Map<String, Main.Check> checks) {
        checks.put("server_info", () -> Harness.onPlain(Core::serverInfo));
        checks.put("flush_rtt", () -> Harness.onPlain(Core::flushRtt));
        checks.put("publish_subscribe", () -> Harness.onPlain(Core::publishSubscribe));
        checks.put("order", () -> Harness.onPlain(Core::order));
        checks.put("wildcards", () -> Harness.onPlain(Core::wildcards));
        checks.put("queue_group", () -> Harness.onPlain(Core::queueGroup));
        checks.put("unsubscribe", () -> Harness.onPlain(Core::unsubscribe));
        checks.put("auto_unsubscribe", () -> Harness.onPlain(Core::autoUnsubscribe));
        checks.put("no_echo", () -> Harness.onPlain(Core::noEcho));
        checks.put("headers", () -> Harness.onPlain(Core::headers));
        checks.put("request_reply", () -> Harness.onPlain(Core::requestReply));
        checks.put("request_many", () -> Harness.onPlain(Core::requestMany));
        checks.put("request_timeout", Core::requestTimeout);
        checks.put("no_responders", Core::noResponders);
        checks.put("max_payload", () -> Harness.onPlain(Core::maxPayload));
        checks.put("subject_mapping", () -> Harness.onPlain(Core::subjectMapping));
    }

    private static void serverInfo(Connection nc) {
        ServerInfo info = nc.getServerInfo();
        Harness.expect("version", info.getVersion(), Harness.env("VERSION"));
        Harness.expect("server name", info.getServerName(), "interop-plain");
        Harness.expect("headers", info.isHeadersSupported(), true);
        Harness.expect("max_payload", String.valueOf(info.getMaxPayload()), Harness.env("MAX_PAYLOAD"));
        Harness.expect("auth_required", info.isAuthRequired(), false);
        Harness.expect("tls_required", info.isTLSRequired(), false);
        Harness.expect("client ip", info.getClientIp(), "127.0.0.1");
        Harness.expect("protocol", info.getProtocolVersion(), 1);
        Harness.expect("a client id", info.getClientId() > 0, true);
        Harness.expect("server id length", info.getServerId().length(), 56);
        Harness.expect("features of 2.11", info.isSameOrNewerThanVersion("2.11.0"), true);
    }

    private static void flushRtt(Connection nc) throws Exception {
        Duration rtt = nc.RTT();
        Harness.expect("a round trip in time", rtt.compareTo(Harness.WAIT) < 0, true);
        nc.flush(Harness.WAIT);
    }

    private static void publishSubscribe(Connection nc) throws Exception {
        Subscription sub = nc.subscribe("java.pubsub");
        List<String> wanted = List.of("first", "", "third \0\r\n");
        for (String payload : wanted) {
            nc.publish("java.pubsub", Harness.bytes(payload));
        }
        Harness.expect("payloads", Harness.received(sub, wanted.size()), wanted);
    }

    private static void order(Connection nc) throws Exception {
        int count = 10_000;
        Subscription sub = nc.subscribe("java.order.*");
        for (int i = 0; i < count; i++) {
            nc.publish("java.order." + i % 7, Harness.bytes(String.valueOf(i)));
        }
        for (int i = 0; i < count; i++) {
            Harness.expect("message in order", Harness.text(Harness.next(sub)), String.valueOf(i));
        }
    }

    private static void wildcards(Connection nc) throws Exception {
        Subscription one = nc.subscribe("java.wild.*.end");
        Subscription rest = nc.subscribe("java.wild.>");
        for (String end : List.of("wild", "wild.a.end", "wild.b.c.end", "wild.d", "wilder.a.end")) {
            nc.publish("java." + end, Harness.bytes(end));
        }
        Harness.expect("by *", Harness.received(one, 1), List.of("wild.a.end"));
        Harness.expect("by >", Harness.received(rest, 3), List.of("wild.a.end", "wild.b.c.end", "wild.d"));
        Harness.sentExactly(nc, 4);
    }

    private static void queueGroup(Connection nc) throws Exception {
        int count = 300;
        int members = 3;
        BlockingQueue<Integer> arrived = new LinkedBlockingQueue<>();
        for (int i = 0; i < members; i++) {
            int member = i;
            nc.createDispatcher(message -> arrived.add(member)).subscribe("java.queue", "workers");
        }
        Subscription observer = nc.subscribe("java.queue");
        for (int i = 0; i < count; i++) {
            nc.publish("java.queue", EMPTY);
        }
        int[] perMember = new int[members];
        for (int i = 0; i < count; i++) {
            Integer member = arrived.poll(Harness.WAIT.toMillis(), TimeUnit.MILLISECONDS);
            if (member == null) {
                throw new TimeoutException("the group has " + i + " of " + count + " messages");
            }
            perMember[member]++;
        }
        Harness.received(observer, count);
        Harness.expect("members without messages", Arrays.stream(perMember).filter(n -> n == 0).count(), 0L);
        Harness.sentExactly(nc, 2L * count);
    }

    private static void unsubscribe(Connection nc) throws Exception {
        Subscription sub = nc.subscribe("java.unsub");
        nc.publish("java.unsub", Harness.bytes("seen"));
        Harness.next(sub);
        sub.unsubscribe();
        nc.publish("java.unsub", Harness.bytes("unseen"));
        Harness.sentExactly(nc, 1);
    }

    private static void autoUnsubscribe(Connection nc) throws Exception {
        Subscription sub = nc.subscribe("java.auto");
        sub.unsubscribe(3);
        for (int i = 0; i < 10; i++) {
            nc.publish("java.auto", EMPTY);
        }
        Harness.received(sub, 3);
        // What the server sent is counted before the client's own limit cuts it.
        Harness.sentExactly(nc, 3);
    }

    private static void noEcho(Connection other) throws Exception {
        Harness.with(Harness.options("PLAIN_URL").noEcho(), nc -> {
            Subscription sub = nc.subscribe("java.echo");
            nc.publish("java.echo", Harness.bytes("own"));
            nc.flush(Harness.WAIT);
            other.publish("java.echo", Harness.bytes("other"));
            Harness.expect("messages", Harness.received(sub, 1), List.of("other"));
            Harness.sentExactly(nc, 1);
        });
    }

    private static void headers(Connection nc) throws Exception {
        Subscription sub = nc.subscribe("java.headers");
        // The client refuses values outside ASCII.
        Headers headers = new Headers().add("X-Multi", "one", "two: with colon").add("x-lower", "value");
        for (String payload : List.of("body", "")) {
            nc.publish("java.headers", headers, Harness.bytes(payload));
            Message message = Harness.next(sub);
            Harness.expect("headers", message.getHeaders().toMap(), headers.toMap());
            Harness.expect("payload", Harness.text(message), payload);
        }
    }

    private static void requestReply(Connection nc) throws Exception {
        nc.createDispatcher(message ->
                nc.publish(message.getReplyTo(), Harness.bytes("re: " + Harness.text(message))))
                .subscribe("java.service", "service");
        for (int i = 0; i < 20; i++) {
            Message reply = nc.request("java.service", Harness.bytes(String.valueOf(i)), Harness.WAIT);
            Harness.expect("reply", reply == null ? null : Harness.text(reply), "re: " + i);
        }
    }

    private static void requestMany(Connection nc) throws Exception {
        for (String name : List.of("a", "b", "c")) {
            nc.createDispatcher(message -> nc.publish(message.getReplyTo(), Harness.bytes(name)))
                    .subscribe("java.many");
        }
        String inbox = nc.createInbox();
        Subscription sub = nc.subscribe(inbox);
        nc.publish("java.many", inbox, EMPTY);
        Harness.expect("replies", Harness.received(sub, 3).stream().sorted().toList(), List.of("a", "b", "c"));
        Harness.sentExactly(nc, 6);
    }

    private static void requestTimeout() throws Exception {
        Harness.with(Harness.options("PLAIN_URL").reportNoResponders().useTimeoutException(), nc -> {
            nc.subscribe("java.silent");
            Throwable error = failure(nc, "java.silent", Duration.ofMillis(200));
            Harness.expect("error", error.getClass(), TimeoutException.class);
        });
    }

    private static void noResponders() throws Exception {
        Harness.with(Harness.options("PLAIN_URL").reportNoResponders().useTimeoutException(), nc -> {
            Throwable error = failure(nc, "java.nobody", Harness.WAIT);
            Harness.expect("error", error.getClass(), JetStreamStatusException.class);
            Harness.expect("status", ((JetStreamStatusException) error).getStatus().getCode(), 503);
        });
    }

    /** How a request failed. */
    private static Throwable failure(Connection nc, String subject, Duration timeout) throws Exception {
        try {
            nc.requestWithTimeout(subject, EMPTY, timeout)
                    .get(2 * Harness.WAIT.toMillis(), TimeUnit.MILLISECONDS);
        } catch (ExecutionException error) {
            return error.getCause();
        }
        throw new IllegalStateException("a reply from nobody");
    }

    private static void maxPayload(Connection nc) throws Exception {
        int limit = (int) nc.getMaxPayload();
        Subscription sub = nc.subscribe("java.large");
        for (int size : new int[] {limit - 1, limit}) {
            byte[] payload = new byte[size];
            for (int i = 0; i < size; i++) {
                payload[i] = (byte) (i % 251);
            }
            nc.publish("java.large", payload);
            Harness.expect(size + " bytes intact", Arrays.equals(Harness.next(sub).getData(), payload), true);
        }
        try {
            nc.publish("java.large", new byte[limit + 1]);
        } catch (IllegalArgumentException error) {
            nc.flush(Harness.WAIT);
            return;
        }
        throw new IllegalStateException("one byte too many was sent");
    }

    private static void subjectMapping(Connection nc) throws Exception {
        Subscription sub = nc.subscribe("mapped.java.>");
        nc.publish("map.java.left.right", EMPTY);
        Harness.expect("mapped subject", Harness.next(sub).getSubject(), "mapped.java.right.left");
    }
}
