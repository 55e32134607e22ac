//! What an endpoint answers, and how documents become bytes.
//!
//! Invariant: JSON is written as nats-server writes it, so that tools which compare or search
//! text keep working: two spaces of indent, `<`, `>` and `&` escaped, whole numbers without a
//! fraction. Endpoints make answers; the HTTP side sends them.

use std::io;

use hyper::StatusCode;
use serde::{Serialize, Serializer};
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};

use crate::query::BadQuery;

/// A finished answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// HTTP status.
    pub(crate) status: StatusCode,
    /// What the body is.
    pub(crate) kind: Kind,
    /// The body.
    pub(crate) body: Vec<u8>,
}

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A JSON document that any web page may read.
    Json,
    /// Go's expvar document.
    Expvar,
    /// HTML.
    Html,
    /// Prometheus text format 0.0.4.
    Metrics,
    /// A text that explains a refusal.
    Text,
}

impl Kind {
    /// The value of `Content-Type`.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Kind::Json => "application/json",
            Kind::Expvar => "application/json; charset=utf-8",
            Kind::Html => "text/html; charset=utf-8",
            Kind::Metrics => "text/plain; version=0.0.4; charset=utf-8",
            Kind::Text => "text/plain; charset=utf-8",
        }
    }
}

impl Answer {
    /// A document with two spaces of indent.
    pub(crate) fn json(document: &impl Serialize) -> Self {
        let formatter = HtmlSafe(PrettyFormatter::with_indent(b"  "));
        Answer::written(StatusCode::OK, document, formatter)
    }

    /// A document on one line.
    pub(crate) fn compact_json(status: StatusCode, document: &impl Serialize) -> Self {
        Answer::written(status, document, HtmlSafe(CompactFormatter))
    }

    /// Whether the body is a JSON document.
    pub(crate) fn is_json(&self) -> bool {
        matches!(self.kind, Kind::Json | Kind::Expvar)
    }

    /// A text with the given status.
    pub(crate) fn text(status: StatusCode, text: impl Into<String>) -> Self {
        Answer {
            status,
            kind: Kind::Text,
            body: text.into().into_bytes(),
        }
    }

    /// The answer to a path that nothing is served at.
    pub(crate) fn not_found() -> Self {
        Answer::text(StatusCode::NOT_FOUND, "404 page not found\n")
    }

    fn written(status: StatusCode, document: &impl Serialize, formatter: impl Formatter) -> Self {
        let mut body = Vec::with_capacity(2048);
        let mut serializer = serde_json::Serializer::with_formatter(&mut body, formatter);
        match document.serialize(&mut serializer) {
            Ok(()) => Answer {
                status,
                kind: Kind::Json,
                body,
            },
            // Our documents have text keys and are written to memory, so this does not happen;
            // if it did, monitoring says so and the server goes on.
            Err(error) => Answer::text(
                StatusCode::INTERNAL_SERVER_ERROR,
                format!("the document could not be written: {error}"),
            ),
        }
    }
}

impl From<BadQuery> for Answer {
    fn from(bad: BadQuery) -> Self {
        Answer::text(StatusCode::BAD_REQUEST, bad.0)
    }
}

/// Escapes what HTML would take for markup, as Go's encoder does.
struct HtmlSafe<F>(F);

macro_rules! delegated {
    ($($name:ident($($argument:ident: $kind:ty)?);)*) => {
        $(fn $name<W: ?Sized + io::Write>(&mut self, writer: &mut W $(, $argument: $kind)?) -> io::Result<()> {
            self.0.$name(writer $(, $argument)?)
        })*
    };
}

impl<F: Formatter> Formatter for HtmlSafe<F> {
    delegated! {
        begin_array();
        end_array();
        begin_array_value(first: bool);
        end_array_value();
        begin_object();
        end_object();
        begin_object_key(first: bool);
        end_object_key();
        begin_object_value();
        end_object_value();
    }

    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        for piece in fragment.split_inclusive(['<', '>', '&', '\u{2028}', '\u{2029}']) {
            let marked = piece.char_indices().next_back();
            match marked.filter(|(_, c)| matches!(c, '<' | '>' | '&' | '\u{2028}' | '\u{2029}')) {
                Some((at, c)) => {
                    writer.write_all(piece.as_bytes().get(..at).unwrap_or_default())?;
                    write!(writer, "\\u{:04x}", u32::from(c))?;
                }
                None => writer.write_all(piece.as_bytes())?,
            }
        }
        Ok(())
    }
}

/// A number that has no fraction in JSON when it is whole.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Number(pub(crate) f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if self.0.fract() == 0.0 && self.0.abs() < EXACT {
            // The conversion is exact: whole, and below 2^53.
            #[allow(clippy::cast_possible_truncation)]
            serializer.serialize_i64(self.0 as i64)
        } else if self.0.is_finite() {
            serializer.serialize_f64(self.0)
        } else {
            serializer.serialize_i64(0)
        }
    }
}

/// For `skip_serializing_if`: false.
#[allow(clippy::trivially_copy_pass_by_ref)]
pub(crate) fn is_false(value: &bool) -> bool {
    !*value
}

/// For `skip_serializing_if`: zero.
#[allow(clippy::trivially_copy_pass_by_ref)]
pub(crate) fn is_zero(value: &u64) -> bool {
    *value == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_spelled_as_go_spells_it() {
        let document = serde_json::json!({"a": ["<b>&\u{2028}\"é"], "c": {}, "d": []});
        let body = Answer::json(&document).body;
        assert_eq!(
            String::from_utf8(body).expect("JSON is UTF-8"),
            "{\n  \"a\": [\n    \"\\u003cb\\u003e\\u0026\\u2028\\\"é\"\n  ],\n  \"c\": {},\n  \"d\": []\n}"
        );
    }

    #[test]
    fn whole_numbers_have_no_fraction() {
        let check = |value: f64, expected: &str| {
            assert_eq!(
                serde_json::to_string(&Number(value)).expect("a number"),
                expected
            );
        };
        check(2.0, "2");
        check(0.5, "0.5");
        check(0.0, "0");
        check(f64::NAN, "0");
        check(1e300, "1e+300");
    }
}
