//! The least that a server can do: takes what one client publishes and sends it to one subscriber.
//!
//! It reads, copies frames behind a new first line, and writes; there is no account, no permission,
//! no matching, no limit and no protection. What it costs is the kernel's price for the rows with
//! one publisher and one subscriber, and how its latencies scatter is the machine's doing:
//!
//! ```console
//! $ cognate-bench --ours target/release/floor --scenario 1to1 --scenario open-loop
//! ```
//!
//! Only good for that: it trusts its clients in everything.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

const INFO: &[u8] =
    b"INFO {\"server_id\":\"FLOOR\",\"version\":\"0.0.0\",\"proto\":1,\"headers\":true,\
                      \"max_payload\":1048576}\r\n";
const READ_BYTES: usize = 512 * 1024;

/// The one subscription: its sid, and where its messages go.
type Subscriber = Arc<Mutex<Option<(Vec<u8>, TcpStream)>>>;

fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    if args.iter().any(|arg| arg.ends_with("version")) {
        println!("nats-server: v0.0.0 (floor)");
        return Ok(());
    }
    let port = args.iter().skip_while(|arg| *arg != "-p").nth(1);
    let port = port.and_then(|port| port.parse().ok()).unwrap_or(4222);
    let subscriber = Subscriber::default();
    for client in TcpListener::bind((Ipv4Addr::LOCALHOST, port))?.incoming() {
        let (client, subscriber) = (client?, Arc::clone(&subscriber));
        std::thread::spawn(move || serve(client, &subscriber));
    }
    Ok(())
}

fn serve(mut client: TcpStream, subscriber: &Subscriber) -> io::Result<()> {
    client.set_nodelay(true)?;
    client.write_all(INFO)?;
    let mut input = vec![0; 2 * READ_BYTES];
    let (mut messages, mut answers) = (Vec::new(), Vec::new());
    let mut kept = 0;
    loop {
        let read = client.read(&mut input[kept..])?;
        if read == 0 {
            return Ok(());
        }
        let end = kept + read;
        let mut at = 0;
        let mut subscribed = subscriber.lock().expect("nothing panics with it");
        while let Some(len) = frame(&input[at..end]) {
            let frame = &input[at..at + len];
            match frame[..2] {
                [b'P', b'U'] => {
                    if let Some((sid, _)) = &*subscribed {
                        relay(frame, sid, &mut messages);
                    }
                }
                [b'P', b'I'] => answers.extend_from_slice(b"PONG\r\n"),
                [b'S', b'U'] => {
                    let sid = frame.trim_ascii().rsplit(|byte| *byte == b' ').next();
                    let sid = sid.unwrap_or_default().to_vec();
                    *subscribed = Some((sid, client.try_clone()?));
                }
                _ => {}
            }
            at += len;
        }
        if !messages.is_empty()
            && let Some((_, to)) = &mut *subscribed
        {
            to.write_all(&messages)?;
        }
        drop(subscribed);
        client.write_all(&answers)?;
        messages.clear();
        answers.clear();
        input.copy_within(at..end, 0);
        kept = end - at;
    }
}

/// Length of the first frame, if it is there as a whole.
fn frame(input: &[u8]) -> Option<usize> {
    let line = input.iter().position(|byte| *byte == b'\n')? + 1;
    let len = match input.starts_with(b"PUB ") {
        true => line + size(&input[..line - 2]) + 2,
        false => line,
    };
    (len <= input.len()).then_some(len)
}

/// The number at the end of a line.
fn size(line: &[u8]) -> usize {
    let digits = line.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    digits
        .iter()
        .fold(0, |size, digit| size * 10 + usize::from(digit - b'0'))
}

/// `PUB subject size…` becomes `MSG subject sid size…`.
fn relay(frame: &[u8], sid: &[u8], out: &mut Vec<u8>) {
    let space = frame[4..].iter().position(|byte| *byte == b' ');
    let subject = space.map_or(4, |space| space + 5);
    out.extend_from_slice(b"MSG ");
    out.extend_from_slice(&frame[4..subject]);
    out.extend_from_slice(sid);
    out.push(b' ');
    out.extend_from_slice(&frame[subject..]);
}
