//! OCSP answers about the server's own certificate, stapled to its handshakes; about clients'
//! certificates, in `ocsp/peers.rs`. The responder is `openssl ocsp`, over loopback.

#[path = "ocsp/https.rs"]
mod https;
#[path = "ocsp/peers.rs"]
mod peers;

use std::io::{BufRead as _, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use cognate_conformance::{Client, Server, ServerBuilder, cli, wait};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType, SerialNumber,
};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    StreamOwned,
};

/// The serial number of the server's certificate.
const SERIAL: &str = "1234";

/// What openssl's list of certificates says about one.
#[derive(Clone, Copy)]
enum Known {
    Good,
    Revoked,
    No,
}

/// A certificate of a new authority, on disk, with a port for a responder.
struct Setup {
    builder: ServerBuilder,
    roots: RootCertStore,
    port: u16,
    ca: CertifiedIssuer<'static, KeyPair>,
}

/// A client's certificate and key.
type Identity = (CertificateDer<'static>, PrivateKeyDer<'static>);

/// A responder that ends with the test.
struct Responder(Child);

impl Drop for Responder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Setup {
    /// `demands`: the certificate demands an answer in the handshake.
    fn new(demands: bool) -> Self {
        let builder = Server::builder().monitored();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        params.distinguished_name.push(DnType::CommonName, "ca");
        let key = KeyPair::generate().expect("a key");
        let ca = CertifiedIssuer::self_signed(params, key).expect("a self-signed certificate");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "server");
        params.subject_alt_names = vec![SanType::IpAddress(std::net::IpAddr::from([127, 0, 0, 1]))];
        params.serial_number = Some(SerialNumber::from(0x1234_u64));
        if demands {
            let feature = CustomExtension::from_oid_content(
                &[1, 3, 6, 1, 5, 5, 7, 1, 24],
                vec![0x30, 3, 2, 1, 5],
            );
            params.custom_extensions.push(feature);
        }
        let own = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&own, &ca).expect("a signed certificate");
        for (file, text) in [
            ("ca.pem", ca.as_ref().pem()),
            ("ca-key.pem", ca.key().serialize_pem()),
            ("server.pem", certificate.pem()),
            ("server-key.pem", own.serialize_pem()),
        ] {
            std::fs::write(builder.dir().join(file), text).expect("a writable directory");
        }
        let mut roots = RootCertStore::empty();
        roots.add(ca.as_ref().der().clone()).expect("an authority");
        // Free a moment ago: nobody else on this machine asks for it in between.
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = free.local_addr().expect("an address").port();
        Setup {
            builder,
            roots,
            port,
            ca,
        }
    }

    /// A client's certificate; with `named` it names the responder.
    fn client(&self, name: &str, named: bool) -> Identity {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.serial_number = Some(SerialNumber::from(0x1234_u64));
        if named {
            let url = format!("http://127.0.0.1:{}", self.port);
            let mut access = vec![0x06, 8, 0x2b, 6, 1, 5, 5, 7, 0x30, 1, 0x86, url.len() as u8];
            access.extend_from_slice(url.as_bytes());
            let mut content = vec![0x30, access.len() as u8 + 2, 0x30, access.len() as u8];
            content.extend(access);
            let oid = &[1, 3, 6, 1, 5, 5, 7, 1, 1];
            let access = CustomExtension::from_oid_content(oid, content);
            params.custom_extensions.push(access);
        }
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.ca).expect("a certificate");
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        (certificate.der().clone(), key)
    }

    /// Options with which clients' certificates are checked, and a system account to listen in.
    fn peers(&self, ocsp_peer: &str, more: &str) -> String {
        let dir = self.builder.dir().display();
        format!(
            "tls {{ cert_file: \"{dir}/server.pem\", key_file: \"{dir}/server-key.pem\"\n\
             ca_file: \"{dir}/ca.pem\", verify: true, ocsp_peer: {ocsp_peer} }}\n\
             ocsp_cache {{ type: local, local_store: \"{dir}/rc\", save_interval: \"1s\" }}\n\
             accounts {{ SYS {{ users: [{{ user: s, password: p }}] }}, A {{ users: [{{ user: a, password: p }}] }} }}\n\
             system_account: SYS\n{more}\n"
        )
    }

    fn responder(&self, known: Known) -> Responder {
        responder(self.builder.dir(), self.port, known)
    }

    fn config(&self, ocsp: &str) -> String {
        let (dir, port) = (self.builder.dir().display(), self.port);
        let ocsp = ocsp.replace("URL", &format!("\"http://127.0.0.1:{port}\""));
        format!(
            "tls {{ cert_file: \"{dir}/server.pem\", key_file: \"{dir}/server-key.pem\"\n\
             ca_file: \"{dir}/ca.pem\" }}\nstore_dir: \"{dir}/store\"\n{ocsp}\n"
        )
    }

    fn start(self, ocsp: &str) -> (Server, RootCertStore) {
        let config = self.config(ocsp);
        (self.builder.config(&config).start(), self.roots)
    }

    /// What the server says when it does not start.
    fn refused(self, ocsp: &str) -> String {
        self.refused_with(ocsp, &[])
    }

    /// The same with further environment variables.
    fn refused_with(self, ocsp: &str, environment: &[(&str, String)]) -> String {
        let path = self.builder.dir().join("refused.conf");
        std::fs::write(&path, self.config(ocsp)).expect("a writable directory");
        let mut command = Command::new(cli::binary());
        command
            .args(["-a", "127.0.0.1", "-p", "-1", "-c"])
            .arg(path)
            .envs(environment.iter().map(|(key, value)| (key, value)));
        let done = cli::finish(command);
        assert_ne!(done.code, Some(0), "{}", done.stderr);
        done.stderr
    }
}

