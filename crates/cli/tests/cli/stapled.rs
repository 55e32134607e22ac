//! What a server shows of its certificate's standing, as `account tls --ocsp` tells it.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::support::World;

/// The serial number of the server's certificate, as openssl's list of certificates has it.
const SERIAL: &str = "1234";

/// A server that does no more than greet, over TLS, with a staple.
struct Stapled {
    url: String,
    ca: String,
    _dir: tempfile::TempDir,
}

/// What openssl, as the authority, says of the certificate; `line` is that certificate in its list.
fn answered(dir: &Path, line: &str) -> Vec<u8> {
    std::fs::write(dir.join("index.txt"), line).expect("a writable directory");
    let openssl = |args: &[&str]| {
        let mut command = Command::new("openssl");
        let done = command.arg("ocsp").args(args).current_dir(dir).output();
        let done = done.expect("openssl runs");
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "{told}");
    };
    let about = ["-issuer", "ca.pem", "-cert", "server.pem", "-no_nonce"];
    openssl(&[&about[..], &["-reqout", "question"]].concat());
    let by = ["-CA", "ca.pem", "-rsigner", "ca.pem", "-rkey", "ca.key"];
    let of = [
        "-index",
        "index.txt",
        "-reqin",
        "question",
        "-respout",
        "answer",
        "-nmin",
        "60",
    ];
    openssl(&[&by[..], &of].concat());
    std::fs::read(dir.join("answer")).expect("openssl wrote it")
}

impl Stapled {
    fn start(staple: impl Fn(&Path) -> Vec<u8>) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let write = |name: &str, text: String| {
            std::fs::write(dir.path().join(name), text).expect("a writable directory");
        };
        let mut authority = CertificateParams::new(Vec::new()).expect("no names are fine");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key can be made");
        write("ca.key", key.serialize_pem());
        let issuer = CertifiedIssuer::self_signed(authority, key).expect("it can sign itself");
        write("ca.pem", issuer.pem());
        let key = KeyPair::generate().expect("a key can be made");
        let mut params =
            CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a valid name");
        params.serial_number = Some(vec![0x12, 0x34].into());
        let certificate = params.signed_by(&key, &issuer).expect("it can be signed");
        write("server.pem", certificate.pem());
        let chain = vec![CertificateDer::from(certificate.der().to_vec())];
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert_with_ocsp(chain, key, staple(dir.path()))
            .expect("a key that fits");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        // Ends with the test's process.
        std::thread::spawn(move || greet(&listener, Arc::new(config)));
        Stapled {
            url: format!("tls://{address}"),
            ca: dir.path().join("ca.pem").display().to_string(),
            _dir: dir,
        }
    }

    fn asked(&self, world: &World) -> crate::support::Ended {
        let at = ["--server", &self.url, "--tlsca", &self.ca, "--tlsfirst"];
        world.nats(&[&["account", "tls", "--ocsp", "--no-pem"][..], &at].concat())
    }
}

fn greet(listener: &TcpListener, config: Arc<ServerConfig>) {
    for tcp in listener.incoming() {
        // A client that goes away in the middle is its own affair: the next one is greeted.
        let Ok(tcp) = tcp else { continue };
        let session = ServerConnection::new(config.clone()).expect("a session");
        let mut stream = BufReader::new(StreamOwned::new(session, tcp));
        let info = b"INFO {\"server_id\":\"S\",\"version\":\"2.14.5\",\"max_payload\":1024}\r\n";
        if stream.get_mut().write_all(info).is_err() {
            continue;
        }
        let mut line = String::new();
        // CONNECT, and then PING; a client that ends is done.
        while stream.read_line(&mut line).is_ok_and(|len| len > 0) {
            if line.ends_with("PING\r\n") && stream.get_mut().write_all(b"PONG\r\n").is_err() {
                break;
            }
            line.clear();
        }
    }
}

#[test]
fn an_answer_of_the_issuer_is_told() {
    let world = World::new();
    let good = format!("V\t491231235959Z\t\t{SERIAL}\tunknown\t/CN=server\n");
    let out = Stapled::start(|dir| answered(dir, &good))
        .asked(&world)
        .ok()
        .stdout;
    assert!(out.contains("# OCSP: GOOD thisUpdate=("), "{out}");
    // The authority is no part of what the server sends, but of the chain.
    assert!(out.contains("# chain=1 cert=2 isCA=true"), "{out}");
    let revoked = format!("R\t491231235959Z\t250101000000Z\t{SERIAL}\tunknown\t/CN=server\n");
    let out = Stapled::start(|dir| answered(dir, &revoked))
        .asked(&world)
        .ok()
        .stdout;
    assert!(out.contains("# OCSP: REVOKED RevokedAt=("), "{out}");
    let unknown = "V\t491231235959Z\t\t77\tunknown\t/CN=other\n";
    let out = Stapled::start(|dir| answered(dir, unknown))
        .asked(&world)
        .ok()
        .stdout;
    assert!(out.contains("# OCSP: BAD status=unknown"), "{out}");
}

#[test]
fn an_answer_that_is_none_fails() {
    let world = World::new();
    let ended = Stapled::start(|_| b"good, believe me".to_vec()).asked(&world);
    assert!(
        ended.stdout.contains("# OCSP response invalid"),
        "{ended:?}"
    );
    ended.fails_with("the OCSP response is invalid");
}
