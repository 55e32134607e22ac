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
    /// The options in the body; none if it is empty.
    pub(super) fn options(&self) -> Result<Map<String, Value>, String> {
        if self.body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Map::new());
        }
        serde_json::from_slice(&self.body).map_err(|error| format!("invalid JSON: {error}"))
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
