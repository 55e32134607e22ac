//! Snapshots of a stream that is deleted and restored from them: it is there as a whole or not at all.

use serde_json::{Value, json};

use super::Load;
use super::publish::told;
use crate::crash::damage::Damage;
use crate::crash::ledger::{Found, Ledger, Rule};
use crate::crash::link::Link;
use crate::crash::rng::Rng;
use crate::crash::{Run, wrong};

const STREAM: &str = "SNAP";

/// As small as they may be, so that many a kill falls between two of them.
const CHUNK_BYTES: u64 = 1024;

/// A snapshot that came to its end.
struct Taken {
    config: Value,
    state: Value,
    chunks: Vec<Vec<u8>>,
    /// The messages in it, in their order.
    numbers: Vec<usize>,
}

/// Somebody who publishes, takes snapshots, deletes the stream and restores it.
pub struct Snapshots {
    /// What was sent; what is there is in `possible`.
    ledger: Ledger,
    taken: Option<Taken>,
    /// The messages that the stream may have, `None` for not there. The first is what it has unless
    /// something was asked for and not confirmed.
    possible: Vec<Option<Vec<usize>>>,
    confirmed: u64,
}

impl Default for Snapshots {
    fn default() -> Self {
        Self::new()
    }
}

impl Snapshots {
    /// No snapshot yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            ledger: Ledger::new(STREAM, Rule::default()),
            taken: None,
            possible: vec![Some(Vec::new())],
            confirmed: 0,
        }
    }

    /// Something was asked for that leaves these messages, and confirmed.
    fn confirm(&mut self, numbers: Option<Vec<usize>>) {
        self.possible = vec![numbers];
        self.confirmed += 1;
    }

    fn publish(&mut self, link: &mut Link, mut numbers: Vec<usize>) -> Run<()> {
        let subject = format!("{STREAM}.0");
        let number = self.ledger.send(&subject);
        numbers.push(number);
        self.possible.push(Some(numbers.clone()));
        let payload = self.ledger.payload(number);
        let ack = link.request(&subject, &[], &payload)?.json();
        if ack["seq"].as_u64().is_none() {
            return wrong(format!("{STREAM}: message {number} is answered by {ack}"));
        }
        self.confirm(Some(numbers));
        Ok(())
    }

    fn take(&mut self, link: &mut Link, numbers: Vec<usize>) -> Run<()> {
        let target = link.inbox();
        let body = json!({"deliver_subject": target, "chunk_size": CHUNK_BYTES});
        let mut answer = link.ok(&format!("STREAM.SNAPSHOT.{STREAM}"), &body)?;
        let mut chunks = Vec::new();
        loop {
            let chunk = link.answer(&target)?;
            match chunk.status() {
                Some("204") => break,
                Some(status) => return wrong(format!("a snapshot ends with {status}")),
                None if chunk.payload.is_empty() => break,
                None => {}
            }
            chunks.push(chunk.payload);
            if let Some(reply) = chunk.reply {
                link.publish(&reply, "", &[], b"")?;
            }
        }
        self.taken = Some(Taken {
            config: answer["config"].take(),
            state: answer["state"].take(),
            chunks,
            numbers,
        });
        self.confirmed += 1;
        Ok(())
    }

    fn restore(&mut self, link: &mut Link) -> Run<()> {
        let Some(taken) = &self.taken else {
            self.possible.push(Some(Vec::new()));
            create(link)?;
            self.confirm(Some(Vec::new()));
            return Ok(());
        };
        let numbers = Some(taken.numbers.clone());
        self.possible.push(numbers.clone());
        let body = json!({"config": taken.config, "state": taken.state});
        let started = link.ok(&format!("STREAM.RESTORE.{STREAM}"), &body)?;
        let Some(target) = started["deliver_subject"].as_str() else {
            return wrong(format!("a restore begins with {started}"));
        };
        for chunk in &taken.chunks {
            let received = link.request(target, &[], chunk)?;
            if !received.payload.is_empty() {
                return wrong(format!("a chunk is answered by {}", received.json()));
            }
        }
        let ended = link.request(target, &[], b"")?.json();
        if ended["config"]["name"] != STREAM {
            return wrong(format!("a restore ends with {ended}"));
        }
        self.confirm(numbers);
        Ok(())
    }

    fn delete(&mut self, link: &mut Link) -> Run<()> {
        self.possible.push(None);
        link.ok(&format!("STREAM.DELETE.{STREAM}"), &Value::Null)?;
        self.confirm(None);
        Ok(())
    }

    /// What is there, of a stream that is.
    fn contents(&self, link: &mut Link) -> Run<Option<Vec<usize>>> {
        let info = link.api(&format!("STREAM.INFO.{STREAM}"), &Value::Null)?;
        if info["error"]["err_code"] == 10059 {
            return Ok(None);
        }
        let mut numbers = Vec::new();
        for message in link.contents(STREAM)? {
            numbers.push(told(self.ledger.number(&message.payload))?);
        }
        Ok(Some(numbers))
    }
}

fn create(link: &mut Link) -> Run<()> {
    let config = json!({
        "name": STREAM, "subjects": [format!("{STREAM}.*")], "allow_direct": true,
    });
    link.ok(&format!("STREAM.CREATE.{STREAM}"), &config)?;
    Ok(())
}

impl Load for Snapshots {
    fn name(&self) -> &str {
        STREAM
    }

    fn setup(&mut self, link: &mut Link) -> Run<()> {
        create(link)
    }

    fn step(&mut self, link: &mut Link, rng: &mut Rng) -> Run<()> {
        match self.possible[0].clone() {
            None => self.restore(link),
            Some(numbers) => match rng.below(10) {
                0 => self.take(link, numbers),
                1 => self.delete(link),
                _ => self.publish(link, numbers),
            },
        }
    }

    fn verify(&mut self, link: &mut Link, damage: Option<&Damage>) -> Run<Found> {
        let contents = self.contents(link)?;
        let is_under =
            |number| damage.is_some_and(|at| at.touches(STREAM) && at.covers(STREAM, number, 400));
        let lost = self.possible.iter().find_map(|possible| {
            let (Some(all), Some(there)) = (possible, &contents) else {
                return (*possible == contents).then_some(0);
            };
            let expected = all
                .iter()
                .filter(|&number| there.binary_search(number).is_ok() || !is_under(*number));
            expected.eq(there).then(|| all.len() - there.len())
        });
        let Some(lost) = lost else {
            return wrong(format!(
                "{STREAM} has messages {contents:?}, expected one of {:?}",
                self.possible
            ));
        };
        let present = contents.as_ref().map_or(0, Vec::len) as u64;
        self.possible = vec![contents];
        Ok(Found {
            present,
            lost: lost as u64,
        })
    }

    fn settle(&mut self, link: &mut Link, damage: Option<&Damage>) -> Run<()> {
        if let Some(numbers) = self.possible[0].clone() {
            self.publish(link, numbers)?;
        }
        self.verify(link, damage)?;
        Ok(())
    }

    fn confirmed(&self) -> u64 {
        self.confirmed
    }
}
