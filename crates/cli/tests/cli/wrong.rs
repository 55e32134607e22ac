//! What goes wrong is told: commands whose errors no other test provokes, each with one.

use crate::support::{Ended, World};

/// Runs each line and looks for its error.
#[track_caller]
fn fail(run: impl Fn(&[&str]) -> Ended, lines: &[(&str, &str)]) {
    for (line, told) in lines {
        let words: Vec<&str> = line.split(' ').collect();
        let ended = run(&words);
        assert_eq!(ended.code, 1, "{line}: {ended:?}");
        assert!(ended.stderr.contains("nats: "), "{line}: {ended:?}");
        assert!(ended.stderr.contains(told), "{line}: {ended:?}");
    }
}

#[test]
fn commands_for_everybody_tell_what_is_wrong() {
    let world = World::new();
    let lines = [
        ("bench pub a --msgs 0", "at least the number of clients"),
        ("bench pub a..b --msgs 1", "words with dots between them"),
        (
            "bench js pub sync a. --msgs 1",
            "words with dots between them",
        ),
        ("bench sub a --clients 0", "--clients must be between"),
        (
            "bench service serve a --server 127.0.0.1:1",
            "could not connect",
        ),
        (
            "bench js pub async a --stream NONE --msgs 1",
            "stream NONE does not exist",
        ),
        (
            "bench js pub atomic a --batch 2000",
            "--batch must be between",
        ),
        (
            "bench js ordered --stream NONE --msgs 1",
            "stream not found",
        ),
        ("bench js fetch --stream NONE --msgs 1", "stream not found"),
        (
            "bench js get batch --stream NONE --msgs 1",
            "stream not found",
        ),
        ("bench kv put --msgs 1 --size 1TB", "--size must be between"),
        ("kv edit NONE --description x", "bucket \"NONE\" not found"),
        ("kv purge NONE k -f", "bucket \"NONE\" not found"),
        ("kv compact NONE -f", "bucket \"NONE\" not found"),
        ("object add B.B", "invalid bucket name"),
        (
            "object edit NONE --description x",
            "bucket \"NONE\" not found",
        ),
        ("object del NONE f -f", "bucket \"NONE\" not found"),
        ("object info NONE", "bucket \"NONE\" not found"),
        ("object seal NONE -f", "bucket \"NONE\" not found"),
        ("context ls --jsn", "--jsn"),
        ("context select nobody", "unknown context \"nobody\""),
        ("context unselect extra", "extra"),
        ("context previous", "there is no previous context"),
        ("stream state NONE", "stream not found"),
        ("consumer state NONE C", "stream not found"),
        ("account report statistics extra", "extra"),
    ];
    fail(|words| world.nats(words), &lines);
}

#[test]
fn commands_about_servers_tell_what_is_wrong() {
    let world = World::with_system();
    let lines = [
        ("server ping many", "many"),
        ("server report cpu many", "many"),
        ("server report gateways --sort beauty", "beauty"),
        ("server report leafnodes --sort beauty", "beauty"),
        (
            "server report mem --host n9 --timeout 300ms",
            "no server matches",
        ),
        ("server report routes --sort beauty", "beauty"),
        ("server request connections --sort beauty", "beauty"),
        (
            "server request gateways --host n9 --timeout 300ms",
            "no server matches",
        ),
        (
            "server request ipqueue --host n9 --timeout 300ms",
            "no server matches",
        ),
        (
            "server request jetstream-health --host n9 --timeout 300ms",
            "no server matches",
        ),
        (
            "server request leafnodes --host n9 --timeout 300ms",
            "no server matches",
        ),
        (
            "server request raft --host n9 --timeout 300ms",
            "no server matches",
        ),
        (
            "server request routes --host n9 --timeout 300ms",
            "no server matches",
        ),
        (
            "server request statz --host n9 --timeout 300ms",
            "no server matches",
        ),
        (
            "server request subscriptions --host n9 --timeout 300ms",
            "no server matches",
        ),
        (
            "server request accounts --host n9 --timeout 300ms",
            "no server matches",
        ),
        (
            "server request jetstream --host n9 --timeout 300ms",
            "no server matches",
        ),
    ];
    fail(|words| world.sys(words), &lines);
}

