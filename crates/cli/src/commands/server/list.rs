//! `nats server list`: every server that answers, and the clusters they form.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::time::Duration;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::source::{ArchiveFlag, Source};
use super::sys::Answer;
use super::text::{ago, compact, number_of};
use crate::app::App;
use crate::commands::shared::doc::Doc;
use crate::error::Result;
use crate::output::table::Table;
use crate::output::{duration, json as json_output, number};
use crate::say;

/// List known servers
#[derive(clap::Args)]
pub(crate) struct ListArgs {
    /// How many servers to expect
    expect: Option<usize>,

    /// Produce JSON output
    #[arg(short, long)]
    json: bool,

    /// Sort servers by a specific key
    #[arg(long, value_enum, default_value = "rtt", value_name = "KEY")]
    sort: Key,

    #[command(flatten)]
    archive: ArchiveFlag,

    /// Reverse sort servers
    #[arg(short = 'R', long)]
    reverse: bool,

    /// Show server names in full
    #[arg(long)]
    no_compact: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Key {
    Name,
    Cluster,
    #[value(alias = "conn")]
    Conns,
    #[value(alias = "sub")]
    Subs,
    #[value(alias = "route")]
    Routes,
    #[value(alias = "gws")]
    Gw,
    Mem,
    Cpu,
    Slow,
    Uptime,
    Rtt,
}

impl ListArgs {
    pub(crate) async fn run(self, app: &App) -> Result<()> {
        let (mut servers, sort) = match Source::open(app, self.archive.archive.as_deref()).await? {
            Source::Servers(system) => {
                let expect = self.expect.unwrap_or_default();
                let subject = "$SYS.REQ.SERVER.PING";
                (system.ask(subject, &json!({}), expect).await?, self.sort)
            }
            Source::Archive(archive) => {
                let servers = archive.documents("STATSZ", &json!({}))?;
                // Nobody was asked, so nobody took any time.
                let is_timed = self.sort == Key::Rtt;
                (servers, if is_timed { Key::Name } else { self.sort })
            }
        };
        servers.sort_by(|a, b| {
            let order = sort.order(a, b);
            if self.reverse { order.reverse() } else { order }
        });
        if self.json {
            let documents: Vec<&Value> = servers.iter().map(|server| &server.document).collect();
            return json_output::print(&documents);
        }
        self.overview(&servers).print();
        let clusters = clusters(&servers);
        if !clusters.is_empty() {
            say!();
            cluster_table(&clusters).print();
        }
        Ok(())
    }

