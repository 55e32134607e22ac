import io.nats.client.Connection;
import io.nats.client.JetStream;
import io.nats.client.JetStreamApiException;
import io.nats.client.JetStreamManagement;
import io.nats.client.JetStreamOptions;
import io.nats.client.Nats;
import io.nats.client.api.MessageInfo;
import io.nats.client.api.Mirror;
import io.nats.client.api.Source;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;

/** A mirror, and a stream with a source, before and after the server was killed. */
final class Mirrors {
    private Mirrors() {}

    /** Both go on where they were. */
    static void mirror() throws Exception {
        try (Connection nc = Nats.connect(Lifecycle.reconnecting(new Harness.Watch()).build())) {
            JetStreamOptions options = JetStreamOptions.builder().requestTimeout(Duration.ofSeconds(2)).build();
            JetStreamManagement jsm = nc.jetStreamManagement(options);
            JetStream js = nc.jetStream(options);
            jsm.addStream(Streams.plain().name("JAVA_ORIGIN").subjects("java.origin.*").build());
            publish(js, 0, 20);
            jsm.addStream(Streams.plain().name("JAVA_MIRROR")
                    .mirror(Mirror.builder().sourceName("JAVA_ORIGIN").build()).build());
            jsm.addStream(Streams.plain().name("JAVA_SOURCED")
                    .sources(Source.builder().sourceName("JAVA_ORIGIN").filterSubject("java.origin.1").build()).build());
            copied(jsm, 20);
            Harness.control("kill");
            Harness.control("start");
            copied(jsm, 20);
            publish(js, 20, 30);
            copied(jsm, 30);
        }
    }

    /** Publishes numbers, even and odd ones on subjects of their own. */
    private static void publish(JetStream js, int from, int to) throws Exception {
        for (int number = from; number < to; number++) {
            js.publish("java.origin." + number % 2, Harness.bytes(String.valueOf(number)));
        }
    }

    /** Waits until the copies have so many messages of the origin, and compares them. */
    private static void copied(JetStreamManagement jsm, int count) throws Exception {
        long deadline = System.nanoTime() + Harness.WAIT.toNanos();
        while (!hasArrived(jsm, count)) {
            if (System.nanoTime() > deadline) {
                throw new IllegalStateException("no copies of " + count + " messages");
            }
            Thread.sleep(50);
        }
        for (int number = 0; number < count; number++) {
            Harness.expect("mirrored", text(jsm, "JAVA_MIRROR", number + 1), "java.origin." + number % 2 + " " + number);
        }
        for (int place = 0; place < count / 2; place++) {
            Harness.expect("sourced", text(jsm, "JAVA_SOURCED", place + 1), "java.origin.1 " + (2 * place + 1));
        }
    }

    private static boolean hasArrived(JetStreamManagement jsm, int count) throws InterruptedException {
        try {
            long last = jsm.getStreamInfo("JAVA_MIRROR").getStreamState().getLastSequence();
            return last == count && jsm.getStreamInfo("JAVA_SOURCED").getStreamState().getMsgCount() == count / 2;
        } catch (IOException | JetStreamApiException | IllegalStateException notBackYet) {
            return false;
        }
    }

    private static String text(JetStreamManagement jsm, String stream, long sequence) throws Exception {
        MessageInfo message = jsm.getMessage(stream, sequence);
        return message.getSubject() + " " + new String(message.getData(), StandardCharsets.UTF_8);
    }
}