#[test]
fn commands_about_keys_and_accounts_tell_what_is_wrong() {
    let world = World::configured("");
    world.nats(&["auth", "operator", "add", "ACME"]).ok();
    world
        .nats(&["auth", "account", "add", "SHOP", "--defaults"])
        .ok();
    let lines = [
        ("auth operator info nobody", "unknown operator: nobody"),
        ("auth operator list extra", "extra"),
        (
            "auth operator edit nobody --service nats://x",
            "unknown operator: nobody",
        ),
        (
            "auth operator backup nobody out.json",
            "unknown operator: nobody",
        ),
        ("auth operator keys list nobody", "unknown operator: nobody"),
        ("auth operator keys add nobody", "unknown operator: nobody"),
        ("auth account info nobody", "unknown Account: nobody"),
        ("auth account query nobody", "unknown Account: nobody"),
        (
            "auth account imports edit nothing SHOP --local x",
            "is not imported",
        ),
        ("auth account imports ls nobody", "unknown Account: nobody"),
        ("auth account imports rm nothing SHOP -f", "is not imported"),
        (
            "auth account exports edit nothing SHOP --description x",
            "is not exported",
        ),
        ("auth account exports ls nobody", "unknown Account: nobody"),
        (
            "auth account keys add nobody role",
            "unknown Account: nobody",
        ),
        ("auth account keys ls nobody", "unknown Account: nobody"),
        (
            "auth account keys rm SHOP --key nothing -f",
            "has no signing key",
        ),
        ("auth account mappings ls nobody", "unknown Account: nobody"),
        (
            "auth account mappings rm SHOP nothing",
            "mapping not found: nothing",
        ),
        ("auth user edit nobody SHOP", "user not found"),
        ("auth user ls nobody", "unknown Account: nobody"),
        ("auth user rm nobody SHOP -f", "user not found"),
        ("auth nkey gen tea", "tea"),
        ("auth nkey show nokey", "nokey"),
        ("auth nkey sign nofile nokey", "nokey"),
        ("auth account imports info nothing SHOP", "is not imported"),
        ("auth account exports info nothing SHOP", "is not exported"),
        ("auth account keys info SHOP nothing", "has no signing key"),
        (
            "auth account mappings info SHOP nothing",
            "mapping not found: nothing",
        ),
        ("auth user info nobody SHOP", "user not found"),
    ];
    fail(|words| world.nats(words), &lines);
}

/// What is shown of parts of an account, as text and as JSON.
#[test]
fn parts_of_an_account_are_shown() {
    let world = World::configured("");
    let auth = |line: &str| {
        let words: Vec<&str> = ["auth"].into_iter().chain(line.split(' ')).collect();
        world.nats(&words).ok()
    };
    auth("operator add ACME");
    auth("account add SHOP --defaults");
    auth("account add DESK --defaults");
    auth("user add ann SHOP --defaults");
    auth("account exports add orders orders.> SHOP --description all");
    auth("account imports add orders orders.> DESK --source SHOP --local in.orders.>");
    auth("account mappings add SHOP a b 100");
    let added = auth("account keys add SHOP robots --pub-allow robots.>").stdout;
    for (line, text, path) in [
        (
            "account exports info orders.> SHOP",
            "Export info for orders",
            "/subject",
        ),
        (
            "account imports info in.orders.> DESK",
            "Import info for import",
            "/local_subject",
        ),
        ("account mappings info SHOP a", "a", ""),
        ("user info ann SHOP", "ann", ""),
    ] {
        let shown = auth(line).stdout;
        assert!(shown.contains(text), "{line}: {shown}");
        let json = auth(&format!("{line} --json")).json();
        assert!(json.pointer(path).is_some(), "{line}: {json}");
    }
    let listed = auth("account keys ls SHOP").stdout;
    assert!(listed.contains("robots"), "{listed}");
    let key = added
        .split(|c: char| !c.is_ascii_alphanumeric())
        .find(|word| word.len() == 56 && word.starts_with('A'))
        .expect("a key is shown")
        .to_owned();
    let shown = auth(&format!("account keys info SHOP {key}")).stdout;
    assert!(shown.contains("robots.>"), "{shown}");
}
