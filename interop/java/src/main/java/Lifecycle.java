import io.nats.client.Connection;
import io.nats.client.ConnectionListener.Events;
import io.nats.client.Dispatcher;
import io.nats.client.Nats;
import io.nats.client.Options;
import io.nats.client.Subscription;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** Draining, and a server that goes away and comes back. */
final class Lifecycle {
    private Lifecycle() {}

    static void addTo(Map<String, Main.Check> checks) {
        checks.put("drain_subscription", () -> Harness.onPlain(Lifecycle::drainSubscription));
        checks.put("drain_connection", () -> Harness.onPlain(Lifecycle::drainConnection));
        checks.put("reconnect", () -> reconnect("stop"));
        checks.put("reconnect_after_kill", () -> reconnect("kill"));
        checks.put("lame_duck", Lifecycle::lameDuck);
    }

    private static void drainSubscription(Connection nc) throws Exception {
        int count = 100;
        CountDownLatch gate = new CountDownLatch(1);
        AtomicInteger handled = new AtomicInteger();
        Dispatcher dispatcher = nc.createDispatcher(message -> {
            if (gate.await(Harness.WAIT.toMillis(), TimeUnit.MILLISECONDS)) {
                handled.incrementAndGet();
            }
        });
        dispatcher.subscribe("java.drain.sub");
        for (int i = 0; i < count; i++) {
            nc.publish("java.drain.sub", new byte[0]);
        }
        nc.flush(Harness.WAIT);
        CompletableFuture<Boolean> drained = dispatcher.drain(Harness.WAIT);
        // The drain has sent UNSUB; what comes after it must not arrive.
        nc.publish("java.drain.sub", new byte[0]);
        nc.flush(Harness.WAIT);
        gate.countDown();
        Harness.expect("drained", drained.get(Harness.WAIT.toMillis(), TimeUnit.MILLISECONDS), true);
        Harness.expect("messages handled", handled.get(), count);
        Harness.sentExactly(nc, count);
    }

    private static void drainConnection(Connection observer) throws Exception {
        int count = 100;
        Subscription echoes = observer.subscribe("java.drain.echo");
        observer.flush(Harness.WAIT);
        Harness.Watch watch = new Harness.Watch();
        Options options = Harness.options("PLAIN_URL").connectionListener(watch).build();
        try (Connection nc = Nats.connect(options)) {
            // Handlers still publish while the connection drains: all of it must leave.
            nc.createDispatcher(message -> nc.publish("java.drain.echo", message.getData()))
                    .subscribe("java.drain.conn");
            for (int i = 0; i < count; i++) {
                nc.publish("java.drain.conn", Harness.bytes("x"));
            }
            CompletableFuture<Boolean> drained = nc.drain(Harness.WAIT);
            Harness.expect("drained", drained.get(Harness.WAIT.toMillis(), TimeUnit.MILLISECONDS), true);
            watch.await(Events.CLOSED);
        }
        Harness.received(echoes, count);
    }

    /** Options for a connection to this program's own server that comes back quickly. */
    static Options.Builder reconnecting(Harness.Watch watch) {
        return Harness.options("RESTART_URL")
                .maxReconnects(-1)
                .reconnectWait(Duration.ofMillis(50))
                // Not zero: the client's random choice below a bound of zero throws and ends its reconnecting.
                .reconnectJitter(Duration.ofMillis(1))
                .connectionListener(watch);
    }

    private static void reconnect(String how) throws Exception {
        Harness.Watch watch = new Harness.Watch();
        Harness.with(reconnecting(watch), nc -> {
            Subscription sub = nc.subscribe("java.reconnect");
            nc.flush(Harness.WAIT);
            Harness.control(how);
            try {
                watch.await(Events.DISCONNECTED);
            } finally {
                Harness.control("start");
            }
            // Resubscribed comes after reconnected, when the client has sent its subscriptions again.
            watch.await(Events.RESUBSCRIBED);
            nc.publish("java.reconnect", Harness.bytes("after"));
            Harness.expect("messages", Harness.received(sub, 1), List.of("after"));
        });
    }

    private static void lameDuck() throws Exception {
        Harness.Watch watch = new Harness.Watch();
        try {
            Harness.with(reconnecting(watch), nc -> {
                Harness.control("lame_duck");
                watch.await(Events.LAME_DUCK);
                // The grace period has only begun: the connection still works.
                nc.flush(Harness.WAIT);
            });
        } finally {
            Harness.control("start");
        }
    }
}
