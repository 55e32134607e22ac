//! Reading documents of which only some fields matter: JSON by dotted path.
//!
//! Monitoring documents grow with every release of the server and lack what does not apply. So what
//! is missing reads as nothing (0, no text, no entries), and what is unknown stays where it is.

use jiff::Timestamp;
use serde_json::Value;

use crate::output::time;

static NOTHING: Value = Value::Null;

/// A document to look things up in.
pub(crate) trait Doc {
    /// What is at `path`, as in `stats.connections`; null if there is nothing.
    fn at(&self, path: &str) -> &Value;

    /// Text, or none.
    fn text(&self, path: &str) -> &str {
        self.at(path).as_str().unwrap_or_default()
    }

    /// A whole number; negative ones are 0.
    fn count(&self, path: &str) -> u64 {
        let value = self.at(path);
        value.as_u64().unwrap_or_else(|| {
            value
                .as_f64()
                .filter(|value| *value > 0.0)
                .map_or(0, |value| value as u64)
        })
    }

    /// A number.
    fn float(&self, path: &str) -> f64 {
        self.at(path).as_f64().unwrap_or_default()
    }

    /// Whether it is true.
    fn flag(&self, path: &str) -> bool {
        self.at(path).as_bool().unwrap_or_default()
    }

    /// The entries of a list.
    fn list(&self, path: &str) -> &[Value] {
        self.at(path).as_array().map_or(&[], Vec::as_slice)
    }

    /// The entries of a list of texts.
    fn texts(&self, path: &str) -> Vec<String> {
        let entries = self.list(path).iter();
        entries
            .filter_map(|entry| entry.as_str().map(str::to_owned))
            .collect()
    }

    /// The entries of an object, by name.
    fn entries(&self, path: &str) -> Vec<(&str, &Value)> {
        self.at(path).as_object().map_or_else(Vec::new, |object| {
            object.iter().map(|(k, v)| (k.as_str(), v)).collect()
        })
    }

    /// A time; none for Go's zero time.
    fn time(&self, path: &str) -> Option<Timestamp> {
        time::parse(self.text(path))
    }
}

impl Doc for Value {
    fn at(&self, path: &str) -> &Value {
        let mut here = self;
        for name in path.split('.') {
            here = here.get(name).unwrap_or(&NOTHING);
        }
        here
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_missing_is_nothing() {
        let doc = json!({ "a": { "b": 7, "c": "x", "d": [1, "y"] }, "n": -1 });
        assert_eq!((doc.count("a.b"), doc.count("a.x.y")), (7, 0));
        assert_eq!((doc.text("a.c"), doc.text("a.b")), ("x", ""));
        assert_eq!(doc.texts("a.d"), ["y"]);
        assert_eq!((doc.list("n").len(), doc.count("n")), (0, 0));
    }
}
