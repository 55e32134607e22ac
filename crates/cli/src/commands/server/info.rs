//! `nats server info`: everything about one server.

use std::time::Duration;

use serde_json::{Value, json};

use super::source::{ArchiveFlag, Source};
use super::sys::{Answer, System, selected};
use super::text::{bytes_of, number_of};
use crate::app::App;
use crate::commands::shared::doc::Doc;
use crate::error::{Error, Result};
use crate::output::columns::Columns;
use crate::output::{duration, number, time};

/// Show information about a single server
#[derive(clap::Args)]
pub(crate) struct InfoArgs {
    /// Server ID or Name to inspect
    #[arg(value_name = "SERVER")]
    name: Option<String>,

    #[command(flatten)]
    archive: ArchiveFlag,
}

impl InfoArgs {
    pub(crate) async fn run(self, app: &App) -> Result<()> {
        let name = self.name.unwrap_or_default();
        let answer = match Source::open(app, self.archive.archive.as_deref()).await? {
            Source::Servers(system) => variables(&system, &name).await?,
            Source::Archive(archive) => first(archive.documents("VARZ", &named(&name))?)?,
        };
        page(answer.data()).print();
        Ok(())
    }
}

/// The question for the server with this name; for any if there is none.
fn named(name: &str) -> Value {
    let name = Some(name).filter(|name| !name.is_empty());
    selected(json!({}), name, None, None, &[], "")
}

fn first(answers: Vec<Answer>) -> Result<Answer> {
    let Some(answer) = answers.into_iter().next() else {
        return Err(Error::new("no data received in response"));
    };
    match answer.error() {
        Some(error) => Err(error),
        None => Ok(answer),
    }
}

/// The variables of the server with this id or name; of any server if there is no name.
pub(crate) async fn variables(system: &System, name: &str) -> Result<Answer> {
    let (subject, body) = if is_id(name) {
        (format!("$SYS.REQ.SERVER.{name}.VARZ"), json!({}))
    } else {
        ("$SYS.REQ.SERVER.PING.VARZ".to_owned(), named(name))
    };
    match system.ask(&subject, &body, 1).await {
        Err(_) if !name.is_empty() => Err(Error::new(format!("no server {name:?} answered")).hint(
            "`nats server list` shows the servers; only users of the system account may ask.",
        )),
        answers => first(answers?),
    }
}

/// Whether a name is a server's public key.
pub(crate) fn is_id(name: &str) -> bool {
    name.len() == 56 && name.starts_with('N') && name.to_ascii_uppercase() == name
}

fn page(doc: &Value) -> Columns {
    let (id, name) = (doc.text("server_id"), doc.text("server_name"));
    let mut page = Columns::new(match id == name {
        true => format!("Server information for {id}"),
        false => format!("Server information for {name} ({id})"),
    });
    process(&mut page, doc);
    connections(&mut page, doc);
    if !doc.text("jetstream.config.store_dir").is_empty() {
        jetstream(&mut page, doc.at("jetstream"));
    }
    page.section("Limits")
        .row("Maximum Connections", number_of(doc, "max_connections"))
        .row("Maximum Subscriptions", number_of(doc, "max_subscriptions"))
        .row("Maximum Payload", bytes_of(doc, "max_payload"))
        .row(
            "TLS Timeout",
            duration::human(Duration::from_secs_f64(
                doc.float("tls_timeout").clamp(0.0, 1e9),
            )),
        )
        .row("Write Deadline", nanos(doc, "write_deadline"));
    statistics(&mut page, doc);
    networks(&mut page, doc);
    page
}

fn process(page: &mut Columns, doc: &Value) {
    page.section("Process Details")
        .row("Version", doc.text("version"))
        .row("Git Commit", doc.text("git_commit"))
        .row("Go Version", doc.text("go"))
        .row("Start Time", time::local_text(doc.text("start")))
        .row(
            "Configuration Load Time",
            time::local_text(doc.text("config_load_time")),
        )
        .row_if_set("Configuration Digest", doc.text("config_digest"))
        .row("Uptime", doc.text("uptime"));
}

fn connections(page: &mut Columns, doc: &Value) {
    let address = format!("{}:{}", doc.text("host"), doc.count("port"));
    page.section("Connection Details")
        .row("Auth Required", doc.flag("auth_required"))
        .row("TLS Required", doc.flag("tls_required"))
        .row(
            "Host",
            match doc.text("ip") {
                "" => address,
                ip => format!("{address} ({ip})"),
            },
        )
        .row_if_set("Client URLs", doc.texts("connect_urls").join("\n"))
        .row_if_set("WebSocket URLs", doc.texts("ws_connect_urls").join("\n"));
}

