//! `nats server request`: monitoring documents as the servers write them, a line of JSON each.

use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::profile;
use super::source::Source;
use super::sys::{Answer, System, selected};
use crate::app::App;
use crate::commands::shared::doc::Doc;
use crate::error::{Error, Result};
use crate::output::json as json_output;
use crate::say;

/// Request monitoring data from a specific server
#[derive(clap::Args)]
pub(crate) struct RequestArgs {
    /// Limit the responses to a certain amount of records
    #[arg(long, default_value_t = 2048, global = true)]
    limit: u32,

    /// Start at a certain record
    #[arg(long, default_value_t = 0, global = true)]
    offset: u32,

    /// Limit to servers matching a server name
    #[arg(long, global = true)]
    name: Option<String>,

    /// Limit to servers matching a server host name
    #[arg(long, global = true)]
    host: Option<String>,

    /// Limit to servers matching a cluster name
    #[arg(long, global = true)]
    cluster: Option<String>,

    /// Limit to servers with these configured tags
    #[arg(long, global = true)]
    tags: Vec<String>,

    /// Read data from an archive of 'nats audit gather' instead of asking servers
    #[arg(long, value_name = "FILE", global = true)]
    archive: Option<PathBuf>,

    #[command(subcommand)]
    command: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Show account details
    #[command(visible_aliases = ["accountz", "acct"])]
    Accounts {
        /// Wait for a certain number of responses
        wait: Option<usize>,
        /// Retrieve information for a specific account
        #[arg(long)]
        account: Option<String>,
    },
    /// Show connection details
    #[command(visible_aliases = ["conn", "connz"])]
    Connections(Connections),
    /// Show gateway details
    #[command(visible_aliases = ["gateway", "gwy", "gatewayz"])]
    Gateways {
        /// Wait for a certain number of responses
        wait: Option<usize>,
        /// Filter results on gateway name
        filter_name: Option<String>,
        /// Show only a certain account in account detail
        #[arg(long, value_name = "ACCOUNT")]
        filter_account: Option<String>,
        /// Show account detail
        #[arg(long)]
        accounts: bool,
        /// Leave out subscription details
        #[arg(long)]
        no_subscriptions: bool,
    },
    /// Show IP Queue details
    #[command(visible_aliases = ["ipq", "ipqueuesz"])]
    Ipqueue {
        /// Leave out queues that are empty
        #[arg(long)]
        no_all: bool,
        /// Filter results for specific queues
        #[arg(long)]
        filter: Option<String>,
    },
    /// Request JetStream health status
    #[command(visible_alias = "healthz")]
    JetstreamHealth(Health),
    /// Show JetStream details
    #[command(visible_aliases = ["jsz", "js"])]
    Jetstream(JetStream),
    /// Disconnects a client immediately
    Kick {
        /// The Client ID to disconnect
        #[arg(value_name = "ID")]
        client: u64,
        /// The Server ID to disconnect the client from
        #[arg(value_name = "SERVER_ID")]
        server_id: String,
    },
    /// Show leafnode details
    #[command(visible_aliases = ["leaf", "leafz"])]
    Leafnodes {
        /// Wait for a certain number of responses
        wait: Option<usize>,
        /// Show subscription detail
        #[arg(long)]
        subscriptions: bool,
    },
    /// Run a profile
    Profile(profile::Wanted),
    /// Show RAFT state details
    #[command(visible_alias = "raftz")]
    Raft {
        /// Filters on an specific account
        #[arg(long)]
        account: Option<String>,
        /// Filters on a specific group
        #[arg(long)]
        group: Option<String>,
    },
    /// Show route details
    #[command(visible_aliases = ["route", "routez"])]
    Routes {
        /// Wait for a certain number of responses
        wait: Option<usize>,
        /// Show subscription detail
        #[arg(long)]
        subscriptions: bool,
    },
    /// Show server statistics
    #[command(visible_alias = "stats")]
    Statz {
        /// Wait for a certain number of responses
        wait: Option<usize>,
    },
    /// Show subscription information
    #[command(visible_aliases = ["sub", "subsz"])]
    Subscriptions {
        /// Wait for a certain number of responses
        wait: Option<usize>,
        /// Include detail about all subscriptions
        #[arg(long)]
        detail: bool,
        /// Filter on a specific account
        #[arg(long, value_name = "ACCOUNT")]
        filter_account: Option<String>,
        /// Filter based on subscriptions matching this subject
        #[arg(long, value_name = "SUBJECT")]
        filter_subject: Option<String>,
    },
    /// Show runtime variables
    #[command(visible_aliases = ["var", "varz"])]
    Variables {
        /// Wait for a certain number of responses
        wait: Option<usize>,
    },
}

