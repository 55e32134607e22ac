//! Who a client is, as services of other accounts, events and requests of the system account see it.
//!
//! The form is nats-server's `ClientInfo`. How much is told depends on who asks: an account always,
//! where the client is connected to the system account, and everything to whoever it was shared
//! with. Callers: imports (`Nats-Request-Info`), the system account.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cognate_api::event::ClientInfo;
use cognate_auth::users::TokenUser;
use cognate_model::{Nanos, Timestamp};
use cognate_process::text::rfc3339_nano;
use cognate_wire::encode::write_decimal;
use serde::Serialize;

use crate::data::{Asks, Connection, Fate, GLOBAL, Measured};
use crate::shared::Shared;

/// How much is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Telling {
    /// The account and the round-trip time.
    Account,
    /// And to which server it is connected.
    Place,
    /// Everything.
    Everything,
}

impl Telling {
    /// How much an import tells, with or without `share`.
    pub(crate) fn of(share: bool, to_system: bool) -> Self {
        match (share, to_system) {
            (true, _) => Telling::Everything,
            (false, true) => Telling::Place,
            (false, false) => Telling::Account,
        }
    }
}

/// What is told of a client.
pub(crate) fn client_info(
    shared: &Shared,
    connection: &Connection,
    telling: Telling,
) -> ClientInfo {
    let account = connection.account();
    let rtt = connection.rtt().unwrap_or_default();
    let mut info = ClientInfo {
        acc: account.map_or_else(|| GLOBAL.to_owned(), |account| account.name.clone()),
        rtt: Nanos(i64::try_from(rtt.as_nanos()).unwrap_or(i64::MAX)),
        ..ClientInfo::default()
    };
    if telling == Telling::Account {
        return info;
    }
    info.server.clone_from(&shared.facts.server_name);
    if telling == Telling::Place {
        return info;
    }
    let detail = connection.detail();
    let token = detail.token.as_ref().and_then(|user| user.token.as_ref());
    if let Some(token) = token {
        info.jwt = shown_token(token);
        info.issuer_key = token.issuer.to_string();
        info.name_tag.clone_from(&token.name);
        info.tags.clone_from(&token.tags);
    }
    let started = connection.started_at.duration_since(UNIX_EPOCH);
    let started = started.unwrap_or_default().as_nanos();
    ClientInfo {
        start: Some(Timestamp(i64::try_from(started).unwrap_or(i64::MAX))),
        host: connection
            .peer()
            .map(|peer| crate::info::plain_ip(peer.ip()).to_string())
            .unwrap_or_default(),
        id: connection.cid,
        user: detail.user,
        name: detail.name,
        lang: detail.lang,
        ver: detail.version,
        kind: "Client".to_owned(),
        client_type: "nats".to_owned(),
        ..info
    }
}

/// A user's token, for whoever may know everything; not that of a bearer, which is enough to log in
/// with.
pub(crate) fn shown_token(token: &TokenUser) -> String {
    match token.is_bearer {
        true => "[REDACTED]".to_owned(),
        false => token.text.expose().to_owned(),
    }
}

/// What is told of a request that comes through `from` after another import, which told `earlier`.
pub(crate) fn passed_on(
    shared: &Shared,
    earlier: &[u8],
    from: &str,
    telling: Telling,
) -> Option<String> {
    let mut info: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(earlier).ok()?;
    info.insert("svc".to_owned(), from.into());
    if telling != Telling::Account {
        let server = shared.facts.server_name.as_str();
        info.entry("server").or_insert_with(|| server.into());
    }
    serde_json::to_string(&info).ok()
}

