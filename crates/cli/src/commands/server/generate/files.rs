//! What the templates make of the answers: the names and texts of files.

use serde_json::json;

use super::Answers;
use crate::commands::auth::select::Chosen;
use crate::commands::server::run::quoted;
use crate::error::{Context, Result};

/// Clusters and members of a generated super cluster, at most.
const MAX_NODES: u64 = 20;

/// An image with this tool and a shell in it.
const SHELL_IMAGE: &str = "synadia/nats-server:nightly";

/// Files by their names below the target.
pub(super) type Files = Vec<(String, String)>;

/// A server of an operator.
pub(super) fn operator(chosen: &Chosen, answers: &Answers) -> Result<Files> {
    let operator = &chosen.operator;
    let mut text = format!(
        "# Operated by {name}\n\nserver_name: {server}\nlisten: {listen}\n",
        name = operator.name,
        server = quoted(answers.text("server_name")),
        listen = quoted(&format!(
            "{}:{}",
            answers.text("address"),
            answers.number("port", 65_535)?
        )),
    );
    let monitor = answers.number("monitor_port", 65_535)?;
    if monitor > 0 {
        text.push_str(&format!(
            "http: {}\n",
            quoted(&format!("{}:{monitor}", answers.text("address")))
        ));
    }
    text.push_str(&format!(
        "\n# The token of the operator\noperator: {}\n",
        operator.token
    ));
    if let Some((name, id, token)) = system_account(chosen)? {
        text.push_str(&format!(
            "\n# The system account, {name}\nsystem_account: {id}\nresolver_preload: {{\n    {id}: {token}\n}}\n",
        ));
    }
    if answers.flag("jetstream")? {
        text.push_str(&format!(
            "\njetstream {{\n    store_dir: {}\n    max_mem: {}\n    max_file: {}\n}}\n",
            quoted(answers.text("store_dir")),
            answers.size("max_mem")?,
            answers.size("max_file")?
        ));
    }
    text.push_str(&format!(
        "\n# Accounts are pushed here: nats auth account push\nresolver {{\n    type: full\n    dir: {}\n    allow_delete: {}\n    interval: \"2m\"\n    limit: {}\n}}\n",
        quoted(answers.text("resolver_dir")),
        answers.flag("allow_delete")?,
        answers.number("limit", u64::MAX)?
    ));
    Ok(vec![("server.conf".to_owned(), text)])
}

/// The name, id and token of the operator's system account, if it has one.
fn system_account(chosen: &Chosen) -> Result<Option<(String, String, String)>> {
    let id = &chosen.operator.claims.nats.system_account;
    let accounts = chosen.store.all_accounts(&chosen.operator.name)?;
    let account = accounts.into_iter().find(|account| account.subject() == id);
    Ok(account.map(|account| (account.name, id.clone(), account.token)))
}

/// Values for the Helm chart of NATS: a cluster of an operator. JSON is YAML.
pub(super) fn kubernetes(chosen: &Chosen, answers: &Answers) -> Result<Files> {
    let replicas = answers.number("replicas", MAX_NODES)?.max(1);
    let (_, id, token) = system_account(chosen)?
        .context("the operator has no system account, which a cluster of servers needs")?;
    let mut config = json!({
        "cluster": { "enabled": replicas > 1, "replicas": replicas },
        "resolver": {
            "enabled": true,
            "merge": { "type": "full", "interval": "2m", "timeout": "1.9s" },
        },
        "merge": {
            "operator": chosen.operator.token,
            "system_account": id,
            "resolver_preload": { id.as_str(): token },
        },
    });
    if answers.flag("jetstream")? {
        config["jetstream"] = json!({
            "enabled": true,
            "fileStore": { "pvc": { "size": answers.text("storage") } },
        });
    }
    let values = json!({ "natsBox": { "enabled": false }, "config": config });
    let text = crate::output::yaml::write(&values);
    Ok(vec![("values.yaml".to_owned(), text)])
}

/// A leaf node of Synadia Cloud.
pub(super) fn leafnode(answers: &Answers) -> Result<Files> {
    let mut text = format!(
        "# A leaf node of Synadia Cloud\n\nlisten: \"0.0.0.0:{}\"\n",
        answers.number("port", 65_535)?
    );
    let monitor = answers.number("monitor_port", 65_535)?;
    if monitor > 0 {
        text.push_str(&format!("http: \"0.0.0.0:{monitor}\"\n"));
    }
    if answers.flag("jetstream")? {
        text.push_str(&format!(
            "\njetstream {{\n    store_dir: {}\n    domain: {}\n}}\n",
            quoted(answers.text("store_dir")),
            quoted(answers.text("domain"))
        ));
    }
    text.push_str(&format!(
        "\nleafnodes {{\n    remotes = [\n        {{\n            url: \"tls://connect.ngs.global\"\n            credentials: {}\n        }}\n    ]\n}}\n",
        quoted(answers.text("credentials"))
    ));
    Ok(vec![("leafnode.conf".to_owned(), text)])
}

/// A super cluster for Docker Compose.
struct Network<'a> {
    answers: &'a Answers,
    domain: &'a str,
    password: &'a str,
    clusters: u64,
    members: u64,
    /// The port of the first server.
    port: u64,
    has_jetstream: bool,
}