fn responder(dir: &Path, port: u16, known: Known) -> Responder {
    let list = match known {
        Known::Good => format!("V\t491231235959Z\t\t{SERIAL}\tunknown\t/CN=server\n"),
        Known::Revoked => {
            format!("R\t491231235959Z\t250101000000Z\t{SERIAL}\tunknown\t/CN=server\n")
        }
        Known::No => "V\t491231235959Z\t\t77\tunknown\t/CN=other\n".to_owned(),
    };
    let index = dir.join(format!("index-{port}.txt"));
    std::fs::write(&index, list).expect("a writable directory");
    let child = Command::new("openssl")
        .args(["ocsp", "-port", &port.to_string(), "-nmin", "60", "-index"])
        .arg(index)
        .arg("-CA")
        .arg(dir.join("ca.pem"))
        .arg("-rsigner")
        .arg(dir.join("ca.pem"))
        .arg("-rkey")
        .arg(dir.join("ca-key.pem"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl runs");
    let mut responder = Responder(child);
    // It says when it listens; a connection that asks nothing would keep it busy.
    let said = responder.0.stdout.take().expect("piped above");
    let mut line = String::new();
    std::io::BufReader::new(said)
        .read_line(&mut line)
        .expect("text");
    assert!(line.starts_with("ACCEPT"), "{line}");
    responder
}

/// Verifies as ever, and keeps the answer that was stapled.
#[derive(Debug)]
struct Keeping {
    inner: Arc<WebPkiServerVerifier>,
    answer: Mutex<Vec<u8>>,
}

impl ServerCertVerifier for Keeping {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        answer: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        *self.answer.lock().expect("no panics") = answer.to_vec();
        self.inner
            .verify_server_cert(leaf, chain, name, answer, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, leaf, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Shakes hands; returns what was stapled.
fn stapled(server: &Server, roots: &RootCertStore) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let inner =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots.clone()), Arc::clone(&provider));
    let keeping = Arc::new(Keeping {
        inner: inner.build().expect("a verifier"),
        answer: Mutex::default(),
    });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions of the provider")
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&keeping) as _)
        .with_no_client_auth();
    let tcp = Client::connect(server.addr()).into_tcp();
    let name = ServerName::from(std::net::IpAddr::from([127, 0, 0, 1]));
    let session = ClientConnection::new(Arc::new(config), name).expect("a configuration");
    let mut stream = StreamOwned::new(session, tcp);
    stream
        .write_all(b"CONNECT {\"verbose\":false}\r\nPING\r\n")
        .expect("a handshake");
    let mut pong = [0; 4];
    stream.read_exact(&mut pong).expect("an answer");
    assert_eq!(&pong, b"PONG");
    keeping.answer.lock().expect("no panics").clone()
}

