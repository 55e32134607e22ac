//! The picture of `nats top`, as text.

use serde_json::Value;

use super::state::{Question, Rates, SORTS, State};
use crate::commands::shared::doc::Doc;
use crate::commands::shared::grid::{cut, grid};
use crate::output::{number, time};

const HELP: &str = "\
o<option>  sort by one of the options below, then Enter
n<number>  show so many connections, then Enter
s          subscriptions of connections, or not
space      messages and bytes per second, or in total
b          raw numbers, or for people
d          names of addresses, or the addresses
p          pause
q          quit
";

/// The whole picture, of at most `width` columns and `height` rows.
pub(super) fn view(state: &State, width: usize, height: usize) -> String {
    let mut lines = header(state);
    if state.shows_help {
        lines.extend(HELP.lines().map(str::to_owned));
        lines.push(format!("\nOptions: {}", SORTS.join(" ")));
    } else {
        let (titles, rows) = table(state);
        lines.extend(grid(&titles, &rows, width));
    }
    lines.truncate(height.saturating_sub(1).max(1));
    let mut text = String::new();
    for line in lines {
        text.push_str(&cut(&line, width));
        text.push('\n');
    }
    text
}

/// The connections as lines of values with a delimiter between them, for programs.
pub(super) fn delimited(state: &State, delimiter: &str) -> String {
    let (titles, rows) = table(state);
    let mut text = header(state).join("\n") + "\n" + &titles.join(delimiter) + "\n";
    for row in rows {
        text.push_str(&row.join(delimiter));
        text.push('\n');
    }
    text
}

fn header(state: &State) -> Vec<String> {
    let Some(latest) = &state.latest else {
        return vec!["Waiting for the server".to_owned()];
    };
    let doc = &latest.variables;
    let Rates {
        in_msgs,
        out_msgs,
        in_bytes,
        out_bytes,
    } = state.rates;
    let traffic = |messages: &str, bytes: &str, msgs_rate: f64, bytes_rate: f64| {
        format!(
            "Msgs: {}  Bytes: {}  Msgs/Sec: {msgs_rate:.1}  Bytes/Sec: {}",
            count(state, doc.count(messages)),
            size(state, doc.count(bytes)),
            size(state, bytes_rate as u64)
        )
    };
    let note = match (state.problem.as_str(), state.is_paused) {
        ("", true) => " (paused)".to_owned(),
        ("", false) => String::new(),
        (problem, _) => format!(" {problem}"),
    };
    let question = match state.question {
        Some(Question::Sort) => format!("sort by [{}]: {}", state.sort, state.typed),
        Some(Question::Limit) => format!("show connections [{}]: {}", state.limit, state.typed),
        None => String::new(),
    };
    vec![
        format!(
            "NATS server version {} (uptime: {}){note}",
            doc.text("version"),
            doc.text("uptime")
        ),
        format!("Server: {}", doc.text("server_name")),
        format!("  ID:   {}", doc.text("server_id")),
        format!(
            "  Load: CPU:  {:.1}%  Memory: {}  Slow Consumers: {}",
            doc.float("cpu"),
            number::bytes(doc.count("mem")),
            doc.count("slow_consumers")
        ),
        format!(
            "  In:   {}",
            traffic("in_msgs", "in_bytes", in_msgs, in_bytes)
        ),
        format!(
            "  Out:  {}",
            traffic("out_msgs", "out_bytes", out_msgs, out_bytes)
        ),
        question,
        format!(
            "Connections Polled: {}",
            latest.connections.count("num_connections")
        ),
    ]
}

fn table(state: &State) -> (Vec<&'static str>, Vec<Vec<String>>) {
    let connections = state
        .latest
        .as_ref()
        .map_or(&[][..], |latest| latest.connections.list("connections"));
    let has_names = connections
        .iter()
        .any(|connection| !connection.text("name").is_empty());
    let mut titles = vec!["HOST", "CID"];
    if has_names {
        titles.push("NAME");
    }
    titles.extend(["SUBS", "PENDING"]);
    titles.extend(match state.shows_rates {
        true => ["MSGS_TO/S", "MSGS_FROM/S", "BYTES_TO/S", "BYTES_FROM/S"],
        false => ["MSGS_TO", "MSGS_FROM", "BYTES_TO", "BYTES_FROM"],
    });
    titles.extend(["LANG", "VERSION", "UPTIME", "LAST_ACTIVITY"]);
    if state.shows_subscriptions {
        titles.push("SUBSCRIPTIONS");
    }
    let rows = connections
        .iter()
        .map(|connection| row(state, connection, has_names));
    (titles, rows.collect())
}

fn row(state: &State, connection: &Value, has_names: bool) -> Vec<String> {
    let cid = connection.count("cid");
    let mut row = vec![
        format!("{}:{}", host(state, connection), connection.count("port")),
        cid.to_string(),
    ];
    if has_names {
        row.push(connection.text("name").to_owned());
    }
    row.push(connection.count("subscriptions").to_string());
    row.push(count(state, connection.count("pending_bytes")));
    let rates = state
        .connection_rates
        .get(&cid)
        .copied()
        .unwrap_or_default();
    row.extend(match state.shows_rates {
        true => [
            count(state, rates.out_msgs as u64),
            count(state, rates.in_msgs as u64),
            size(state, rates.out_bytes as u64),
            size(state, rates.in_bytes as u64),
        ],
        false => [
            count(state, connection.count("out_msgs")),
            count(state, connection.count("in_msgs")),
            size(state, connection.count("out_bytes")),
            size(state, connection.count("in_bytes")),
        ],
    });
    row.extend([
        connection.text("lang").to_owned(),
        connection.text("version").to_owned(),
        connection.text("uptime").to_owned(),
        time::local_text(connection.text("last_activity")),
    ]);
    if state.shows_subscriptions {
        row.push(connection.texts("subscriptions_list").join(", "));
    }
    row
}

