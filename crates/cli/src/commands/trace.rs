//! `nats trace`: the way a message would take, or takes, told by the servers it passes.
//!
//! Every server that a traced message reaches sends an event to the sender's inbox. The first has no
//! hop; each event names the hops it hands the message on to, and those servers' events name theirs.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use async_nats::Client;
use futures_util::StreamExt;
use jiff::Timestamp;
use serde_json::Value;

use crate::app::App;
use crate::commands::shared::doc::Doc;
use crate::commands::shared::headers;
use crate::error::{Context, Error, Result};
use crate::output::columns::Columns;
use crate::output::{duration, number};
use crate::say;

/// Servers that a trace follows.
const MAX_EVENTS: usize = 1_000;

/// Levels that are drawn; a message is not handed on more often.
const MAX_DEPTH: usize = 32;

/// Trace message delivery within a NATS network
#[derive(clap::Args)]
pub(crate) struct TraceArgs {
    /// The subject to publish to
    subject: String,
    /// The message body to send
    #[arg(default_value = "")]
    payload: String,
    /// Deliver the message to the final destination
    #[arg(long)]
    deliver: bool,
    /// Show event timestamps
    #[arg(short = 'T', long)]
    timestamp: bool,
    /// Adds headers to the trace message using K:V format
    #[arg(short = 'H', long = "header", value_name = "K:V")]
    headers: Vec<String>,
}

impl TraceArgs {
    pub(crate) async fn run(self, app: &App) -> Result<()> {
        let client = app.connect().await?;
        let info = client.server_info();
        if is_older(&info.version, (2, 11)) {
            return Err(Error::new(format!(
                "tracing messages requires a server of version 2.11, this one is {}",
                info.version
            )));
        }
        let how = match self.deliver {
            true => " with delivery to the final destination",
            false => "",
        };
        say!("Tracing message route to subject {}{how}\n", self.subject);
        let events = self.collect(app, &client).await?;
        let mut drawing = Drawing {
            events: &events,
            timestamps: self.timestamp,
            start: None,
            egress: BTreeMap::new(),
            lines: Vec::new(),
        };
        let first = events
            .get("")
            .context("no server told about the message: is the sender allowed to publish there?")?;
        drawing.draw(first, 0);
        drawing.lines.iter().for_each(|line| say!("{line}"));
        say!(
            "\nLegend: Client: --C Router: --> Gateway: ==> Leafnode: ~~> JetStream: --J Error: --X\n"
        );
        if !drawing.egress.is_empty() {
            let mut page = Columns::new("Egress Count:");
            for (kind, count) in &drawing.egress {
                page.row(*kind, number::grouped(*count));
            }
            page.print();
        }
        if let Some(streams) = drawing.egress.get("JetStream").filter(|count| **count > 1) {
            say!("\nWARNING: The message was received by {streams} streams");
        }
        Ok(())
    }

    /// Sends the message and gathers the events, by hop.
    async fn collect(&self, app: &App, client: &Client) -> Result<HashMap<String, Value>> {
        let inbox = client.new_inbox();
        let mut incoming = client.subscribe(inbox.clone()).await?;
        let mut sent = headers::parse(&self.headers)?;
        headers::add(&mut sent, "Nats-Trace-Dest", &inbox)?;
        if !self.deliver {
            headers::add(&mut sent, "Nats-Trace-Only", "true")?;
        }
        let payload = self.payload.clone().into_bytes();
        client
            .publish_with_headers(self.subject.clone(), sent, payload.into())
            .await?;
        client.flush().await?;
        let trace = app.settings()?.trace;
        let end = Instant::now() + app.timeout()?;
        let mut events: HashMap<String, Value> = HashMap::new();
        while events.len() < MAX_EVENTS && !is_complete(&events) {
            let next = tokio::time::timeout_at(end.into(), incoming.next()).await;
            let Ok(Some(message)) = next else {
                break;
            };
            if trace {
                crate::note!("<<< {}", String::from_utf8_lossy(&message.payload));
            }
            let event: Value = serde_json::from_slice(&message.payload)
                .context("an event of the trace is not understood")?;
            events.insert(hop(&event), event);
        }
        Ok(events)
    }
}

