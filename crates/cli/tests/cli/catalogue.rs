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
    let lower = world
        .nats(&["err", "ls", "jsstreamnotfounderr"])
        .ok()
        .stdout;
    assert!(lower.contains("JSStreamNotFoundErr"), "{lower}");
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
            .starts_with("Validated ")
    );
    world.file(
        "e.json",
        br#"[{"error_code": 1, "code": 1, "description": "", "constant": "A"}]"#,
    );
    world
        .nats(&["errors", "validate", "e.json"])
        .fails_with("error 1: error codes may not be below 10000");
    world
        .nats(&["errors", "lookup", "1", "--errors", "nowhere"])
        .fails_with("nowhere");
}

#[test]
fn errors_are_edited() {
    let world = World::new();
    let entry = r#"{"error_code": 10500, "code": 400, "description": "it failed", "constant": "JSItFailedErr", "deprecates": "JSOld"}"#;
    let file = world.file("errors.json", format!("[{entry}]").as_bytes());
    // An editor that changes one word, and one that writes a new error.
    let edit = |editor: &str, args: &[&str]| {
        let mut command = world.command(&[&["errors", "edit", &file], args].concat());
        let done = command.env("VISUAL", editor).output().expect("it runs");
        (
            done.status.success(),
            String::from_utf8_lossy(&done.stderr).into_owned(),
        )
    };
    let (done, told) = edit("sed -i 's/it failed/it went wrong/'", &["10500"]);
    assert!(done, "{told}");
    let written = std::fs::read_to_string(&file).expect("it is there");
    assert!(
        written.contains("it went wrong") && written.contains("JSOld"),
        "{written}"
    );
    let new = r#"sed -i -e 's/"constant": ""/"constant": "JSNewErr"/' -e 's/"code": 0/"code": 500/' -e 's/"description": ""/"description": "new"/'"#;
    let (done, told) = edit(new, &[]);
    assert!(done, "{told}");
    let found = world.nats(&["errors", "lookup", "10501", "--errors", &file]);
    assert!(found.ok().stdout.contains("JSNewErr"));
    let before = std::fs::read_to_string(&file).expect("it is there");
    for (editor, args, expected) in [
        (
            "sed -i 's/JSNewErr//'",
            &["10501"][..],
            "nothing was changed",
        ),
        ("sed -i 's/10501/10500/'", &["10501"], "another error's"),
        ("false", &["10501"], "editor"),
    ] {
        let (done, told) = edit(editor, args);
        assert!(
            !done && told.contains(expected),
            "{expected} is not in {told}"
        );
    }
    assert_eq!(std::fs::read_to_string(&file).expect("it is there"), before);
    world
        .nats(&["errors", "edit", "/no/such/file"])
        .fails_with("/no/such/file");
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
