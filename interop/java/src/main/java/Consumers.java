import io.nats.client.ConsumeOptions;
import io.nats.client.ConsumerContext;
import io.nats.client.FetchConsumer;
import io.nats.client.FetchConsumeOptions;
import io.nats.client.IterableConsumer;
import io.nats.client.JetStreamSubscription;
import io.nats.client.Message;
import io.nats.client.OrderedConsumerContext;
import io.nats.client.PushSubscribeOptions;
import io.nats.client.api.AckPolicy;
import io.nats.client.api.ConsumerConfiguration;
import io.nats.client.api.ConsumerInfo;
import io.nats.client.api.OrderedConsumerConfiguration;
import java.time.Duration;
import java.time.ZonedDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeoutException;

/** Consumers on the server with JetStream. */
final class Consumers {
    private Consumers() {}

    static void addTo(Map<String, Main.Check> checks) {
        checks.put("js_pull_fetch", () -> Streams.on("fetch", Streams.plain(), Consumers::pullFetch));
        checks.put("js_pull_consume", () -> Streams.on("consume", Streams.plain(), Consumers::pullConsume));
        checks.put("js_push", () -> Streams.on("push", Streams.plain(), Consumers::push));
        checks.put("js_ordered", () -> Streams.on("ordered", Streams.plain(), Consumers::ordered));
        checks.put("js_ack_kinds", () -> Streams.on("acks", Streams.plain(), Consumers::ackKinds));
        checks.put("js_redelivery", () -> Streams.on("redeliver", Streams.plain(), Consumers::redelivery));
        checks.put("js_consumer_manage", () -> Streams.on("manage", Streams.plain(), Consumers::manage));
    }

    private static ConsumerConfiguration.Builder durable() {
        return ConsumerConfiguration.builder().durable("durable").ackPolicy(AckPolicy.Explicit);
    }

    private static ConsumerContext consumer(Streams.Fixture f, ConsumerConfiguration.Builder config) throws Exception {
        return f.nc().getStreamContext(f.stream()).createOrUpdateConsumer(config.build());
    }

    /** Up to `count` messages within the time. */
    private static List<Message> take(ConsumerContext consumer, int count, Duration time) throws Exception {
        FetchConsumeOptions options =
                FetchConsumeOptions.builder().maxMessages(count).expiresIn(time.toMillis()).build();
        List<Message> messages = new ArrayList<>();
        try (FetchConsumer fetch = consumer.fetch(options)) {
            for (Message message = fetch.nextMessage(); message != null; message = fetch.nextMessage()) {
                messages.add(message);
            }
        }
        return messages;
    }

    private static List<Message> fetch(ConsumerContext consumer, int count) throws Exception {
        List<Message> messages = take(consumer, count, Harness.WAIT);
        Harness.expect("messages fetched", messages.size(), count);
        return messages;
    }

    private static String delivery(Message message) {
        return Harness.text(message) + "/" + message.metaData().deliveredCount();
    }

    private static void pullFetch(Streams.Fixture f) throws Exception {
        f.fill("x", 25);
        ConsumerContext consumer = consumer(f, durable());
        int number = 0;
        for (int count : new int[] {10, 10, 5}) {
            for (Message message : fetch(consumer, count)) {
                Harness.expect("payload", Harness.text(message), String.valueOf(number++));
                message.ackSync(Harness.WAIT);
            }
        }
        ConsumerInfo info = consumer.getConsumerInfo();
        Harness.expect("left", List.of(info.getNumPending(), info.getNumAckPending(), info.getAckFloor().getStreamSequence()),
                List.of(0L, 0L, 25L));
        Harness.expect("messages of an empty consumer", take(consumer, 1, Duration.ofSeconds(1)).size(), 0);
    }

    private static void pullConsume(Streams.Fixture f) throws Exception {
        int count = 2_000;
        ConsumerContext consumer = consumer(f, durable());
        try (IterableConsumer messages = consumer.iterate(ConsumeOptions.builder().batchSize(100).build())) {
            for (int i = 0; i < count; i++) {
                f.js().publishAsync("java.consume.x", Harness.bytes(String.valueOf(i)));
            }
            for (int i = 0; i < count; i++) {
                Message message = messages.nextMessage(Harness.WAIT);
                if (message == null) {
                    throw new TimeoutException("message " + i);
                }
                Harness.expect("payload", Harness.text(message), String.valueOf(i));
                message.ack();
            }
        }
    }

