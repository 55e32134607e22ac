import io.nats.client.Connection;
import io.nats.client.ConnectionListener;
import io.nats.client.ConnectionListener.Events;
import io.nats.client.ErrorListener;
import io.nats.client.Message;
import io.nats.client.Nats;
import io.nats.client.Options;
import io.nats.client.Subscription;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** What every check uses: deadlines, connections, comparisons, the runner's control line. */
final class Harness {
    /** Bounds everything a check waits for. */
    static final Duration WAIT = Duration.ofSeconds(8);

    /**
     * For connections that are to fail: the client notices that the server has closed the connection
     * only when this time is over, and then reports the server's error.
     */
    static final Duration REFUSAL = Duration.ofSeconds(3);

    private static final BufferedReader ANSWERS =
            new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));

    private Harness() {}

    /** Something to do with a connection. */
    interface Body {
        void run(Connection nc) throws Exception;
    }

    /** Collects what the client tells its listeners; the client's defaults would log it. */
    static final class Watch implements ErrorListener, ConnectionListener {
        final BlockingQueue<String> errors = new LinkedBlockingQueue<>();
        final BlockingQueue<Exception> exceptions = new LinkedBlockingQueue<>();
        final BlockingQueue<Events> events = new LinkedBlockingQueue<>();

        @Override
        public void errorOccurred(Connection nc, String error) {
            errors.add(error);
        }

        @Override
        public void exceptionOccurred(Connection nc, Exception exception) {
            exceptions.add(exception);
        }

        @Override
        public void connectionEvent(Connection nc, Events event) {
            events.add(event);
        }

        /** Waits for an event, passing over others. */
        void await(Events wanted) throws Exception {
            long deadline = System.nanoTime() + WAIT.toNanos();
            Events event;
            do {
                event = events.poll(deadline - System.nanoTime(), TimeUnit.NANOSECONDS);
                if (event == null) {
                    throw new TimeoutException(
                            "no " + wanted.name() + " event within " + WAIT + ", exceptions: " + exceptions);
                }
            } while (event != wanted);
        }
    }

    /** The value of INTEROP_name; the runner sets them all. */
    static String env(String name) {
        return Objects.requireNonNull(
                System.getenv("INTEROP_" + name),
                "INTEROP_" + name + " is not set; start this program through run.py");
    }

    /** Options for a connection that does not reconnect. */
    static Options.Builder options(String url) {
        return new Options.Builder()
                .server(env(url))
                .connectionName("interop-java")
                .connectionTimeout(WAIT)
                .errorListener(new Watch())
                .requestCleanupInterval(Duration.ofMillis(100))
                .noReconnect();
    }

    /** Runs the body on a fresh connection and closes it. */
    static void with(Options.Builder options, Body body) throws Exception {
        try (Connection nc = Nats.connect(options.build())) {
            body.run(nc);
        }
    }

    static void onPlain(Body body) throws Exception {
        with(options("PLAIN_URL"), body);
    }

    static Message next(Subscription sub) throws Exception {
        Message message = sub.nextMessage(WAIT);
        if (message == null) {
            throw new TimeoutException("no message on " + sub.getSubject() + " within " + WAIT);
        }
        return message;
    }

    /** The payloads of the next messages, as text. */
    static List<String> received(Subscription sub, int count) throws Exception {
        List<String> payloads = new ArrayList<>();
        while (payloads.size() < count) {
            payloads.add(text(next(sub)));
        }
        return payloads;
    }

    /**
     * Fails unless the server has sent this many messages to the connection. The flush puts
     * everything sent before its PONG in front of us, so no time has to pass.
     */
    static void sentExactly(Connection nc, long total) throws Exception {
        nc.flush(WAIT);
        expect("messages sent by the server", nc.getStatistics().getInMsgs(), total);
    }

    static String text(Message message) {
        return new String(message.getData(), StandardCharsets.UTF_8);
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** Compares, naming what was compared. */
    static void expect(String what, Object found, Object wanted) {
        if (!Objects.equals(found, wanted)) {
            throw new IllegalStateException(what + ": got " + found + ", want " + wanted);
        }
    }

    /** Asks the runner to do something to this program's own server. */
    static void control(String verb) throws IOException {
        System.out.println("CONTROL " + verb);
        System.out.flush();
        expect("answer to CONTROL " + verb, ANSWERS.readLine(), "done");
    }
}
