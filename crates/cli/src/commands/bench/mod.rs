//! `nats bench`: how fast a server is, as seen by clients that cost less than the server.
//!
//! ```text
//! arguments ─▶ Job ─▶ a thread with a raw connection per client ─▶ Sample each ─▶ report
//! ```
//!
//! Streams, consumers and buckets are set up beforehand over the ordinary connection; what is
//! measured goes through `connect::raw`.

mod core;
mod job;
mod js_consume;
mod js_fast;
mod js_get;
mod js_publish;
mod kv;
mod message;
mod pace;
mod report;

use crate::app::App;
use crate::commands::absent::Absent;
use crate::error::Result;

/// Benchmark utility
///
/// Core publish and subscribe, in two terminals:
///
///   nats bench sub demo --clients 2
///   nats bench pub demo --clients 2 --size 512
///
/// Services, in two terminals:
///
///   nats bench service serve demo
///   nats bench service request demo --clients 4
///
/// JetStream:
///
///   nats bench js pub async demo --create
///   nats bench js consume
///   nats bench kv put
///   nats bench kv get
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    command: BenchCommand,
}

#[derive(clap::Subcommand)]
enum BenchCommand {
    /// Publish Core NATS messages
    Pub(core::PubArgs),
    /// Subscribe to Core NATS messages
    Sub(core::SubArgs),
    /// Measure services
    Service {
        #[command(subcommand)]
        command: ServiceCommand,
    },
    /// Measure JetStream
    Js {
        #[command(subcommand)]
        command: JsCommand,
    },
    /// Measure key-value buckets
    Kv {
        #[command(subcommand)]
        command: KvCommand,
    },
    #[command(hide = true)]
    Oldjs(Absent),
}

#[derive(clap::Subcommand)]
enum ServiceCommand {
    /// Send requests and wait for replies
    Request(core::RequestArgs),
    /// Service requests until interrupted
    Serve(core::ServeArgs),
}

#[derive(clap::Subcommand)]
enum JsCommand {
    /// Publish messages to a stream
    Pub {
        #[command(subcommand)]
        command: JsPubCommand,
    },
    /// Consume messages with an ephemeral ordered consumer
    Ordered(js_consume::OrderedArgs),
    /// Consume messages continuously from a durable consumer
    Consume(js_consume::ConsumeArgs),
    /// Fetch batches of messages from a durable consumer
    Fetch(js_consume::ConsumeArgs),
    /// Get messages directly
    Get {
        #[command(subcommand)]
        command: JsGetCommand,
    },
}

#[derive(clap::Subcommand)]
enum JsPubCommand {
    /// Use synchronous JetStream publish
    Sync(js_publish::PublishArgs),
    /// Use asynchronous JetStream publish
    Async(js_publish::PublishArgs),
    /// Use atomic batched JetStream publish
    #[command(visible_alias = "batch")]
    Atomic(js_publish::PublishArgs),
    /// Use fast batch JetStream publish
    Fast(js_publish::FastArgs),
}

#[derive(clap::Subcommand)]
enum JsGetCommand {
    /// One message at a time, by sequence
    Sync(js_get::SyncArgs),
    /// Batches of messages
    Batch(js_get::BatchArgs),
}

#[derive(clap::Subcommand)]
enum KvCommand {
    /// Put values
    Put(kv::PutArgs),
    /// Get values
    Get(kv::GetArgs),
}

impl BenchArgs {
    pub(crate) async fn run(self, app: &App) -> Result<()> {
        match self.command {
            BenchCommand::Pub(args) => args.run(app),
            BenchCommand::Sub(args) => args.run(app),
            BenchCommand::Service { command } => match command {
                ServiceCommand::Request(args) => args.run(app),
                ServiceCommand::Serve(args) => args.run(app),
            },
            BenchCommand::Js { command } => match command {
                JsCommand::Pub { command } => match command {
                    JsPubCommand::Sync(args) => args.run(app, js_publish::Mode::Sync).await,
                    JsPubCommand::Async(args) => args.run(app, js_publish::Mode::Async).await,
                    JsPubCommand::Atomic(args) => args.run(app, js_publish::Mode::Atomic).await,
                    JsPubCommand::Fast(args) => args.run(app).await,
                },
                JsCommand::Ordered(args) => args.run(app).await,
                JsCommand::Consume(args) => args.run(app, js_consume::Mode::Consume).await,
                JsCommand::Fetch(args) => args.run(app, js_consume::Mode::Fetch).await,
                JsCommand::Get { command } => match command {
                    JsGetCommand::Sync(args) => args.run(app).await,
                    JsGetCommand::Batch(args) => args.run(app).await,
                },
            },
            BenchCommand::Kv { command } => match command {
                KvCommand::Put(args) => args.run(app).await,
                KvCommand::Get(args) => args.run(app).await,
            },
            BenchCommand::Oldjs(absent) => absent.refuse(
                "nats bench oldjs",
                "`nats bench js ordered`, `js consume` and `js fetch` measure the same.",
            ),
        }
    }
}