fn jetstream(page: &mut Columns, js: &Value) {
    let limit = |path: &str| number::limit(i64::try_from(js.count(path)).unwrap_or(i64::MAX));
    page.section("JetStream")
        .row("Domain", js.text("config.domain"))
        .row("API Support Level", number_of(js, "stats.api.level"))
        .row("Storage Directory", js.text("config.store_dir"))
        .row("Active Accounts", number_of(js, "stats.accounts"))
        .row("Memory In Use", bytes_of(js, "stats.memory"))
        .row("File In Use", bytes_of(js, "stats.storage"))
        .row("API Requests", number_of(js, "stats.api.total"))
        .row("API Errors", number_of(js, "stats.api.errors"));
    if js.count("config.sync_interval") > 0 {
        page.row("Always sync writes to disk", js.flag("config.sync_always"))
            .row("Write sync Frequency", nanos(js, "config.sync_interval"));
    }
    page.row("Maximum Memory Storage", bytes_of(js, "config.max_memory"))
        .row("Maximum File Storage", bytes_of(js, "config.max_storage"))
        .row_if_set("Unique Tag", js.text("config.unique_tag"))
        .row("Cluster Message Compression", js.flag("config.compress_ok"));
    if js.at("limits").is_object() {
        page.row("Maximum HA Assets", limit("limits.max_ha_assets"))
            .row("Maximum Ack Pending", limit("limits.max_ack_pending"))
            .row("Maximum Request Batch", limit("limits.max_request_batch"))
            .row(
                "Maximum Duplicate Window",
                match js.count("limits.duplicate_window") {
                    0 => "unlimited".to_owned(),
                    _ => nanos(js, "limits.duplicate_window"),
                },
            )
            .row(
                "Maximum Open Batches Per Stream",
                number_of(js, "limits.max_batch_inflight_per_stream"),
            )
            .row(
                "Maximum Open Batches Per Server",
                number_of(js, "limits.max_batch_inflight_total"),
            );
    }
    page.row("Strict API Parsing", js.flag("config.strict"));
}

fn statistics(page: &mut Columns, doc: &Value) {
    page.section("Statistics").row(
        "CPU Cores",
        format!("{} {:.2}%", doc.count("cores"), doc.float("cpu")),
    );
    if doc.count("gomaxprocs") > 0 {
        page.row("GOMAXPROCS", doc.count("gomaxprocs"));
    }
    page.row("Memory", bytes_of(doc, "mem"));
    if doc.count("gomemlimit") > 0 {
        page.row("GOMEMLIMIT", bytes_of(doc, "gomemlimit"));
    }
    page.row("Connections", number_of(doc, "connections"))
        .row("Subscriptions", number_of(doc, "subscriptions"))
        .row(
            "Messages",
            format!(
                "{} in {} out",
                number_of(doc, "in_msgs"),
                number_of(doc, "out_msgs")
            ),
        )
        .row(
            "Bytes",
            format!(
                "{} in {} out",
                bytes_of(doc, "in_bytes"),
                bytes_of(doc, "out_bytes")
            ),
        )
        .row("Slow Consumers", number_of(doc, "slow_consumers"));
}

fn networks(page: &mut Columns, doc: &Value) {
    let urls = doc.texts("cluster.urls");
    if !urls.is_empty() {
        page.section("Cluster")
            .row("Name", doc.text("cluster.name"))
            .row_if_set("Tags", doc.texts("tags").join(", "))
            .row(
                "Host",
                format!(
                    "{}:{}",
                    doc.text("cluster.addr"),
                    doc.count("cluster.cluster_port")
                ),
            )
            .row("URLs", urls.join("\n"));
    }
    let mut clusters: Vec<&str> = doc
        .list("gateway.gateways")
        .iter()
        .map(|gateway| gateway.text("name"))
        .collect();
    if !clusters.is_empty() {
        clusters.sort_unstable();
        page.section("Super Cluster")
            .row("Name", doc.text("gateway.name"))
            .row(
                "Host",
                format!("{}:{}", doc.text("gateway.host"), doc.count("gateway.port")),
            )
            .row("Clusters", clusters.join("\n"));
    }
}

fn nanos(doc: &Value, path: &str) -> String {
    duration::human(Duration::from_nanos(doc.count(path)))
}

impl InfoArgs {
    /// The page of one server.
    pub(crate) fn of(name: String) -> Self {
        InfoArgs {
            name: Some(name),
            archive: ArchiveFlag::default(),
        }
    }
}
