//! The query of a request: its parameters, and the texts that refuse wrong ones.
//!
//! Pure. Parsing never fails: what is not well formed is left out, as nats-server leaves it out;
//! only decoding a value that is there can fail, with the text nats-server 2.14.5 answers (they
//! quote Go's `strconv` errors). Invariants: at most [`limits::QUERY_PARAMETERS`] are looked at,
//! the first of a name counts, an empty value counts as none. Endpoints call it.

use std::fmt::Write as _;
use std::num::IntErrorKind;

use crate::limits;

/// The decoded parameters of a query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    parameters: Vec<(Vec<u8>, Vec<u8>)>,
}

/// A query that an endpoint cannot answer; the text is the body of a 400.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadQuery(pub String);

/// How subscriptions are to be listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SubscriptionList {
    /// Not at all.
    #[default]
    Omitted,
    /// By subject alone.
    Subjects,
    /// With queue group, id and counts.
    Detail,
}

impl Query {
    /// Takes the part of a target after `?` apart.
    pub fn parse(text: &[u8]) -> Self {
        let parameters = text
            .split(|&byte| byte == b'&')
            .filter(|pair| !pair.is_empty())
            .take(limits::QUERY_PARAMETERS)
            .filter(|pair| !pair.contains(&b';'))
            .filter_map(|pair| {
                let mut halves = pair.splitn(2, |&byte| byte == b'=');
                let name = unescaped(halves.next()?)?;
                let value = unescaped(halves.next().unwrap_or_default())?;
                Some((name, value))
            })
            .collect();
        Query { parameters }
    }

    /// The value of `name`, if there is one that is not empty.
    pub fn value(&self, name: &str) -> Option<&[u8]> {
        let (_, value) = self
            .parameters
            .iter()
            .find(|(key, _)| key == name.as_bytes())?;
        (!value.is_empty()).then_some(value.as_slice())
    }

    /// A boolean as Go's `ParseBool` reads it; false if it is missing.
    pub fn boolean(&self, name: &str) -> Result<bool, BadQuery> {
        match self.value(name) {
            None | Some(b"0" | b"f" | b"F" | b"false" | b"FALSE" | b"False") => Ok(false),
            Some(b"1" | b"t" | b"T" | b"true" | b"TRUE" | b"True") => Ok(true),
            Some(value) => Err(undecodable("boolean", name, "ParseBool", value, SYNTAX)),
        }
    }

    /// A signed decimal number; 0 if it is missing.
    pub fn integer(&self, name: &str) -> Result<i64, BadQuery> {
        let Some(value) = self.value(name) else {
            return Ok(0);
        };
        number(value).map_err(|why| undecodable("int", name, "Atoi", value, why))
    }

    /// An unsigned decimal number; 0 if it is missing.
    pub fn unsigned(&self, name: &str) -> Result<u64, BadQuery> {
        let Some(value) = self.value(name) else {
            return Ok(0);
        };
        // Go takes a sign only where the number may be negative.
        let parsed = if value.starts_with(b"+") {
            Err(SYNTAX)
        } else {
            number(value)
        };
        parsed.map_err(|why| undecodable("uint64", name, "ParseUint", value, why))
    }

    /// The parameter `subs`: a boolean or `detail`.
    pub fn subscription_list(&self) -> Result<SubscriptionList, BadQuery> {
        if self
            .value("subs")
            .is_some_and(|value| value.eq_ignore_ascii_case(b"detail"))
        {
            return Ok(SubscriptionList::Detail);
        }
        Ok(match self.boolean("subs")? {
            true => SubscriptionList::Subjects,
            false => SubscriptionList::Omitted,
        })
    }

    /// The parameters `offset` and `limit`.
    pub fn page(&self) -> Result<Page, BadQuery> {
        let offset = self.integer("offset")?;
        let limit = self.integer("limit")?;
        Ok(Page::new(offset, limit))
    }
}

/// Which part of a list is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Items left out at the start.
    pub offset: usize,
    /// Most items, 1 to [`limits::PAGE`].
    pub limit: usize,
}

