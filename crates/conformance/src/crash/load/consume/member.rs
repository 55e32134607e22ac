//! A consumer as the model knows it: how it takes deliveries, what was acked, what is open.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Value, json};

use crate::crash::Run;
use crate::crash::link::Link;

/// How a consumer takes deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It is asked for them.
    Pull,
    /// It is asked for them, and is forgotten when the server ends.
    Memory,
    /// They are sent to a subject.
    Push,
    /// They are sent to one of a group.
    Group,
    /// They are sent with heartbeats, and no faster than they are taken.
    Paced,
}

/// What is known of one consumer.
pub struct Consumer {
    /// Its name.
    pub name: &'static str,
    /// How it takes deliveries.
    pub kind: Kind,
    /// Acks that were confirmed.
    pub sure: BTreeSet<u64>,
    /// Acks that were sent.
    pub maybe: BTreeSet<u64>,
    /// How often a message was delivered at most.
    pub counts: HashMap<u64, u64>,
    /// Deliveries not answered yet.
    pub open: Vec<(String, u64)>,
}

impl Consumer {
    /// One that has had nothing yet.
    #[must_use]
    pub fn new(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            sure: BTreeSet::new(),
            maybe: BTreeSet::new(),
            counts: HashMap::new(),
            open: Vec::new(),
        }
    }

    /// Whether deliveries come without being asked for.
    #[must_use]
    pub fn is_push(&self) -> bool {
        matches!(self.kind, Kind::Push | Kind::Group | Kind::Paced)
    }

    /// Creates it on `stream`.
    ///
    /// # Errors
    /// The server refuses or is gone.
    pub fn create(&self, link: &mut Link, stream: &str) -> Run<()> {
        let request = json!({"stream_name": stream, "config": self.config(stream)});
        link.ok(&format!("CONSUMER.CREATE.{stream}.{}", self.name), &request)?;
        Ok(())
    }

    fn config(&self, stream: &str) -> Value {
        let mut config = json!({
            "name": self.name, "durable_name": self.name, "ack_policy": "explicit",
            "ack_wait": 500_000_000, "max_ack_pending": 10_000,
        });
        if self.kind == Kind::Memory {
            config["mem_storage"] = json!(true);
        }
        if self.is_push() {
            config["deliver_subject"] = json!(self.target(stream));
            // What is sent and not answered is sent again twice a second, so not too much of it.
            config["max_ack_pending"] = json!(64);
        }
        if self.kind == Kind::Group {
            config["deliver_group"] = json!(self.name);
        }
        if self.kind == Kind::Paced {
            config["flow_control"] = json!(true);
            config["idle_heartbeat"] = json!(200_000_000);
        }
        config
    }

    fn target(&self, stream: &str) -> String {
        format!("to.{stream}.{}", self.name)
    }

    /// Subscribes to what it sends; a group has two members.
    ///
    /// # Errors
    /// The server is gone.
    pub fn listen(&self, link: &mut Link, stream: &str) -> Run<()> {
        let target = self.target(stream);
        match self.kind {
            Kind::Group => link.subscribe(&target, self.name, 2),
            _ => link.subscribe(&target, "", 1),
        }
    }

    /// The server has forgotten it.
    pub fn forget(&mut self) {
        *self = Self::new(self.name, self.kind);
    }

    /// Whether an ack of `sequence` was sent, and perhaps confirmed.
    #[must_use]
    pub fn may_have_acked(&self, sequence: u64) -> bool {
        self.sure.contains(&sequence) || self.maybe.contains(&sequence)
    }
}
