//! `nats server check`: a check per sub-command, for monitoring systems.
//!
//! A check never fails as a command does: what goes wrong is what it found, told in the format that
//! was asked for. How the findings follow from what servers say is in pure functions (`judge`).

mod connection;
mod consumer;
mod credential;
mod exporter;
mod exporter_config;
mod jetstream;
mod kv;
mod message;
mod meta;
mod outcome;
mod request;
mod server;
mod stream;

use std::path::PathBuf;

use crate::app::App;
use crate::error::Result;
pub(crate) use consumer::by_metadata as consumer_by_metadata;
use outcome::Format;
pub(crate) use outcome::Outcome;
pub(crate) use stream::by_metadata as stream_by_metadata;

/// Health check for NATS servers
#[derive(clap::Args)]
pub(crate) struct CheckArgs {
    /// Render the check in a specific format
    #[arg(long, value_enum, default_value = "nagios", global = true)]
    format: Format,

    /// The prometheus namespace to use in output
    #[arg(long, default_value = "nats_server_check", global = true)]
    namespace: String,

    /// Save output to a file rather than STDOUT
    #[arg(long, value_name = "FILE", global = true)]
    outfile: Option<PathBuf>,

    #[command(subcommand)]
    command: CheckCommand,
}

#[derive(clap::Subcommand)]
enum CheckCommand {
    #[command(flatten)]
    One(Check),
    #[command(hide = true)]
    Exporter(exporter::ExporterArgs),
}

/// One check.
#[derive(clap::Subcommand)]
enum Check {
    #[command(visible_alias = "conn")]
    Connection(connection::ConnectionCheck),
    Stream(stream::StreamCheck),
    Consumer(consumer::ConsumerCheck),
    Message(message::MessageCheck),
    #[command(visible_alias = "raft")]
    Meta(meta::MetaCheck),
    #[command(visible_alias = "req")]
    Request(request::RequestCheck),
    #[command(visible_alias = "js")]
    Jetstream(jetstream::JetStreamCheck),
    Server(server::ServerCheck),
    Kv(kv::KvCheck),
    Credential(credential::CredentialCheck),
}

impl Check {
    async fn run(&self, app: &App) -> Outcome {
        match self {
            Check::Connection(check) => check.run(app).await,
            Check::Stream(check) => check.run(app).await,
            Check::Consumer(check) => check.run(app).await,
            Check::Message(check) => check.run(app).await,
            Check::Meta(check) => check.run(app).await,
            Check::Request(check) => check.run(app).await,
            Check::Jetstream(check) => check.run(app).await,
            Check::Server(check) => check.run(app).await,
            Check::Kv(check) => check.run(app).await,
            Check::Credential(check) => check.run(),
        }
    }
}

impl CheckArgs {
    pub(crate) async fn run(self, app: &App) -> Result<()> {
        let outcome = match &self.command {
            CheckCommand::Exporter(args) => return args.run(app, &self.namespace).await,
            CheckCommand::One(check) => check.run(app).await,
        };
        outcome::report(
            &outcome,
            self.format,
            &self.namespace,
            self.outfile.as_deref(),
        )
    }
}

/// How a value that should be low, or with turned thresholds high, is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Ok,
    Warning,
    Critical,
}

impl Verdict {
    /// Notes `text` as what the verdict is.
    fn note(self, outcome: &mut Outcome, text: String) {
        match self {
            Verdict::Ok => outcome.ok(text),
            Verdict::Warning => outcome.warning(text),
            Verdict::Critical => outcome.critical(text),
        }
    }
}

/// Compares a value with thresholds that may be missing; a critical threshold below that of the
/// warning turns the check around: too little is what is bad.
fn judge(value: f64, warning: Option<f64>, critical: Option<f64>) -> Verdict {
    let is_turned = matches!((warning, critical), (Some(w), Some(c)) if c < w);
    let reached = |limit: Option<f64>| match limit {
        Some(limit) if is_turned => value <= limit,
        Some(limit) => value >= limit,
        None => false,
    };
    match (reached(critical), reached(warning)) {
        (true, _) => Verdict::Critical,
        (false, true) => Verdict::Warning,
        (false, false) => Verdict::Ok,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_may_be_turned_around() {
        let check = |value: f64, warning: f64, critical: f64, expected: Verdict| {
            assert_eq!(judge(value, Some(warning), Some(critical)), expected);
        };
        check(5.0, 10.0, 20.0, Verdict::Ok);
        check(10.0, 10.0, 20.0, Verdict::Warning);
        check(20.0, 10.0, 20.0, Verdict::Critical);
        check(25.0, 20.0, 10.0, Verdict::Ok);
        check(15.0, 20.0, 10.0, Verdict::Warning);
        check(10.0, 20.0, 10.0, Verdict::Critical);
        assert_eq!(judge(1e9, None, None), Verdict::Ok);
    }
}
