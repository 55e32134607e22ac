//! Which consumers are meant by criteria: `consumer find`, `consumer cluster balance`.

use std::time::Duration;

use super::show::is_pinned;
use crate::commands::shared::describe;
use crate::commands::shared::expr::Expression;
use crate::commands::stream::{expression, subject_of_expressions};
use crate::error::Result;
use crate::jsm::ConsumerInfo;
use crate::output::{duration, time};

/// Criteria; a consumer must meet all that are given.
#[derive(clap::Args)]
pub(super) struct Criteria {
    /// Only pull based consumers
    #[arg(long)]
    pull: bool,
    /// Only push based consumers
    #[arg(long)]
    push: bool,
    /// Push-bound consumers or pull consumers with waiting pulls
    #[arg(long)]
    bound: bool,
    /// Consumers with fewer waiting pulls
    #[arg(long)]
    waiting: Option<u64>,
    /// Consumers with fewer pending acks
    #[arg(long)]
    ack_pending: Option<u64>,
    /// Consumers with fewer unprocessed messages
    #[arg(long)]
    pending: Option<u64>,
    /// Consumers with no new deliveries for a period
    #[arg(long, value_name = "DURATION", value_parser = duration::arg)]
    idle: Option<Duration>,
    /// Consumers created longer ago than a duration
    #[arg(long, value_name = "DURATION", value_parser = duration::arg)]
    created: Option<Duration>,
    /// Consumers with fewer or equal replicas than the value
    #[arg(long)]
    replicas: Option<u64>,
    /// Clustered consumers with a specific leader
    #[arg(long, value_name = "SERVER")]
    leader: Option<String>,
    /// Pinned client consumers that are fully pinned
    #[arg(long)]
    pinned: bool,
    /// Invert the check: before becomes after, with becomes without
    #[arg(long)]
    invert: bool,
    /// Match consumers using an expression, as in 'info.num_pending > 10 and config.name matches "^a"'
    #[arg(long, value_parser = expression)]
    expression: Option<Expression>,
}

impl Criteria {
    /// Whether a consumer meets all criteria, and the level given.
    pub(super) fn meets(&self, info: &ConsumerInfo, api_level: Option<u64>) -> Result<bool> {
        let is_push = !info.config.deliver_subject.is_empty();
        let cluster = info.cluster.as_ref();
        let older = |text: &str, period: Duration| {
            time::parse(text).is_none_or(|at| time::since(at) >= period)
        };
        let last = info.delivered.last_active.as_deref().unwrap_or_default();
        let replicas = cluster.map_or(1, |cluster| cluster.replicas.len() as u64 + 1);
        let level = || describe::api_level(&info.config.metadata).parse::<u64>();
        let answers = [
            self.pull.then_some(!is_push),
            self.push.then_some(is_push),
            self.bound
                .then_some(info.push_bound || info.num_waiting > 0),
            self.waiting.map(|count| info.num_waiting < count),
            self.ack_pending.map(|count| info.num_ack_pending < count),
            self.pending.map(|count| info.num_pending < count),
            self.idle.map(|period| older(last, period)),
            self.created.map(|period| older(&info.created, period)),
            self.replicas.map(|count| replicas <= count),
            self.leader
                .as_ref()
                .map(|server| cluster.is_some_and(|cluster| cluster.leader == *server)),
            self.pinned.then(|| is_pinned(info)),
            api_level.map(|wanted| level().is_ok_and(|level| level >= wanted)),
        ];
        let mut answers = answers.into_iter().flatten();
        match &self.expression {
            _ if !answers.all(|answer| answer != self.invert) => Ok(false),
            None => Ok(true),
            Some(expression) => {
                let document = subject_of_expressions(serde_json::to_value(info)?, "");
                expression.is_true_of(&document)
            }
        }
    }
}
