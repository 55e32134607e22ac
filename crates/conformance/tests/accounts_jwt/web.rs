//! A web server that has the tokens of accounts, as a URL resolver wants it: `GET <url><account>`.
//!
//! It answers one request per connection, each on a thread of its own, and lives as long as the
//! test's process. Instead of a token it may have [`SILENCE`] or [`MOVED`].

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

const PATH: &str = "/jwt/v1/accounts/";

/// Nothing is said until the client goes away.
#[allow(
    dead_code,
    reason = "not every test that has a web server tries everything"
)]
pub(crate) const SILENCE: &str = "(silence)";

/// The token stands behind a redirect, under the account's key and `.moved`.
#[allow(dead_code, reason = "as above")]
pub(crate) const MOVED: &str = "(moved)";

/// Serves `tokens` by their keys, and returns the URL to fetch below.
pub(crate) fn serve(tokens: BTreeMap<String, String>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    accept(listener, tokens, |stream| Some(Box::new(stream)));
    format!("http://{address}{PATH}")
}

/// The same over TLS; also returns the certificate of the authority, in PEM.
#[allow(dead_code, reason = "as above")]
pub(crate) fn serve_tls(tokens: BTreeMap<String, String>) -> (String, String) {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
    let pem = made.cert.pem();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a usable certificate");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    accept(listener, tokens, move |stream| {
        let connection = ServerConnection::new(Arc::clone(&config)).ok()?;
        Some(Box::new(StreamOwned::new(connection, stream)))
    });
    (format!("https://{address}{PATH}"), pem)
}

/// Both directions of a connection.
trait Duplex: Read + Write + Send {}

impl<T: Read + Write + Send> Duplex for T {}

type Stream = Box<dyn Duplex>;

fn accept(
    listener: TcpListener,
    tokens: BTreeMap<String, String>,
    wrap: impl Fn(std::net::TcpStream) -> Option<Stream> + Send + 'static,
) {
    let tokens = Arc::new(tokens);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten().filter_map(wrap) {
            let tokens = Arc::clone(&tokens);
            // A client that goes away gets no answer.
            std::thread::spawn(move || drop(answer(stream, &tokens)));
        }
    });
}

fn answer(stream: Stream, tokens: &BTreeMap<String, String>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let path = request.split(' ').nth(1).unwrap_or_default();
    let (status, more, body) = match path.strip_prefix(PATH) {
        Some("") => ("200 OK", String::new(), ""),
        Some(account) => match tokens.get(account).map(String::as_str) {
            Some(SILENCE) => {
                let _ = reader.read(&mut [0]);
                return Ok(());
            }
            Some(MOVED) => (
                "302 Found",
                format!("Location: {PATH}{account}.moved\r\n"),
                "",
            ),
            Some(token) => ("200 OK", String::new(), token),
            None => ("404 Not Found", String::new(), ""),
        },
        None => ("404 Not Found", String::new(), ""),
    };
    let mut stream = reader.into_inner();
    write!(
        stream,
        "HTTP/1.1 {status}\r\n{more}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    stream.flush()
}
