//! A request to the system account: what was asked, by whom, and where the answer goes.

use cognate_wire::Delivered;
use cognate_wire::headers::HeaderBlock;
use cognate_wire::tracing::Encoding;
use serde_json::{Map, Value};

/// What clients of other accounts are known by.
const REQUEST_INFO: &[u8] = b"Nats-Request-Info";

/// How who asks wants the answer written.
const ACCEPT_ENCODING: &[u8] = b"Accept-Encoding";

/// A request, copied out of the inbox.
pub(super) struct Request {
    /// What was asked.
    pub(super) subject: String,
    reply: Option<String>,
    headers: Vec<u8>,
    /// The payload.
    pub(super) body: Vec<u8>,
}

impl From<Delivered<'_>> for Request {
    fn from(frame: Delivered<'_>) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Request {
            subject: text(frame.subject),
            reply: frame.reply.map(text),
            headers: frame.headers.to_vec(),
            body: frame.payload.to_vec(),
        }
    }
}

impl Request {
    /// The options in the body, by their names in lower case, because capitals make no difference;
    /// none if it is empty. What says whom or what a request is about is of the right type, or it would
    /// be about everybody.
    pub(super) fn options(&self) -> Result<Map<String, Value>, String> {
        if self.body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Map::new());
        }
        let options: Option<Map<String, Value>> =
            serde_json::from_slice(&self.body).map_err(|error| format!("invalid JSON: {error}"))?;
        let options = options.unwrap_or_default().into_iter();
        options
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| match wrong_type(&name, &value) {
                Some(wanted) => Err(format!("Error decoding option {name:?}: it takes {wanted}")),
                None => Ok((name, value)),
            })
            .collect()
    }

    /// Where the answer goes.
    pub(super) fn reply(&self) -> Option<&str> {
        self.reply.as_deref()
    }

    /// How the answer is to be written, where that can be chosen: of documents.
    pub(super) fn accepted_encoding(&self) -> Encoding {
        let documents = ["$SYS.REQ.SERVER.", "$SYS.REQ.ACCOUNT."];
        let is_document = documents
            .iter()
            .any(|begin| self.subject.starts_with(begin))
            && !self.subject.contains(".CLAIMS.");
        let header = HeaderBlock::parse(&self.headers)
            .and_then(|block| block.first(ACCEPT_ENCODING))
            .filter(|_| is_document);
        header.map_or(Encoding::Plain, Encoding::of)
    }

    /// Who asks, if the request came through an import.
    pub(super) fn asker(&self) -> Option<Map<String, Value>> {
        let info = HeaderBlock::parse(&self.headers)?.first(REQUEST_INFO)?;
        serde_json::from_slice(info).ok()
    }
}

/// What an option that says whom or what a request is about takes, if `value` is something else.
fn wrong_type(name: &str, value: &Value) -> Option<&'static str> {
    let all_texts = |list: &Vec<Value>| list.iter().all(Value::is_string);
    let (fits, wanted) = match name {
        "server_name" | "cluster" | "host" | "domain" | "acc" | "account" | "user" | "name"
        | "stream" | "filter_subject" | "mqtt_client" | "sort" | "test" => {
            (value.is_string(), "a string")
        }
        "exact_match" => (value.is_boolean(), "true or false"),
        "tags" => {
            let fits = value.as_array().is_some_and(all_texts);
            (fits, "a list of strings")
        }
        _ => return None,
    };
    (!fits).then_some(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expected: Result<Value, &str>) {
        let request = Request {
            subject: String::new(),
            reply: None,
            headers: Vec::new(),
            body: body.as_bytes().to_vec(),
        };
        let options = request.options().map(Value::Object);
        let expected = expected.map_err(str::to_owned);
        assert_eq!(options, expected, "{body}");
    }

    #[test]
    fn options_are_read_as_go_reads_them() {
        let none = Value::Object(Map::new());
        check("", Ok(none.clone()));
        check(" \n", Ok(none.clone()));
        check("null", Ok(none.clone()));
        check("{\"acc\":null}", Ok(none));
        check("{\"Acc\":\"A\"}", Ok(serde_json::json!({"acc": "A"})));
    }

    #[test]
    fn whom_a_request_is_about_must_be_understood() {
        for (body, problem) in [
            ("{\"tags\":\"x\"}", "\"tags\": it takes a list of strings"),
            ("{\"tags\":[5]}", "\"tags\": it takes a list of strings"),
            ("{\"Server_Name\":5}", "\"server_name\": it takes a string"),
            (
                "{\"exact_match\":1}",
                "\"exact_match\": it takes true or false",
            ),
            ("{\"acc\":5}", "\"acc\": it takes a string"),
        ] {
            check(body, Err(&format!("Error decoding option {problem}")));
        }
    }
}