/// The hop by which the message came to an event's server; empty for the first.
fn hop(event: &Value) -> String {
    let values = event.at("request.header");
    let values = values.get("Nats-Trace-Hop").and_then(Value::as_array);
    let first = values.and_then(|values| values.first());
    first.and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Whether every server that the message was handed on to has told its part.
fn is_complete(events: &HashMap<String, Value>) -> bool {
    let mut hops = events
        .values()
        .flat_map(|event| event.list("events"))
        .map(|step| step.text("hop"))
        .filter(|hop| !hop.is_empty());
    events.contains_key("") && hops.all(|hop| events.contains_key(hop))
}

/// The lines of a trace as they grow.
struct Drawing<'a> {
    events: &'a HashMap<String, Value>,
    timestamps: bool,
    start: Option<Timestamp>,
    egress: BTreeMap<&'static str, u64>,
    lines: Vec<String>,
}

impl Drawing<'_> {
    fn draw(&mut self, event: &Value, depth: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        let steps = event.list("events");
        let of = |kind: &'static str| steps.iter().filter(move |step| step.text("type") == kind);
        for step in of("in") {
            self.ingress(event, step, depth);
        }
        for step in of("sm") {
            let text = format!("    Mapping subject:{:?}", step.text("to"));
            self.line(step, depth, &text);
        }
        for step in of("si") {
            let (from, to) = (step.text("from"), step.text("to"));
            let account = step.text("acc");
            let text = format!("    Service Import from:{from:?} to:{to:?} account:{account:?}");
            self.line(step, depth, &text);
        }
        for step in of("se") {
            let (to, account) = (step.text("to"), step.text("acc"));
            let text = format!("    Stream Export subject:{to:?} account:{account:?}");
            self.line(step, depth, &text);
        }
        for step in of("js") {
            self.jetstream(step, depth);
        }
        let is_client =
            of("in").any(|step| step.count("kind") == 0 && step.text("error").is_empty());
        let reached = of("eg").next().is_some() || of("js").next().is_some();
        if is_client && !reached {
            self.lines
                .push(format!("{}--X No active interest", indent(depth)));
        }
        for step in of("eg") {
            self.egress(step, depth);
            if let Some(next) = self
                .events
                .get(step.text("hop"))
                .filter(|_| !step.text("hop").is_empty())
            {
                self.draw(next, depth + 1);
            }
        }
    }

    fn ingress(&mut self, event: &Value, step: &Value, depth: usize) {
        let server = event.at("server");
        let mut parts = vec![who(step)];
        let cluster = server.text("cluster");
        if !cluster.is_empty() && matches!(step.count("kind"), 0 | 2) {
            parts.push(format!("cluster:{cluster:?}"));
        }
        parts.push(format!("server:{:?}", server.text("name")));
        parts.push(format!("version:{:?}", server.text("ver")));
        self.start = self.start.or_else(|| step.time("ts"));
        self.line(step, depth, &parts.join(" "));
        self.error(step, depth, "--X Error: ");
    }

    fn jetstream(&mut self, step: &Value, depth: usize) {
        let action = match step.flag("nointerest") {
            true => "no interest",
            false => "stored",
        };
        let text = format!(
            "--J JetStream action:{action:?} stream:{:?} subject:{:?}",
            step.text("stream"),
            step.text("subject")
        );
        self.line(step, depth, &text);
        self.error(step, depth, "--X Error: ");
        *self.egress.entry("JetStream").or_default() += 1;
    }

    fn egress(&mut self, step: &Value, depth: usize) {
        let (kind, arrow) = kind(step.count("kind"));
        let mut parts = vec![arrow.to_owned(), who(step)];
        for (label, name) in [("account", "acc"), ("subject", "sub"), ("queue", "queue")] {
            let value = step.text(name);
            if !value.is_empty() {
                parts.push(format!("{label}:{value:?}"));
            }
        }
        self.line(step, depth, &parts.join(" "));
        self.error(step, depth, "  --X Error: ");
        *self.egress.entry(kind).or_default() += 1;
    }

    fn error(&mut self, step: &Value, depth: usize, label: &str) {
        let error = step.text("error");
        if !error.is_empty() {
            self.line(step, depth, &format!("{label}{error}"));
        }
    }

    fn line(&mut self, step: &Value, depth: usize, text: &str) {
        let stamp = match (self.timestamps, self.start, step.time("ts")) {
            (true, Some(start), Some(at)) => match at.duration_since(start).try_into() {
                Ok(since) => format!("[{}] ", duration::human(since)),
                Err(_) => "[Skew] ".to_owned(),
            },
            _ => String::new(),
        };
        self.lines.push(format!("{}{stamp}{text}", indent(depth)));
    }
}

