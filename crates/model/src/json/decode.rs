//! From a document to typed values, by the rules of Go's decoder.

use std::collections::BTreeMap;
use std::fmt;

use super::Json;
use super::syntax::{self, Broken};

/// How many unknown members are told by name.
const MAX_UNKNOWN_NAMES: usize = 16;

/// What becomes of members that a type does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// They are refused.
    Refused,
    /// They are left out.
    Ignored,
}

/// Decodes a document and tells the members that the type does not have, by name.
///
/// Bytes that are not UTF-8 are read as U+FFFD, and several documents one after another into the
/// same value, as nats-server does; nothing at all gives the default.
///
/// # Errors
/// If the text is not JSON or a member has a value of the wrong kind; the first fault is told.
pub fn decode<T: Record + Default>(text: &[u8]) -> Result<(T, Vec<String>), DecodeError> {
    let mut decoder = Decoder::new(Unknown::Ignored);
    let value = decoder.documents(text)?;
    Ok((value, decoder.names))
}

/// As [`decode`], for a caller who knows what to do about unknown members.
///
/// # Errors
/// As [`decode`], and if there is a member too many and such are refused.
pub fn decode_request<T: Record + Default>(
    text: &[u8],
    unknown: Unknown,
) -> Result<T, DecodeError> {
    Decoder::new(unknown).documents(text)
}

/// Why a document could not be decoded. Shown as nats-server tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError(String);

impl DecodeError {
    /// A member that the type does not have.
    #[must_use]
    pub fn unknown_field(name: &str) -> Self {
        Self(format!("json: unknown field {}", crate::text::quoted(name)))
    }

