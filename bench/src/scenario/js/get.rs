//! Direct get: values of a key-value bucket read by key, 64 requests outstanding.
//!
//! Each key was put once, so value and sequence of every answer are known. Answers may come in any
//! order; each request must have exactly one.

use std::time::Instant;

use super::publish::{self, Subjects, key};
use super::{STREAM, peak_mib};
use crate::failure::{Context, Failure, Result};
use crate::procfs::own_cpu_seconds;
use crate::scenario::{Settings, per_million};
use crate::server::Server;
use crate::session::{Message, Session, eight_digits, number, unexpected};

const KEYS: u64 = 100_000;
const GETS: u64 = 500_000;
const OUTSTANDING: u64 = 64;
const PAYLOAD: usize = 128;

/// CPU per million, thousands per second, generator CPU, peak memory.
pub(super) fn run(server: &Server, settings: &Settings) -> Result<Vec<f64>> {
    let keys = settings.count(KEYS);
    publish::fill(&publish::Plan::to(keys, Subjects::Keys(keys)), server)?;
    let mut reader = Reader::connect(server, keys)?;
    let gets = settings.count(GETS);
    reader.drive(gets / 10)?;
    let (cpu, own, start) = (server.cpu()?, own_cpu_seconds(), Instant::now());
    reader.drive(gets)?;
    let wall = start.elapsed().as_secs_f64();
    let (cpu, own) = (server.cpu()?.since(&cpu), own_cpu_seconds() - own);
    reader.session.confirm()?;
    Ok(vec![
        per_million(cpu, gets),
        gets as f64 / wall / 1e3,
        per_million(own, gets),
        peak_mib(server)?,
    ])
}

struct Reader {
    session: Session,
    keys: u64,
    /// `PUB $JS.API.DIRECT.GET.<stream>.$KV.bench.<key> <inbox><number> 0`, of which digits change.
    frame: Vec<u8>,
    output: Vec<u8>,
    /// Whether each request so far has been answered.
    answered: Vec<bool>,
}

impl Reader {
    fn connect(server: &Server, keys: u64) -> Result<Self> {
        let session = Session::open(server.target(), 9000)?;
        let inbox = &session.inbox;
        let frame =
            format!("PUB $JS.API.DIRECT.GET.{STREAM}.$KV.bench.00000000 {inbox}00000000 0\r\n\r\n");
        Ok(Self {
            keys,
            frame: frame.into_bytes(),
            session,
            output: Vec::new(),
            answered: Vec::new(),
        })
    }

    fn drive(&mut self, gets: u64) -> Result<()> {
        self.answered = vec![false; gets as usize];
        let (mut sent, mut done) = (0, 0);
        while done < gets {
            self.output.clear();
            while sent < gets.min(done + OUTSTANDING) {
                self.ask(sent);
                sent += 1;
            }
            let written = self.session.conn.write_all(&self.output);
            written.context("requesting")?;
            self.session.read()?;
            while let Some(message) = self.session.frames.next()? {
                let index = requested(&message, self.keys)?;
                match self.answered.get_mut(index as usize) {
                    Some(answered) if !*answered && index < sent => *answered = true,
                    _ => return Err(Failure::new(format!("answer {index} was not due"))),
                }
                done += 1;
            }
        }
        Ok(())
    }

    fn ask(&mut self, index: u64) {
        // From the end: ` 0`, two line ends; before that the number; before that inbox and space.
        let number_at = self.frame.len() - " 0\r\n\r\n".len() - 8;
        let key_at = number_at - self.session.inbox.len() - 1 - 8;
        self.frame[number_at..][..8].copy_from_slice(&eight_digits(index));
        let key = key(index, self.keys);
        self.frame[key_at..][..8].copy_from_slice(&eight_digits(key));
        self.output.extend_from_slice(&self.frame);
    }
}

/// Verifies an answer and returns the number of the request.
fn requested(message: &Message<'_>, keys: u64) -> Result<u64> {
    let digits = message.subject.rsplit(|byte| *byte == b'.').next();
    let index = digits.and_then(number);
    let index = index.ok_or_else(|| unexpected(message))?;
    let put = index % keys;
    let header = String::from_utf8_lossy(message.header);
    let sequence = header
        .lines()
        .find_map(|line| line.strip_prefix("Nats-Sequence:"));
    let right = sequence.and_then(|text| number(text.trim().as_bytes())) == Some(put + 1)
        && message.payload.len() == PAYLOAD
        && message.payload.starts_with(&eight_digits(put));
    match right {
        true => Ok(index),
        false => Err(unexpected(message)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_must_be_the_value_of_its_request() {
        let payload = [&b"00000002"[..], &[b'x'; PAYLOAD - 8]].concat();
        let message = |subject: &'static [u8], header: &'static [u8]| Message {
            subject,
            sid: 1,
            reply: b"",
            header,
            payload: &payload,
        };
        let header = b"NATS/1.0\r\nNats-Sequence: 3\r\n\r\n";
        assert_eq!(requested(&message(b"i.00000012", header), 10), Ok(12));
        assert!(requested(&message(b"i.00000013", header), 10).is_err());
        let missing = b"NATS/1.0 404 Message Not Found\r\n\r\n";
        assert!(requested(&message(b"i.00000012", missing), 10).is_err());
    }
}
