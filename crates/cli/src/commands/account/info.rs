//! `account info`: who one is, where one is connected, what JetStream allows.

use std::time::{Duration, Instant};

use async_nats::Client;
use serde_json::{Value, json};

use crate::app::App;
use crate::commands::shared::doc::Doc;
use crate::error::Result;
use crate::jsm::Jsm;
use crate::output::columns::Columns;
use crate::output::{duration, json, number};

#[derive(clap::Args)]
pub(super) struct InfoArgs {
    /// Produce JSON output
    #[arg(short, long)]
    json: bool,
}

impl InfoArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        let client = app.connect().await?;
        let user = user_info(&client, app.timeout()?).await;
        let jsm = app.jsm_on(client.clone())?;
        let jetstream = jetstream(&jsm).await;
        let begun = Instant::now();
        client.flush().await?;
        let rtt = begun.elapsed();
        let server = client.server_info();
        if self.json {
            return json::print(&json!({
                "user": user,
                "client_id": server.client_id,
                "client_ip": server.client_ip,
                "rtt": duration::nanos(rtt),
                "max_payload": server.max_payload,
                "server_id": server.server_id,
                "server_name": server.server_name,
                "server_version": server.version,
                "jetstream": jetstream.as_ref().ok(),
            }));
        }
        let mut page = Columns::new("Account Information");
        if let Some(user) = &user {
            identity(&mut page, user);
        }
        let settings = app.settings()?;
        let url = crate::connect::redact(&settings.servers().join(","));
        let is_tls = app.has_tls(&client)?;
        page.row("Client ID", server.client_id)
            .row("Client IP", &server.client_ip)
            .row("RTT", duration::human(rtt))
            .row("Headers Supported", server.headers)
            .row("Maximum Payload", number::bytes(server.max_payload as u64))
            .row_if_set(
                "Connected Cluster",
                server.cluster.as_deref().unwrap_or_default(),
            )
            .row("Connected URL", url)
            .row(
                "Connected Address",
                format!("{}:{}", server.host, server.port),
            )
            .row("Connected Server ID", &server.server_id)
            .row("Connected Server Version", &server.version);
        if server.server_name != server.server_id {
            page.row("Connected Server Name", &server.server_name);
        }
        page.row("TLS Connection", if is_tls { "yes" } else { "no" });
        if let Some(user) = &user {
            permissions(&mut page, user);
        }
        match &jetstream {
            Ok(info) => usage(&mut page, info, server.max_payload as u64),
            Err(error) => {
                page.text(format!(
                    "\n   JetStream is not available: {}",
                    error.message()
                ));
            }
        }
        page.print();
        Ok(())
    }
}

/// What the server knows about the user; servers before 2.10 know nothing.
async fn user_info(client: &Client, timeout: Duration) -> Option<Value> {
    let request = async_nats::Request::new()
        .payload(Vec::new().into())
        .timeout(Some(timeout));
    let answer = client
        .send_request("$SYS.REQ.USER.INFO", request)
        .await
        .ok()?;
    let document: Value = serde_json::from_slice(&answer.payload).ok()?;
    document
        .get("data")
        .filter(|data| data.is_object())
        .cloned()
}

async fn jetstream(jsm: &Jsm) -> Result<Value> {
    jsm.get("INFO").await
}

fn identity(page: &mut Columns, user: &Value) {
    let named = |id: &str, name: &str| match name {
        "" => id.to_owned(),
        name if name == id => id.to_owned(),
        name => format!("{name} ({id})"),
    };
    page.row_if_set("User", named(user.text("user"), user.text("user_name")))
        .row(
            "Account",
            named(user.text("account"), user.text("account_name")),
        );
    let expires = match user.count("expires") {
        0 => "never".to_owned(),
        nanos => duration::human(Duration::from_nanos(nanos)),
    };
    page.row("Expires", expires);
}

fn permissions(page: &mut Columns, user: &Value) {
    for (kind, title) in [("publish", "Publish"), ("subscribe", "Subscribe")] {
        page.section(format!("{title} Permissions"));
        for (list, label) in [("allow", "Allow"), ("deny", "Deny")] {
            let mut subjects = user.texts(&format!("permissions.{kind}.{list}"));
            subjects.sort();
            page.row_if_set(label, subjects.join("\n"));
        }
    }
}

fn usage(page: &mut Columns, info: &Value, max_payload: u64) {
    page.section("JetStream Account Information")
        .row_if_set("Domain", info.text("domain"))
        .row("Storage", number::bytes(info.count("storage")))
        .row("Memory", number::bytes(info.count("memory")))
        .row("Streams", number::grouped(info.count("streams")))
        .row("Consumers", number::grouped(info.count("consumers")));
    page.section("Account Limits")
        .row("Max Message Payload", number::bytes(max_payload));
    let tiers = info.entries("tiers");
    match tiers.is_empty() {
        true => tier(page, "Default", info),
        false => tiers.iter().for_each(|(name, info)| tier(page, name, info)),
    }
}

fn tier(page: &mut Columns, name: &str, tier: &Value) {
    let limit = |path: &str| tier.at(path).as_i64().unwrap_or(-1);
    let bytes = |path: &str| match limit(path) {
        max @ 0.. => number::bytes(max.unsigned_abs()),
        _ => "Unlimited".to_owned(),
    };
    let per_stream = |path: &str| match limit(path) {
        max @ 1.. => number::bytes(max.unsigned_abs()),
        _ => "Unlimited".to_owned(),
    };
    let count = |path: &str| match limit(path) {
        max @ 0.. => number::grouped(max),
        _ => "Unlimited".to_owned(),
    };
    let used = |used: &str, limit: &str, reserved: &str| {
        let text = format!("{} of {}", number::bytes(tier.count(used)), bytes(limit));
        match tier.count(reserved) {
            0 => text,
            reserved => format!("{text} ({} reserved)", number::bytes(reserved)),
        }
    };
    let pending = match limit("limits.max_ack_pending") {
        max @ 1.. => number::grouped(max),
        _ => "Unlimited".to_owned(),
    };
    page.section(format!("Tier: {name}"))
        .row(
            "Stream Requires Max Bytes Set",
            tier.flag("limits.max_bytes_required"),
        )
        .row("Consumer Maximum Ack Pending", pending)
        .row(
            "Memory",
            used("memory", "limits.max_memory", "reserved_memory"),
        )
        .row(
            "Memory Per Stream",
            per_stream("limits.memory_max_stream_bytes"),
        )
        .row(
            "Storage",
            used("storage", "limits.max_storage", "reserved_storage"),
        )
        .row(
            "Storage Per Stream",
            per_stream("limits.storage_max_stream_bytes"),
        )
        .row(
            "Streams",
            format!(
                "{} of {}",
                number::grouped(tier.count("streams")),
                count("limits.max_streams")
            ),
        )
        .row("Consumers", count("limits.max_consumers"));
}