    /// A fault in the words of the type that found it.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// What is wrong with a text. nats-server's strict reader takes several documents and says where
    /// the fault is; its other one takes one and does not.
    fn syntax(error: &serde_json::Error, text: &[u8], unknown: Unknown) -> Self {
        let is_strict = unknown == Unknown::Refused;
        Self(match syntax::fault(text, !is_strict) {
            Some(Broken::End) if is_strict => "unexpected EOF".to_owned(),
            Some(Broken::End) => "unexpected end of JSON input".to_owned(),
            Some(Broken::At(offset, text)) if is_strict => format!("{text} at offset {offset}"),
            Some(Broken::At(_, text)) => text,
            // Deeper than is read here, or half of a surrogate pair.
            None => error.to_string(),
        })
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for DecodeError {}

/// A struct with named members.
pub trait Record {
    /// The type's name in the Go server, for error texts.
    const GO_NAME: &'static str;

    /// Takes a member; false if there is none of this name.
    fn decode_field(&mut self, name: &str, value: &Json, decoder: &mut Decoder) -> bool;
}

/// A value that can be read from JSON. A value of the wrong kind leaves what is there and notes an
/// error.
pub trait Decode {
    /// The type's name in the Go server, for error texts.
    const GO_TYPE: &'static str;

    /// Reads `value`.
    fn decode_into(&mut self, value: &Json, decoder: &mut Decoder);
}

/// Where a decoding is and what it has found.
#[derive(Debug)]
pub struct Decoder {
    owner: &'static str,
    path: Vec<&'static str>,
    fault: Option<Fault>,
    unknown: Unknown,
    names: Vec<String>,
}

#[derive(Debug)]
struct Fault {
    /// Nothing after it would have been read: it comes before faults that are only noted.
    stops: bool,
    error: DecodeError,
}

impl Decoder {
    fn new(unknown: Unknown) -> Self {
        Self {
            owner: "",
            path: Vec::new(),
            fault: None,
            unknown,
            names: Vec::new(),
        }
    }

    fn documents<T: Record + Default>(&mut self, text: &[u8]) -> Result<T, DecodeError> {
        let lossy = String::from_utf8_lossy(text);
        let mut value = T::default();
        for json in serde_json::Deserializer::from_str(&lossy).into_iter() {
            let json: Json =
                json.map_err(|error| DecodeError::syntax(&error, text, self.unknown))?;
            self.record(&json, &mut value);
            if let Some(fault) = self.fault.take() {
                return Err(fault.error);
            }
        }
        Ok(value)
    }

    /// Reads the member `name` into `target`.
    pub fn field<T: Decode>(&mut self, name: &'static str, value: &Json, target: &mut T) {
        self.path.push(name);
        target.decode_into(value, self);
        self.path.pop();
    }

    /// Lets a struct within a struct take the member `name`, as if it were the outer one's own.
    pub fn embedded<T: Record>(&mut self, name: &str, value: &Json, target: &mut T) -> bool {
        self.path.push(T::GO_NAME);
        let taken = target.decode_field(name, value, self);
        self.path.pop();
        taken
    }

    /// Reads an object into `target`.
    pub fn record<T: Record>(&mut self, value: &Json, target: &mut T) {
        match value {
            Json::Object(members) => {
                let outer = std::mem::replace(&mut self.owner, T::GO_NAME);
                for (name, value) in members {
                    let taken = target.decode_field(name, value, self);
                    if !taken {
                        self.unknown_member(name);
                    }
                }
                self.owner = outer;
            }
            Json::Null => {}
            other => self.mismatch(other, &format!("server.{}", T::GO_NAME)),
        }
    }

    fn unknown_member(&mut self, name: &str) {
        match self.unknown {
            Unknown::Refused => self.note(false, DecodeError::unknown_field(name)),
            Unknown::Ignored if self.names.len() < MAX_UNKNOWN_NAMES => {
                self.names.push(name.to_owned());
            }
            Unknown::Ignored => {}
        }
    }

    /// Notes that `value` cannot become a `go_type`.
    pub fn mismatch(&mut self, value: &Json, go_type: &str) {
        let numeric = ["int64", "int32", "uint64", "time.Duration"].contains(&go_type);
        let found = value.describe(numeric);
        let place = if self.path.is_empty() {
            "value".to_owned()
        } else {
            format!("struct field {}.{}", self.owner, self.path.join("."))
        };
        let text = format!("json: cannot unmarshal {found} into Go {place} of type {go_type}");
        self.note(false, DecodeError(text));
    }

    /// Notes a fault found by a type with its own rules; nothing after it counts.
    pub fn fail(&mut self, error: DecodeError) {
        self.note(true, error);
    }

    fn note(&mut self, stops: bool, error: DecodeError) {
        let replaces = match &self.fault {
            None => true,
            Some(first) => stops && !first.stops,
        };
        if replaces {
            self.fault = Some(Fault { stops, error });
        }
    }
}

impl Decode for String {
    const GO_TYPE: &'static str = "string";

    fn decode_into(&mut self, value: &Json, decoder: &mut Decoder) {
        match value {
            Json::String(text) => self.clone_from(text),
            Json::Null => {}
            other => decoder.mismatch(other, Self::GO_TYPE),
        }
    }
}

impl Decode for bool {
    const GO_TYPE: &'static str = "bool";

    fn decode_into(&mut self, value: &Json, decoder: &mut Decoder) {
        match value {
            Json::Bool(flag) => *self = *flag,
            Json::Null => {}
            other => decoder.mismatch(other, Self::GO_TYPE),
        }
    }
}

macro_rules! decode_number {
    ($($type:ty: $go:literal),*) => { $(
        impl Decode for $type {
            const GO_TYPE: &'static str = $go;

            fn decode_into(&mut self, value: &Json, decoder: &mut Decoder) {
                let number = match value {
                    Json::Null => return,
                    Json::Unsigned(number) => <$type>::try_from(*number).ok(),
                    Json::Negative(number) => <$type>::try_from(*number).ok(),
                    _ => None,
                };
                match number {
                    Some(number) => *self = number,
                    None => decoder.mismatch(value, Self::GO_TYPE),
                }
            }
        }
    )* };
}

decode_number!(i64: "int64", i32: "int32", u64: "uint64");

impl<T: Decode + Default> Decode for Option<T> {
    const GO_TYPE: &'static str = T::GO_TYPE;

    fn decode_into(&mut self, value: &Json, decoder: &mut Decoder) {
        if *value == Json::Null {
            *self = None;
        } else {
            self.get_or_insert_with(T::default)
                .decode_into(value, decoder);
        }
    }
}

impl<T: Decode> Decode for Box<T> {
    const GO_TYPE: &'static str = T::GO_TYPE;

    fn decode_into(&mut self, value: &Json, decoder: &mut Decoder) {
        (**self).decode_into(value, decoder);
    }
}

impl<T: Decode + Default> Decode for Vec<T> {
    const GO_TYPE: &'static str = "[]";

    fn decode_into(&mut self, value: &Json, decoder: &mut Decoder) {
        match value {
            Json::Array(items) => {
                self.clear();
                for item in items {
                    let mut target = T::default();
                    target.decode_into(item, decoder);
                    self.push(target);
                }
            }
            Json::Null => self.clear(),
            other => decoder.mismatch(other, &format!("[]{}", T::GO_TYPE)),
        }
    }
}

impl<T: Decode + Default> Decode for BTreeMap<String, T> {
    const GO_TYPE: &'static str = "map";

    fn decode_into(&mut self, value: &Json, decoder: &mut Decoder) {
        match value {
            Json::Object(members) => {
                for (name, value) in members {
                    let mut item = T::default();
                    item.decode_into(value, decoder);
                    self.insert(name.clone(), item);
                }
            }
            Json::Null => self.clear(),
            other => decoder.mismatch(other, &format!("map[string]{}", T::GO_TYPE)),
        }
    }
}
