//! What `nats top` has measured, and how it is to be shown. Keys change it; nothing here is drawn.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::Value;

use super::names::Names;
use crate::commands::shared::doc::Doc;

/// What connections can be sorted by; the server does it.
pub(super) const SORTS: [&str; 14] = [
    "cid",
    "start",
    "subs",
    "pending",
    "msgs_to",
    "msgs_from",
    "bytes_to",
    "bytes_from",
    "last",
    "idle",
    "uptime",
    "stop",
    "reason",
    "rtt",
];

/// Characters of an answer to a question.
const MAX_INPUT: usize = 16;

/// One measurement.
pub(super) struct Snapshot {
    pub(super) at: Instant,
    pub(super) variables: Value,
    pub(super) connections: Value,
}

/// Messages and bytes per second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Rates {
    pub(super) in_msgs: f64,
    pub(super) out_msgs: f64,
    pub(super) in_bytes: f64,
    pub(super) out_bytes: f64,
}

/// A question below the header, and what was typed so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    Sort,
    Limit,
}

/// What a key brought about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Key {
    Quit,
    Go,
}

/// Everything there is to show.
#[derive(Default)]
pub(super) struct State {
    pub(super) sort: String,
    pub(super) limit: usize,
    pub(super) shows_subscriptions: bool,
    /// Totals of connections, or messages per second.
    pub(super) shows_rates: bool,
    pub(super) is_raw: bool,
    /// Names of hosts instead of their addresses, as far as they are known.
    pub(super) shows_names: bool,
    pub(super) names: Names,
    pub(super) is_paused: bool,
    pub(super) shows_help: bool,
    pub(super) question: Option<Question>,
    pub(super) typed: String,
    /// Why the last attempt to measure failed.
    pub(super) problem: String,
    pub(super) latest: Option<Snapshot>,
    pub(super) rates: Rates,
    pub(super) connection_rates: BTreeMap<u64, Rates>,
}

impl State {
    /// Takes in a measurement; rates are those since the one before.
    pub(super) fn add(&mut self, snapshot: Snapshot) {
        self.problem.clear();
        self.connection_rates.clear();
        if let Some(before) = &self.latest {
            let seconds = snapshot
                .at
                .duration_since(before.at)
                .as_secs_f64()
                .max(0.001);
            self.rates = rates(&before.variables, &snapshot.variables, seconds);
            let known: BTreeMap<u64, &Value> = before
                .connections
                .list("connections")
                .iter()
                .map(|connection| (connection.count("cid"), connection))
                .collect();
            for connection in snapshot.connections.list("connections") {
                let cid = connection.count("cid");
                if let Some(before) = known.get(&cid) {
                    self.connection_rates
                        .insert(cid, rates(before, connection, seconds));
                }
            }
        }
        self.latest = Some(snapshot);
        self.look_up();
    }

    /// Asks for the names of the connections' addresses, if they are wanted.
    fn look_up(&mut self) {
        let latest = self.latest.as_ref().filter(|_| self.shows_names);
        if let Some(latest) = latest {
            for connection in latest.connections.list("connections") {
                self.names.ask(connection.text("ip"));
            }
        }
    }

    /// Acts on a key.
    pub(super) fn press(&mut self, key: u8) -> Key {
        if let Some(question) = self.question {
            self.answer(question, key);
            return Key::Go;
        }
        match key {
            b'q' | 3 => return Key::Quit,
            b'o' => self.ask(Question::Sort),
            b'n' => self.ask(Question::Limit),
            b's' => self.shows_subscriptions = !self.shows_subscriptions,
            b' ' => self.shows_rates = !self.shows_rates,
            b'b' => self.is_raw = !self.is_raw,
            b'd' => {
                self.shows_names = !self.shows_names;
                self.look_up();
            }
            b'p' => self.is_paused = !self.is_paused,
            b'?' | b'h' => self.shows_help = !self.shows_help,
            _ => {}
        }
        Key::Go
    }

    fn ask(&mut self, question: Question) {
        self.question = Some(question);
        self.typed.clear();
    }

    fn answer(&mut self, question: Question, key: u8) {
        match key {
            b'\r' | b'\n' => {
                match (question, self.typed.parse()) {
                    (Question::Sort, _) if SORTS.contains(&self.typed.as_str()) => {
                        self.sort = std::mem::take(&mut self.typed);
                    }
                    (Question::Limit, Ok(limit)) => self.limit = limit,
                    // What makes no sense changes nothing.
                    _ => {}
                }
                self.question = None;
            }
            27 | 3 => self.question = None,
            8 | 127 => {
                self.typed.pop();
            }
            key if key.is_ascii_graphic() && self.typed.len() < MAX_INPUT => {
                self.typed.push(char::from(key));
            }
            _ => {}
        }
    }
}

fn rates(before: &Value, now: &Value, seconds: f64) -> Rates {
    let rate = |path: &str| (now.float(path) - before.float(path)).max(0.0) / seconds;
    Rates {
        in_msgs: rate("in_msgs"),
        out_msgs: rate("out_msgs"),
        in_bytes: rate("in_bytes"),
        out_bytes: rate("out_bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(state: &mut State, keys: &str) -> Key {
        keys.bytes().fold(Key::Go, |_, key| state.press(key))
    }

    #[test]
    fn keys_change_what_is_shown() {
        let mut state = State::default();
        typed(&mut state, "osubs\r");
        assert_eq!((state.sort.as_str(), state.question), ("subs", None));
        typed(&mut state, "onothing\r");
        assert_eq!(state.sort, "subs");
        typed(&mut state, "n1x\x7f2\r");
        assert_eq!(state.limit, 12);
        typed(&mut state, "oq\x1b");
        assert_eq!(state.question, None);
        typed(&mut state, "s bp?");
        assert!(state.shows_subscriptions && state.shows_rates && state.is_raw);
        assert!(state.is_paused && state.shows_help);
        assert_eq!(typed(&mut state, "q"), Key::Quit);
    }
}
