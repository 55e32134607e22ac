//! `nats top`: a server's load and its connections, busiest where it is wanted, drawn again and again.
//!
//! [`state`] holds what was measured and how it is to be shown, [`view`] turns that into text. This
//! module asks the server over the system account, reads keys, and draws.

mod names;
mod state;
mod view;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::app::App;
use crate::commands::server::info;
use crate::commands::server::sys::System;
use crate::commands::shared::doc::Doc;
use crate::commands::shared::screen::{Screen, repaint};
use crate::error::{Context, Error, Result};
use crate::output::{self, terminal};
use state::{Key, SORTS, Snapshot, State};

/// Where there is no terminal, lines are this long.
const WIDE: usize = 200;

/// How long a picture that is saved waits for the names of addresses.
const LOOKUPS: Duration = Duration::from_secs(5);

/// Shows top-like statistic for connections on a specific server
///
/// Keys: o sort, n number of connections, s subscriptions, space rates or totals, b raw numbers,
/// d names of addresses, p pause, ? help, q quit.
#[derive(clap::Args)]
pub(crate) struct TopArgs {
    /// The server name to gather statistics for
    name: String,

    /// Maximum number of connections to show
    #[arg(short = 'n', long, default_value_t = 1024)]
    conns: usize,

    /// Refresh interval in seconds
    #[arg(short = 'd', long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    interval: u64,

    /// Sort connections by
    #[arg(long, default_value = "cid", value_parser = clap::builder::PossibleValuesParser::new(SORTS))]
    sort: String,

    /// Looks up client addresses in DNS
    #[arg(long)]
    lookup: bool,

    /// Saves the first snapshot to a file; - is standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Specifies a output delimiter, defaults to grid-like text
    #[arg(long, default_value = "")]
    delimiter: String,

    /// Show raw bytes
    #[arg(short = 'b', long)]
    raw: bool,

    /// Maximum refreshes
    #[arg(short = 'r', long, default_value_t = -1, allow_hyphen_values = true)]
    max_refresh: i64,

    /// Shows the subscriptions column
    #[arg(long)]
    subs: bool,
}

impl TopArgs {
    pub(crate) async fn run(self, app: &App) -> Result<()> {
        let system = System::connect(app).await?;
        let mut state = State {
            sort: self.sort.clone(),
            limit: self.conns,
            shows_subscriptions: self.subs,
            is_raw: self.raw,
            shows_names: self.lookup,
            ..State::default()
        };
        let server = info::variables(&system, &self.name).await?;
        let id = server.server().text("id").to_owned();
        state.add(poll(&system, &id, &state).await?);
        if let Some(path) = &self.output {
            return self.save(&system, &id, state, path).await;
        }
        self.follow(&system, &id, state).await
    }

    /// One picture with rates, so from two measurements.
    async fn save(&self, system: &System, id: &str, mut state: State, path: &Path) -> Result<()> {
        tokio::time::sleep(Duration::from_secs(self.interval)).await;
        state.add(poll(system, id, &state).await?);
        if state.shows_names {
            state.names.wait(LOOKUPS);
        }
        let text = match self.delimiter.as_str() {
            "" => view::view(&state, WIDE, usize::MAX),
            delimiter => view::delimited(&state, delimiter),
        };
        if path == Path::new("-") {
            output::show(&text);
            return Ok(());
        }
        std::fs::write(path, text).context(path.display())
    }

    async fn follow(&self, system: &System, id: &str, mut state: State) -> Result<()> {
        let mut screen = Screen::open()?;
        let mut ticks = tokio::time::interval(Duration::from_secs(self.interval));
        // The first picture is there already.
        ticks.tick().await;
        let mut refreshes = 0;
        loop {
            let (width, height) = terminal::size().unwrap_or((WIDE, usize::MAX));
            repaint(&view::view(&state, width, height));
            refreshes += 1;
            if self.max_refresh >= 0 && refreshes >= self.max_refresh.max(1) {
                return Ok(());
            }
            tokio::select! {
                key = screen.key() => if state.press(key) == Key::Quit {
                    return Ok(());
                },
                _ = ticks.tick() => if !state.is_paused {
                    match poll(system, id, &state).await {
                        Ok(snapshot) => state.add(snapshot),
                        Err(error) => state.problem = error.message().to_owned(),
                    }
                },
            }
        }
    }
}

/// What the server says right now.
async fn poll(system: &System, id: &str, state: &State) -> Result<Snapshot> {
    let variables = ask(system, id, "VARZ", &json!({})).await?;
    let options = json!({
        "sort": state.sort,
        "limit": state.limit,
        "auth": true,
        "subscriptions": state.shows_subscriptions,
    });
    let connections = ask(system, id, "CONNZ", &options).await?;
    Ok(Snapshot {
        at: Instant::now(),
        variables,
        connections,
    })
}

async fn ask(system: &System, id: &str, what: &str, body: &Value) -> Result<Value> {
    let subject = format!("$SYS.REQ.SERVER.{id}.{what}");
    let answer = system.ask(&subject, body, 1).await?.into_iter().next();
    let answer = answer.context("the server did not answer")?;
    match answer.error() {
        Some(error) => Err(error),
        None if answer.data().is_object() => Ok(answer.data().clone()),
        None => Err(Error::new("no data received in response")),
    }
}
