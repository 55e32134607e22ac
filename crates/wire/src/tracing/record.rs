//! The steps of one message, and the event that tells of them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Ask;

/// What a connection is, as the event numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A client.
    Client = 0,
}

impl Serialize for Kind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(*self as u8)
    }
}

/// Something that happened to a message. Times (`ts`) are RFC 3339 with nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type")]
pub enum Step {
    /// It came in.
    #[serde(rename = "in")]
    Ingress {
        /// When.
        ts: String,
        /// What it came from.
        kind: Kind,
        /// The number of the connection.
        cid: u64,
        /// The connection's name.
        #[serde(skip_serializing_if = "String::is_empty")]
        name: String,
        /// The account it was published in.
        acc: String,
        /// The subject, before any mapping.
        subj: String,
        /// Why it got no further; empty if it did.
        #[serde(skip_serializing_if = "String::is_empty")]
        error: String,
    },
    /// A mapping of the account gave it another subject.
    #[serde(rename = "sm")]
    Mapping {
        /// When.
        ts: String,
        /// The subject it got.
        to: String,
    },
    /// It crossed into an account that imports it as a stream.
    #[serde(rename = "se")]
    StreamExport {
        /// When.
        ts: String,
        /// The importing account.
        acc: String,
        /// The subject there.
        to: String,
    },
    /// It crossed into the account of a service.
    #[serde(rename = "si")]
    ServiceImport {
        /// When.
        ts: String,
        /// The exporting account.
        acc: String,
        /// The subject here.
        from: String,
        /// The subject there.
        to: String,
    },
    /// A stream took it or refused it.
    #[serde(rename = "js")]
    JetStream {
        /// When.
        ts: String,
        /// The stream.
        stream: String,
        /// The subject it is stored under.
        #[serde(skip_serializing_if = "String::is_empty")]
        subject: String,
        /// It is not kept, because no consumer wants it.
        #[serde(rename = "nointerest", skip_serializing_if = "is_false")]
        no_interest: bool,
        /// Why it was refused; empty if it was not.
        #[serde(skip_serializing_if = "String::is_empty")]
        error: String,
    },
    /// It went out to a subscription, or not.
    #[serde(rename = "eg")]
    Egress {
        /// When.
        ts: String,
        /// What it went to.
        kind: Kind,
        /// The number of the connection.
        cid: u64,
        /// The connection's name.
        #[serde(skip_serializing_if = "String::is_empty")]
        name: String,
        /// The connection's account, if it is not the publisher's.
        #[serde(skip_serializing_if = "String::is_empty")]
        acc: String,
        /// The subscription's filter.
        sub: String,
        /// Its queue group.
        #[serde(skip_serializing_if = "String::is_empty")]
        queue: String,
        /// Why it was not delivered; empty if it was.
        #[serde(skip_serializing_if = "String::is_empty")]
        error: String,
    },
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_false(value: &bool) -> bool {
    !value
}

/// What the publisher sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Request {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    header: BTreeMap<String, Vec<String>>,
    #[serde(skip_serializing_if = "is_zero")]
    msgsize: usize,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(size: &usize) -> bool {
    *size == 0
}

/// The way of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    request: Request,
    /// In the order in which they happened; the first is the ingress.
    pub steps: Vec<Step>,
}

impl Record {
    /// Begins with the ingress of a message of `size` bytes, headers included.
    #[must_use]
    pub fn new(ask: &Ask<'_>, size: usize, ingress: Step) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut header = BTreeMap::<String, Vec<String>>::new();
        for (key, value) in &ask.headers {
            header.entry(text(key)).or_default().push(text(value));
        }
        Record {
            request: Request {
                header,
                msgsize: size,
            },
            steps: vec![ingress],
        }
    }

    /// Corrects the size of the message, in bytes.
    pub fn set_size(&mut self, size: usize) {
        self.request.msgsize = size;
    }

    /// Says why the message got no further.
    pub fn fail(&mut self, why: &str) {
        if let Some(Step::Ingress { error, .. }) = self.steps.first_mut() {
            why.clone_into(error);
        }
    }

    /// The event as JSON. `server` describes the server, as a JSON object.
    #[must_use]
    pub fn to_json(&self, server: &str) -> String {
        // Nothing here can fail to become JSON: all keys are text.
        let request = serde_json::to_string(&self.request).unwrap_or_default();
        let events = serde_json::to_string(&self.steps).unwrap_or_default();
        format!("{{\"server\":{server},\"request\":{request},\"events\":{events}}}")
    }
}
