import io.nats.client.Connection;
import io.nats.client.Nats;
import io.nats.client.Options;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.CertPathBuilderException;
import java.security.cert.CertificateFactory;
import java.util.Map;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** TLS: server certificates, client certificates, users from certificates. */
final class Tls {
    private Tls() {}

    static void addTo(Map<String, Main.Check> checks) {
        checks.put("tls_server_cert", () -> Auth.accepted(options("TLS_URL", "ca", null)));
        checks.put("tls_untrusted_server", Tls::untrustedServer);
        checks.put("tls_mutual", () -> Auth.accepted(options("MTLS_URL", "ca", "client")));
        checks.put("tls_mutual_no_cert", Tls::mutualNoCert);
        checks.put("tls_mapped_user", () -> Auth.accepted(options("MAPPED_URL", "ca", "client")));
        checks.put("tls_unmapped_user", () -> Auth.refused(options("MAPPED_URL", "ca", "stranger")));
        checks.put("tls_first", () -> Auth.accepted(options("TLS_FIRST_URL", "ca", null).tlsFirst()));
    }

    private static void untrustedServer() throws Exception {
        Harness.Watch watch = new Harness.Watch();
        Options options = options("TLS_URL", "other", null).errorListener(watch).build();
        try (Connection nc = Nats.connect(options)) {
            throw new IllegalStateException("connected to a server we do not trust: " + nc.getStatus());
        } catch (IOException error) {
            // The client says only that it could not connect; its listener hears why.
            boolean untrusted = watch.exceptions.stream().anyMatch(Tls::isUntrusted);
            Harness.expect("untrusted among " + watch.exceptions, untrusted, true);
        }
    }

    private static boolean isUntrusted(Throwable error) {
        for (Throwable cause = error; cause != null; cause = cause.getCause()) {
            if (cause instanceof CertPathBuilderException) {
                return true;
            }
        }
        return false;
    }

    private static void mutualNoCert() throws Exception {
        Options.Builder options = options("MTLS_URL", "ca", null).connectionTimeout(Harness.REFUSAL);
        try (Connection nc = Nats.connect(options.build())) {
            throw new IllegalStateException("the server let us in without a certificate: " + nc.getStatus());
        } catch (IOException error) {
            Harness.expect("a refusal", String.valueOf(error.getMessage()).startsWith("Unable to connect"), true);
        }
    }

    /** Options that trust an authority and, if named, show a client certificate. */
    private static Options.Builder options(String url, String authority, String certificate)
            throws GeneralSecurityException, IOException {
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(authorities(authority));
        KeyManager[] keys = certificate == null ? null : keys(certificate);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys, trust.getTrustManagers(), null);
        return Harness.options(url).sslContext(context);
    }

    private static KeyStore authorities(String name) throws GeneralSecurityException, IOException {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        try (InputStream pem = Files.newInputStream(path(name + ".pem"))) {
            store.setCertificateEntry(name, CertificateFactory.getInstance("X.509").generateCertificate(pem));
        }
        return store;
    }

    private static KeyManager[] keys(String name) throws GeneralSecurityException, IOException {
        char[] password = Harness.env("P12_PASSWORD").toCharArray();
        KeyStore store = KeyStore.getInstance("PKCS12");
        try (InputStream bundle = Files.newInputStream(path(name + ".p12"))) {
            store.load(bundle, password);
        }
        KeyManagerFactory factory = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        factory.init(store, password);
        return factory.getKeyManagers();
    }

    private static Path path(String file) {
        return Path.of(Harness.env("CERTS"), file);
    }
}
