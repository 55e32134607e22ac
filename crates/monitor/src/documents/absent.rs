//! Endpoints of features that are not built yet.
//!
//! Where a server without the feature has a true document (no routes), that
//! document is served, and queries are checked as nats-server checks them. Where it has none, a
//! 404 says so: better no figures than wrong ones.

use cognate_process::text::rfc3339_nano;
use hyper::StatusCode;
use serde::Serialize;

use crate::answer::Answer;
use crate::facts::ServerFacts;
use crate::query::{BadQuery, Query};

/// A list of nothing, as JSON.
#[derive(Serialize)]
struct Empty {}

/// `/routez`: no routes.
pub(crate) fn routez(query: &Query, facts: &ServerFacts) -> Result<Answer, BadQuery> {
    #[derive(Serialize)]
    struct Routez<'a> {
        server_id: &'a str,
        server_name: &'a str,
        now: String,
        num_routes: u64,
        routes: [Empty; 0],
    }
    query.subscription_list()?;
    Ok(Answer::json(&Routez {
        server_id: &facts.server_id,
        server_name: &facts.server_name,
        now: rfc3339_nano(facts.now),
        num_routes: 0,
        routes: [],
    }))
}

/// `/gatewayz`: no gateways.
pub(crate) fn gatewayz(query: &Query, facts: &ServerFacts) -> Result<Answer, BadQuery> {
    #[derive(Serialize)]
    struct Gatewayz<'a> {
        server_id: &'a str,
        now: String,
        outbound_gateways: Empty,
        inbound_gateways: Empty,
    }
    query.subscription_list()?;
    query.boolean("accs")?;
    Ok(Answer::json(&Gatewayz {
        server_id: &facts.server_id,
        now: rfc3339_nano(facts.now),
        outbound_gateways: Empty {},
        inbound_gateways: Empty {},
    }))
}

/// `/leafz`: no leaf nodes.
pub(crate) fn leafz(query: &Query, facts: &ServerFacts) -> Result<Answer, BadQuery> {
    #[derive(Serialize)]
    struct Leafz<'a> {
        server_id: &'a str,
        now: String,
        leafnodes: u64,
        leafs: [Empty; 0],
    }
    query.boolean("subs")?;
    Ok(Answer::json(&Leafz {
        server_id: &facts.server_id,
        now: rfc3339_nano(facts.now),
        leafnodes: 0,
        leafs: [],
    }))
}

/// `/ipqueuesz`: no queue between parts of the server has anything waiting, since there is none.
pub(crate) fn ipqueuesz(query: &Query) -> Result<Answer, BadQuery> {
    query.boolean("all")?;
    Ok(Answer::json(&Empty {}))
}

/// `/raftz`: no replication groups.
pub(crate) fn raftz() -> Answer {
    Answer::text(StatusCode::NOT_FOUND, "No Raft nodes registered")
}

/// An endpoint that has nothing true to say yet.
pub(crate) fn not_built(path: &str) -> Answer {
    let text = format!("{path} is not built yet in this version of Cognate\n");
    Answer::text(StatusCode::NOT_FOUND, text)
}
