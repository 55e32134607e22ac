import io.nats.client.Connection;
import io.nats.client.Message;
import io.nats.client.Subscription;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Permissions: violations are reported and the connection lives on. */
final class Permissions {
    private Permissions() {}

    static void addTo(Map<String, Main.Check> checks) {
        checks.put("permission_publish", () -> asLimited(Permissions::publish));
        checks.put("permission_subscribe", () -> asLimited(Permissions::subscribe));
        checks.put("permission_queue", () -> asLimited(Permissions::queue));
        checks.put("permission_responses", Permissions::responses);
    }

    /** Something to do with a connection whose errors are watched. */
    private interface Body {
        void run(Connection nc, Harness.Watch watch) throws Exception;
    }

    /** Awaits a permissions violation that names the operation. */
    static void violation(Harness.Watch watch, String operation) throws Exception {
        String error = watch.errors.poll(Harness.WAIT.toMillis(), TimeUnit.MILLISECONDS);
        if (error == null) {
            throw new TimeoutException("no permissions violation within " + Harness.WAIT);
        }
        String wanted = ("permissions violation for " + operation).toLowerCase();
        if (!error.toLowerCase().contains(wanted)) {
            throw new IllegalStateException("got " + error + ", want " + wanted);
        }
    }

    /** Runs the body as the limited user and then requires that the connection lives. */
    private static void asLimited(Body body) throws Exception {
        Harness.Watch watch = new Harness.Watch();
        Harness.with(Auth.user("limited").errorListener(watch), nc -> {
            body.run(nc, watch);
            Auth.usable(nc, "ok.java.alive");
        });
    }

    private static void publish(Connection nc, Harness.Watch watch) throws Exception {
        for (String subject : List.of("other.java", "ok.secret.java")) {
            nc.publish(subject, new byte[0]);
            violation(watch, "publish to \"" + subject + "\"");
        }
    }

    private static void subscribe(Connection nc, Harness.Watch watch) throws Exception {
        for (String subject : List.of("other.java", "ok.secret.java")) {
            nc.subscribe(subject);
            violation(watch, "subscription to \"" + subject + "\"");
        }
    }

    private static void queue(Connection nc, Harness.Watch watch) throws Exception {
        nc.subscribe("q.java", "others");
        violation(watch, "subscription to \"q.java\" using queue \"others\"");
        Subscription workers = nc.subscribe("q.java", "workers");
        nc.flush(Harness.WAIT);
        Harness.with(Auth.user("alice"), alice -> {
            alice.publish("q.java", Harness.bytes("job"));
            alice.flush(Harness.WAIT);
        });
        Harness.expect("messages", Harness.received(workers, 1), List.of("job"));
    }

    private static void responses() throws Exception {
        Harness.Watch watch = new Harness.Watch();
        Harness.with(Auth.user("responder").errorListener(watch), nc -> {
            // Two answers to a request that allows one: the second is the violation.
            nc.createDispatcher(message -> {
                nc.publish(message.getReplyTo(), Harness.bytes("one"));
                nc.publish(message.getReplyTo(), Harness.bytes("two"));
            }).subscribe("svc.java");
            nc.flush(Harness.WAIT);
            Harness.with(Auth.user("alice"), alice -> {
                Message reply = alice.request("svc.java", new byte[0], Harness.WAIT);
                Harness.expect("reply", reply == null ? null : Harness.text(reply), "one");
                violation(watch, "publish to \"_INBOX.");
            });
        });
    }
}
