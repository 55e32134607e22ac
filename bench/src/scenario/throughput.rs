//! Publish/subscribe rows: server CPU per million messages, throughput, generator CPU, memory.
//!
//! "Per million" is per delivered message, or per published message if nobody subscribes. Each run
//! warms up with a tenth of its messages on the same connections before the measured phase.

use super::{Settings, per_million};
use crate::check::Order;
use crate::conn::Target;
use crate::failure::Result;
use crate::frame::{Publication, Sid, Subject, digits};
use crate::load::{Load, Subscriber};
use crate::procfs::own_cpu_seconds;
use crate::server::{Server, Transport};

/// Rows and columns of the 500,000 literal subscriptions.
const LITERALS: (u32, u32) = (500, 1000);
const LITERAL_MESSAGES: u64 = 600_000;

/// Who publishes what to whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// Payload bytes.
    pub(super) payload: usize,
    /// Messages published in the measured phase, all publishers together.
    pub(super) messages: u64,
    /// Who gets them.
    pub(super) topology: Topology,
    /// Publishing connections.
    pub(super) publishers: u32,
    /// Whether messages carry a header.
    pub(super) header: bool,
    /// Plain or TLS.
    pub(super) transport: Transport,
}

/// Who gets the messages.
#[derive(Debug, Clone, Copy)]
pub(super) enum Topology {
    /// Nobody.
    Nobody,
    /// Each of this many connections gets every message.
    Each(u32),
    /// Every publisher has a subscriber and a subject of its own.
    Pairs,
    /// A queue group of this many connections.
    Queue(u32),
    /// One connection with one subscription `g.RRR.*` per row of a grid of subjects.
    Rows {
        /// Subscriptions.
        rows: u32,
        /// Subjects of each.
        cols: u32,
    },
    /// One connection with one subscription for a whole grid of subjects.
    All {
        /// Values of the second token.
        rows: u32,
        /// Values of the third token.
        cols: u32,
    },
    /// One connection with a subscription of its own for every subject of a grid.
    Cells {
        /// Values of the second token.
        rows: u32,
        /// Values of the third token.
        cols: u32,
    },
}

/// One run of a plan: CPU, throughput, generator CPU, peak memory.
pub(super) fn run(plan: &Plan, server: &Server, settings: &Settings) -> Result<Vec<f64>> {
    measure(
        &mut connect(plan, server, settings)?,
        plan,
        server,
        settings,
    )
}

/// The row of 500,000 literal subscriptions: as [`run`], then registrations per second (in
/// thousands) and KiB per subscription.
pub(super) fn run_literals(server: &Server, settings: &Settings) -> Result<Vec<f64>> {
    let rows = settings.count(u64::from(LITERALS.0)) as u32;
    let cols = LITERALS.1;
    let plan = Plan {
        payload: 128,
        messages: LITERAL_MESSAGES,
        topology: Topology::Cells { rows, cols },
        publishers: 1,
        header: false,
        transport: Transport::Plain,
    };
    let before = server.memory()?.resident_kib;
    let mut load = connect(&plan, server, settings)?;
    let grown = server.memory()?.resident_kib.saturating_sub(before);
    let count = f64::from(rows) * f64::from(cols);
    let registered = count / load.subscribed_in().as_secs_f64() / 1e3;
    let mut numbers = measure(&mut load, &plan, server, settings)?;
    numbers.extend([registered, grown as f64 / count]);
    Ok(numbers)
}

fn measure(load: &mut Load, plan: &Plan, server: &Server, settings: &Settings) -> Result<Vec<f64>> {
    let messages = load.rounded(settings.count(plan.messages));
    load.run(load.rounded(messages / 10))?;
    let (cpu, own) = (server.cpu()?, own_cpu_seconds());
    let outcome = load.run(messages)?;
    let (cpu, own) = (server.cpu()?.since(&cpu), own_cpu_seconds() - own);
    let counted = messages * plan.fan_out().max(1);
    Ok(vec![
        per_million(cpu, counted),
        counted as f64 / outcome.wall.as_secs_f64() / 1e6,
        per_million(own, counted),
        server.memory()?.peak_kib as f64 / 1024.0,
    ])
}