/// What openssl reads in an answer.
fn read_by_openssl(server: &Server, answer: &[u8]) -> String {
    let path = server.dir().join("answer.der");
    std::fs::write(&path, answer).expect("a writable directory");
    let mut command = Command::new("openssl");
    command.args(["ocsp", "-resp_text", "-noverify", "-respin"]);
    command.arg(path);
    cli::finish(command).stdout
}

#[test]
fn a_certificate_that_demands_it_comes_with_an_answer() {
    let setup = Setup::new(true);
    let _responder = setup.responder(Known::Good);
    let (server, roots) = setup.start("ocsp { url: URL }");
    let answer = stapled(&server, &roots);
    let text = read_by_openssl(&server, &answer);
    assert!(text.contains("Cert Status: good"), "{text}");
    server.wait_log("OCSP Stapling enabled for Client connections");
    // It is kept, under the digest of the certificate.
    let kept = std::fs::read_dir(server.dir().join("store/ocsp")).expect("a directory");
    let kept: Vec<_> = kept.flatten().map(|entry| entry.path()).collect();
    assert_eq!(kept.len(), 1);
    assert_eq!(std::fs::read(&kept[0]).expect("a file"), answer);
}

#[test]
fn other_certificates_come_without_unless_always() {
    for (demands, mode, expected) in [
        (false, "", false),
        (false, "ocsp: true", false),
        (false, "ocsp { mode: must, url: URL }", false),
        (false, "ocsp { mode: always, url: URL }", true),
        (true, "ocsp { mode: must, url: URL }", true),
        (true, "ocsp: false", false),
        (true, "ocsp { mode: never, url: URL }", false),
    ] {
        let setup = Setup::new(demands);
        let _responder = setup.responder(Known::Good);
        let (server, roots) = setup.start(mode);
        let answer = stapled(&server, &roots);
        assert_eq!(!answer.is_empty(), expected, "{demands} {mode}");
    }
}

#[test]
fn a_revoked_certificate_is_not_served_where_that_matters() {
    for (mode, known, status) in [
        ("always", Known::Revoked, "revoked"),
        ("must", Known::Revoked, "revoked"),
        ("always", Known::No, "unknown"),
    ] {
        let setup = Setup::new(true);
        let _responder = setup.responder(known);
        let said = setup.refused(&format!("ocsp {{ mode: {mode}, url: URL }}"));
        let expected = "found existing OCSP status for certificate at";
        assert!(said.contains(expected) && said.contains(status), "{said}");
    }
    let setup = Setup::new(true);
    let _responder = setup.responder(Known::Revoked);
    let (server, roots) = setup.start("ocsp { mode: auto, url: URL }");
    let answer = stapled(&server, &roots);
    let text = read_by_openssl(&server, &answer);
    assert!(text.contains("Cert Status: revoked"), "{text}");
}

#[test]
fn without_a_responder_only_a_kept_answer_helps() {
    let setup = Setup::new(true);
    let dir = setup.builder.dir().to_owned();
    let config = setup.config("ocsp { mode: always, url: URL }");
    std::fs::write(dir.join("first.conf"), &config).expect("a writable directory");
    let mut command = Command::new(cli::binary());
    command.args(["-a", "127.0.0.1", "-p", "-1", "-c"]);
    command.arg(dir.join("first.conf"));
    let said = cli::finish(command).stderr;
    assert!(
        said.contains("bad OCSP status update for certificate at"),
        "{said}"
    );
    // One start with it is enough for all later ones, while the answer holds.
    let responder = setup.responder(Known::Good);
    let mut server = setup.builder.config(&config).start();
    let first = stapled(&server, &setup.roots);
    drop(responder);
    server.signal("TERM");
    server.wait_exit();
    let mut again = Server::builder().monitored().config(&config).start();
    assert_eq!(stapled(&again, &setup.roots), first);
    again.kill();
}

#[test]
fn a_reload_asks_for_a_new_certificate() {
    let setup = Setup::new(false);
    let _responder = setup.responder(Known::Good);
    let always = setup.config("ocsp { mode: always, url: URL }");
    let (server, roots) = setup.start("");
    assert!(stapled(&server, &roots).is_empty());
    server.reload(&always);
    wait::until("a stapled answer", || {
        Some(stapled(&server, &roots)).filter(|answer| !answer.is_empty())
    });
}