#[derive(clap::Args)]
struct Connections {
    /// Wait for a certain number of responses
    wait: Option<usize>,
    /// Sort by a specific property
    #[arg(long, default_value = "cid", value_parser = ["cid", "start", "subs", "pending", "msgs_to",
        "msgs_from", "bytes_to", "bytes_from", "last", "idle", "uptime", "stop", "reason", "rtt"])]
    sort: String,
    /// Show subscriptions
    #[arg(long)]
    subscriptions: bool,
    /// Filter on a specific CID
    #[arg(long, value_name = "CID")]
    filter_cid: Option<u64>,
    /// Filter on a specific connection state
    #[arg(long, value_enum, default_value = "open")]
    filter_state: State,
    /// Filter on a specific username
    #[arg(long, value_name = "USER")]
    filter_user: Option<String>,
    /// Filter on a specific account
    #[arg(long, value_name = "ACCOUNT")]
    filter_account: Option<String>,
    /// Limits responses only to those connections with matching subscription interest
    #[arg(long, value_name = "SUBJECT")]
    filter_subject: Option<String>,
    /// Only shows responses that have connections
    #[arg(long)]
    filter_empty: bool,
}

/// Which connections are meant; the numbers are those of the protocol.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum State {
    /// Those that are there.
    Open = 0,
    /// Those that are gone.
    Closed = 1,
    /// Both.
    All = 2,
}

/// What health is checked.
#[derive(clap::Args)]
struct Health {
    /// Wait for a certain number of responses
    wait: Option<usize>,
    #[command(flatten)]
    of: HealthOf,
    /// Leave out details about failures
    #[arg(long)]
    no_details: bool,
}

/// Whose health is checked.
#[derive(clap::Args)]
pub(crate) struct HealthOf {
    /// Checks that JetStream should be enabled on all servers
    #[arg(short = 'J', long)]
    js_enabled: bool,
    /// Restricts the health check to the JetStream server only, do not check streams and consumers
    #[arg(short = 'S', long)]
    server_only: bool,
    /// Check only a specific Account
    #[arg(long)]
    account: Option<String>,
    /// Check only a specific Stream
    #[arg(long)]
    stream: Option<String>,
    /// Check only a specific Consumer
    #[arg(long)]
    consumer: Option<String>,
}

impl HealthOf {
    /// The options of the question.
    pub(crate) fn question(&self, with_details: bool) -> Value {
        json!({
            "js-enabled-only": self.js_enabled,
            "js-server-only": self.server_only,
            "account": self.account,
            "stream": self.stream,
            "consumer": self.consumer,
            "details": with_details,
        })
    }
}

#[derive(clap::Args)]
struct JetStream {
    /// Wait for a certain number of responses
    wait: Option<usize>,
    /// Show statistics scoped to a specific account
    #[arg(long)]
    account: Option<String>,
    /// Include details about accounts
    #[arg(long)]
    accounts: bool,
    /// Include details about Streams
    #[arg(long)]
    streams: bool,
    /// Include details about Consumers
    #[arg(long)]
    consumer: bool,
    /// Include details about configuration
    #[arg(long)]
    config: bool,
    /// Include details about raft groups
    #[arg(long)]
    raft: bool,
    /// Request a response from the Meta-group leader only
    #[arg(long)]
    leader: bool,
    /// Request a response from Stream leaders only
    #[arg(long)]
    stream_leader: bool,
    /// Include accounts, streams, consumers and configuration
    #[arg(long)]
    all: bool,
}

impl RequestArgs {
    pub(crate) async fn run(self, app: &App) -> Result<()> {
        let source = Source::open(app, self.archive.as_deref()).await?;
        match (&self.command, &source) {
            (What::Kick { client, server_id }, Source::Servers(system)) => {
                kick(system, *client, server_id).await
            }
            (What::Kick { .. }, Source::Archive(_)) => {
                Err(Error::new("a client cannot be kicked off an archive")
                    .hint("Ask the servers, without --archive."))
            }
            (What::Profile(wanted), _) => profile::run(&self, app, &source, wanted).await,
            _ => {
                let (what, wait, body) = self.question();
                for answer in self.ask(app, &source, what, wait, body).await? {
                    let is_empty = answer.data().count("num_connections") == 0;
                    if !(self.leaves_out_empty() && is_empty) {
                        say!("{}", String::from_utf8_lossy(&answer.text));
                    }
                }
                Ok(())
            }
        }
    }

    fn leaves_out_empty(&self) -> bool {
        matches!(&self.command, What::Connections(args) if args.filter_empty)
    }

    pub(super) async fn ask(
        &self,
        app: &App,
        source: &Source,
        what: &str,
        wait: usize,
        body: Value,
    ) -> Result<Vec<Answer>> {
        let body = self.selected(app, body)?;
        let is_one = self.host.is_some() || self.name.is_some();
        let wait = if wait == 0 && is_one { 1 } else { wait };
        source.ask_all(what, &body, wait).await
    }

