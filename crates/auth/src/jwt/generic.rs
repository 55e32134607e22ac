//! Claims of a kind that this library does not know, as JSON. `$SYS.REQ.CLAIMS.DELETE` uses them.

use super::{Body, Issues, Registered};
use crate::nkey::Kind;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// See the module's documentation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generic {
    /// What stands under `nats`.
    pub fields: Map<String, Value>,
}

impl Generic {
    /// A field that is a list of texts, e.g. `accounts`. `None` if it is anything else.
    pub fn texts(&self, name: &str) -> Option<Vec<&str>> {
        let items = self.fields.get(name)?.as_array()?;
        items.iter().map(Value::as_str).collect()
    }
}

impl Body for Generic {
    const TYPE: &'static str = "";
    const ISSUERS: &'static [Kind] = &[];
    const SUBJECT: Option<Kind> = None;

    fn validate(&self, _: &Registered, _: &mut Issues) {}

    fn prepare(&mut self) {
        let version = Value::from(super::codec::VERSION);
        self.fields.insert("version".to_owned(), version);
    }
}
