//! Responders over HTTPS, whose certificates the authorities of the system vouch for.

use std::io::{BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use rustls::pki_types::pem::PemObject as _;
use rustls::{ServerConfig, ServerConnection};

use super::*;

/// Leads from HTTPS to a responder, with the server's own certificate; returns the port.
fn https_front(setup: &Setup) -> u16 {
    let dir = setup.builder.dir();
    let pem = |name: &str| dir.join(name);
    let certificate = CertificateDer::from_pem_file(pem("server.pem")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(pem("server-key.pem")).expect("a key");
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a usable certificate");
    let (config, port) = (Arc::new(config), setup.port);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let front = listener.local_addr().expect("a bound socket").port();
    std::thread::spawn(move || {
        for tcp in listener.incoming().flatten() {
            let session = ServerConnection::new(Arc::clone(&config)).expect("a session");
            // A client that goes away gets no answer.
            let _ = lead_on(StreamOwned::new(session, tcp), port);
        }
    });
    front
}

/// One request over HTTPS, answered by whoever listens on `port`.
fn lead_on(stream: StreamOwned<ServerConnection, TcpStream>, port: u16) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut request, mut length) = (Vec::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        request.extend_from_slice(line.as_bytes());
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    request.extend(body);
    let mut responder = TcpStream::connect(("127.0.0.1", port))?;
    responder.write_all(&request)?;
    let mut answer = Vec::new();
    responder.read_to_end(&mut answer)?;
    let mut stream = reader.into_inner();
    stream.write_all(&answer)?;
    stream.conn.send_close_notify();
    stream.flush()
}

#[test]
fn a_responder_over_https_is_verified_with_the_authorities_of_the_system() {
    for is_known in [true, false] {
        let mut setup = Setup::new(false);
        let _responder = setup.responder(Known::Good);
        let front = https_front(&setup);
        let authorities = if is_known { "ca.pem" } else { "other.pem" };
        let made = rcgen::generate_simple_self_signed(vec!["other".to_owned()]);
        let other = made.expect("a certificate").cert.pem();
        std::fs::write(setup.builder.dir().join("other.pem"), other).expect("a writable directory");
        let authorities = setup.builder.dir().join(authorities);
        let nowhere = setup.builder.dir().join("nowhere");
        let environment = [
            ("SSL_CERT_FILE", authorities.display().to_string()),
            ("SSL_CERT_DIR", nowhere.display().to_string()),
        ];
        let ocsp = format!("ocsp {{ mode: always, url: \"https://127.0.0.1:{front}\" }}");
        if is_known {
            for (key, value) in &environment {
                setup.builder = setup.builder.env(key, value);
            }
            let (server, roots) = setup.start(&ocsp);
            let answer = stapled(&server, &roots);
            let text = read_by_openssl(&server, &answer);
            assert!(text.contains("Cert Status: good"), "{text}");
        } else {
            let said = setup.refused_with(&ocsp, &environment);
            assert!(said.contains("exhausted ocsp servers"), "{said}");
        }
    }
}
