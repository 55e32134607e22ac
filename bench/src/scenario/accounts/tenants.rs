//! Many accounts, each with many users, each with permissions of its own: what they cost those who
//! publish and subscribe as one of them, and what they cost the server at its start.

use std::fmt::Write as _;
use std::path::Path;

use super::super::list::plan;
use super::super::throughput::{Topology, connect_as};
use super::pair::{Way, in_turn};
use crate::conn::Login;
use crate::failure::Result;
use crate::scenario::{Settings, per_million};
use crate::server::{Server, Transport};

const ACCOUNTS: u64 = 1_000;
const USERS: u64 = 100;
/// Entries of each user's permissions: most to publish, some to subscribe, some denied.
const ENTRIES: [u64; 3] = [36, 8, 4];
const MESSAGES: u64 = 4_000_000;

pub(super) fn start(binary: &Path, settings: &Settings) -> Result<Server> {
    let accounts = settings.count(ACCOUNTS);
    let login = Login::Password {
        user: format!("u{}_{}", accounts / 2, USERS / 2),
        pass: "p",
    };
    Server::start_configured(binary, login, |_| Ok(configuration(accounts)))
}

/// CPU per million messages, the same as a ratio to a server without accounts, throughput, seconds
/// to start, memory.
pub(super) fn run(server: &Server, binary: &Path, settings: &Settings) -> Result<Vec<f64>> {
    let without = Server::start(binary, Transport::Plain)?;
    let memory = server.memory()?.resident_kib as f64 / 1024.0;
    let plan = plan(128, MESSAGES, Topology::Each(1));
    let connect = |server: &Server| connect_as(&plan, server.target(), server.target(), settings);
    let (mut plain, mut limited) = (connect(&without)?, connect(server)?);
    let [plain, limited] = in_turn(
        settings.count(MESSAGES),
        [
            Way {
                server: &without,
                work: &mut |count| Ok(plain.run(count)?.wall.as_secs_f64()),
            },
            Way {
                server,
                work: &mut |count| Ok(limited.run(count)?.wall.as_secs_f64()),
            },
        ],
    )?;
    Ok(vec![
        per_million(limited.cpu, limited.count),
        limited.cpu / plain.cpu,
        limited.count as f64 / limited.wall / 1e6,
        server.start_to_ready().as_secs_f64(),
        memory,
    ])
}

fn configuration(accounts: u64) -> String {
    let mut text = "accounts {\n".to_owned();
    let list = |text: &mut String, kind: &str, names: &str, count| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{kind}: [");
        for entry in 0..count {
            let _ = write!(text, "orders.{names}.{kind}.{entry}.>, ");
        }
    };
    for account in 0..accounts {
        let _ = writeln!(text, "A{account} {{ users: [");
        for user in 0..USERS {
            let names = format!("{account}.{user}");
            let _ = write!(
                text,
                "{{ user: u{account}_{user}, password: p, permissions: {{ "
            );
            list(&mut text, "publish", &names, ENTRIES[0]);
            text.push_str("bench], subscribe: { ");
            list(&mut text, "allow", &names, ENTRIES[1]);
            text.push_str("bench], ");
            list(&mut text, "deny", &names, ENTRIES[2]);
            text.push_str("] } } }\n");
        }
        text.push_str("] }\n");
    }
    text.push_str("}\n");
    text
}
