//! Messages that are traced: what asks for it, what is told of their way, and where that goes. The
//! scenes are in `message_tracing/`.

use cognate_conformance::stage::play;

#[test]
fn headers() {
    play("message_tracing/headers");
}

#[test]
fn errors() {
    play("message_tracing/errors");
}

#[test]
fn deliveries() {
    play("message_tracing/deliveries");
}

#[test]
fn services() {
    play("message_tracing/services");
}

#[test]
fn streams() {
    play("message_tracing/streams");
}

#[test]
fn account_destination() {
    play("message_tracing/account_destination");
}

#[test]
fn jetstream() {
    play("message_tracing/jetstream");
}