fn connect(plan: &Plan, server: &Server, settings: &Settings) -> Result<Load> {
    connect_as(plan, server.target(), server.target(), settings)
}

/// Connects a plan's publishers and subscribers, each as a user of their own.
pub(super) fn connect_as(
    plan: &Plan,
    publishing: &Target,
    subscribing: &Target,
    settings: &Settings,
) -> Result<Load> {
    let publications: Vec<_> = (0..plan.publishers)
        .map(|number| plan.publication(number))
        .collect();
    Load::connect(
        publishing,
        subscribing,
        &publications,
        plan.subscribers(),
        plan.fan_out(),
        settings.tuning,
    )
}

impl Plan {
    fn fan_out(&self) -> u64 {
        match self.topology {
            Topology::Nobody => 0,
            Topology::Each(count) => u64::from(count),
            _ => 1,
        }
    }

    fn publication(&self, publisher: u32) -> Publication {
        let subject = match self.topology {
            Topology::Pairs => Subject::Fixed(format!("pair.{publisher}")),
            Topology::Rows { rows, cols }
            | Topology::All { rows, cols }
            | Topology::Cells { rows, cols } => Subject::Grid {
                prefix: "g",
                rows,
                cols,
            },
            _ => Subject::Fixed("bench".to_owned()),
        };
        Publication {
            subject,
            payload: self.payload,
            header: self.header,
        }
    }

    fn subscribers(&self) -> Vec<Subscriber> {
        let order = match self.topology {
            Topology::Queue(_) => Order::Share,
            _ => Order::Complete,
        };
        let one = |commands: Vec<u8>, sid, publisher| Subscriber {
            commands,
            what: self.publication(publisher),
            sid,
            order,
        };
        let line = |text: &str| text.as_bytes().to_vec();
        match self.topology {
            Topology::Nobody => Vec::new(),
            Topology::Each(count) => (0..count)
                .map(|_| one(line("SUB bench 1\r\n"), Sid::One, 0))
                .collect(),
            Topology::Queue(count) => (0..count)
                .map(|_| one(line("SUB bench group 1\r\n"), Sid::One, 0))
                .collect(),
            Topology::Pairs => (0..self.publishers)
                .map(|pair| one(line(&format!("SUB pair.{pair} 1\r\n")), Sid::One, pair))
                .collect(),
            Topology::Rows { rows, .. } => vec![one(subscribe_rows(rows), Sid::PerRow, 0)],
            Topology::All { .. } => vec![one(line("SUB g.> 1\r\n"), Sid::One, 0)],
            Topology::Cells { rows, cols } => {
                vec![one(subscribe_cells(rows, cols), Sid::PerCell, 0)]
            }
        }
    }
}

fn subscribe_rows(rows: u32) -> Vec<u8> {
    let mut commands = Vec::new();
    for row in (0..rows).map(digits) {
        for part in [b"SUB g.".as_slice(), &row, b".* 1", &row, b"\r\n"] {
            commands.extend_from_slice(part);
        }
    }
    commands
}

fn subscribe_cells(rows: u32, cols: u32) -> Vec<u8> {
    let mut commands = Vec::new();
    for row in (0..rows).map(digits) {
        for col in (0..cols).map(digits) {
            for part in [
                b"SUB g.".as_slice(),
                &row,
                b".",
                &col,
                b" 1",
                &row,
                &col,
                b"\r\n",
            ] {
                commands.extend_from_slice(part);
            }
        }
    }
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscriptions_are_whole_lines_with_their_own_ids() {
        assert_eq!(
            subscribe_rows(2),
            b"SUB g.000.* 1000\r\nSUB g.001.* 1001\r\n"
        );
        let cells = subscribe_cells(2, 1);
        assert_eq!(cells, b"SUB g.000.000 1000000\r\nSUB g.001.000 1001000\r\n");
    }
}
