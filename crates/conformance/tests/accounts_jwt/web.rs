//! A web server that has the tokens of accounts, as a URL resolver wants it: `GET <url><account>`.
//!
//! It answers one request per connection, and lives as long as the test's process.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

const PATH: &str = "/jwt/v1/accounts/";

/// Serves `tokens` by their keys, and returns the URL to fetch below.
pub(crate) fn serve(tokens: BTreeMap<String, String>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that goes away gets no answer.
            let _ = answer(stream, &tokens);
        }
    });
    format!("http://{address}{PATH}")
}

fn answer(mut stream: TcpStream, tokens: &BTreeMap<String, String>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let path = request.split(' ').nth(1).unwrap_or_default();
    let (status, body) = match path.strip_prefix(PATH) {
        Some("") => ("200 OK", ""),
        Some(account) => match tokens.get(account) {
            Some(token) => ("200 OK", token.as_str()),
            None => ("404 Not Found", ""),
        },
        None => ("404 Not Found", ""),
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}
