//! The examples do what they say. Their code is included, so that it runs whatever was built.

// Their `main` is for those who run them.
#[path = "../examples/embed_basic.rs"]
#[allow(dead_code, reason = "`main` is for those who run the example")]
mod embed_basic;
#[path = "../examples/embed_config.rs"]
#[allow(dead_code, reason = "`main` is for those who run the example")]
mod embed_config;
#[path = "../examples/embed_in_process.rs"]
#[allow(dead_code, reason = "`main` is for those who run the example")]
mod embed_in_process;
#[path = "../examples/embed_tests.rs"]
#[allow(dead_code, reason = "`main` is for those who run the example")]
mod embed_tests;

use std::time::Duration;

use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn embed_basic_serves_until_it_is_stopped() {
    let url = timeout(DEADLINE, embed_basic::run(async {}))
        .await
        .expect("in time");
    let url = url.expect("a free port can be had");
    let port = url.strip_prefix("nats://127.0.0.1:").expect("on loopback");
    assert_ne!(port.parse(), Ok(0u16));
}

#[tokio::test]
async fn embed_in_process_counts_every_order() {
    let total = timeout(DEADLINE, embed_in_process::run())
        .await
        .expect("in time");
    assert_eq!(total.expect("it runs"), 12);
}

#[tokio::test]
async fn embed_config_tells_its_story() {
    let story = timeout(DEADLINE, embed_config::run())
        .await
        .expect("in time")
        .expect("it runs");
    let expected = [
        "configured takes 65536 bytes",
        "Permissions Violation for Subscription to \"secrets\"",
        "reloaded authorization users",
        "reloaded max_payload = 131072",
        "the guest: []",
        "config reload not supported for Host: old=127.0.0.1, new=localhost",
    ];
    assert_eq!(story, expected);
}

#[tokio::test]
async fn embed_tests_pass() {
    let passed = timeout(DEADLINE, embed_tests::run())
        .await
        .expect("in time");
    assert_eq!(passed.expect("all pass"), 3);
}
