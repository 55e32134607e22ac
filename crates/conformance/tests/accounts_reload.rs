//! Accounts that change while clients are connected: what a reload does to connections,
//! subscriptions and requests under way. The scenes are in `accounts_reload/`.

use cognate_conformance::stage::play;

#[test]
fn users() {
    play("accounts_reload/users");
}

#[test]
fn imports() {
    play("accounts_reload/imports");
}

#[test]
fn mappings() {
    play("accounts_reload/mappings");
}