fn indent(depth: usize) -> String {
    " ".repeat(depth * 4)
}

/// The kind of a connection by its number, and how it is drawn.
fn kind(number: u64) -> (&'static str, &'static str) {
    match number {
        0 => ("Client", "--C"),
        1 => ("Router", "-->"),
        2 => ("Gateway", "==>"),
        4 => ("Leafnode", "~~>"),
        5 => ("JetStream", "--J"),
        3 => ("System", "--C"),
        _ => ("Account", "--C"),
    }
}

fn who(step: &Value) -> String {
    let number = step.count("kind");
    let prefix = match number {
        1 => "rid",
        2 => "gid",
        4 => "lid",
        _ => "cid",
    };
    let (kind, _) = kind(number);
    let cid = step.count("cid");
    match step.text("name") {
        "" => format!("{kind} {prefix}:{cid}"),
        name => format!("{kind} {name:?} {prefix}:{cid}"),
    }
}

fn is_older(version: &str, than: (u32, u32)) -> bool {
    let mut parts = version.split('.').map(str::parse::<u32>);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) < than,
        // Other servers count their own way.
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn hops_are_followed() {
        let first = json!({
            "server": {"name": "a", "ver": "2.14.5", "cluster": "C"},
            "request": {"header": {}},
            "events": [
                {"type": "in", "kind": 0, "cid": 7, "ts": "2026-01-01T00:00:00Z"},
                {"type": "eg", "kind": 1, "cid": 8, "name": "b", "hop": "1", "ts": "2026-01-01T00:00:00.001Z"},
            ],
        });
        let second = json!({
            "server": {"name": "b", "ver": "2.14.5", "cluster": "C"},
            "request": {"header": {"Nats-Trace-Hop": ["1"]}},
            "events": [
                {"type": "in", "kind": 1, "cid": 9, "name": "a", "ts": "2026-01-01T00:00:00.002Z"},
                {"type": "eg", "kind": 0, "cid": 3, "sub": "x.>", "queue": "q", "ts": "2026-01-01T00:00:00.003Z"},
            ],
        });
        let mut events = HashMap::from([(hop(&first), first.clone())]);
        assert!(!is_complete(&events));
        events.insert(hop(&second), second);
        assert!(is_complete(&events));
        let mut drawing = Drawing {
            events: &events,
            timestamps: true,
            start: None,
            egress: BTreeMap::new(),
            lines: Vec::new(),
        };
        drawing.draw(&first, 0);
        let expected = [
            "[0s] Client cid:7 cluster:\"C\" server:\"a\" version:\"2.14.5\"",
            "[1ms] --> Router \"b\" rid:8",
            "    [2ms] Router \"a\" rid:9 server:\"b\" version:\"2.14.5\"",
            "    [3ms] --C Client cid:3 subject:\"x.>\" queue:\"q\"",
        ];
        assert_eq!(drawing.lines, expected);
        assert!(is_older("2.10.3", (2, 11)) && !is_older("2.14.5", (2, 11)));
    }
}