/// What was measured of a request: nats-server's `service_latency` metric.
pub(crate) fn latency(
    shared: &Shared,
    measured: &Measured,
    fate: Fate,
    responder: Option<&Connection>,
) -> String {
    let nanos = |time: Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
    let now = SystemTime::now();
    let elapsed = shared.now().saturating_sub(measured.at);
    let requester_rtt = measured
        .requester
        .as_ref()
        .and_then(|c| c.rtt())
        .unwrap_or_default();
    let responder_rtt = responder.and_then(Connection::rtt).unwrap_or_default();
    let requestor = match &measured.requester {
        Some(connection) => client_info(shared, connection, Telling::of(measured.share, false)),
        None => ClientInfo {
            acc: measured.account.clone(),
            ..ClientInfo::default()
        },
    };
    let (status, description) = fate.status();
    let start = now.checked_sub(elapsed + requester_rtt).unwrap_or(now);
    let mut metric = serde_json::json!({
        "type": "io.nats.server.metric.v1.service_latency",
        "id": crate::ids::fresh(shared),
        "timestamp": rfc3339_nano(now),
        "status": status,
        "requestor": requestor,
        "start": rfc3339_nano(start),
        "service": 0,
        "system": 0,
        "total": 0,
    });
    if !description.is_empty() {
        metric["description"] = description.into();
    }
    if let Some(responder) = responder {
        let info = client_info(shared, responder, Telling::Everything);
        metric["responder"] = serde_json::to_value(info).unwrap_or_default();
    }
    if !measured.headers.is_empty() {
        let mut headers = serde_json::Map::new();
        for (key, value) in &measured.headers {
            headers.insert(key.clone(), serde_json::json!([value]));
        }
        metric["header"] = headers.into();
    }
    if fate == Fate::Answered {
        metric["service"] = nanos(elapsed.saturating_sub(responder_rtt)).into();
        metric["total"] = nanos(elapsed + requester_rtt).into();
    }
    metric.to_string()
}

/// Writes what [`client_info`] tells of a client in `account` who shares nothing: what goes with nearly
/// every request to a service of another account.
fn write_account_info(account: &str, rtt: Duration, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"acc\":");
    write_json(out, account);
    if let Ok(nanos @ 1..) = u64::try_from(rtt.as_nanos()) {
        out.extend_from_slice(b",\"rtt\":");
        write_decimal(out, nanos);
    }
    out.push(b'}');
}

/// Appends `value`, a record of plain values or a text: those always have a JSON.
fn write_json(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    let start = out.len();
    if serde_json::to_writer(&mut *out, value).is_err() {
        out.truncate(start);
    }
}

/// Writes [`client_info`], or [`passed_on`] if there is something to pass on. `connection` is the
/// client, if it is one; the server's own requests only name the account they come from.
pub(crate) fn write_request_info(
    shared: &Shared,
    connection: Option<&Connection>,
    asks: &Asks<'_>,
    out: &mut Vec<u8>,
) {
    let telling = Telling::of(asks.share, asks.to_system);
    let passed = |earlier| passed_on(shared, earlier, asks.from, telling);
    if let Some(text) = asks.earlier.and_then(passed) {
        return out.extend_from_slice(text.as_bytes());
    }
    match connection {
        // Nothing came before, so it is the client's own account.
        Some(connection) if telling == Telling::Account => {
            write_account_info(asks.from, connection.rtt().unwrap_or_default(), out);
        }
        Some(connection) => write_json(out, &client_info(shared, connection, telling)),
        None => {
            let info = ClientInfo {
                acc: asks.from.to_owned(),
                ..ClientInfo::default()
            };
            write_json(out, &info);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_with_a_request_is_the_record_without_what_is_not_shared() {
        for (account, nanos) in [("A", 0), ("quote\"\\", 1), ("ÄÖ\n", 104_222)] {
            let info = ClientInfo {
                acc: account.to_owned(),
                rtt: Nanos(nanos),
                ..ClientInfo::default()
            };
            let rtt = Duration::from_nanos(nanos.unsigned_abs());
            let whole = serde_json::to_string(&info).expect("a text");
            let mut written = Vec::new();
            write_account_info(account, rtt, &mut written);
            assert_eq!(written, whole.as_bytes());
        }
    }
}