impl Page {
    /// A negative offset means none; a limit that is not positive means 1024.
    fn new(offset: i64, limit: i64) -> Self {
        let limit = usize::try_from(limit).ok().filter(|&limit| limit > 0);
        Page {
            offset: usize::try_from(offset).unwrap_or(0),
            limit: limit.unwrap_or(1024).min(limits::PAGE),
        }
    }

    /// Whether the item at `index` is on the page.
    pub fn contains(self, index: usize) -> bool {
        index
            .checked_sub(self.offset)
            .is_some_and(|place| place < self.limit)
    }
}

const SYNTAX: &str = "invalid syntax";
const RANGE: &str = "value out of range";

fn number<N>(value: &[u8]) -> Result<N, &'static str>
where
    N: std::str::FromStr<Err = std::num::ParseIntError>,
{
    let text = std::str::from_utf8(value).map_err(|_| SYNTAX)?;
    text.parse()
        .map_err(|error: std::num::ParseIntError| match error.kind() {
            IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => RANGE,
            _ => SYNTAX,
        })
}

fn undecodable(kind: &str, name: &str, parser: &str, value: &[u8], why: &str) -> BadQuery {
    let quoted = quoted(value);
    BadQuery(format!(
        "Error decoding {kind} for '{name}': strconv.{parser}: parsing {quoted}: {why}"
    ))
}

/// Decodes `%XX` and `+`; `None` if a `%` is not followed by two hexadecimal digits.
fn unescaped(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&byte) = rest.next() {
        bytes.push(match byte {
            b'%' => hex_digit(*rest.next()?)? << 4 | hex_digit(*rest.next()?)?,
            b'+' => b' ',
            _ => byte,
        });
    }
    Some(bytes)
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