/// The connection's address, or its name if that is wanted and known.
fn host(state: &State, connection: &Value) -> String {
    let address = connection.text("ip");
    let name = state.names.of(address).filter(|_| state.shows_names);
    name.unwrap_or_else(|| address.to_owned())
}

/// A count: `1.5K`, `12.0M`, or all of its digits.
fn count(state: &State, value: u64) -> String {
    let scaled = |by: f64, unit: &str| format!("{:.1}{unit}", value as f64 / by);
    match value {
        _ if state.is_raw => value.to_string(),
        0..1_000 => value.to_string(),
        1_000..1_000_000 => scaled(1e3, "K"),
        1_000_000..1_000_000_000 => scaled(1e6, "M"),
        _ => scaled(1e9, "B"),
    }
}

/// A size in bytes.
fn size(state: &State, value: u64) -> String {
    match state.is_raw {
        true => value.to_string(),
        false => number::bytes(value).replace(" ", "").replace("iB", ""),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::super::state::Snapshot;
    use super::*;
    use serde_json::json;

    fn measured(at: Instant, times: u64) -> Snapshot {
        Snapshot {
            at,
            variables: json!({
                "version": "2.14.5", "uptime": "1m5s", "server_name": "n1", "server_id": "NABC",
                "cpu": 12.34, "mem": 16 << 20, "slow_consumers": 1, "in_msgs": 1000 * times,
                "in_bytes": 2048 * times, "out_msgs": 500 * times, "out_bytes": 1024 * times,
            }),
            connections: json!({ "num_connections": 2, "connections": [
                { "cid": 5, "ip": "127.0.0.1", "port": 40001, "name": "shop", "subscriptions": 3,
                  "pending_bytes": 0, "out_msgs": 10 * times, "in_msgs": 1500 * times,
                  "out_bytes": 100, "in_bytes": 4096 * times, "lang": "go", "version": "1.51.0",
                  "uptime": "1m", "last_activity": "x", "subscriptions_list": ["a", "b.>"] },
                { "cid": 12, "ip": "127.0.0.1", "port": 40002, "subscriptions": 0, "lang": "rust",
                  "version": "0.51.0", "uptime": "3s", "last_activity": "x" },
            ] }),
        }
    }

    fn state() -> State {
        let mut state = State {
            sort: "cid".to_owned(),
            limit: 1024,
            ..State::default()
        };
        let now = Instant::now();
        state.add(measured(now, 1));
        state.add(measured(now + Duration::from_secs(2), 2));
        state
    }

    #[test]
    fn the_picture() {
        let expected = "\
NATS server version 2.14.5 (uptime: 1m5s)
Server: n1
  ID:   NABC
  Load: CPU:  12.3%  Memory: 16 MiB  Slow Consumers: 1
  In:   Msgs: 2.0K  Bytes: 4.0K  Msgs/Sec: 500.0  Bytes/Sec: 1.0K
  Out:  Msgs: 1.0K  Bytes: 2.0K  Msgs/Sec: 250.0  Bytes/Sec: 512B

Connections Polled: 2
HOST             CID  NAME  SUBS  PENDING  MSGS_TO  MSGS_FROM  BYTES_TO  BYTES_FROM  LANG  VERSION
127.0.0.1:40001    5  shop     3        0       20       3.0K      100B        8.0K  go     1.51.0
127.0.0.1:40002   12           0        0        0          0        0B          0B  rust   0.51.0
";
        let shown: Vec<String> = view(&state(), 200, 50)
            .lines()
            .map(|line| line.split("  UPTIME").next().unwrap_or_default().to_owned())
            .map(|line| {
                line.split("  1m ")
                    .next()
                    .unwrap_or_default()
                    .trim_end()
                    .to_owned()
            })
            .map(|line| {
                line.split("  3s ")
                    .next()
                    .unwrap_or_default()
                    .trim_end()
                    .to_owned()
            })
            .collect();
        let loose = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(loose(&shown.join("\n")), loose(expected));
    }

    #[test]
    fn rates_subscriptions_and_questions_are_shown() {
        let mut state = state();
        for key in *b" so" {
            state.press(key);
        }
        let text = view(&state, 300, 50);
        assert!(
            text.contains("MSGS_FROM/S") && text.contains("750"),
            "{text}"
        );
        assert!(text.contains("a, b.>"), "{text}");
        assert!(text.contains("sort by [cid]: "), "{text}");
        let narrow = view(&state, 40, 9);
        assert!(narrow.lines().count() <= 8, "{narrow}");
        assert!(
            narrow.lines().all(|line| line.chars().count() <= 40),
            "{narrow}"
        );
    }

    #[test]
    fn programs_get_delimiters() {
        let text = delimited(&state(), ",");
        assert!(
            text.contains("\nHOST,CID,NAME,SUBS,PENDING,MSGS_TO"),
            "{text}"
        );
        assert!(
            text.contains("\n127.0.0.1:40001,5,shop,3,0,20,3.0K,100B,8.0K,go,1.51.0,1m,x"),
            "{text}"
        );
    }
}
