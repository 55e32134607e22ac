//! Values while an expression is worked out: what JSON has, times and durations.

use std::borrow::Cow;
use std::cmp::Ordering;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// A value; texts and objects stay in the document.
#[derive(Clone, Debug)]
pub(super) enum Val<'a> {
    Nil,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(Cow<'a, str>),
    List(Vec<Val<'a>>),
    Object(&'a Map<String, Value>),
    Time(Timestamp),
    /// Nanoseconds.
    Duration(i128),
}

/// What Go calls fields whose JSON names are other words.
const GO_NAMES: [(&str, &str); 16] = [
    ("Msgs", "messages"),
    ("FirstTime", "first_ts"),
    ("LastTime", "last_ts"),
    ("Consumers", "consumer_count"),
    ("Replicas", "num_replicas"),
    ("MaxMsgsPer", "max_msgs_per_subject"),
    ("Duplicates", "duplicate_window"),
    ("DiscardNewPer", "discard_new_per_subject"),
    ("Stream", "stream_seq"),
    ("Consumer", "consumer_seq"),
    ("Stream", "stream_name"),
    ("Last", "last_active"),
    ("Durable", "durable_name"),
    ("NumSubs", "subscriptions"),
    ("Subs", "subscriptions_list"),
    ("Version", "ver"),
];

impl<'a> Val<'a> {
    /// What a document has.
    pub(super) fn of(value: &'a Value) -> Self {
        match value {
            Value::Null => Val::Nil,
            Value::Bool(value) => Val::Bool(*value),
            Value::String(text) => Val::Text(Cow::Borrowed(text)),
            Value::Array(values) => Val::List(values.iter().map(Val::of).collect()),
            Value::Object(fields) => Val::Object(fields),
            Value::Number(number) => {
                let whole = number.as_i64().map(i128::from);
                match whole.or_else(|| number.as_u64().map(i128::from)) {
                    Some(whole) => Val::Int(whole),
                    None => Val::Float(number.as_f64().unwrap_or_default()),
                }
            }
        }
    }

    /// What it is, for errors.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Val::Nil => "nil",
            Val::Bool(_) => "true or false",
            Val::Int(_) | Val::Float(_) => "a number",
            Val::Text(_) => "a text",
            Val::List(_) => "a list",
            Val::Object(_) => "an object",
            Val::Time(_) => "a time",
            Val::Duration(_) => "a duration",
        }
    }

    /// True or false; nil is false.
    pub(super) fn truth(&self) -> Result<bool> {
        match self {
            Val::Bool(value) => Ok(*value),
            Val::Nil => Ok(false),
            other => Err(Error::new(format!("{} is not true or false", other.kind()))),
        }
    }

    /// The field that JSON or Go calls `name`; nil if there is none.
    pub(super) fn field(&self, name: &str) -> Result<Val<'a>> {
        match self {
            Val::Object(fields) => Ok(find(fields, name).map_or(Val::Nil, Val::of)),
            Val::Nil => Ok(Val::Nil),
            other => Err(Error::new(format!(
                "{} has no field {name:?}",
                other.kind()
            ))),
        }
    }

    /// Whether both are the same; nil is the same as every empty value.
    pub(super) fn equals(&self, other: &Val<'_>) -> bool {
        match (self, other) {
            (Val::Nil, value) | (value, Val::Nil) => value.is_empty(),
            (Val::Bool(a), Val::Bool(b)) => a == b,
            (Val::Text(a), Val::Text(b)) => a == b,
            (Val::Object(a), Val::Object(b)) => a == b,
            (Val::List(a), Val::List(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.equals(b))
            }
            _ => self
                .order(other)
                .is_ok_and(|order| order == Some(Ordering::Equal)),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Val::Nil => true,
            Val::Bool(value) => !value,
            Val::Int(number) | Val::Duration(number) => *number == 0,
            Val::Float(number) => *number == 0.0,
            Val::Text(text) => text.is_empty(),
            Val::List(list) => list.is_empty(),
            Val::Object(fields) => fields.is_empty(),
            Val::Time(_) => false,
        }
    }

    /// Which is larger; neither if one is nil, an error if they are not of a kind.
    pub(super) fn order(&self, other: &Val<'_>) -> Result<Option<Ordering>> {
        Ok(match (self, other) {
            (Val::Nil, _) | (_, Val::Nil) => None,
            (Val::Text(a), Val::Text(b)) => Some(a.cmp(b)),
            (Val::Time(a), Val::Time(b)) => Some(a.cmp(b)),
            // Documents have durations as numbers of nanoseconds.
            (Val::Int(a) | Val::Duration(a), Val::Int(b) | Val::Duration(b)) => Some(a.cmp(b)),
            (Val::Int(_) | Val::Float(_), Val::Int(_) | Val::Float(_)) => {
                self.float().partial_cmp(&other.float())
            }
            _ => {
                let (left, right) = (self.kind(), other.kind());
                return Err(Error::new(format!("cannot order {left} and {right}")));
            }
        })
    }

    /// A number as one with a fraction; 0 for what is none.
    pub(super) fn float(&self) -> f64 {
        match self {
            Val::Int(number) => *number as f64,
            Val::Float(number) => *number,
            _ => 0.0,
        }
    }
}

fn find<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    if let Some(value) = fields.get(name) {
        return Some(value);
    }
    if !name.starts_with(|c: char| c.is_ascii_uppercase()) {
        return None;
    }
    let is_same = |key: &str| {
        let letters = key.chars().filter(|c| *c != '_');
        letters.eq(name.chars().map(|c| c.to_ascii_lowercase()))
    };
    let by_letters = fields.iter().find(|(key, _)| is_same(key));
    by_letters.map(|(_, value)| value).or_else(|| {
        let mut others = GO_NAMES.iter().filter(|(go, _)| *go == name);
        others.find_map(|(_, key)| fields.get(*key))
    })
}
