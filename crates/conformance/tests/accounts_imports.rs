//! What crosses between accounts, and what does not: isolation, stream and service imports,
//! private exports, mappings, response thresholds and latency metrics. The scenes are in
//! `accounts_imports/`.

use cognate_conformance::stage::play;

#[path = "accounts_imports/answers.rs"]
mod answers;
#[path = "accounts_imports/chance.rs"]
mod chance;

#[test]
fn isolation() {
    play("accounts_imports/isolation");
}

#[test]
fn stream_subjects() {
    play("accounts_imports/stream_subjects");
}

#[test]
fn stream_subscriptions() {
    play("accounts_imports/stream_subscriptions");
}

#[test]
fn service_requests() {
    play("accounts_imports/service_requests");
}

#[test]
fn service_subjects() {
    play("accounts_imports/service_subjects");
}

#[test]
fn service_chains() {
    play("accounts_imports/service_chains");
}

#[test]
fn request_info() {
    play("accounts_imports/request_info");
}

#[test]
fn private_exports() {
    play("accounts_imports/private");
}

#[test]
fn mappings() {
    play("accounts_imports/mappings");
}

#[test]
fn latency() {
    play("accounts_imports/latency");
}

#[test]
fn refused() {
    play("accounts_imports/refused");
}
