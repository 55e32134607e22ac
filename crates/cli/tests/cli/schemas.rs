//! What `--json` prints is held against the JSON schemas of its type.
//!
//! Commands print what a response holds, without the response's own type where the official tool does
//! so; the type is added before a document is judged.

use serde_json::{Value, json};

use crate::support::World;

/// The document must be valid; an error says where it is not.
#[track_caller]
fn conforms(world: &World, schema: &str, mut document: Value) {
    if let Some(fields) = document
        .as_object_mut()
        .filter(|_| schema.ends_with("_response"))
    {
        fields.entry("type").or_insert_with(|| json!(schema));
    }
    let file = world.file("document.json", document.to_string().as_bytes());
    let ended = world.nats(&["schema", "validate", schema, &file]);
    assert_eq!(ended.code, 0, "{ended:?} of {document:#}");
}

fn api(kind: &str) -> String {
    format!("io.nats.jetstream.api.v1.{kind}")
}

// tidy: long-function: a table of commands and their schemas
#[test]
fn streams_and_consumers_are_as_their_schemas_say() {
    let world = World::new();
    let add = [
        "stream",
        "add",
        "S",
        "--subjects",
        "s.>",
        "--defaults",
        "--json",
    ];
    let check = |kind: &str, args: &[&str]| {
        let document = world.nats(args).ok().json();
        conforms(&world, &api(kind), document);
    };
    check("stream_create_response", &add);
    world.nats(&["pub", "s.1", "x", "-J", "--count", "3"]).ok();
    check(
        "stream_update_response",
        &["stream", "edit", "S", "--subjects", "s.*", "-f", "--json"],
    );
    check("stream_info_response", &["stream", "info", "S", "--json"]);
    check(
        "stream_create_response",
        &["stream", "copy", "S", "T", "--subjects", "t", "--json"],
    );
    let add = [
        "consumer",
        "add",
        "S",
        "C",
        "--pull",
        "--defaults",
        "--json",
    ];
    check("consumer_create_response", &add);
    let push = [
        "consumer",
        "add",
        "S",
        "P",
        "--target",
        "to.p",
        "--defaults",
        "--json",
    ];
    check("consumer_create_response", &push);
    let edit = [
        "consumer",
        "edit",
        "S",
        "C",
        "--description",
        "d",
        "-f",
        "--json",
    ];
    check("consumer_create_response", &edit);
    world.nats(&["consumer", "next", "S", "C"]).ok();
    check(
        "consumer_info_response",
        &["consumer", "info", "S", "C", "--json"],
    );
    let message = world
        .nats(&["stream", "get", "S", "1", "--json"])
        .ok()
        .json();
    conforms(
        &world,
        &api("stream_msg_get_response"),
        json!({ "message": message }),
    );
    let names = world.nats(&["stream", "ls", "--json"]).ok().json();
    let page = json!({ "streams": names, "total": 2, "offset": 0, "limit": 1024 });
    conforms(&world, &api("stream_names_response"), page);
    let names = world.nats(&["consumer", "ls", "S", "--json"]).ok().json();
    let page = json!({ "consumers": names, "total": 2, "offset": 0, "limit": 1024 });
    conforms(&world, &api("consumer_names_response"), page);
    let saved = [
        "stream",
        "add",
        "U",
        "--subjects",
        "u",
        "--defaults",
        "--output",
        "u.json",
    ];
    world.nats(&saved).ok();
    let config = std::fs::read(world.dir().join("u.json")).expect("a file");
    let config: Value = serde_json::from_slice(&config).expect("JSON");
    conforms(&world, &api("stream_configuration"), config);
    let info = world.nats(&["kv", "add", "B"]).ok();
    assert!(info.stdout.contains("Bucket Name: B"), "{info:?}");
    check("stream_info_response", &["kv", "info", "B", "--json"]);
}

#[test]
fn accounts_servers_and_services_are_as_their_schemas_say() {
    let world = World::with_system();
    let account = world.nats(&["account", "info", "--json"]).ok().json();
    let schema = api("account_info_response");
    conforms(&world, &schema, account["jetstream"].clone());
    let varz = world.sys(&["server", "request", "varz"]).ok().json();
    conforms(
        &world,
        "io.nats.server.monitor.v1.varz",
        varz["data"].clone(),
    );
    let mut demo = world.spawn(&["service", "serve", "demo"]);
    demo.wait_for("demo.echo");
    world.wait_for_interest("$SRV.INFO.demo", 1);
    let info = ["service", "info", "demo", "--json"];
    let info = world.nats(&info).ok().json();
    for (part, schema) in [
        ("info", "io.nats.micro.v1.info_response"),
        ("stats", "io.nats.micro.v1.stats_response"),
    ] {
        conforms(&world, schema, info[part].clone());
    }
    assert!(!demo.has_ended());
}

/// Listens for one event of a kind, provoking it until it comes, and holds it against its schema.
#[track_caller]
fn event_conforms(world: &World, kind: &str, login: &[&str], provoke: impl Fn(&str)) {
    let events = [
        "events", "--all", "--json", "--filter", kind, "--count", "1",
    ];
    let mut events = world.spawn(&[&events[..], login].concat());
    let name = kind.rsplit('.').next().unwrap_or(kind);
    let mut times = 0;
    while !events.has_ended() {
        provoke(&format!("{name}_{times}"));
        times += 1;
        assert!(times < 200, "nobody hears of {kind}");
    }
    let mut event: Value = serde_json::from_str(&events.wait()).expect("JSON");
    // Servers say more about themselves than the schema of 2.14 knows.
    if let Some(server) = event.get_mut("server").and_then(Value::as_object_mut) {
        server.remove("feature_flags");
    }
    conforms(world, kind, event);
}

#[test]
fn events_are_as_their_schemas_say() {
    let world = World::with_system();
    for kind in ["stream_action", "consumer_action", "api_audit"] {
        let kind = format!("io.nats.jetstream.advisory.v1.{kind}");
        event_conforms(&world, &kind, &[], |name| {
            world.nats(&["kv", "add", name]).ok();
            let stream = format!("KV_{name}");
            let add = ["consumer", "add", &stream, "C", "--pull", "--defaults"];
            world.nats(&add).ok();
        });
    }
    let login = ["--user", "sys", "--password", "secret"];
    for kind in ["client_connect", "client_disconnect"] {
        let kind = format!("io.nats.server.advisory.v1.{kind}");
        event_conforms(&world, &kind, &login, |_| {
            world.nats(&["pub", "a", "b"]).ok();
        });
    }
}

#[test]
fn a_document_that_breaks_its_schema_is_seen() {
    let world = World::new();
    let broken = json!({ "type": api("stream_names_response"), "streams": "S" });
    world.file("document.json", broken.to_string().as_bytes());
    let schema = api("stream_names_response");
    let ended = world.nats(&["schema", "validate", &schema, "document.json"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    let yaml = world
        .nats(&["schema", "info", &schema, "--yaml"])
        .ok()
        .stdout;
    assert!(yaml.contains(&format!("title: {schema}\n")), "{yaml}");
    world
        .nats(&["schema", "info", "nothing", "--yaml"])
        .fails_with("unknown schema");
}
