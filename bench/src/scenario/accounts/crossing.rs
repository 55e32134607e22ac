//! What it costs to cross into another account: a stream import and a service import, against the
//! same within one account of the same server.

use std::path::Path;
use std::time::Instant;

use super::super::list::plan;
use super::super::request::{drive_as, with_service};
use super::super::throughput::{Topology, connect_as};
use super::pair::{Cost, Way, in_turn};
use crate::conn::{Login, Target};
use crate::failure::Result;
use crate::scenario::{Settings, per_million};
use crate::server::Server;

const MESSAGES: u64 = 4_000_000;
const REQUESTS: u64 = 300_000;
const CONFIGURATION: &str = "accounts {
  HOME { users: [{ user: home, password: p }], exports: [{ stream: bench }, { service: svc }] }
  AWAY {
    users: [{ user: away, password: p }]
    imports: [
      { stream: { account: HOME, subject: bench } }
      { service: { account: HOME, subject: svc } }
    ]
  }
}
";

/// Starts it with the login of the exporting account.
pub(super) fn start(binary: &Path) -> Result<Server> {
    let login = Login::Password {
        user: "home".to_owned(),
        pass: "p",
    };
    Server::start_configured(binary, login, |_| Ok(CONFIGURATION.to_owned()))
}

fn away(server: &Server) -> Target {
    server.target().with_login(Login::Password {
        user: "away".to_owned(),
        pass: "p",
    })
}

/// CPU per million messages that cross, the same as a ratio to those that do not, throughput.
pub(super) fn run_stream(server: &Server, settings: &Settings) -> Result<Vec<f64>> {
    let plan = plan(128, MESSAGES, Topology::Each(1));
    // One at a time: what is published reaches the subscribers of both accounts.
    let run = |subscribing: &Target, count| {
        let mut load = connect_as(&plan, server.target(), subscribing, settings)?;
        Ok(load.run(count)?.wall.as_secs_f64())
    };
    let costs = in_turn(
        settings.count(MESSAGES),
        [
            Way {
                server,
                work: &mut |count| run(server.target(), count),
            },
            Way {
                server,
                work: &mut |count| run(&away(server), count),
            },
        ],
    )?;
    Ok(numbers(&costs, 1e6))
}

/// CPU per million requests that cross, the same as a ratio to those that do not, requests.
pub(super) fn run_service(server: &Server, settings: &Settings) -> Result<Vec<f64>> {
    with_service(server, || {
        let run = |asking: &Target, count| {
            let start = Instant::now();
            drive_as(asking, count)?;
            Ok(start.elapsed().as_secs_f64())
        };
        let costs = in_turn(
            settings.count(REQUESTS),
            [
                Way {
                    server,
                    work: &mut |count| run(server.target(), count),
                },
                Way {
                    server,
                    work: &mut |count| run(&away(server), count),
                },
            ],
        )?;
        Ok(numbers(&costs, 1e3))
    })
}

fn numbers([plain, crossed]: &[Cost; 2], unit: f64) -> Vec<f64> {
    vec![
        per_million(crossed.cpu, crossed.count),
        crossed.cpu / plain.cpu,
        crossed.count as f64 / crossed.wall / unit,
    ]
}
