//! JetStream of accounts: what each may use, what it is told, and how another account's streams are
//! reached. The scenes are in `accounts_jetstream/`.

use cognate_conformance::stage::play;

#[test]
fn isolation() {
    play("accounts_jetstream/isolation");
}

#[test]
fn limits() {
    play("accounts_jetstream/limits");
}

#[test]
fn imports() {
    play("accounts_jetstream/imports");
}

#[test]
fn monitoring() {
    play("accounts_jetstream/monitoring");
}

#[test]
fn refused() {
    play("accounts_jetstream/refused");
}

#[test]
fn reload() {
    play("accounts_jetstream/reload");
}