    fn overview(&self, servers: &[Answer]) -> Table {
        let column = |path: &str| -> Vec<String> {
            let all: Vec<&str> = servers.iter().map(|s| s.server().text(path)).collect();
            compact(&all, !self.no_compact)
        };
        let (names, hosts) = (column("name"), column("host"));
        let mut table = Table::new(
            "Server Overview",
            &[
                "Name", "Cluster", "Host", "Version", "JS", "Conns", "Subs", "Routes", "GWs",
                "Mem", "CPU %", "Cores", "Slow", "Uptime", "RTT",
            ],
        );
        for ((server, name), host) in servers.iter().zip(names).zip(hosts) {
            table.row(row(server, name, host));
        }
        let total = |path: &str| number::total(servers.iter().map(|s| s.document.count(path)));
        let differs = |key: &dyn Fn(&Answer) -> String| {
            let first = servers.first().map(key);
            let same = servers.iter().all(|s| Some(key(s)) == first);
            if same { "" } else { "X" }.to_owned()
        };
        let with_jetstream = servers.iter().filter(|s| s.server().flag("jetstream"));
        table.footer([
            String::new(),
            clusters(servers).len().to_string(),
            servers.len().to_string(),
            differs(&|s| s.server().text("ver").to_owned()),
            with_jetstream.count().to_string(),
            number::grouped(total("statsz.connections")),
            number::grouped(total("statsz.subscriptions")),
            if routes_differ(servers) { "X" } else { "" }.to_owned(),
            differs(&|s| s.document.list("statsz.gateways").len().to_string()),
            number::bytes(total("statsz.mem")),
            String::new(),
            String::new(),
            number::grouped(total("statsz.slow_consumers")),
        ]);
        table
    }
}

fn row(server: &Answer, name: String, host: String) -> Vec<String> {
    let (who, stats) = (server.server(), server.document.at("statsz"));
    let jetstream = match (who.flag("jetstream"), who.text("domain")) {
        (false, _) => "no",
        (true, "") => "yes",
        (true, domain) => domain,
    };
    let uptime = match (who.time("time"), stats.time("start")) {
        (Some(now), Some(start)) => ago(start, now),
        _ => String::new(),
    };
    vec![
        name,
        who.text("cluster").to_owned(),
        host,
        who.text("ver").to_owned(),
        jetstream.to_owned(),
        number_of(stats, "connections"),
        number_of(stats, "subscriptions"),
        stats.list("routes").len().to_string(),
        stats.list("gateways").len().to_string(),
        number::bytes(stats.count("mem")),
        format!("{:.0}", stats.float("cpu")),
        stats.count("cores").to_string(),
        slow(stats),
        uptime,
        rtt(server.after),
    ]
}

/// How long an answer took, in whole milliseconds; nothing if it was read from an archive.
fn rtt(after: Duration) -> String {
    if after.is_zero() {
        return String::new();
    }
    let ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
    duration::human(Duration::from_millis(ms.max(1)))
}

/// Slow consumers, by kind once others than clients were slow.
fn slow(stats: &Value) -> String {
    let total = number_of(stats, "slow_consumers");
    let kinds = [
        ("c", "clients"),
        ("r", "routes"),
        ("g", "gateways"),
        ("l", "leafs"),
    ];
    let found: Vec<String> = kinds
        .iter()
        .filter_map(|(letter, kind)| {
            let count = stats.count(&format!("slow_consumer_stats.{kind}"));
            (count > 0).then(|| format!("{letter}: {}", number::grouped(count)))
        })
        .collect();
    match found.as_slice() {
        [] => total,
        [only] if only.starts_with('c') => total,
        _ => format!("{total} ({})", found.join(" ")),
    }
}

impl Key {
    /// The largest first; names and clusters by the alphabet.
    fn order(self, a: &Answer, b: &Answer) -> Ordering {
        let name = |s: &Answer| s.server().text("name").to_owned();
        let by_name = || name(a).cmp(&name(b));
        let largest = |path: &str| {
            let value = |s: &Answer| s.document.float(path);
            value(b).total_cmp(&value(a)).then_with(by_name)
        };
        let most = |path: &str| {
            let count = |s: &Answer| s.document.list(path).len();
            count(b).cmp(&count(a)).then_with(by_name)
        };
        match self {
            Key::Name => by_name(),
            Key::Cluster => {
                let cluster = |s: &Answer| s.server().text("cluster").to_owned();
                cluster(a).cmp(&cluster(b)).then_with(by_name)
            }
            Key::Conns => largest("statsz.connections"),
            Key::Subs => largest("statsz.subscriptions"),
            Key::Routes => most("statsz.routes"),
            Key::Gw => most("statsz.gateways"),
            Key::Mem => largest("statsz.mem"),
            Key::Cpu => largest("statsz.cpu"),
            Key::Slow => largest("statsz.slow_consumers"),
            Key::Uptime => a
                .document
                .time("statsz.start")
                .cmp(&b.document.time("statsz.start")),
            Key::Rtt => a.after.cmp(&b.after),
        }
    }
}

#[derive(Default)]
struct Cluster {
    nodes: usize,
    gateways_out: usize,
    gateways_in: u64,
    connections: u64,
    routes: Vec<usize>,
}

fn clusters(servers: &[Answer]) -> BTreeMap<String, Cluster> {
    let mut clusters = BTreeMap::<String, Cluster>::new();
    for server in servers {
        let name = server.server().text("cluster");
        if name.is_empty() {
            continue;
        }
        let stats = server.document.at("statsz");
        let gateways = stats.list("gateways");
        let cluster = clusters.entry(name.to_owned()).or_default();
        cluster.nodes += 1;
        let connections = stats.count("connections");
        cluster.connections = cluster.connections.saturating_add(connections);
        cluster.gateways_out += gateways.len();
        let inbound = gateways.iter().map(|g| g.count("inbound_connections"));
        cluster.gateways_in = cluster.gateways_in.saturating_add(number::total(inbound));
        cluster.routes.push(stats.list("routes").len());
    }
    clusters
}

/// Whether the servers of some cluster have different numbers of routes.
fn routes_differ(servers: &[Answer]) -> bool {
    clusters(servers).values().any(|cluster| {
        cluster
            .routes
            .windows(2)
            .any(|pair| pair.first() != pair.last())
    })
}

fn cluster_table(clusters: &BTreeMap<String, Cluster>) -> Table {
    let mut table = Table::new(
        "Cluster Overview",
        &[
            "Cluster",
            "Node Count",
            "Outgoing Gateways",
            "Incoming Gateways",
            "Connections",
        ],
    );
    let mut sorted: Vec<_> = clusters.iter().collect();
    sorted.sort_by_key(|(_, cluster)| cluster.connections);
    let cells = |name: &str, nodes: usize, out: usize, r#in: u64, connections: u64| {
        [
            name.to_owned(),
            nodes.to_string(),
            out.to_string(),
            r#in.to_string(),
            connections.to_string(),
        ]
    };
    for (name, c) in &sorted {
        table.row(cells(
            name,
            c.nodes,
            c.gateways_out,
            c.gateways_in,
            c.connections,
        ));
    }
    let all = clusters.values();
    table.footer(cells(
        "",
        all.clone().map(|c| c.nodes).sum(),
        all.clone().map(|c| c.gateways_out).sum(),
        number::total(all.clone().map(|c| c.gateways_in)),
        number::total(all.map(|c| c.connections)),
    ));
    table
}
