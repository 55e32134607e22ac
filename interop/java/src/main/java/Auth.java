import io.nats.client.AuthHandler;
import io.nats.client.AuthenticationException;
import io.nats.client.Connection;
import io.nats.client.NKey;
import io.nats.client.Nats;
import io.nats.client.Options;
import io.nats.client.Subscription;
import java.io.IOException;
import java.security.GeneralSecurityException;
import java.util.List;
import java.util.Map;

/** Credentials, good and bad. */
final class Auth {
    private Auth() {}

    static void addTo(Map<String, Main.Check> checks) {
        checks.put("auth_token", () -> accepted(token(Harness.env("TOKEN"))));
        checks.put("auth_token_wrong", () -> refused(token("wrong")));
        checks.put("auth_missing", () -> refused(Harness.options("TOKEN_URL")));
        checks.put("auth_user_password", () -> accepted(user("alice")));
        checks.put("auth_password_wrong",
                () -> refused(Harness.options("USERS_URL").userInfo("alice", "wrong")));
        checks.put("auth_bcrypt", () -> accepted(
                Harness.options("USERS_URL").userInfo("hashed", Harness.env("BCRYPT_PASSWORD"))));
        checks.put("auth_no_auth_user", Auth::noAuthUser);
        checks.put("auth_nkey", () -> accepted(nkey("NKEY_SEED")));
        checks.put("auth_nkey_wrong", () -> refused(nkey("WRONG_NKEY_SEED")));
    }

    /** Options of a user of the users server. */
    static Options.Builder user(String name) {
        return Harness.options("USERS_URL").userInfo(name, Harness.env("PASSWORD"));
    }

    private static Options.Builder token(String token) {
        return Harness.options("TOKEN_URL").token(token.toCharArray());
    }

    private static Options.Builder nkey(String seed) {
        NKey key = NKey.fromSeed(Harness.env(seed).toCharArray());
        return Harness.options("NKEY_URL").authHandler(new AuthHandler() {
            @Override
            public byte[] sign(byte[] nonce) {
                try {
                    return key.sign(nonce);
                } catch (GeneralSecurityException | IOException error) {
                    throw new IllegalStateException(error);
                }
            }

            @Override
            public char[] getID() {
                try {
                    return key.getPublicKey();
                } catch (GeneralSecurityException | IOException error) {
                    throw new IllegalStateException(error);
                }
            }

            @Override
            public char[] getJWT() {
                return null;
            }
        });
    }

    /** These options let a client in, and the server serves it. */
    static void accepted(Options.Builder options) throws Exception {
        Harness.with(options, nc -> usable(nc, "guest.java.usable"));
    }

    /** These options end in the client's authentication error. */
    static void refused(Options.Builder options) throws Exception {
        try (Connection nc = Nats.connect(options.connectionTimeout(Harness.REFUSAL).build())) {
            throw new IllegalStateException("the server let us in: " + nc.getStatus());
        } catch (AuthenticationException error) {
            String text = String.valueOf(error.getMessage()).toLowerCase();
            Harness.expect("an authorization violation in: " + text,
                    text.contains("authorization violation"), true);
        }
    }

    /** Sends one message to ourselves. */
    static void usable(Connection nc, String subject) throws Exception {
        Subscription sub = nc.subscribe(subject);
        nc.publish(subject, Harness.bytes("hello"));
        Harness.expect("messages", Harness.received(sub, 1), List.of("hello"));
    }

    private static void noAuthUser() throws Exception {
        Harness.Watch watch = new Harness.Watch();
        Harness.with(Harness.options("USERS_URL").errorListener(watch), nc -> {
            usable(nc, "guest.java");
            // Being the guest shows in what the guest may not do.
            nc.publish("ok.java", new byte[0]);
            Permissions.violation(watch, "publish to \"ok.java\"");
        });
    }
}
