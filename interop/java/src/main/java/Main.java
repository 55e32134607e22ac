import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Exercises a NATS server with jnats.
 *
 * <p>Runs the named checks of ../runner/checks.py in order and prints one line for each: {@code ok
 * java <check>} or {@code FAIL java <check>: why}. Addresses and secrets come from INTEROP_*
 * variables; see ../README.md.
 */
public final class Main {
    /** One named check; it fails by throwing. */
    interface Check {
        void run() throws Exception;
    }

    /** Bounds a whole check, whatever it hangs on. */
    private static final long CHECK_DEADLINE_SECONDS = 30;

    private Main() {}

    public static void main(String[] arguments) {
        Map<String, Check> checks = new LinkedHashMap<>();
        Core.addTo(checks);
        Lifecycle.addTo(checks);
        Auth.addTo(checks);
        Permissions.addTo(checks);
        Tls.addTo(checks);
        Streams.addTo(checks);
        Consumers.addTo(checks);
        Stores.addTo(checks);
        boolean failed = false;
        for (Map.Entry<String, Check> check : checks.entrySet()) {
            String why = outcome(check.getValue());
            failed |= why != null;
            System.out.println(why == null
                    ? "ok java " + check.getKey()
                    : "FAIL java " + check.getKey() + ": " + why.replace('\n', ' '));
            System.out.flush();
        }
        // A check that failed may have left a connection whose threads would keep the process alive.
        System.exit(failed ? 1 : 0);
    }

    /** Null if the check passed, else the reason. A check has a thread of its own, so it may hang. */
    private static String outcome(Check check) {
        ExecutorService thread = Executors.newSingleThreadExecutor();
        try {
            Future<?> running = thread.submit(() -> {
                check.run();
                return null;
            });
            running.get(CHECK_DEADLINE_SECONDS, TimeUnit.SECONDS);
            return null;
        } catch (ExecutionException error) {
            return String.valueOf(error.getCause());
        } catch (TimeoutException error) {
            return "not finished within " + CHECK_DEADLINE_SECONDS + " s";
        } catch (InterruptedException error) {
            return "interrupted";
        } finally {
            thread.shutdownNow();
        }
    }
}