/// A super cluster, and a shell with contexts that reach it.
pub(super) fn docker(answers: &Answers) -> Result<Files> {
    let network = Network {
        answers,
        domain: answers.text("domain"),
        password: answers.text("password"),
        clusters: answers.number("clusters", MAX_NODES)?.max(1),
        members: answers.number("members", MAX_NODES)?.max(1),
        port: answers.number("port", 65_535 - 100 * MAX_NODES)?,
        has_jetstream: answers.flag("jetstream")?,
    };
    let mut files = vec![
        ("cluster.conf".to_owned(), network.configuration()),
        ("docker-compose.yaml".to_owned(), network.compose()),
    ];
    files.extend(network.contexts()?);
    Ok(files)
}

impl Network<'_> {
    fn configuration(&self) -> String {
        let (domain, members) = (self.domain, self.members);
        let mut conf = String::from(
            "port: 4222\nmonitor_port: 8222\nserver_name: $NAME\nclient_advertise: $ADVERTISE\nserver_tags: $GATEWAY\n",
        );
        if self.has_jetstream {
            conf.push_str("\njetstream {\n  store_dir: /data\n}\n");
        }
        let routes: String = (1..=members)
            .map(|node| format!("    \"nats-route://n{node}:6222\"\n"))
            .collect();
        conf.push_str(&format!(
            "\ncluster {{\n  port: 6222\n  routes = [\n{routes}  ]\n}}\n"
        ));
        conf.push_str("\ngateway {\n  name: $GATEWAY\n  port: 7222\n  gateways: [\n");
        for cluster in 1..=self.clusters {
            let urls: Vec<String> = (1..=members)
                .map(|node| format!("\"nats://n{node}.c{cluster}.{domain}:7222\""))
                .collect();
            conf.push_str(&format!(
                "    {{name: \"c{cluster}\", urls: [{}]}}\n",
                urls.join(", ")
            ));
        }
        conf.push_str("  ]\n}\n");
        if !self.password.is_empty() {
            let jetstream = if self.has_jetstream {
                "jetstream: enabled, "
            } else {
                ""
            };
            let password = quoted(self.password);
            conf.push_str(&format!(
                "\naccounts {{\n  users: {{{jetstream}users: [{{user: user, password: {password}}}]}}\n  system: {{users: [{{user: system, password: {password}}}]}}\n}}\nsystem_account: system\n"
            ));
        }
        conf
    }

    fn compose(&self) -> String {
        let domain = self.domain;
        let mount = match self.answers.text("mount") {
            "" => String::new(),
            mount => format!("      - {mount}\n"),
        };
        let mut compose = format!(
            "services:\n  cli.{domain}:\n    image: {SHELL_IMAGE}\n    entrypoint: /bin/sh\n    tty: true\n    dns_search: {domain}\n    networks: [shared]\n    volumes:\n      - ./cli:/root/.config/nats\n{mount}"
        );
        for cluster in 1..=self.clusters {
            for node in 1..=self.members {
                let port = self.port + (cluster - 1) * 100 + node - 1;
                let name = format!("n{node}.c{cluster}");
                compose.push_str(&format!(
                    "  {name}.{domain}:\n    image: {image}\n    command: [\"-c\", \"/nats-server.conf\"]\n    dns_search: c{cluster}.{domain}\n    environment:\n      GATEWAY: c{cluster}\n      NAME: {name}\n      ADVERTISE: {name}.{domain}:{port}\n    networks: [shared, nats-cluster{cluster}]\n    ports: [\"{port}:4222\"]\n    volumes:\n      - ./cluster.conf:/nats-server.conf\n      - {data}/{name}:/data\n{mount}",
                    image = self.answers.text("image"),
                    data = self.answers.text("data"),
                ));
            }
        }
        compose.push_str("networks:\n  shared: {}\n");
        (1..=self.clusters).for_each(|c| compose.push_str(&format!("  nats-cluster{c}: {{}}\n")));
        compose
    }

    /// Contexts of the shell: each account in each cluster, and in the first one under a short name.
    fn contexts(&self) -> Result<Files> {
        let mut files = vec![("cli/context.txt".to_owned(), "user".to_owned())];
        let accounts: &[(&str, &str)] = match self.password {
            "" => &[("user", "")],
            _ => &[("user", ""), ("system", "system_")],
        };
        for (account, prefix) in accounts {
            for cluster in 1..=self.clusters {
                let urls: Vec<String> = (1..=self.members)
                    .map(|node| format!("nats://n{node}.c{cluster}.{}:4222", self.domain))
                    .collect();
                let mut context = json!({
                    "description": format!("The {account} account in cluster {cluster}"),
                    "url": urls.join(","),
                    "color_scheme": if *account == "user" { "green" } else { "red" },
                });
                if !self.password.is_empty() {
                    context["user"] = json!(account);
                    context["password"] = json!(self.password);
                }
                let text = serde_json::to_string_pretty(&context)?;
                if cluster == 1 {
                    files.push((format!("cli/context/{account}.json"), text.clone()));
                }
                files.push((format!("cli/context/{prefix}c{cluster}.json"), text));
            }
        }
        Ok(files)
    }
}
