//! `nats server watch`: tables that follow what servers say about themselves every now and then.
//!
//! The tables are functions of what was received; this module only receives, and draws once a second.
//! A server is remembered by its last word, and at most as many as [`MAX_KEPT`].

mod accounts;
mod api;
mod jetstream;
mod servers;

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use async_nats::Message;
use futures_util::StreamExt;
use serde_json::Value;

use crate::app::App;
use crate::commands::shared::doc::Doc;
use crate::commands::shared::screen;
use crate::error::{Context, Result};
use crate::output::{terminal, time};

/// Servers, accounts or requests that are remembered.
const MAX_KEPT: usize = 10_000;

/// Rows where there is no terminal to fill.
const ROWS_WITHOUT_TERMINAL: usize = 20;

/// Time between two pictures.
const REDRAW: Duration = Duration::from_secs(1);

/// Live views of server data
#[derive(clap::Args)]
pub(crate) struct WatchArgs {
    #[command(subcommand)]
    command: WatchCommand,
}

#[derive(clap::Subcommand)]
enum WatchCommand {
    #[command(visible_aliases = ["server", "srv"])]
    Servers(servers::ServersArgs),
    #[command(visible_aliases = ["js", "jsz"])]
    Jetstream(jetstream::JetStreamArgs),
    #[command(visible_aliases = ["account", "acct"])]
    Accounts(accounts::AccountsArgs),
    /// Watch JetStream API
    Api {
        #[command(subcommand)]
        command: ApiCommand,
    },
}

#[derive(clap::Subcommand)]
enum ApiCommand {
    #[command(visible_alias = "req")]
    Requests(api::RequestsArgs),
}

/// How much of it is shown.
#[derive(clap::Args)]
pub(crate) struct Amount {
    /// Amount of rows to show by the selected dimension
    #[arg(short, long, visible_alias = "top", default_value_t = 0)]
    number: usize,

    /// End after this many updates
    #[arg(long, hide = true)]
    updates: Option<usize>,
}

impl Amount {
    /// The rows that fit, leaving some for the table's own lines.
    fn rows(&self, own_lines: usize) -> usize {
        let fit = terminal::size().map_or(ROWS_WITHOUT_TERMINAL, |(_, rows)| {
            rows.saturating_sub(own_lines).max(1)
        });
        match self.number {
            0 => fit,
            number => number.min(fit.max(1)),
        }
    }
}

impl WatchArgs {
    pub(crate) async fn run(self, app: &App) -> Result<()> {
        match self.command {
            WatchCommand::Servers(args) => args.run(app).await,
            WatchCommand::Jetstream(args) => args.run(app).await,
            WatchCommand::Accounts(args) => args.run(app).await,
            WatchCommand::Api { command } => match command {
                ApiCommand::Requests(args) => args.run(app).await,
            },
        }
    }
}

/// Something that listens and can be drawn.
trait View {
    /// Takes in a message.
    fn receive(&mut self, message: &Message);

    /// The picture, or none while there is nothing to show.
    fn draw(&mut self) -> Option<String>;
}

/// What is asked before listening.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ask {
    /// All servers for their statistics, instead of waiting for the next round.
    Statistics,
    /// Whether servers answer at all: nothing is heard outside of the system account.
    Servers,
    /// Nothing: there is something to hear in every account.
    Nothing,
}

/// Shows a view until interrupted.
async fn follow(
    app: &App,
    subject: &str,
    ask: Ask,
    amount: &Amount,
    view: &mut impl View,
) -> Result<()> {
    let client = app.connect().await?;
    let mut messages = client.subscribe(subject.to_owned()).await?;
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await?;
    if ask != Ask::Nothing {
        let subject = "$SYS.REQ.SERVER.PING";
        client.publish_with_reply(subject, inbox, "".into()).await?;
    }
    client.flush().await?;
    let mut screen = screen::Screen::open()?;
    let mut ticks = tokio::time::interval(REDRAW);
    let mut drawn = 0;
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    loop {
        tokio::select! {
            message = messages.next() => view.receive(&message.context("the connection ended")?),
            Some(answer) = answers.next() => {
                if answer.status == Some(async_nats::StatusCode::NO_RESPONDERS) {
                    return Err(crate::error::Error::new("no server answers in this account")
                        .hint("Connect as a user of the system account."));
                }
                if ask == Ask::Statistics {
                    view.receive(&answer);
                }
            }
            _ = &mut interrupted => return Ok(()),
            key = screen.key() => if matches!(key, b'q' | 3) {
                return Ok(());
            },
            _ = ticks.tick() => if let Some(picture) = view.draw() {
                screen::repaint(&picture);
                drawn += 1;
                if amount.updates.is_some_and(|updates| drawn >= updates) {
                    return Ok(());
                }
            },
        }
    }
}

/// The last words of servers, by their ids, and when the last of them came.
#[derive(Default)]
struct Latest {
    servers: BTreeMap<String, Value>,
    at: String,
}

impl Latest {
    /// Takes in what a server says, under the id that `id` gives it; without one it is not wanted.
    fn receive(&mut self, message: &Message, id: impl Fn(&Value) -> Option<String>) {
        let Ok(document) = serde_json::from_slice::<Value>(&message.payload) else {
            return;
        };
        if let Some(id) = id(&document) {
            self.at = time::clock();
            self.put(&id, document);
        }
    }

    fn put(&mut self, id: &str, document: Value) {
        if self.servers.len() < MAX_KEPT || self.servers.contains_key(id) {
            self.servers.insert(id.to_owned(), document);
        }
    }

    /// The servers, those with most of what `value` reads first, then by name.
    fn busiest(&self, value: impl Fn(&Value) -> f64) -> Vec<&Value> {
        let mut servers: Vec<&Value> = self.servers.values().collect();
        servers.sort_by(|a, b| {
            let order = value(b).total_cmp(&value(a));
            order.then_with(|| a.text("server.name").cmp(b.text("server.name")))
        });
        servers
    }
}

/// The id of the server that speaks.
fn server_id(document: &Value) -> String {
    document.text("server.id").to_owned()
}

/// The title of a table of the busiest servers.
fn activity(rows: usize, servers: &[&Value], key: &str, at: &str) -> String {
    format!(
        "Top {} Server activity by {key} at {at}",
        top(rows, servers.len())
    )
}

/// `Top 3`, or `Top 20 / 57` when not all are shown.
fn top(shown: usize, total: usize) -> String {
    match total > shown {
        true => format!("{shown} / {total}"),
        false => total.to_string(),
    }
}