/// The value between quotes with Go's escapes.
pub(crate) fn quoted(value: &[u8]) -> String {
    let mut text = String::from("\"");
    for chunk in value.utf8_chunks() {
        chunk
            .valid()
            .chars()
            .for_each(|c| push_quoted(&mut text, c));
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text.push('"');
    text
}

fn push_quoted(text: &mut String, c: char) {
    let _ = match c {
        '"' => write!(text, "\\\""),
        '\\' => write!(text, "\\\\"),
        '\x07' => write!(text, "\\a"),
        '\x08' => write!(text, "\\b"),
        '\x0c' => write!(text, "\\f"),
        '\n' => write!(text, "\\n"),
        '\r' => write!(text, "\\r"),
        '\t' => write!(text, "\\t"),
        '\x0b' => write!(text, "\\v"),
        '\0'..'\x20' | '\x7f' => write!(text, "\\x{:02x}", u32::from(c)),
        // What Rust's own escaping leaves alone is printable; a lone quote is, for Go.
        _ if c == '\'' || c.escape_debug().count() == 1 => write!(text, "{c}"),
        _ if u32::from(c) < 0x1_0000 => write!(text, "\\u{:04x}", u32::from(c)),
        _ => write!(text, "\\U{:08x}", u32::from(c)),
    };
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn query(text: &str) -> Query {
        Query::parse(text.as_bytes())
    }

    #[test]
    fn booleans_are_read_as_go_reads_them() {
        for yes in ["1", "t", "T", "true", "TRUE", "True"] {
            assert_eq!(query(&format!("b={yes}")).boolean("b"), Ok(true), "{yes}");
        }
        for no in [
            "", "b", "b=", "b=0", "b=f", "b=F", "b=false", "b=FALSE", "b=False", "c=1",
        ] {
            assert_eq!(query(no).boolean("b"), Ok(false), "{no}");
        }
        for bad in ["tRUE", "yes", "2", " 1", "on"] {
            assert!(
                query(&format!("b={}", bad.replace(' ', "%20")))
                    .boolean("b")
                    .is_err(),
                "{bad}"
            );
        }
    }

    /// The texts were read off nats-server 2.14.5.
    #[test]
    fn wrong_values_get_the_documented_texts() {
        let check = |text: &str, result: Result<(), BadQuery>, expected: &str| {
            assert_eq!(result, Err(BadQuery(expected.to_owned())), "{text}");
        };
        let boolean = |text: &str, expected: &str| {
            check(text, query(text).boolean("subs").map(drop), expected);
        };
        boolean(
            "subs=x",
            r#"Error decoding boolean for 'subs': strconv.ParseBool: parsing "x": invalid syntax"#,
        );
        let integer = |text: &str, expected: &str| {
            check(text, query(text).integer("limit").map(drop), expected);
        };
        integer(
            "limit=a",
            r#"Error decoding int for 'limit': strconv.Atoi: parsing "a": invalid syntax"#,
        );
        integer(
            "limit=+5",
            r#"Error decoding int for 'limit': strconv.Atoi: parsing " 5": invalid syntax"#,
        );
        integer(
            "limit=99999999999999999999",
            r#"Error decoding int for 'limit': strconv.Atoi: parsing "99999999999999999999": value out of range"#,
        );
        integer(
            "limit=%22%0a%C3%A9%ff",
            r#"Error decoding int for 'limit': strconv.Atoi: parsing "\"\né\xff": invalid syntax"#,
        );
        let unsigned = |text: &str, expected: &str| {
            check(text, query(text).unsigned("cid").map(drop), expected);
        };
        unsigned(
            "cid=-1",
            r#"Error decoding uint64 for 'cid': strconv.ParseUint: parsing "-1": invalid syntax"#,
        );
        unsigned(
            "cid=%2b1",
            r#"Error decoding uint64 for 'cid': strconv.ParseUint: parsing "+1": invalid syntax"#,
        );
        unsigned(
            "cid=99999999999999999999999",
            r#"Error decoding uint64 for 'cid': strconv.ParseUint: parsing "99999999999999999999999": value out of range"#,
        );
    }

    #[test]
    fn malformed_parameters_are_left_out() {
        assert_eq!(
            query("offset=%zz&limit=5").page(),
            Ok(Page {
                offset: 0,
                limit: 5
            })
        );
        assert_eq!(
            query("limit=1;offset=x").page(),
            Ok(Page {
                offset: 0,
                limit: 1024
            })
        );
        assert_eq!(query("auth=1&auth=x").boolean("auth"), Ok(true));
        assert_eq!(query("a%62c=x+y%2B").value("abc"), Some(&b"x y+"[..]));
        assert_eq!(query("&&=&x").value("x"), None);
        let many = "x=1&".repeat(limits::QUERY_PARAMETERS) + "limit=a";
        assert_eq!(query(&many).integer("limit"), Ok(0));
    }

    #[test]
    fn pages_are_bounded() {
        assert_eq!(
            Page::new(-5, -1),
            Page {
                offset: 0,
                limit: 1024
            }
        );
        assert_eq!(Page::new(i64::MAX, i64::MAX).limit, limits::PAGE);
        let page = Page {
            offset: 2,
            limit: 2,
        };
        let on: Vec<usize> = (0..6).filter(|&index| page.contains(index)).collect();
        assert_eq!(on, [2, 3]);
    }

    proptest! {
        #[test]
        fn nothing_panics_and_refusals_are_one_line(text in proptest::collection::vec(any::<u8>(), 0..300)) {
            let query = Query::parse(&text);
            prop_assert!(query.parameters.len() <= limits::QUERY_PARAMETERS);
            for (name, value) in &query.parameters {
                prop_assert!(name.len() + value.len() <= text.len());
                let name = String::from_utf8_lossy(name);
                for refusal in [
                    query.boolean(&name).err(),
                    query.integer(&name).err(),
                    query.unsigned(&name).err(),
                ].into_iter().flatten() {
                    prop_assert!(refusal.0.starts_with("Error decoding "));
                    // The value is quoted; the name is one that was asked for.
                    prop_assert_eq!(refusal.0.matches('\n').count(), name.matches('\n').count());
                }
            }
        }

        #[test]
        fn escaped_values_come_back(value in proptest::collection::vec(any::<u8>(), 1..60)) {
            let escaped: String = value.iter().map(|byte| format!("%{byte:02x}")).collect();
            let query = Query::parse(format!("a=1&v={escaped}").as_bytes());
            prop_assert_eq!(query.value("v"), Some(value.as_slice()));
        }

        #[test]
        fn numbers_come_back(signed: i64, unsigned: u64) {
            let query = Query::parse(format!("i={signed}&u={unsigned}").as_bytes());
            prop_assert_eq!(query.integer("i"), Ok(signed));
            prop_assert_eq!(query.unsigned("u"), Ok(unsigned));
        }
    }
}
