//! `nats audit gather`: every monitoring document of every server, account and stream, into an archive.
//!
//! Servers are asked one document after the other; a server that refuses or does not answer is noted
//! and passed over, because half an audit is better than none.

use std::collections::BTreeSet;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::archive::{Metadata, Place, Writer};
use crate::app::App;
use crate::commands::server::sys::{Answer, Selection, System};
use crate::commands::shared::doc::Doc;
use crate::error::Result;
use crate::output::time;
use crate::{note, say};

/// Records of a page.
const PAGE: u64 = 1024;

/// Pages of a document that are asked for.
const MAX_PAGES: u64 = 256;

#[derive(clap::Args)]
// Each flag is one of the command line.
#[allow(clippy::struct_excessive_bools)]
pub(super) struct GatherArgs {
    /// Output file path of generated archive
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Leave out progress messages during gathering
    #[arg(long)]
    no_progress: bool,

    /// Limit audit to servers from the named cluster
    #[arg(long)]
    cluster: Option<String>,

    /// Leave out monitoring endpoints of each server
    #[arg(long)]
    no_server_endpoints: bool,

    /// Leave out profiles of each server
    #[arg(long)]
    no_server_profiles: bool,

    /// Leave out monitoring endpoints of each account
    #[arg(long)]
    no_account_endpoints: bool,

    /// Leave out the state of each stream
    #[arg(long)]
    no_streams: bool,

    /// Leave out the state of each stream's consumers
    #[arg(long)]
    no_consumers: bool,

    /// Leave out who gathered, and where
    #[arg(long)]
    no_details: bool,
}

/// A document: its name in the API, its kind in the archive, the options, and the list that comes in
/// pages, if one does.
struct Endpoint {
    what: &'static str,
    kind: &'static str,
    options: Value,
    pages: Option<&'static str>,
}

fn endpoint(what: &'static str, kind: &'static str, options: Value) -> Endpoint {
    Endpoint {
        what,
        kind,
        options,
        pages: None,
    }
}

fn paged(endpoint: Endpoint, list: &'static str) -> Endpoint {
    Endpoint {
        pages: Some(list),
        ..endpoint
    }
}

/// The documents of a server.
fn of_server() -> Vec<Endpoint> {
    let detailed = json!({ "subscriptions": true, "subscriptions_detail": true });
    let jetstream = json!({ "accounts": true, "streams": true, "consumer": true, "config": true, "raft": true });
    let gateways = json!({ "accounts": true, "subscriptions": true, "subscriptions_detail": true });
    vec![
        endpoint("VARZ", "variables", json!({})),
        endpoint("EXPVARZ", "exp_variables", json!({})),
        paged(
            endpoint("CONNZ", "connections", detailed.clone()),
            "connections",
        ),
        endpoint("ROUTEZ", "routes", detailed),
        endpoint("GATEWAYZ", "gateways", gateways),
        endpoint("LEAFZ", "leafs", json!({ "subscriptions": true })),
        paged(
            endpoint("SUBSZ", "subs", json!({ "subscriptions": true })),
            "subscriptions_list",
        ),
        paged(
            endpoint("JSZ", "jetstream_info", jetstream),
            "account_details",
        ),
        endpoint("ACCOUNTZ", "accounts", json!({})),
        endpoint("HEALTHZ", "health", json!({ "details": true })),
    ]
}

/// The documents of an account, as each server sees it. Those of the account's own API are asked as
/// documents of servers with the account as a filter, which answers for accounts without clients too.
fn of_account(account: &str) -> Vec<Endpoint> {
    let detailed = json!({ "acc": account, "subscriptions": true, "subscriptions_detail": true });
    vec![
        paged(
            endpoint("CONNZ", "account_connections", detailed),
            "connections",
        ),
        endpoint("LEAFZ", "account_leafs", json!({ "account": account })),
        paged(
            endpoint(
                "SUBSZ",
                "account_subs",
                json!({ "account": account, "subscriptions": true }),
            ),
            "subscriptions_list",
        ),
        endpoint("ACCOUNTZ", "account_info", json!({ "account": account })),
        endpoint(
            "JSZ",
            "account_jetstream_info",
            json!({ "account": account }),
        ),
        endpoint("RAFTZ", "account_raftz", json!({ "account": account })),
        endpoint(
            "IPQUEUESZ",
            "account_ipqueues",
            json!({ "filter": account }),
        ),
    ]
}

/// Profiles of a server, with their level of detail and their names in the archive.
const PROFILES: [(&str, u32, &str); 7] = [
    ("goroutine", 1, "goroutine_1"),
    ("goroutine", 2, "goroutine_2"),
    ("heap", 0, "heap"),
    ("allocs", 0, "allocs"),
    ("mutex", 0, "mutex"),
    ("threadcreate", 0, "threadcreate"),
    ("block", 0, "block"),
];

/// A gathering under way.
struct Gathering<'a> {
    args: &'a GatherArgs,
    system: System,
    selection: Selection,
    domain: String,
    writer: Writer,
    servers: usize,
    log: String,
}

impl GatherArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        let path = self.output.clone().unwrap_or_else(default_path);
        let system = System::connect(app).await?;
        let selection = Selection {
            cluster: self.cluster.clone(),
            ..Selection::default()
        };
        let mut gathering = Gathering {
            args: &self,
            domain: app.settings()?.context.jetstream_domain.clone(),
            system,
            selection,
            writer: Writer::create(&path)?,
            servers: 0,
            log: String::new(),
        };
        gathering.all().await?;
        let metadata = match self.no_details {
            true => Metadata::default(),
            false => metadata(app, &gathering.system)?,
        };
        gathering.writer.finish(&metadata, &gathering.log)?;
        say!("Archive created at: {}", path.display());
        Ok(())
    }
}

