//! What the families of tests share: tables of transcripts, and later TLS and nkeys.

use cognate_conformance::{Client, Server};

pub(crate) mod nkey;
pub(crate) mod tls;

/// The CONNECT of a client that wants neither +OK nor pedantic checks.
pub(crate) const QUIET: &str = "CONNECT {\"verbose\":false,\"pedantic\":false}\r\n";

/// The CONNECT of a client that takes headers and wants to hear of missing responders.
pub(crate) const HEADERS: &str =
    "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true}\r\n";

/// What becomes of the connection at the end of a transcript.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It still answers PING.
    Open,
    /// The server has closed it.
    Closed,
}
pub(crate) use End::{Closed, Open};

/// One connection's story: a name, what it sends, the exact answer after INFO, and the end.
pub(crate) type Case<'a> = (&'a str, &'a [u8], &'a str, End);

/// Plays every case on its own connection, with `first` sent before its script (and answered by
/// nothing), and fails with all differences at once.
#[track_caller]
pub(crate) fn check(server: &Server, first: &str, cases: &[Case<'_>]) {
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|&(name, script, answer, end)| {
            play(server, first, script, answer, end)
                .err()
                .map(|why| format!("{name}: {why}"))
        })
        .collect();
    assert!(
        failures.is_empty(),
        "{} cases differ:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

fn play(server: &Server, first: &str, script: &[u8], answer: &str, end: End) -> Result<(), String> {
    let mut client = server.connect();
    let mut bytes = first.as_bytes().to_vec();
    bytes.extend_from_slice(script);
    match end {
        Open => {
            bytes.extend_from_slice(b"PING\r\n");
            client.try_send(bytes).map_err(|error| error.to_string())?;
            client.exactly(format!("{answer}PONG\r\n"))
        }
        Closed => {
            // The server may close before it has read everything.
            let _ = client.try_send(bytes);
            let seen = client.rest();
            if seen == answer {
                Ok(())
            } else {
                Err(format!("expected {answer:?} and the end, got {seen:?}"))
            }
        }
    }
}

/// The subscriptions' effect is known to the server once PING is answered.
pub(crate) fn subscribed(server: &Server, lines: &str) -> Client {
    let mut client = server.quiet();
    client.send(lines).sync();
    client
}
