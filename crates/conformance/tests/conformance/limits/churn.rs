//! Many connections that come and go, and input without sense, leave nothing behind.

use cognate_conformance::{Server, wait};

use crate::support::subscribed;

#[test]
fn connections_that_come_and_go_leave_nothing_behind() {
    let server = Server::monitored();
    let before = server.json("/varz")["subscriptions"].clone();
    let mut witness = subscribed(&server, "SUB kept 1\r\n");
    for round in 0..10 {
        let clients: Vec<_> = (0..40)
            .map(|number| {
                subscribed(
                    &server,
                    &format!("SUB a.{round}.{number} 1\r\nSUB a.> q 2\r\n"),
                )
            })
            .collect();
        // Half say goodbye in the middle of an operation.
        for mut client in clients.into_iter().step_by(2) {
            let _ = client.try_send("PUB a.x 100\r\nunfinished");
        }
    }
    wait::until("all but one connection to be gone", || {
        (server.json("/connz")["num_connections"] == 1).then_some(())
    });
    witness
        .send("PUB kept 0\r\n\r\nPUB a.1.1 0\r\n\r\n")
        .expect("MSG kept 1 0\r\n\r\n")
        .sync();
    drop(witness);
    wait::until("the subscriptions to be gone", || {
        (server.json("/varz")["subscriptions"] == before).then_some(())
    });
    assert_eq!(server.json("/varz")["total_connections"], 401);
}

#[test]
fn input_without_sense_harms_nobody() {
    let server = Server::monitored();
    let mut healthy = subscribed(&server, "SUB alive 1\r\n");
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let words: [&[u8]; 14] = [
        b"PUB ",
        b"SUB ",
        b"HPUB ",
        b"UNSUB ",
        b"CONNECT ",
        b"PING",
        b"a.b",
        b" 1",
        b" 99999999",
        b"\r\n",
        b"\n",
        b"{\"verbose\":",
        b"-5",
        b"\xff\0",
    ];
    for _ in 0..200 {
        let mut client = server.connect();
        for _ in 0..random() % 40 {
            let word = if random().is_multiple_of(5) {
                random().to_le_bytes().to_vec()
            } else {
                words[(random() % words.len() as u64) as usize].to_vec()
            };
            if client.try_send(word).is_err() {
                break;
            }
        }
    }
    healthy
        .send("PUB alive 0\r\n\r\n")
        .expect("MSG alive 1 0\r\n\r\n")
        .sync();
    wait::until("the others to be gone", || {
        (server.json("/connz")["num_connections"] == 1).then_some(())
    });
}
