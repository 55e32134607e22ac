//! Counters: the total is exactly the sum of what was added.

use std::collections::VecDeque;

use serde_json::json;

use super::Load;
use crate::crash::damage::Damage;
use crate::crash::ledger::Found;
use crate::crash::link::Link;
use crate::crash::rng::Rng;
use crate::crash::{Run, wrong};

const STREAM: &str = "COUNT";
const WINDOW: usize = 16;
/// "message counter is broken".
const BROKEN: u64 = 10172;

#[derive(Default)]
struct Total {
    value: i64,
    flying: VecDeque<i64>,
}

/// A stream of counters.
#[derive(Default)]
pub struct Counter {
    totals: [Total; 4],
    flying: VecDeque<(String, usize)>,
    last: u64,
    confirmed: u64,
    /// A file of the stream was damaged: a counter whose value is lost is refused, and does not go on
    /// from an older one.
    is_harmed: bool,
}

impl Counter {
    /// All at zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn land(&mut self, link: &mut Link, left: usize) -> Run<()> {
        while self.flying.len() > left {
            let Some((reply, at)) = self.flying.pop_front() else {
                break;
            };
            let answer = link.answer(&reply)?.json();
            if self.is_harmed && answer["error"]["err_code"] == BROKEN {
                self.totals[at].flying.pop_front();
                continue;
            }
            let total = &mut self.totals[at];
            total.value += total.flying.pop_front().unwrap_or(0);
            let sequence = answer["seq"].as_u64().unwrap_or(0);
            if answer["val"] != json!(total.value.to_string()) || sequence <= self.last {
                return wrong(format!(
                    "counter {at}: expected {} after sequence {}, got {answer}",
                    total.value, self.last
                ));
            }
            self.last = sequence;
            self.confirmed += 1;
        }
        Ok(())
    }

    fn read(link: &mut Link, at: usize) -> Run<(i64, u64)> {
        let subject = format!("$JS.API.DIRECT.GET.{STREAM}.{STREAM}.{at}");
        let last = link.request(&subject, &[], b"")?;
        if last.status() == Some("404") {
            return Ok((0, 0));
        }
        let value = last.json()["val"]
            .as_str()
            .and_then(|text| text.parse().ok());
        let sequence = last
            .header("Nats-Sequence")
            .and_then(|text| text.parse().ok());
        match (value, sequence) {
            (Some(value), Some(sequence)) => Ok((value, sequence)),
            _ => wrong(format!("counter {at}: {last:?}")),
        }
    }
}

impl Load for Counter {
    fn name(&self) -> &str {
        STREAM
    }

    fn setup(&mut self, link: &mut Link) -> Run<()> {
        let config = json!({
            "name": STREAM, "subjects": [format!("{STREAM}.*")],
            "allow_msg_counter": true, "allow_direct": true,
        });
        link.ok(&format!("STREAM.CREATE.{STREAM}"), &config)?;
        Ok(())
    }

    fn step(&mut self, link: &mut Link, rng: &mut Rng) -> Run<()> {
        let at = rng.below(4) as usize;
        let delta = rng.below(2000) as i64 - 1000;
        self.totals[at].flying.push_back(delta);
        let subject = format!("{STREAM}.{at}");
        let reply = link.post(&subject, &[("Nats-Incr", &format!("{delta:+}"))], b"")?;
        self.flying.push_back((reply, at));
        self.land(link, WINDOW)
    }

    fn verify(&mut self, link: &mut Link, damage: Option<&Damage>) -> Run<Found> {
        self.flying.clear();
        self.is_harmed |= damage.is_some_and(|damage| damage.touches(STREAM));
        for at in 0..self.totals.len() {
            let (value, sequence) = Self::read(link, at)?;
            let total = &mut self.totals[at];
            let mut possible = vec![total.value];
            for delta in total.flying.drain(..) {
                possible.push(possible[possible.len() - 1] + delta);
            }
            if damage.is_none() && !possible.contains(&value) {
                return wrong(format!(
                    "counter {at} is {value}, expected one of {possible:?}"
                ));
            }
            total.value = value;
            self.last = self.last.max(sequence);
        }
        Ok(Found::default())
    }

    fn settle(&mut self, link: &mut Link, _: Option<&Damage>) -> Run<()> {
        let mut rng = Rng::new(1);
        for _ in 0..4 {
            self.step(link, &mut rng)?;
        }
        self.land(link, 0)
    }

    fn confirmed(&self) -> u64 {
        self.confirmed
    }
}
