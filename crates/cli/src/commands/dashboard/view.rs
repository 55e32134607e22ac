//! The picture of the dashboard, as text: a line of totals, then connections, streams and consumers,
//! each with as many rows as there is room for.

use std::time::Duration;

use super::state::{History, Sample, State};
use crate::commands::shared::grid::{cut, grid};
use crate::output::{chart, duration, number};

/// Lines that are not rows: the head, and a title, a header and a blank line per section.
const FIXED_LINES: usize = 2 + 3 * 3;

/// The fewest rows a section has.
const FEWEST: usize = 2;

/// The whole picture, of at most `width` columns and `height` rows.
pub(super) fn view(state: &State, clock: &str, width: usize, height: usize) -> String {
    let Some(latest) = &state.latest else {
        return "Waiting for the servers\n".to_owned();
    };
    let paused = if state.is_paused { "  (paused)" } else { "" };
    let mut lines = vec![
        format!(
            "NATS dashboard  {clock}  servers: {}  rtt: {} {}{paused}",
            latest.servers,
            duration::human(rounded(latest.rtt)),
            spark(&state.rtt_ms)
        ),
        String::new(),
    ];
    let room = height.saturating_sub(FIXED_LINES + 1) / 3;
    let rows = room.max(FEWEST);
    lines.extend(connections(state, latest, rows, width));
    lines.push(String::new());
    lines.extend(streams(state, latest, rows, width));
    lines.push(String::new());
    lines.extend(consumers(state, latest, rows, width));
    lines.truncate(height.saturating_sub(1).max(1));
    let mut text = String::new();
    for line in lines {
        text.push_str(&cut(&line, width));
        text.push('\n');
    }
    text
}

/// Three digits are enough to see a trend.
fn rounded(rtt: Duration) -> Duration {
    Duration::from_micros(u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX))
}

fn spark(history: &History) -> String {
    chart::sparkline(history.values())
}

fn per_second(rate: f64) -> String {
    number::grouped_float(rate, if rate < 10.0 { 1 } else { 0 })
}

fn bytes_per_second(rate: f64) -> String {
    number::bytes(rate as u64)
}

/// Which rows come first: by name, or the largest by `value`.
fn order<T>(
    rows: &mut [&T],
    by_name: bool,
    name: impl Fn(&T) -> String,
    value: impl Fn(&T) -> f64,
) {
    rows.sort_by(|a, b| {
        let names = name(a).cmp(&name(b));
        match by_name {
            true => names,
            false => value(b).total_cmp(&value(a)).then(names),
        }
    });
}

