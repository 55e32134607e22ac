//! The system account: its events and its requests, the requests every account may make, and
//! `/accountz` and `/accstatz`. The scenes are in `accounts_system/`.

use cognate_conformance::Server;
use cognate_conformance::jetstream::{JetStream as Session, header};
use cognate_conformance::stage::play;

#[test]
fn events() {
    play("accounts_system/events");
}

#[test]
fn server_requests() {
    play("accounts_system/server_requests");
}

#[test]
fn server_orders() {
    play("accounts_system/server_orders");
}

#[test]
fn account_requests() {
    play("accounts_system/account_requests");
}

#[test]
fn own_requests() {
    play("accounts_system/own_requests");
}

#[test]
fn filters() {
    play("accounts_system/filters");
}

#[test]
fn corners() {
    play("accounts_system/corners");
}

#[test]
fn http() {
    play("accounts_system/http");
}

#[test]
fn answers_are_compressed_on_request() {
    let server = Server::with_config(
        "accounts { SYS { users: [{user: sys, password: p}] } }\nsystem_account: SYS",
    );
    let mut sys = Session::login(&server, "sys", "p");
    for (accepted, sent, first) in [
        ("gzip", Some("gzip"), '\u{1f}'),
        ("snappy", Some("snappy"), '\u{fffd}'),
        ("brotli", Some("identity"), '{'),
    ] {
        let headers = [("Accept-Encoding", accepted)];
        let answer = sys.request("$SYS.REQ.SERVER.PING.VARZ", &headers, "");
        assert_eq!(header(&answer, "Content-Encoding"), sent, "{accepted}");
        assert!(answer.payload.starts_with(first), "{accepted}: {answer:?}");
    }
}

#[test]
fn options() {
    play("accounts_system/options");
}
