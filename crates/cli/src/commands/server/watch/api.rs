//! `nats server watch api requests`: who asks JetStream what, and how often.
//!
//! The system account hears every request to the API; a request is told apart by its kind, the
//! account it came from and what it is about.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use async_nats::Message;
use regex::Regex;
use serde_json::Value;

use super::{Amount, Ask, MAX_KEPT, View, follow};
use crate::app::App;
use crate::commands::shared::doc::Doc;
use crate::error::Result;
use crate::output::table::Table;
use crate::output::{duration, number, terminal};

/// Times of requests that are kept per row, to know its rate.
const MAX_TIMES: usize = 100_000;

/// Watch JS API Requests
#[derive(clap::Args)]
pub(super) struct RequestsArgs {
    /// Limit to JetStream account (regex)
    #[arg(long)]
    account: Option<Regex>,

    /// Rate interval to calculate
    #[arg(long, default_value = "1m", value_parser = duration::arg)]
    rate: Duration,

    /// Don't record consumer names
    #[arg(long)]
    no_record_consumer: bool,

    /// Show long asset and account names in full
    #[arg(long)]
    no_compact: bool,

    /// Reverse sorting order
    #[arg(short = 'R', long)]
    reverse: bool,

    #[command(flatten)]
    amount: Amount,
}

/// What requests have in common that share a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    account: String,
    kind: String,
    asset: String,
}

#[derive(Default)]
struct Seen {
    count: u64,
    times: VecDeque<Instant>,
}

struct Requests<'a> {
    args: &'a RequestsArgs,
    seen: BTreeMap<Key, Seen>,
}

impl RequestsArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        let mut view = Requests {
            args: &self,
            seen: BTreeMap::new(),
        };
        follow(app, "$JS.API.>", Ask::Nothing, &self.amount, &mut view).await
    }
}

impl View for Requests<'_> {
    fn receive(&mut self, message: &Message) {
        let header = message.headers.as_ref();
        let info = header.and_then(|headers| headers.get("Nats-Request-Info"));
        let info: Value = info
            .and_then(|info| serde_json::from_str(info.as_str()).ok())
            .unwrap_or_default();
        let account = info.text("acc");
        if self
            .args
            .account
            .as_ref()
            .is_some_and(|wanted| !wanted.is_match(account))
        {
            return;
        }
        let Some((kind, asset)) = kind_of(message.subject.as_str(), !self.args.no_record_consumer)
        else {
            return;
        };
        let key = Key {
            account: account.to_owned(),
            kind,
            asset,
        };
        if self.seen.len() < MAX_KEPT || self.seen.contains_key(&key) {
            let seen = self.seen.entry(key).or_default();
            seen.count += 1;
            seen.times.push_back(Instant::now());
            if seen.times.len() > MAX_TIMES {
                seen.times.pop_front();
            }
        }
    }

    fn draw(&mut self) -> Option<String> {
        let now = Instant::now();
        for seen in self.seen.values_mut() {
            while seen
                .times
                .front()
                .is_some_and(|at| now.duration_since(*at) > self.args.rate)
            {
                seen.times.pop_front();
            }
        }
        if self.seen.is_empty() {
            return Some("Waiting for requests...\n".to_owned());
        }
        let mut rows: Vec<_> = self.seen.iter().collect();
        rows.sort_by_key(|(key, seen)| {
            (
                std::cmp::Reverse((seen.times.len(), seen.count)),
                key.asset.clone(),
            )
        });
        if self.args.reverse {
            rows.reverse();
        }
        let shown = match self.args.amount.number {
            0 => 10,
            number => number,
        };
        let rate = format!("Event / {}", duration::human(self.args.rate));
        let mut table = Table::new(
            format!("Top {shown} JS API activity"),
            &["Type", "Account", "Count", &rate, "Asset"],
        );
        for (key, seen) in rows.into_iter().take(shown) {
            table.row([
                key.kind.clone(),
                self.shortened(&key.account, 5),
                number::grouped(seen.count),
                number::grouped(seen.times.len() as u64),
                key.asset.clone(),
            ]);
        }
        Some(table.snipped(terminal::width()))
    }
}

impl Requests<'_> {
    fn shortened(&self, name: &str, tail: usize) -> String {
        let ends = (name.get(..10), name.get(name.len().saturating_sub(tail)..));
        match ends {
            (Some(head), Some(tail)) if name.len() > 20 && !self.args.no_compact => {
                format!("{head}...{tail}")
            }
            _ => name.to_owned(),
        }
    }
}

/// A request's kind and what it is about: `stream_info` of `ORDERS`.
fn kind_of(subject: &str, with_consumer: bool) -> Option<(String, String)> {
    let tokens: Vec<&str> = subject.strip_prefix("$JS.API.")?.split('.').collect();
    let (kind, names): (String, &[&str]) = match tokens.as_slice() {
        ["INFO"] => ("account_info".to_owned(), &[]),
        ["STREAM", "MSG", what, names @ ..] => (format!("stream_msg_{what}"), names),
        ["STREAM", "PEER", what, names @ ..] => (format!("stream_{what}_peer"), names),
        ["STREAM", "LEADER", _, names @ ..] => ("stream_leader_stepdown".to_owned(), names),
        ["CONSUMER", "MSG", "NEXT", names @ ..] => ("consumer_getnext".to_owned(), names),
        ["CONSUMER", "LEADER", _, names @ ..] => ("consumer_leader_stepdown".to_owned(), names),
        ["CONSUMER", "DURABLE", "CREATE", names @ ..] => ("consumer_create".to_owned(), names),
        ["DIRECT", "GET", names @ ..] => ("direct_get".to_owned(), names),
        [area, what, names @ ..] => (format!("{area}_{what}"), names),
        _ => return None,
    };
    let kept = match (
        with_consumer,
        kind.starts_with("CONSUMER_") || kind.starts_with("consumer_"),
    ) {
        (true, true) => 2,
        _ => 1,
    };
    let names: Vec<&str> = names.iter().take(kept).copied().collect();
    Some((kind.to_lowercase() + "_request", names.join(" > ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_apart() {
        let check = |subject: &str, kind: &str, asset: &str| {
            let expected = (format!("{kind}_request"), asset.to_owned());
            assert_eq!(kind_of(subject, true), Some(expected), "{subject}");
        };
        check("$JS.API.INFO", "account_info", "");
        check("$JS.API.STREAM.INFO.ORDERS", "stream_info", "ORDERS");
        check(
            "$JS.API.CONSUMER.INFO.ORDERS.NEW",
            "consumer_info",
            "ORDERS > NEW",
        );
        check(
            "$JS.API.CONSUMER.MSG.NEXT.ORDERS.NEW",
            "consumer_getnext",
            "ORDERS > NEW",
        );
        check("$JS.API.STREAM.MSG.GET.ORDERS", "stream_msg_get", "ORDERS");
        check("$JS.API.DIRECT.GET.ORDERS.a.b", "direct_get", "ORDERS");
        assert_eq!(
            kind_of("$JS.API.CONSUMER.INFO.S.C", false)
                .map(|(_, asset)| asset)
                .as_deref(),
            Some("S")
        );
        assert_eq!(kind_of("orders", true), None);
    }
}
