//! `nats server generate`: configurations from a few questions.
//!
//! A template is a list of questions and a function from the answers to files. Answers are given with
//! `--set`, or asked for where somebody can be asked, or the defaults. Nothing is written before all
//! answers make sense, and never over something that is there.

mod files;
mod questions;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use questions::{Question, When};

use crate::commands::auth::select::OperatorFlag;
use crate::error::{Context, Error, Result};
use crate::output::{number, prompt, terminal};
use crate::say;

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

    /// One of the bundles that are built in, as the official tool names them; others are refused,
    /// because they are templates of Go
    #[arg(long, hide = true, conflicts_with = "template")]
    source: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Template {
    /// 'nats auth' managed NATS Server configuration
    Operator,
    /// 'nats auth' managed NATS Cluster in Kubernetes
    Kubernetes,
    /// Development Super Cluster using Docker Compose
    DockerCompose,
    /// Synadia Cloud Leafnode Configuration
    Leafnode,
}

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
            text if is_yes(text) => Ok(true),
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
        if self.target.exists() {
            return Err(Error::new(format!(
                "target directory {} already exist",
                self.target.display()
            ))
            .hint("Name one that is not there yet."));
        }
        let template = self.template()?;
        let questions = match template {
            Template::Operator => questions::OPERATOR,
            Template::Kubernetes => questions::KUBERNETES,
            Template::DockerCompose => questions::DOCKER,
            Template::Leafnode => questions::LEAFNODE,
        };
        let answers = self.answers(questions)?;
        let files = match template {
            Template::Operator => files::operator(&self.operator.choose()?, &answers)?,
            Template::Kubernetes => files::kubernetes(&self.operator.choose()?, &answers)?,
            Template::DockerCompose => files::docker(&answers)?,
            Template::Leafnode => files::leafnode(&answers)?,
        };
        for (name, text) in files {
            let path = self.target.join(name);
            write(&path, &text)?;
            say!("Wrote {}", path.display());
        }
        self.tell_next(template, &answers);
        Ok(())
    }

    /// What is to be done with the files.
    fn tell_next(&self, template: Template, answers: &Answers) {
        let target = self.target.display();
        match template {
            Template::Operator => say!(
                "\nStart it:  nats-server -c {target}/server.conf\nAccounts:  nats auth account push NAME"
            ),
            Template::Kubernetes => say!(
                "\nhelm repo add nats https://nats-io.github.io/k8s/helm/charts/\nhelm upgrade --install nats nats/nats -f {target}/values.yaml\nkubectl port-forward service/nats 4222"
            ),
            Template::DockerCompose => say!(
                "\ncd {target} && docker compose up\ndocker compose run cli.{}    # a shell with contexts for all clusters",
                answers.text("domain")
            ),
            Template::Leafnode => say!(
                "\nStore the credentials in {:?}, then:  nats-server -c {target}/leafnode.conf",
                answers.text("credentials")
            ),
        }
    }

    fn template(&self) -> Result<Template> {
        if let Some(template) = self.template {
            return Ok(template);
        }
        match self.source.as_deref() {
            None => {}
            Some("fs:///operator") => return Ok(Template::Operator),
            Some("fs:///operatork8s") => return Ok(Template::Kubernetes),
            Some("fs:///natsbuilder") => return Ok(Template::DockerCompose),
            Some("fs:///ngsleafnodeconfig") => return Ok(Template::Leafnode),
            Some(source) => {
                return Err(Error::new(format!(
                    "--source {source}: bundles are templates of Go, which this tool does not run"
                ))
                .hint("The four that are built in need no --source: --template names one."));
            }
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
        for (key, text, default, when) in questions {
            if !answers.contains_key(key) {
                let without = answers.get("jetstream").is_some_and(|yes| !is_yes(yes));
                let answer = match may_ask && !(*when == When::JetStream && without) {
                    true => prompt::ask(text, default, &format!("--set {key}=…"))?,
                    false => (*default).to_owned(),
                };
                answers.insert(*key, answer);
            }
        }
        Ok(Answers(answers))
    }
}

fn is_yes(answer: &str) -> bool {
    matches!(answer, "true" | "yes" | "y")
}

/// Writes a file with a token in it, for its owner's eyes.
fn write(path: &Path, text: &str) -> Result<()> {
    crate::commands::auth::store::write(path, text.as_bytes())
}
