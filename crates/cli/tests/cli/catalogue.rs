//! What is known without a server: errors and schemas.

use crate::support::World;

#[test]
fn errors_are_looked_up() {
    let world = World::new();
    let out = world.nats(&["errors", "lookup", "10059"]).ok().stdout;
    let expected = "\
NATS Error Code: 10059

        Description: stream not found
          HTTP Code: 404
  Go Index Constant: JSStreamNotFoundErr

No further information available
";
    assert_eq!(out, expected);
    let out = world.nats(&["err", "ls", "stream not found"]).ok().stdout;
    assert!(
        out.contains("NATS Errors") && out.contains("│     10059 │             404 │"),
        "{out}"
    );
    let all = world.nats(&["errors", "ls", ".", "http", "-R"]).ok().stdout;
    assert!(all.lines().count() > 200);
    world
        .nats(&["errors", "lookup", "1"])
        .fails_with("no error matches code 1");
    world
        .nats(&["errors", "ls", "xyzzy"])
        .fails_with("no errors match");
    world.nats(&["errors", "ls", "("]).fails_with("regex");
    world
        .nats(&["errors", "ls", ".", "colour"])
        .fails_with("colour");
    assert!(
        world
            .nats(&["errors", "validate"])
            .ok()
            .stdout
            .ends_with("errors are valid\n")
    );
    world.file(
        "e.json",
        br#"[{"error_code": 1, "code": 1, "description": "", "constant": "A"}]"#,
    );
    world
        .nats(&["errors", "validate", "e.json"])
        .fails_with("error 1 has no constant");
    world
        .nats(&["errors", "lookup", "1", "--errors", "nowhere"])
        .fails_with("nowhere");
}

#[test]
fn schemas_are_found_shown_and_checked() {
    let world = World::new();
    let out = world
        .nats(&["schema", "search", "stream_names"])
        .ok()
        .stdout;
    let expected = "\
Matched Schemas:

  io.nats.jetstream.api.v1.stream_names_request
  io.nats.jetstream.api.v1.stream_names_response
";
    assert_eq!(out, expected);
    let all = world.nats(&["schema", "ls", "--json"]).ok().json();
    assert!(all.as_array().expect("a list").len() > 80);
    let name = "io.nats.jetstream.api.v1.stream_names_request";
    let schema = world.nats(&["schema", "info", name]).ok().json();
    assert_eq!(schema["title"], name);
    let check = |body: &[u8], args: &[&str]| {
        world.file("doc.json", body);
        world.nats(&[&["schema", "validate", name, "doc.json"], args].concat())
    };
    let out = check(br#"{"offset": 1}"#, &[]).ok().stdout;
    assert_eq!(out, format!("doc.json validates against {name}\n"));
    let wrong = check(br#"{"offset": -1}"#, &["--json"]);
    assert_eq!(
        (wrong.code, wrong.json().as_array().map(Vec::len)),
        (1, Some(1))
    );
    assert!(
        check(br#"{"offset": "x"}"#, &[])
            .stdout
            .starts_with("Validation errors in doc.json:")
    );
    check(b"{", &[]).fails_with("could not parse JSON data");
    world
        .nats(&["schema", "info", "nothing"])
        .fails_with("unknown schema");
    world
        .nats(&["schema", "search", "xyzzy"])
        .fails_with("no schemas matched");
    let ask = ["schema", "request", "$JS.API.STREAM.NAMES", "--show"];
    let out = world.nats(&ask).ok().stdout;
    assert!(
        out.contains("is a valid io.nats.jetstream.api.v1.stream_names_response"),
        "{out}"
    );
    let other = ["schema", "req", "$JS.API.STREAM.NAMES", "--schema", name];
    world.nats(&other).fails_with("invalid message type");
}
