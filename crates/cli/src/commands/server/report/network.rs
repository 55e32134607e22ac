//! `nats server report routes`, `gateways` and `leafnodes`: what servers are connected to.

use std::collections::BTreeSet;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::{Common, Report};
use crate::commands::server::request::without_nulls;
use crate::commands::server::sys::Answer;
use crate::commands::server::text::{ago, bytes_of, number_of, rounded, short_account};
use crate::commands::shared::doc::Doc;
use crate::error::Result;
use crate::output::table::Table;
use crate::output::{number, terminal};

/// Report on Leafnode connections
#[derive(clap::Args)]
pub(crate) struct LeafnodesArgs {
    #[command(flatten)]
    pub(super) common: Common,

    /// Produce the report for a specific account
    #[arg(long)]
    account: Option<String>,

    /// Sort by a specific property
    #[arg(long, value_enum, default_value = "server")]
    sort: LeafKey,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LeafKey {
    Server,
    Name,
    Account,
    Subs,
    InBytes,
    OutBytes,
    InMsgs,
    OutMsgs,
}

/// Report on Route (Cluster) connections
#[derive(clap::Args)]
pub(crate) struct RoutesArgs {
    #[command(flatten)]
    pub(super) common: Common,

    /// Sort by a specific property
    #[arg(long, value_enum, default_value = "server")]
    sort: RouteKey,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RouteKey {
    Server,
    Cluster,
    Name,
    Account,
    Subs,
    InBytes,
    OutBytes,
}

/// Report on Gateway (Super Cluster) connections
#[derive(clap::Args)]
pub(crate) struct GatewaysArgs {
    #[command(flatten)]
    pub(super) common: Common,

    /// Limits responses to a certain name
    #[arg(long)]
    filter_name: Option<String>,

