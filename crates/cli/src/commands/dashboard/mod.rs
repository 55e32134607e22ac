//! `nats dashboard`: connections, streams and consumers of an account on one screen: how much, how
//! fast, how far behind.
//!
//! [`state`] turns samples into rates and short histories, [`view`] into text. This module takes the
//! samples: the round trip of a message to oneself, connections from the servers, which answer ordinary
//! accounts about themselves, streams and consumers from JetStream. What is not allowed or not there
//! is left out of the picture, with the reason.

mod state;
mod view;

use std::time::{Duration, Instant};

use async_nats::Subscriber;
use futures_util::StreamExt;
use serde_json::json;

use crate::app::App;
use crate::commands::server::sys::System;
use crate::commands::shared::doc::Doc;
use crate::commands::shared::screen::{Screen, repaint};
use crate::error::{Context, Result};
use crate::jsm::Jsm;
use crate::output::{duration, terminal};
use state::{Connection, Consumer, Sample, State, Stream};

/// Connections of a server that are asked for.
const MAX_CONNECTIONS: u32 = 1024;

/// Streams whose consumers are looked at.
const MAX_STREAMS: usize = 100;

/// How long servers are waited for: the picture must not stand still.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long a message to oneself may take before the connection counts as lost.
const LOST: Duration = Duration::from_secs(10);

/// Columns and rows where there is no terminal.
const WITHOUT_TERMINAL: (usize, usize) = (120, 60);

/// Live view of connections, streams, consumers, lag, rates and latency
///
/// Keys: s sort, p pause, q quit.
#[derive(clap::Args)]
pub(crate) struct DashboardArgs {
    /// Time between two pictures
    #[arg(short, long, default_value = "1s", value_parser = duration::arg)]
    interval: Duration,

    /// Show only this stream and its consumers
    #[arg(long)]
    stream: Option<String>,

    /// End after this many pictures
    #[arg(short = 'r', long, value_name = "PICTURES")]
    max_refresh: Option<u64>,
}

impl DashboardArgs {
    pub(crate) async fn run(self, app: &App) -> Result<()> {
        let client = app.connect().await?;
        let system = System::on(app, client.clone())?.waiting(app.timeout()?.min(PATIENCE));
        let jsm = app.jsm_on(client)?;
        let inbox = system.client().new_inbox();
        let mut echo = system.client().subscribe(inbox.clone()).await?;
        let mut state = State::default();
        let mut screen = Screen::open()?;
        let mut ticks = tokio::time::interval(self.interval.max(Duration::from_millis(100)));
        let mut drawn = 0;
        loop {
            tokio::select! {
                _ = ticks.tick() => if !state.is_paused {
                    let rtt = round_trip(&system, &inbox, &mut echo).await?;
                    state.add(self.sample(&system, &jsm, rtt, state.servers()).await);
                    drawn += 1;
                },
                key = screen.key() => match key {
                    b'q' | 3 => return Ok(()),
                    b'p' => state.is_paused = !state.is_paused,
                    b's' => state.sorts_by_name = !state.sorts_by_name,
                    _ => {}
                },
            }
            let (width, height) = terminal::size().unwrap_or(WITHOUT_TERMINAL);
            let clock = crate::output::time::clock();
            repaint(&view::view(&state, &clock, width, height));
            if self.max_refresh.is_some_and(|max| drawn >= max) {
                return Ok(());
            }
        }
    }

    async fn sample(&self, system: &System, jsm: &Jsm, rtt: Duration, servers: usize) -> Sample {
        let mut sample = Sample {
            at: Instant::now(),
            rtt,
            ..Sample::default()
        };
        match connections(system, servers).await {
            Ok((connections, servers)) => {
                sample.connections = connections;
                sample.servers = servers;
            }
            Err(_) => {
                "the servers do not answer about connections".clone_into(&mut sample.no_connections)
            }
        }
        match self.streams(jsm).await {
            Ok((streams, consumers)) => (sample.streams, sample.consumers) = (streams, consumers),
            Err(error) => error.message().clone_into(&mut sample.no_streams),
        }
        sample
    }

    async fn streams(&self, jsm: &Jsm) -> Result<(Vec<Stream>, Vec<Consumer>)> {
        let mut infos = match &self.stream {
            Some(name) => vec![jsm.stream_info(name).await?],
            None => jsm.streams(None).await?,
        };
        infos.sort_by_key(|info| std::cmp::Reverse(info.state.messages));
        let mut consumers = Vec::new();
        for info in infos.iter().take(MAX_STREAMS) {
            if info.state.consumer_count == 0 {
                continue;
            }
            for consumer in jsm.consumers(&info.config.name).await? {
                consumers.push(Consumer {
                    stream: info.config.name.clone(),
                    name: consumer.name,
                    lag: consumer.num_pending,
                    ack_pending: consumer.num_ack_pending,
                    redelivered: consumer.num_redelivered,
                    waiting: consumer.num_waiting,
                    delivered: consumer.delivered.consumer_seq,
                });
            }
        }
        let streams = infos.into_iter().map(|info| Stream {
            name: info.config.name,
            messages: info.state.messages,
            bytes: info.state.bytes,
            last_sequence: info.state.last_seq,
            consumers: info.state.consumer_count,
        });
        Ok((streams.collect(), consumers))
    }
}

/// How long a message to oneself takes.
async fn round_trip(system: &System, inbox: &str, echo: &mut Subscriber) -> Result<Duration> {
    let began = Instant::now();
    system.client().publish(inbox.to_owned(), "".into()).await?;
    tokio::time::timeout(LOST, echo.next())
        .await
        .context("the server does not answer")?
        .context("the connection ended")?;
    Ok(began.elapsed())
}

/// The connections of the account, and how many servers answered. The system account hears of
/// those of all accounts.
async fn connections(system: &System, servers: usize) -> Result<(Vec<Connection>, usize)> {
    let body = json!({ "auth": true, "limit": MAX_CONNECTIONS, "sort": "bytes_to" });
    let subject = "$SYS.REQ.SERVER.PING.CONNZ";
    let answers = system.ask(subject, &body, servers).await?;
    let mut connections = Vec::new();
    for answer in &answers {
        let server = answer.server().text("name");
        connections.extend(
            answer
                .data()
                .list("connections")
                .iter()
                .map(|info| Connection {
                    server: server.to_owned(),
                    cid: info.count("cid"),
                    name: info.text("name").to_owned(),
                    user: info.text("authorized_user").to_owned(),
                    rtt: info.text("rtt").to_owned(),
                    subscriptions: info.count("subscriptions"),
                    pending: info.count("pending_bytes"),
                    in_msgs: info.count("in_msgs"),
                    out_msgs: info.count("out_msgs"),
                    in_bytes: info.count("in_bytes"),
                    out_bytes: info.count("out_bytes"),
                }),
        );
    }
    Ok((connections, answers.len()))
}
