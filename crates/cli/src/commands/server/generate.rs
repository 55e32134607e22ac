//! `nats server generate`: configurations from a few questions.
//!
//! A template is a list of questions and a function from the answers to files. Answers are given with
//! `--set`, or asked for where somebody can be asked, or the defaults. Nothing is written before all
//! answers make sense, and never over something that is there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::run::quoted;
use crate::commands::auth::select::OperatorFlag;
use crate::error::{Context, Error, Result};
use crate::output::{number, prompt, terminal};
use crate::say;

/// Clusters and members of a generated super cluster, at most.
const MAX_NODES: u64 = 20;

/// Generate server configurations
#[derive(clap::Args)]
pub(crate) struct GenerateArgs {
    /// The directory to write to; there must be nothing yet
    target: PathBuf,

    /// What to generate; asked for otherwise
    #[arg(long, value_enum)]
    template: Option<Template>,

    /// Answers a question without asking
    #[arg(long = "set", value_name = "KEY=VALUE")]
    answers: Vec<String>,

    /// Accept all defaults that are not set
    #[arg(long)]
    defaults: bool,

    #[command(flatten)]
    operator: OperatorFlag,

    /// Refused: bundles of the official tool are templates of Go
    #[arg(long, hide = true)]
    source: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Template {
    /// 'nats auth' managed NATS Server configuration
    Operator,
    /// Development Super Cluster using Docker Compose
    DockerCompose,
    /// Synadia Cloud Leafnode Configuration
    Leafnode,
}

/// A question: its key, its text, and the answer if there is no other.
type Question = (&'static str, &'static str, &'static str);

const OPERATOR: &[Question] = &[
    (
        "server_name",
        "Unique name for this server",
        "nats.example.net",
    ),
    ("address", "Address to listen on", "0.0.0.0"),
    (
        "port",
        "The port to listen on for client connections",
        "4222",
    ),
    (
        "monitor_port",
        "Port to listen on for monitoring requests, 0 for none",
        "8222",
    ),
    ("jetstream", "Enable JetStream", "true"),
    (
        "store_dir",
        "Directory to store JetStream data",
        "/var/lib/nats/jetstream",
    ),
    (
        "max_mem",
        "Maximum amount of RAM that can be used by JetStream",
        "-1",
    ),
    (
        "max_file",
        "Maximum amount of disk storage that can be used by JetStream",
        "-1",
    ),
    (
        "resolver_dir",
        "The directory to store JWTs in",
        "/var/lib/nats/resolver",
    ),
    (
        "allow_delete",
        "Should the server allow accounts to be deleted",
        "true",
    ),
    ("limit", "The maximum amount of accounts to allow", "1000"),
];

const DOCKER: &[Question] = &[
    ("data", "The directory to store data in", "./data"),
    (
        "domain",
        "The DNS domain to use for the network",
        "nats.internal",
    ),
    ("image", "The docker image to use", "nats:latest"),
    ("clusters", "The number of clusters to create", "3"),
    (
        "members",
        "The number of servers to create per cluster",
        "3",
    ),
    (
        "port",
        "The port used by the first server in the first cluster",
        "10000",
    ),
    (
        "password",
        "Password of the users of the accounts",
        "s3cret",
    ),
    ("jetstream", "Enable JetStream", "true"),
];

const LEAFNODE: &[Question] = &[
    (
        "port",
        "The port to listen on for client connections",
        "4222",
    ),
    (
        "monitor_port",
        "Port to listen on for monitoring requests, 0 for none",
        "0",
    ),
    ("jetstream", "Enable JetStream", "false"),
    ("store_dir", "Directory to write JetStream data", "data"),
    ("domain", "The JetStream Domain for the Leafnode", "LEAF"),
    (
        "credentials",
        "Path to the Synadia Cloud credential file",
        "ngs.creds",
    ),
];

/// The answers to a template's questions.
struct Answers(BTreeMap<&'static str, String>);

impl Answers {
    fn text(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }

    fn number(&self, key: &str, max: u64) -> Result<u64> {
        let text = self.text(key);
        let number = text.parse::<u64>().ok().filter(|number| *number <= max);
        number.ok_or_else(|| Error::new(format!("{key}: {text:?} is no number up to {max}")))
    }

    fn flag(&self, key: &str) -> Result<bool> {
        match self.text(key) {
            "true" | "yes" | "y" => Ok(true),
            "false" | "no" | "n" => Ok(false),
            text => Err(Error::new(format!(
                "{key}: {text:?} is neither true nor false"
            ))),
        }
    }

    /// A size for the server: a number or one with a unit.
    fn size(&self, key: &str) -> Result<String> {
        number::parse_bytes(self.text(key)).context(key)?;
        Ok(self.text(key).to_owned())
    }
}

impl GenerateArgs {
    pub(crate) fn run(self) -> Result<()> {
        if let Some(source) = &self.source {
            return Err(Error::new(format!(
                "--source {source}: bundles are templates of Go, which this tool does not run"
            ))
            .hint("The three that are built in need no --source: --template names one."));
        }
        if self.target.exists() {
            return Err(Error::new(format!(
                "target directory {} already exist",
                self.target.display()
            ))
            .hint("Name one that is not there yet."));
        }
        let template = self.template()?;
        let questions = match template {
            Template::Operator => OPERATOR,
            Template::DockerCompose => DOCKER,
            Template::Leafnode => LEAFNODE,
        };
        let answers = self.answers(questions)?;
        let files = match template {
            Template::Operator => self.operator(&answers)?,
            Template::DockerCompose => docker(&answers)?,
            Template::Leafnode => leafnode(&answers)?,
        };
        for (name, text) in files {
            let path = self.target.join(name);
            write(&path, &text)?;
            say!("Wrote {}", path.display());
        }
        Ok(())
    }

    fn template(&self) -> Result<Template> {
        if let Some(template) = self.template {
            return Ok(template);
        }
        let all = Template::value_variants();
        let name = |template: &Template| {
            let value = template.to_possible_value()?;
            Some(value.get_help()?.to_string())
        };
        let names: Vec<String> = all.iter().filter_map(name).collect();
        let at = prompt::choose("Select a template", &names, 0, "--template")?;
        all.get(at).copied().context("nothing was chosen")
    }

    fn answers(&self, questions: &[Question]) -> Result<Answers> {
        let mut answers = BTreeMap::new();
        for given in &self.answers {
            let (key, value) = given
                .split_once('=')
                .context(format!("--set {given:?} is not KEY=VALUE"))?;
            let Some((key, ..)) = questions.iter().find(|(known, ..)| *known == key) else {
                let known: Vec<&str> = questions.iter().map(|(key, ..)| *key).collect();
                return Err(
                    Error::new(format!("--set {key}: there is no such question"))
                        .hint(format!("There are: {}", known.join(", "))),
                );
            };
            answers.insert(*key, value.to_owned());
        }
        let may_ask = !self.defaults && terminal::can_ask();
        for (key, text, default) in questions {
            if !answers.contains_key(key) {
                let answer = match may_ask {
                    true => prompt::ask(text, default, &format!("--set {key}=…"))?,
                    false => (*default).to_owned(),
                };
                answers.insert(*key, answer);
            }
        }
        Ok(Answers(answers))
    }

    fn operator(&self, answers: &Answers) -> Result<Vec<(PathBuf, String)>> {
        let chosen = self.operator.choose()?;
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
        let system = &operator.claims.nats.system_account;
        let accounts = chosen.store.all_accounts(&operator.name)?;
        if let Some(account) = accounts.iter().find(|account| account.subject() == system) {
            text.push_str(&format!(
                "\n# The system account, {}\nsystem_account: {system}\nresolver_preload: {{\n    {system}: {}\n}}\n",
                account.name, account.token
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
        Ok(vec![("server.conf".into(), text)])
    }
}

fn leafnode(answers: &Answers) -> Result<Vec<(PathBuf, String)>> {
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
    Ok(vec![("leafnode.conf".into(), text)])
}

fn docker(answers: &Answers) -> Result<Vec<(PathBuf, String)>> {
    let clusters = answers.number("clusters", MAX_NODES)?.max(1);
    let members = answers.number("members", MAX_NODES)?.max(1);
    let first = answers.number("port", 65_535 - 100 * MAX_NODES)?;
    let has_jetstream = answers.flag("jetstream")?;
    let (domain, password) = (answers.text("domain"), answers.text("password"));
    let mut conf = String::from(
        "port: 4222\nmonitor_port: 8222\nserver_name: $NAME\nclient_advertise: $ADVERTISE\nserver_tags: $GATEWAY\n",
    );
    if has_jetstream {
        conf.push_str("\njetstream {\n  store_dir: /data\n}\n");
    }
    let routes: String = (1..=members)
        .map(|node| format!("    \"nats-route://n{node}:6222\"\n"))
        .collect();
    conf.push_str(&format!(
        "\ncluster {{\n  port: 6222\n  routes = [\n{routes}  ]\n}}\n"
    ));
    conf.push_str("\ngateway {\n  name: $GATEWAY\n  port: 7222\n  gateways: [\n");
    for cluster in 1..=clusters {
        let urls: Vec<String> = (1..=members)
            .map(|node| format!("\"nats://n{node}.c{cluster}.{domain}:7222\""))
            .collect();
        conf.push_str(&format!(
            "    {{name: \"c{cluster}\", urls: [{}]}}\n",
            urls.join(", ")
        ));
    }
    conf.push_str("  ]\n}\n");
    if !password.is_empty() {
        let jetstream = if has_jetstream {
            "jetstream: enabled, "
        } else {
            ""
        };
        let password = quoted(password);
        conf.push_str(&format!(
            "\naccounts {{\n  users: {{{jetstream}users: [{{user: user, password: {password}}}]}}\n  system: {{users: [{{user: system, password: {password}}}]}}\n}}\nsystem_account: system\n"
        ));
    }
    let mut compose = String::from("services:\n");
    for cluster in 1..=clusters {
        for node in 1..=members {
            let port = first + (cluster - 1) * 100 + node - 1;
            let name = format!("n{node}.c{cluster}");
            compose.push_str(&format!(
                "  {name}.{domain}:\n    image: {image}\n    command: [\"-c\", \"/nats-server.conf\"]\n    dns_search: c{cluster}.{domain}\n    environment:\n      GATEWAY: c{cluster}\n      NAME: {name}\n      ADVERTISE: {name}.{domain}:{port}\n    networks: [shared, nats-cluster{cluster}]\n    ports: [\"{port}:4222\"]\n    volumes:\n      - ./cluster.conf:/nats-server.conf\n      - {data}/{name}:/data\n",
                image = answers.text("image"),
                data = answers.text("data"),
            ));
        }
    }
    compose.push_str("networks:\n  shared: {}\n");
    (1..=clusters).for_each(|c| compose.push_str(&format!("  nats-cluster{c}: {{}}\n")));
    Ok(vec![
        ("cluster.conf".into(), conf),
        ("docker-compose.yaml".into(), compose),
    ])
}

/// Writes a file with a token in it, for its owner's eyes.
fn write(path: &Path, text: &str) -> Result<()> {
    crate::commands::auth::store::write(path, text.as_bytes())
}