    /// Sorts by a specific property
    #[arg(long, value_enum, default_value = "cluster")]
    sort: GatewayKey,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum GatewayKey {
    Server,
    Cluster,
}

/// The entries of a list of each answer, each with its server.
fn flatten<'a>(answers: &'a [Answer], path: &str) -> Vec<(&'a Value, &'a Value)> {
    let pairs = answers.iter().flat_map(|answer| {
        let entries = answer.data().list(path).iter();
        entries.map(|entry| (answer.server(), entry))
    });
    pairs.collect()
}

fn address(of: &Value) -> String {
    format!("{}:{}", of.text("ip"), of.count("port"))
}

impl LeafnodesArgs {
    pub(super) async fn text(&self, report: &Report<'_>) -> Result<String> {
        let body = without_nulls(json!({ "account": self.account }));
        let answers = report.documents("LEAFZ", body).await?;
        let mut leafs = flatten(&answers, "leafs");
        report.sort_by_key(&mut leafs, |(server, leaf)| {
            let (text, count) = match self.sort {
                LeafKey::Server => (server.text("name"), 0),
                LeafKey::Name => (leaf.text("name"), 0),
                LeafKey::Account => (leaf.text("account"), 0),
                LeafKey::Subs => ("", leaf.count("subscriptions")),
                LeafKey::InBytes => ("", leaf.count("in_bytes")),
                LeafKey::OutBytes => ("", leaf.count("out_bytes")),
                LeafKey::InMsgs => ("", leaf.count("in_msgs")),
                LeafKey::OutMsgs => ("", leaf.count("out_msgs")),
            };
            (count, text.to_owned())
        });
        let mut table = Table::new(
            "Leafnode Report",
            &[
                "Server",
                "Name",
                "Account",
                "Address",
                "RTT",
                "Msgs In",
                "Msgs Out",
                "Bytes In",
                "Bytes Out",
                "Subs",
                "Compressed",
                "Spoke",
            ],
        );
        for (server, leaf) in leafs {
            table.row([
                server.text("name").to_owned(),
                leaf.text("name").to_owned(),
                short_account(leaf.text("account")),
                address(leaf),
                rounded(leaf.text("rtt")),
                number_of(leaf, "in_msgs"),
                number_of(leaf, "out_msgs"),
                bytes_of(leaf, "in_bytes"),
                bytes_of(leaf, "out_bytes"),
                number_of(leaf, "subscriptions"),
                leaf.text("compression").to_owned(),
                leaf.flag("is_spoke").to_string(),
            ]);
        }
        Ok(table.render(terminal::width()) + "\n")
    }
}

impl RoutesArgs {
    pub(super) async fn text(&self, report: &Report<'_>) -> Result<String> {
        let answers = report.documents("ROUTEZ", json!({})).await?;
        let mut routes = flatten(&answers, "routes");
        report.sort_by_key(&mut routes, |(server, route)| {
            let (count, text) = match self.sort {
                RouteKey::Server => (0, server.text("name")),
                RouteKey::Cluster => (0, server.text("cluster")),
                RouteKey::Name => (0, route.text("remote_name")),
                RouteKey::Account => (0, route.text("account")),
                RouteKey::Subs => (route.count("subscriptions"), ""),
                RouteKey::InBytes => (route.count("in_bytes"), ""),
                RouteKey::OutBytes => (route.count("out_bytes"), ""),
            };
            let place = ["name", "cluster"].map(|key| server.text(key).to_owned());
            let remote = ["remote_name", "account"].map(|key| route.text(key).to_owned());
            (count, text.to_owned(), place, remote)
        });
        Ok(route_table(&routes).render(terminal::width()) + "\n")
    }
}

// tidy: long-function: a table, column by column
fn route_table(routes: &[(&Value, &Value)]) -> Table {
    let mut table = Table::new(
        "Cluster Report",
        &[
            "Server",
            "Cluster",
            "Name",
            "Account",
            "Address",
            "ID",
            "Uptime",
            "RTT",
            "Subs",
            "Bytes In",
            "Bytes Out",
        ],
    );
    let mut last = ["", "", ""];
    for (server, route) in routes {
        let here = [
            server.text("name"),
            server.text("cluster"),
            route.text("remote_name"),
        ];
        let is_same_server = here[0] == last[0];
        let shown = |at: usize| match is_same_server && here.get(at) == last.get(at) {
            true => String::new(),
            false => here.get(at).copied().unwrap_or_default().to_owned(),
        };
        let uptime = match (route.time("start"), server.time("time")) {
            (Some(start), Some(now)) => ago(start, now),
            _ => rounded(route.text("uptime")),
        };
        table.row([
            shown(0),
            shown(1),
            shown(2),
            short_account(route.text("account")),
            address(route),
            format!("rid:{}", route.count("rid")),
            uptime,
            rounded(route.text("rtt")),
            number_of(route, "subscriptions"),
            bytes_of(route, "in_bytes"),
            bytes_of(route, "out_bytes"),
        ]);
        last = here;
    }
    let distinct = |path: &str| {
        let names: BTreeSet<&str> = routes.iter().map(|(server, _)| server.text(path)).collect();
        names.len().to_string()
    };
    let sum = |path: &str| number::total(routes.iter().map(|(_, route)| route.count(path)));
    table.footer([
        distinct("name"),
        distinct("cluster"),
        String::new(),
        String::new(),
        routes.len().to_string(),
        String::new(),
        String::new(),
        String::new(),
        number::grouped(sum("subscriptions")),
        number::bytes(sum("in_bytes")),
        number::bytes(sum("out_bytes")),
    ]);
    table
}

impl GatewaysArgs {
    pub(super) async fn text(&self, report: &Report<'_>) -> Result<String> {
        let body = without_nulls(json!({ "name": self.filter_name, "accounts": true }));
        let mut servers = report.documents("GATEWAYZ", body).await?;
        report.sort_by_key(&mut servers, |answer| {
            let who = answer.server();
            let (name, cluster) = (who.text("name").to_owned(), who.text("cluster").to_owned());
            match self.sort {
                GatewayKey::Cluster => (cluster, name),
                GatewayKey::Server => (name, cluster),
            }
        });
        Ok(gateway_table(&servers).render(terminal::width()) + "\n")
    }
}

// tidy: long-function: a table, column by column
fn gateway_table(servers: &[Answer]) -> Table {
    let mut table = Table::new(
        "Super Cluster Report",
        &[
            "Server",
            "Name",
            "Port",
            "Kind",
            "Connection",
            "ID",
            "Uptime",
            "RTT",
            "Bytes",
            "Accounts",
        ],
    );
    let (mut gateways, mut bytes) = (0, 0);
    for answer in servers {
        let (who, data) = (answer.server(), answer.data());
        table.row([
            who.text("name"),
            who.text("cluster"),
            &data.count("port").to_string(),
        ]);
        let inbound = data
            .entries("inbound_gateways")
            .into_iter()
            .flat_map(|(name, all)| {
                let all = all.as_array().map_or(&[][..], Vec::as_slice);
                all.iter().map(move |gateway| (name, gateway))
            });
        let outbound = data.entries("outbound_gateways").into_iter();
        let kinds = [
            (
                "Inbound",
                "connection.in_bytes",
                inbound.collect::<Vec<_>>(),
            ),
            ("Outbound", "connection.out_bytes", outbound.collect()),
        ];
        for (kind, counted, found) in kinds {
            for (at, (name, gateway)) in found.into_iter().enumerate() {
                gateways += 1;
                bytes += gateway.count(counted);
                let connection = gateway.at("connection");
                table.row([
                    String::new(),
                    String::new(),
                    String::new(),
                    if at == 0 { kind } else { "" }.to_owned(),
                    format!("{name} {}", address(connection)),
                    format!("gid:{}", connection.count("cid")),
                    rounded(connection.text("uptime")),
                    rounded(connection.text("rtt")),
                    bytes_of(gateway, counted),
                    gateway.list("accounts").len().to_string(),
                ]);
            }
        }
    }
    let clusters: BTreeSet<&str> = servers.iter().map(|s| s.server().text("cluster")).collect();
    table.footer([
        servers.len().to_string(),
        clusters.len().to_string(),
        String::new(),
        String::new(),
        gateways.to_string(),
        String::new(),
        String::new(),
        String::new(),
        number::bytes(bytes),
    ]);
    table
}