/// The rows that fit, and how many don't.
fn shown<'a, T>(rows: &'a [&'a T], limit: usize) -> (&'a [&'a T], String) {
    match rows.len().saturating_sub(limit) {
        0 => (rows, String::new()),
        more => (
            rows.get(..limit).unwrap_or(rows),
            format!("  (and {more} more)"),
        ),
    }
}

fn connections(state: &State, latest: &Sample, limit: usize, width: usize) -> Vec<String> {
    if !latest.no_connections.is_empty() {
        return vec![format!("Connections  {}", latest.no_connections)];
    }
    let rates = |server: &str, cid: u64| {
        let key = (server.to_owned(), cid);
        state.traffic.get(&key).copied().unwrap_or_default()
    };
    let mut all: Vec<_> = latest.connections.iter().collect();
    order(
        &mut all,
        state.sorts_by_name,
        |c| format!("{} {:>20}", c.name, c.cid),
        |c| rates(&c.server, c.cid).iter().take(2).sum(),
    );
    let (fitting, more) = shown(&all, limit);
    let rows: Vec<Vec<String>> = fitting
        .iter()
        .map(|c| {
            let [in_msgs, out_msgs, in_bytes, out_bytes] = rates(&c.server, c.cid);
            vec![
                c.cid.to_string(),
                c.name.clone(),
                c.user.clone(),
                c.server.clone(),
                c.subscriptions.to_string(),
                number::bytes(c.pending),
                per_second(in_msgs),
                per_second(out_msgs),
                bytes_per_second(in_bytes),
                bytes_per_second(out_bytes),
                c.rtt.clone(),
            ]
        })
        .collect();
    let mut lines = vec![format!(
        "Connections {}  in: {}/s {}  out: {}/s {}{more}",
        latest.connections.len(),
        per_second(state.in_msgs.last()),
        spark(&state.in_msgs),
        per_second(state.out_msgs.last()),
        spark(&state.out_msgs)
    )];
    let header = [
        "CID",
        "NAME",
        "USER",
        "SERVER",
        "SUBS",
        "PENDING",
        "IN/S",
        "OUT/S",
        "BYTES IN/S",
        "BYTES OUT/S",
        "RTT",
    ];
    lines.extend(grid(&header, &rows, width));
    lines
}

fn streams(state: &State, latest: &Sample, limit: usize, width: usize) -> Vec<String> {
    if !latest.no_streams.is_empty() {
        return vec![format!("Streams  {}", latest.no_streams)];
    }
    let rate = |name: &str| state.stored.get(name).copied().unwrap_or_default();
    let mut all: Vec<_> = latest.streams.iter().collect();
    order(
        &mut all,
        state.sorts_by_name,
        |s| s.name.clone(),
        |s| rate(&s.name),
    );
    let (fitting, more) = shown(&all, limit);
    let rows: Vec<Vec<String>> = fitting
        .iter()
        .map(|s| {
            vec![
                s.name.clone(),
                number::grouped(s.messages),
                number::bytes(s.bytes),
                s.consumers.to_string(),
                number::grouped(s.last_sequence),
                per_second(rate(&s.name)),
            ]
        })
        .collect();
    let mut lines = vec![format!(
        "Streams {}  stored: {}/s {}{more}",
        latest.streams.len(),
        per_second(state.stored_msgs.last()),
        spark(&state.stored_msgs)
    )];
    let header = [
        "STREAM",
        "MESSAGES",
        "SIZE",
        "CONSUMERS",
        "LAST SEQ",
        "STORED/S",
    ];
    lines.extend(grid(&header, &rows, width));
    lines
}

fn consumers(state: &State, latest: &Sample, limit: usize, width: usize) -> Vec<String> {
    if !latest.no_streams.is_empty() {
        return Vec::new();
    }
    let mut all: Vec<_> = latest.consumers.iter().collect();
    order(
        &mut all,
        state.sorts_by_name,
        |c| format!("{} {}", c.stream, c.name),
        |c| c.lag as f64,
    );
    let (fitting, more) = shown(&all, limit);
    let rows: Vec<Vec<String>> = fitting
        .iter()
        .map(|c| {
            let key = (c.stream.clone(), c.name.clone());
            let delivered = state.delivered.get(&key).copied().unwrap_or_default();
            vec![
                c.stream.clone(),
                c.name.clone(),
                number::grouped(c.lag),
                number::grouped(c.ack_pending),
                number::grouped(c.redelivered),
                number::grouped(c.waiting),
                per_second(delivered),
            ]
        })
        .collect();
    let mut lines = vec![format!(
        "Consumers {}  lag: {} {}{more}",
        latest.consumers.len(),
        number::grouped(state.lag.last() as u64),
        spark(&state.lag)
    )];
    let header = [
        "STREAM",
        "CONSUMER",
        "LAG",
        "ACK PENDING",
        "REDELIVERED",
        "WAITING",
        "DELIVERED/S",
    ];
    lines.extend(grid(&header, &rows, width));
    lines
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::state::{Connection, Consumer, Stream};
    use super::*;

    fn sample(at: Instant, times: u64) -> Sample {
        let connection = |cid: u64, name: &str, per_round: u64| Connection {
            server: "n1".to_owned(),
            cid,
            name: name.to_owned(),
            user: "ann".to_owned(),
            rtt: "300µs".to_owned(),
            subscriptions: 2,
            in_msgs: per_round * times,
            in_bytes: per_round * times * 10,
            ..Connection::default()
        };
        Sample {
            at,
            rtt: Duration::from_micros(420 * times),
            servers: 1,
            connections: vec![connection(7, "quiet", 0), connection(9, "busy", 3000)],
            streams: vec![Stream {
                name: "ORDERS".to_owned(),
                messages: 1200,
                bytes: 4096,
                last_sequence: 1000 * times,
                consumers: 1,
            }],
            consumers: vec![Consumer {
                stream: "ORDERS".to_owned(),
                name: "NEW".to_owned(),
                lag: 42,
                ack_pending: 3,
                delivered: 500 * times,
                ..Consumer::default()
            }],
            ..Sample::default()
        }
    }

    fn state() -> State {
        let mut state = State::default();
        let now = Instant::now();
        state.add(sample(now, 1));
        state.add(sample(now + Duration::from_secs(2), 2));
        state
    }

    #[test]
    fn the_picture() {
        let expected = "\
NATS dashboard  12:00:00  servers: 1  rtt: 840µs ▅█

Connections 2  in: 1,500/s ▁█  out: 0/s ▁▁
CID  NAME   USER  SERVER  SUBS  PENDING   IN/S  OUT/S  BYTES IN/S  BYTES OUT/S    RTT
  9  busy   ann   n1         2      0 B  1,500      0      15 KiB          0 B  300µs
  7  quiet  ann   n1         2      0 B      0      0         0 B          0 B  300µs

Streams 1  stored: 500/s ▁█
STREAM  MESSAGES     SIZE  CONSUMERS  LAST SEQ  STORED/S
ORDERS     1,200  4.0 KiB          1     2,000       500

Consumers 1  lag: 42 ██
STREAM  CONSUMER  LAG  ACK PENDING  REDELIVERED  WAITING  DELIVERED/S
ORDERS  NEW        42            3            0        0          250
";
        assert_eq!(view(&state(), "12:00:00", 120, 40), expected);
    }

    #[test]
    fn it_fits_small_screens() {
        let text = view(&state(), "12:00:00", 50, 12);
        assert!(text.lines().count() <= 11, "{text}");
        assert!(
            text.lines().all(|line| line.chars().count() <= 50),
            "{text}"
        );
    }

    #[test]
    fn what_is_missing_has_its_reason() {
        let mut state = State::default();
        state.add(Sample {
            no_connections: "not allowed".to_owned(),
            no_streams: "no JetStream".to_owned(),
            ..Sample::default()
        });
        let text = view(&state, "12:00:00", 80, 40);
        assert!(
            text.contains("Connections  not allowed\n\nStreams  no JetStream\n"),
            "{text}"
        );
    }
}