    /// Options with the servers that are meant.
    pub(super) fn selected(&self, app: &App, body: Value) -> Result<Value> {
        Ok(selected(
            body,
            self.name.as_deref(),
            self.host.as_deref(),
            self.cluster.as_deref(),
            &self.tags,
            &app.settings()?.context.jetstream_domain,
        ))
    }

    /// The endpoint's name, how many answers to wait for, and the options. Options without a value
    /// are left out.
    // tidy: long-function: one arm per document, each little more than its options
    fn question(&self) -> (&'static str, usize, Value) {
        let (what, wait, body) = match &self.command {
            What::Accounts { wait, account } => ("ACCOUNTZ", *wait, json!({ "account": account })),
            What::Connections(args) => ("CONNZ", args.wait, self.connections(args)),
            What::Gateways {
                wait,
                filter_name,
                filter_account,
                accounts,
                no_subscriptions,
            } => {
                let has_subscriptions = filter_account.is_some() && !no_subscriptions;
                let body = json!({
                    "name": filter_name,
                    "accounts": *accounts || filter_account.is_some(),
                    "account_name": filter_account,
                    "subscriptions": has_subscriptions,
                    "subscriptions_detail": has_subscriptions,
                });
                ("GATEWAYZ", *wait, body)
            }
            What::Ipqueue { no_all, filter } => (
                "IPQUEUESZ",
                None,
                json!({ "all": !no_all, "filter": filter }),
            ),
            What::JetstreamHealth(args) => {
                ("HEALTHZ", args.wait, args.of.question(!args.no_details))
            }
            What::Jetstream(args) => {
                let wait = if args.leader { Some(1) } else { args.wait };
                ("JSZ", wait, self.jetstream(args))
            }
            What::Leafnodes {
                wait,
                subscriptions,
            } => ("LEAFZ", *wait, json!({ "subscriptions": subscriptions })),
            What::Raft { account, group } => {
                ("RAFTZ", None, json!({ "account": account, "group": group }))
            }
            What::Routes {
                wait,
                subscriptions,
            } => {
                let body = json!({ "subscriptions": subscriptions, "subscriptions_detail": subscriptions });
                ("ROUTEZ", *wait, body)
            }
            What::Statz { wait } => ("STATSZ", *wait, json!({})),
            What::Subscriptions {
                wait,
                detail,
                filter_account,
                filter_subject,
            } => {
                let body = json!({
                    "offset": self.offset,
                    "limit": self.limit,
                    "subscriptions": detail,
                    "account": filter_account,
                    "test": filter_subject,
                });
                ("SUBSZ", *wait, body)
            }
            What::Variables { wait } => ("VARZ", *wait, json!({})),
            What::Kick { .. } | What::Profile(_) => ("VARZ", None, json!({})),
        };
        (what, wait.unwrap_or_default(), without_nulls(body))
    }

    fn connections(&self, args: &Connections) -> Value {
        json!({
            "sort": args.sort,
            "auth": true,
            "subscriptions": args.subscriptions,
            "subscriptions_detail": args.subscriptions,
            "offset": self.offset,
            "limit": self.limit,
            "cid": args.filter_cid,
            "state": args.filter_state as u8,
            "user": args.filter_user,
            "acc": args.filter_account,
            "filter_subject": args.filter_subject,
        })
    }

    fn jetstream(&self, args: &JetStream) -> Value {
        json!({
            "account": args.account,
            "accounts": args.accounts || args.all,
            "streams": args.streams || args.all,
            "consumer": args.consumer || args.all,
            "config": args.config || args.all,
            "raft": args.raft || args.all,
            "leader_only": args.leader,
            "stream_leader_only": args.stream_leader,
            "offset": self.offset,
            "limit": self.limit,
        })
    }
}

async fn kick(system: &System, client: u64, server: &str) -> Result<()> {
    let subject = format!("$SYS.REQ.SERVER.{server}.KICK");
    let answers = match system.ask(&subject, &json!({ "cid": client }), 1).await {
        Err(error) => {
            return Err(
                Error::new(format!("no server {server} answered: {}", error.message()))
                    .hint("The server's ID is needed, not its name: `nats server ping --id`."),
            );
        }
        answers => answers?,
    };
    for answer in answers {
        json_output::print_raw(&answer.text)?;
        if let Some(error) = answer.error() {
            return Err(error);
        }
    }
    Ok(())
}

/// An object without the fields that are null.
pub(crate) fn without_nulls(mut body: Value) -> Value {
    if let Some(body) = body.as_object_mut() {
        body.retain(|_, value| !value.is_null());
    }
    body
}
