//! Creating, editing and deleting streams and consumers: what was confirmed stays so.

use serde_json::{Value, json};

use super::Load;
use crate::crash::damage::Damage;
use crate::crash::ledger::Found;
use crate::crash::link::Link;
use crate::crash::rng::Rng;
use crate::crash::{Run, wrong};

const HOME: &str = "ADMIN";

/// A stream or a consumer that comes and goes: the revisions it may have, `None` for not there.
struct Asset {
    create: String,
    update: String,
    delete: String,
    info: String,
    is_stream: bool,
    name: String,
    possible: Vec<Option<u64>>,
}

impl Asset {
    fn stream(name: &str) -> Self {
        Self {
            create: format!("STREAM.CREATE.{name}"),
            update: format!("STREAM.UPDATE.{name}"),
            delete: format!("STREAM.DELETE.{name}"),
            info: format!("STREAM.INFO.{name}"),
            is_stream: true,
            name: name.to_owned(),
            possible: vec![None],
        }
    }

    fn consumer(name: &str) -> Self {
        let create = format!("CONSUMER.CREATE.{HOME}.{name}");
        Self {
            update: create.clone(),
            create,
            delete: format!("CONSUMER.DELETE.{HOME}.{name}"),
            info: format!("CONSUMER.INFO.{HOME}.{name}"),
            is_stream: false,
            name: name.to_owned(),
            possible: vec![None],
        }
    }

    fn config(&self, revision: u64) -> Value {
        let description = format!("revision {revision}");
        if self.is_stream {
            let subjects = [format!("{}.*", self.name)];
            json!({"name": self.name, "subjects": subjects, "description": description})
        } else {
            json!({"stream_name": HOME, "config": {
                "name": self.name, "durable_name": self.name, "ack_policy": "explicit",
                "description": description,
            }})
        }
    }
}

/// Assets that come and go.
pub struct Admin {
    assets: Vec<Asset>,
    revision: u64,
    confirmed: u64,
}

impl Default for Admin {
    fn default() -> Self {
        Self::new()
    }
}

impl Admin {
    /// Nothing there yet.
    #[must_use]
    pub fn new() -> Self {
        let streams = ["X1", "X2", "X3"].map(Asset::stream);
        let consumers = ["K1", "K2", "K3"].map(Asset::consumer);
        Self {
            assets: streams.into_iter().chain(consumers).collect(),
            revision: 0,
            confirmed: 0,
        }
    }
}

impl Load for Admin {
    fn name(&self) -> &str {
        HOME
    }

    fn setup(&mut self, link: &mut Link) -> Run<()> {
        let config = json!({"name": HOME, "subjects": [format!("{HOME}.*")]});
        link.ok(&format!("STREAM.CREATE.{HOME}"), &config)?;
        Ok(())
    }

    fn step(&mut self, link: &mut Link, rng: &mut Rng) -> Run<()> {
        self.revision += 1;
        let at = rng.below(self.assets.len() as u64) as usize;
        let asset = &mut self.assets[at];
        let there = asset.possible[0].is_some();
        let (subject, body, next) = if there && rng.percent(40) {
            (asset.delete.clone(), Value::Null, None)
        } else {
            let subject = if there { &asset.update } else { &asset.create };
            (
                subject.clone(),
                asset.config(self.revision),
                Some(self.revision),
            )
        };
        asset.possible.push(next);
        link.ok(&subject, &body)?;
        self.assets[at].possible = vec![next];
        self.confirmed += 1;
        Ok(())
    }

    fn verify(&mut self, link: &mut Link, _: Option<&Damage>) -> Run<Found> {
        for asset in &mut self.assets {
            let info = link.api(&asset.info, &Value::Null)?;
            let missing = matches!(info["error"]["err_code"].as_u64(), Some(10059 | 10014));
            let revision = info["config"]["description"]
                .as_str()
                .and_then(|text| text.strip_prefix("revision "))
                .and_then(|text| text.parse().ok());
            if missing == revision.is_some() || !asset.possible.contains(&revision) {
                return wrong(format!(
                    "{}: expected revision {:?} (None: not there), got {info}",
                    asset.name, asset.possible
                ));
            }
            asset.possible = vec![revision];
        }
        Ok(Found::default())
    }

    fn settle(&mut self, link: &mut Link, damage: Option<&Damage>) -> Run<()> {
        self.verify(link, damage)?;
        Ok(())
    }

    fn confirmed(&self) -> u64 {
        self.confirmed
    }
}