    private static void push(Streams.Fixture f) throws Exception {
        ConsumerConfiguration config = ConsumerConfiguration.builder().flowControl(Duration.ofSeconds(1)).build();
        PushSubscribeOptions options = PushSubscribeOptions.builder().stream(f.stream()).durable("pusher").configuration(config).build();
        JetStreamSubscription sub = f.js().subscribe("java.push.>", options);
        f.fill("x", 200);
        for (int i = 0; i < 200; i++) {
            Message message = Harness.next(sub);
            Harness.expect("payload", Harness.text(message), String.valueOf(i));
            message.ack();
        }
        Harness.expect("push bound", sub.getConsumerInfo().isPushBound(), true);
        JetStreamSubscription queue = f.js().subscribe("java.push.>", "workers", PushSubscribeOptions.builder().build());
        Harness.expect("first for a group", Harness.text(Harness.next(queue)), "0");
    }

    private static void ordered(Streams.Fixture f) throws Exception {
        int count = 2_000;
        for (int i = 0; i < count; i++) {
            f.js().publishAsync("java.ordered.x", new byte[100]);
        }
        PushSubscribeOptions options = PushSubscribeOptions.builder().stream(f.stream()).ordered(true).build();
        JetStreamSubscription pushed = f.js().subscribe("java.ordered.>", options);
        OrderedConsumerContext context =
                f.nc().getStreamContext(f.stream()).createOrderedConsumer(new OrderedConsumerConfiguration());
        try (IterableConsumer pulled = context.iterate()) {
            for (long i = 1; i <= count; i++) {
                Harness.expect("pushed", Harness.next(pushed).metaData().streamSequence(), i);
                Message message = pulled.nextMessage(Harness.WAIT);
                Harness.expect("pulled", message == null ? null : message.metaData().streamSequence(), i);
            }
        }
    }

    private static void ackKinds(Streams.Fixture f) throws Exception {
        f.fill("x", 4);
        ConsumerContext consumer = consumer(f, durable());
        List<Message> messages = fetch(consumer, 4);
        messages.get(0).ackSync(Harness.WAIT);
        messages.get(1).nak();
        messages.get(2).term();
        messages.get(3).inProgress();
        Message again = fetch(consumer, 1).get(0);
        Harness.expect("delivered again", delivery(again), "1/2");
        again.nakWithDelay(300);
        Message later = fetch(consumer, 1).get(0);
        Harness.expect("delivered after the delay", delivery(later), "1/3");
        later.ackSync(Harness.WAIT);
        ConsumerInfo info = consumer.getConsumerInfo();
        Harness.expect("left", List.of(info.getNumAckPending(), info.getAckFloor().getStreamSequence()), List.of(1L, 3L));
    }

    private static void redelivery(Streams.Fixture f) throws Exception {
        f.fill("x", 1);
        ConsumerContext consumer = consumer(f, durable().ackWait(Duration.ofMillis(500)).maxDeliver(2));
        for (String wanted : List.of("0/1", "0/2")) {
            Harness.expect("delivery", delivery(fetch(consumer, 1).get(0)), wanted);
        }
        Harness.expect("beyond max_deliver", take(consumer, 1, Duration.ofMillis(1200)).size(), 0);
    }

    private static void manage(Streams.Fixture f) throws Exception {
        f.fill("a", 3);
        f.fill("b", 2);
        ConsumerInfo created = f.jsm().createConsumer(f.stream(), durable().filterSubject("java.manage.b").build());
        Harness.expect("pending", created.getNumPending(), 2L);
        ConsumerConfiguration edited = durable().filterSubject("java.manage.a").description("second").build();
        Harness.expect("pending after the edit", f.jsm().updateConsumer(f.stream(), edited).getNumPending(), 3L);
        Streams.refused("create over another",
                () -> f.jsm().createConsumer(f.stream(), durable().filterSubject("java.manage.c").build()), 10148);
        Harness.expect("names", f.jsm().getConsumerNames(f.stream()), List.of("durable"));
        Harness.expect("paused", f.jsm().pauseConsumer(f.stream(), "durable", ZonedDateTime.now().plusHours(1)).isPaused(), true);
        Harness.expect("resumed", f.jsm().resumeConsumer(f.stream(), "durable"), true);
        Harness.expect("deleted", f.jsm().deleteConsumer(f.stream(), "durable"), true);
        Streams.refused("a deleted consumer", () -> f.jsm().getConsumerInfo(f.stream(), "durable"), 10014);
    }
}