fn default_path() -> PathBuf {
    let now = jiff::Zoned::now().strftime("%Y%m%d-%H%M%S").to_string();
    std::env::temp_dir().join(format!("audit-archive-{now}.zip"))
}

fn metadata(app: &App, system: &System) -> Result<Metadata> {
    let server = system.client().server_info();
    let url = app.settings()?.servers().join(",");
    Ok(Metadata {
        capture_timestamp: jiff::Timestamp::now().to_string(),
        connected_server_name: server.server_name,
        connected_server_version: server.version,
        connect_url: crate::connect::redact(&url),
        user_name: std::env::var("USER").unwrap_or_default(),
        version: format!("nats ({})", env!("CARGO_PKG_VERSION")),
    })
}

impl Gathering<'_> {
    async fn all(&mut self) -> Result<()> {
        // Nobody answering here is the error that says what to do about it.
        let options = self.selection.applied_to(json!({}), &self.domain);
        let accounts = self.system.ask_all("ACCOUNTZ", &options, 0).await?;
        self.servers = accounts.len();
        self.tell(&format!("Gathering from {} servers", self.servers));
        let accounts: BTreeSet<String> = accounts
            .iter()
            .flat_map(|answer| answer.data().texts("accounts"))
            .collect();
        if !self.args.no_server_endpoints {
            for endpoint in of_server() {
                self.take(&endpoint, None).await?;
            }
        }
        if !self.args.no_server_profiles {
            for (name, level, shown) in PROFILES {
                self.profile(name, level, shown).await?;
            }
        }
        for account in &accounts {
            if !self.args.no_account_endpoints {
                for endpoint in of_account(account) {
                    self.take(&endpoint, Some(account)).await?;
                }
            }
            if !self.args.no_streams {
                self.streams(account).await?;
            }
        }
        Ok(())
    }

    /// A document of every server, as many pages as there are.
    async fn take(&mut self, endpoint: &Endpoint, account: Option<&str>) -> Result<()> {
        let of = account
            .map(|account| format!(" of account {account}"))
            .unwrap_or_default();
        self.tell(&format!("Gathering {}{of}", endpoint.kind));
        for page in 0..MAX_PAGES {
            let mut options = endpoint.options.clone();
            if endpoint.pages.is_some() {
                options["offset"] = json!(page * PAGE);
                options["limit"] = json!(PAGE);
            }
            let mut is_last = true;
            for mut answer in self.ask(endpoint.what, options).await? {
                let detail = answer.data().at("account_detail");
                if detail.is_object() {
                    // In archives it is as accounts themselves are told: without this cover.
                    answer.document["data"] = detail.clone();
                }
                let place = Place::of(answer.server());
                let place = account.map_or(place.clone(), |account| place.account(account));
                let list = endpoint
                    .pages
                    .map_or(0, |list| answer.data().list(list).len() as u64);
                is_last &= list < PAGE;
                if page == 0 || list > 0 {
                    self.writer.add(&place, endpoint.kind, &answer.document)?;
                }
            }
            if is_last {
                break;
            }
        }
        Ok(())
    }

    /// The streams of an account, as each server that has them describes them.
    async fn streams(&mut self, account: &str) -> Result<()> {
        let options = json!({
            "account": account, "streams": true, "consumer": !self.args.no_consumers,
            "config": true, "raft": true, "direct_consumer": true,
        });
        let mut count = 0;
        for answer in self.ask("JSZ", options).await? {
            let place = Place::of(answer.server()).account(account);
            for detail in answer.data().list("account_details") {
                for stream in detail.list("stream_detail") {
                    let place = place.stream(stream.text("name"));
                    self.writer.add(&place, "stream_info", stream)?;
                    count += 1;
                }
            }
        }
        self.tell(&format!("Gathered {count} streams of account {account}"));
        Ok(())
    }

    async fn profile(&mut self, name: &str, level: u32, shown: &str) -> Result<()> {
        self.tell(&format!("Gathering profile {shown}"));
        let options = json!({ "name": name, "debug": level });
        for answer in self.ask("PROFILEZ", options).await? {
            let place = Place::of(answer.server());
            match STANDARD.decode(answer.data().text("profile")) {
                Ok(profile) if !profile.is_empty() => {
                    self.writer.add_profile(&place, shown, &profile)?;
                }
                _ => {
                    let reason = answer.data().text("error").to_owned();
                    self.tell(&format!(
                        "No profile {shown} of server {}: {reason}",
                        place.server
                    ));
                }
            }
        }
        Ok(())
    }

    /// The answers that are documents; what is none is noted.
    async fn ask(&mut self, what: &str, options: Value) -> Result<Vec<Answer>> {
        let options = self.selection.applied_to(options, &self.domain);
        let answers = match self.system.ask_all(what, &options, self.servers).await {
            Ok(answers) => answers,
            Err(error) => {
                self.tell(&format!("No {what}: {}", error.message()));
                return Ok(Vec::new());
            }
        };
        if answers.len() < self.servers {
            let missing = self.servers - answers.len();
            self.tell(&format!("{missing} servers did not answer for {what}"));
        }
        let mut documents = Vec::with_capacity(answers.len());
        for answer in answers {
            match answer.error() {
                Some(error) => self.tell(&format!("No {what}: {}", error.message())),
                None => documents.push(answer),
            }
        }
        Ok(documents)
    }

    fn tell(&mut self, text: &str) {
        self.log.push_str(&format!("{} {text}\n", time::clock()));
        if !self.args.no_progress {
            note!("{text}");
        }
    }
}
