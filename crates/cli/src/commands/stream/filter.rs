//! Which streams are meant by criteria: `stream find`, `stream cluster balance`.

use std::time::Duration;

use regex::Regex;
use serde_json::{Value, json};

use crate::commands::shared::describe;
use crate::commands::shared::expr::Expression;
use crate::error::Result;
use crate::jsm::{Jsm, StreamInfo};
use crate::output::{duration, time};

/// Criteria; a stream must meet all that are given.
#[derive(clap::Args)]
pub(super) struct Criteria {
    /// Streams present on servers whose name matches a regular expression
    #[arg(long, value_name = "REGEX", value_parser = regex)]
    server_name: Option<Regex>,
    /// Streams present in clusters whose name matches a regular expression
    #[arg(long, value_name = "REGEX", value_parser = regex)]
    cluster: Option<Regex>,
    /// Streams with no messages
    #[arg(long)]
    empty: bool,
    /// Streams with no new messages for a period
    #[arg(long, value_name = "DURATION", value_parser = duration::arg)]
    idle: Option<Duration>,
    /// Streams created longer ago than a duration
    #[arg(long, value_name = "DURATION", value_parser = duration::arg)]
    created: Option<Duration>,
    /// Streams with fewer consumers than a threshold, or as many
    #[arg(long, value_name = "THRESHOLD", allow_hyphen_values = true)]
    consumers: Option<i64>,
    /// Streams with interest matching a subject or wildcard
    #[arg(long)]
    pub(super) subject: Option<String>,
    /// Streams with fewer or equal replicas than the value
    #[arg(long)]
    replicas: Option<i64>,
    /// Streams that source data from other streams
    #[arg(long)]
    sourced: bool,
    /// Streams that mirror other streams
    #[arg(long)]
    mirrored: bool,
    /// Clustered streams with a specific leader
    #[arg(long, value_name = "SERVER")]
    leader: Option<String>,
    /// Invert the check: before becomes after, with becomes without
    #[arg(long)]
    invert: bool,
    /// Match streams using an expression, as in 'state.messages > 10 and "orders.>" in config.subjects'
    #[arg(long, value_parser = expression)]
    expression: Option<Expression>,
}

/// Reads an expression about a stream or a consumer for `value_parser`.
pub(crate) fn expression(text: &str) -> std::result::Result<Expression, String> {
    let names = ["config", "state", "info", "Info"];
    Expression::parse(text, &names).map_err(|error| error.message().to_owned())
}

/// A stream or consumer as expressions see it: what `info --json` prints, and parts of it.
pub(crate) fn subject_of_expressions(info: Value, state: &str) -> Value {
    let state = match state {
        "" => &info,
        field => &info[field],
    };
    json!({ "config": info["config"], "state": state, "info": info, "Info": info })
}

/// Reads a regular expression for `value_parser`.
pub(crate) fn regex(text: &str) -> std::result::Result<Regex, String> {
    Regex::new(text).map_err(|error| error.to_string())
}

impl Criteria {
    /// The streams that meet all criteria, and the level given.
    pub(super) async fn find(&self, jsm: &Jsm, api_level: Option<u64>) -> Result<Vec<StreamInfo>> {
        let mut streams = jsm.stream_list(None).await?.streams;
        let interested = match &self.subject {
            Some(subject) => Some(jsm.stream_names(Some(subject)).await?),
            None => None,
        };
        streams.retain(|stream| {
            let interested = interested
                .as_ref()
                .map(|names| names.contains(&stream.config.name));
            self.answers(stream, interested, api_level)
                .into_iter()
                .flatten()
                .all(|answer| answer != self.invert)
        });
        let Some(expression) = &self.expression else {
            return Ok(streams);
        };
        let mut found = Vec::new();
        for stream in streams {
            let document = subject_of_expressions(serde_json::to_value(&stream)?, "state");
            if expression.is_true_of(&document)? {
                found.push(stream);
            }
        }
        Ok(found)
    }

    /// An answer per criterion, `None` for those that were not given.
    fn answers(
        &self,
        stream: &StreamInfo,
        interested: Option<bool>,
        api_level: Option<u64>,
    ) -> [Option<bool>; 12] {
        let cluster = stream.cluster.as_ref();
        let leader = cluster.map_or("", |cluster| cluster.leader.as_str());
        let on_server = |pattern: &Regex| {
            let peers = cluster.into_iter().flat_map(|cluster| &cluster.replicas);
            pattern.is_match(leader) || peers.into_iter().any(|peer| pattern.is_match(&peer.name))
        };
        let older = |text: &str, period: Duration| {
            time::parse(text).is_none_or(|at| time::since(at) >= period)
        };
        let level = || describe::api_level(&stream.config.metadata).parse::<u64>();
        [
            self.server_name.as_ref().map(on_server),
            self.cluster
                .as_ref()
                .map(|pattern| cluster.is_some_and(|cluster| pattern.is_match(&cluster.name))),
            self.empty.then_some(stream.state.messages == 0),
            self.idle.map(|period| older(&stream.state.last_ts, period)),
            self.created.map(|period| older(&stream.created, period)),
            // Below nothing is no threshold.
            self.consumers
                .and_then(|count| u64::try_from(count).ok())
                .map(|count| {
                    let consumers = stream.state.consumer_count;
                    // As many as that are on both sides of the line.
                    consumers < count || (consumers == count && !self.invert)
                }),
            self.replicas
                .map(|count| stream.config.num_replicas <= count),
            self.sourced.then_some(!stream.config.sources.is_empty()),
            self.mirrored.then_some(stream.config.mirror.is_some()),
            self.leader.as_ref().map(|server| server == leader),
            interested,
            api_level.map(|wanted| level().is_ok_and(|level| level >= wanted)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        criteria: Criteria,
    }

    fn meets(line: &str) -> bool {
        let line = Line::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{error}"));
        let mut stream = StreamInfo {
            created: "2020-01-01T00:00:00Z".to_owned(),
            ..StreamInfo::default()
        };
        stream.state.messages = 5;
        stream.config.num_replicas = 3;
        line.criteria
            .answers(&stream, None, None)
            .into_iter()
            .flatten()
            .all(|answer| answer != line.criteria.invert)
    }

    #[test]
    fn all_criteria_must_be_met() {
        assert!(meets("find --created 1y"));
        assert!(!meets("find --created 1y --empty"));
        assert!(meets("find --empty --invert"));
        assert!(meets("find --replicas 3 --consumers 1"));
        assert!(meets("find --consumers 0") && meets("find --consumers 0 --invert"));
        assert!(!meets("find --consumers 1 --invert"));
        assert!(!meets("find --replicas 2"));
        assert!(!meets("find --cluster east"));
    }
}
