//! Key-value and object buckets.

use crate::support::{World, normalise};

#[test]
fn a_bucket_is_made_shown_and_removed() {
    let world = World::new();
    assert_eq!(
        world.nats(&["kv", "ls"]).ok().stdout,
        "No Key-Value buckets found\n"
    );
    let out = normalise(
        &world
            .nats(&[
                "kv",
                "add",
                "B",
                "--history",
                "5",
                "--ttl",
                "1h",
                "--description",
                "d",
            ])
            .ok()
            .stdout,
    );
    let expected = "\
Information for Key-Value Store Bucket B created <time>             \n
Configuration:

            Bucket Name: B
            Description: d
           History Kept: 5
          Values Stored: 0
             Compressed: false
  Per-Key TTL Supported: false
     Backing Store Kind: JetStream
            Bucket Size: 0 B
    Maximum Bucket Size: unlimited
     Maximum Value Size: unlimited
            Maximum Age: 1h0m0s
       JetStream Stream: KV_B
                Storage: File
";
    assert!(out.starts_with(expected), "{out}");
    assert!(
        world
            .nats(&["kv", "edit", "B", "--history", "3"])
            .ok()
            .stdout
            .contains("History Kept: 3")
    );
    assert_eq!(world.nats(&["kv", "ls", "-n"]).ok().stdout, "B\n");
    assert!(
        world
            .nats(&["kv", "ls"])
            .ok()
            .stdout
            .contains("│ B      │ d           │")
    );
    world.nats(&["kv", "del", "B"]).fails_with("--force");
    world.nats(&["kv", "del", "B", "-f"]).ok();
    world
        .nats(&["kv", "info", "B"])
        .fails_with("bucket \"B\" not found");
    world
        .nats(&["kv", "add", "a b"])
        .fails_with("invalid bucket name");
    world
        .nats(&["kv", "add", "C", "--history", "65"])
        .fails_with("between 1 and 64");
}

#[test]
fn keys_are_written_and_read() {
    let world = World::new();
    world.nats(&["kv", "add", "B", "--history", "5"]).ok();
    assert_eq!(
        world.nats(&["kv", "put", "B", "k", "v1"]).ok().stdout,
        "v1\n"
    );
    world.nats_with_input(&["kv", "put", "B", "k"], b"v2").ok();
    let out = normalise(&world.nats(&["kv", "get", "B", "k"]).ok().stdout);
    assert_eq!(
        out,
        "B > k revision: 2 created @ <time>             \n\nv2\n\n"
    );
    assert_eq!(
        world
            .nats(&["kv", "get", "B", "k", "--raw", "--revision", "1"])
            .ok()
            .stdout,
        "v1"
    );
    world
        .nats(&["kv", "get", "B", "none"])
        .fails_with("key \"none\" not found in bucket \"B\"");
    world
        .nats(&["kv", "put", "B", "a b", "x"])
        .fails_with("invalid key \"a b\"");
    world
        .nats(&["kv", "put", "NONE", "k", "x"])
        .fails_with("bucket \"NONE\" not found");
    world
        .nats(&["kv", "create", "B", "k", "x"])
        .fails_with("key \"k\" exists");
    world.nats(&["kv", "create", "B", "n", "x"]).ok();
    world
        .nats(&["kv", "update", "B", "k", "v3", "1"])
        .fails_with("not at revision 1 any more");
    world.nats(&["kv", "update", "B", "k", "v3", "2"]).ok();
    world.nats(&["kv", "revert", "B", "k", "1", "-f"]).ok();
    assert_eq!(
        world.nats(&["kv", "get", "B", "k", "--raw"]).ok().stdout,
        "v1"
    );
    world
        .nats(&["kv", "revert", "B", "k", "99", "-f"])
        .fails_with("no value at revision 99");
}

#[test]
fn history_lists_and_watches() {
    let world = World::new();
    world.nats(&["kv", "add", "B", "--history", "5"]).ok();
    world.nats(&["kv", "put", "B", "k", "v1"]).ok();
    world.nats(&["kv", "del", "B", "k", "-f"]).ok();
    world.nats(&["kv", "create", "B", "k", "v2"]).ok();
    world.nats(&["kv", "put", "B", "other", "x"]).ok();
    let expected = "\
╭────────────────────────────────────────────────────────────────╮
│                        History for B > k                       │
├─────┬──────────┬────────┬─────────────────────┬────────┬───────┤
│ Key │ Revision │ Op     │ Created             │ Length │ Value │
├─────┼──────────┼────────┼─────────────────────┼────────┼───────┤
│ k   │        1 │ PUT    │ <time>              │      2 │ v1    │
│ k   │        2 │ DELETE │ <time>              │      0 │       │
│ k   │        3 │ PUT    │ <time>              │      2 │ v2    │
╰─────┴──────────┴────────┴─────────────────────┴────────┴───────╯

";
    assert_eq!(
        normalise(&world.nats(&["kv", "history", "B", "k"]).ok().stdout),
        expected
    );
    world
        .nats(&["kv", "history", "B", "none"])
        .fails_with("not found");
    assert_eq!(world.nats(&["kv", "ls", "B"]).ok().stdout, "k\nother\n");
    assert_eq!(world.nats(&["kv", "ls", "B", "ot*"]).code, 1);
    assert!(
        world
            .nats(&["kv", "ls", "B", "-v", "--display-value"])
            .ok()
            .stdout
            .contains("│ v2    │")
    );
    let watch = world.spawn(&["kv", "watch", "B", "--history"]);
    watch.wait_for("PUT B > other: x");
    world.nats(&["kv", "purge", "B", "other", "-f"]).ok();
    let out = watch.wait_for("PURGE B > other");
    assert!(out.contains("DEL B > k\n"), "{out}");
    assert!(
        world
            .nats(&["kv", "compact", "B", "-f"])
            .ok()
            .stdout
            .contains("old revisions")
    );
    world.nats(&["kv", "watch", "NONE"]).fails_with("not found");
}

#[test]
fn objects_go_in_and_come_out() {
    let world = World::new();
    world
        .nats(&["object", "add", "F", "--description", "files"])
        .ok();
    let contents: Vec<u8> = (0..700_000_u32).flat_map(u32::to_le_bytes).collect();
    let path = world.file("big.bin", &contents);
    let out = world
        .nats(&["object", "put", "F", &path, "--name", "big", "-H", "a:b"])
        .ok()
        .stdout;
    assert!(
        out.contains("Size: 2.7 MiB")
            && out.contains("Chunks: 22")
            && out.contains("Headers: a: b"),
        "{out}"
    );
    world
        .nats_with_input(&["object", "put", "F", "--name", "small"], b"text")
        .ok();
    world
        .nats_with_input(&["object", "put", "F"], b"text")
        .fails_with("--name is required");
    let table = normalise(&world.nats(&["object", "ls", "F"]).ok().stdout);
    let expected = "\
╭───────────────────────────────────────╮
│            Bucket Contents            │
├───────┬─────────┬─────────────────────┤
│ Name  │ Size    │ Time                │
├───────┼─────────┼─────────────────────┤
│ big   │ 2.7 MiB │ <time>              │
│ small │ 4 B     │ <time>              │
╰───────┴─────────┴─────────────────────╯
";
    assert_eq!(table, expected);
    world
        .nats(&["object", "get", "F", "big", "-O", "copy.bin"])
        .ok();
    assert!(std::fs::read(world.dir().join("copy.bin")).is_ok_and(|copy| copy == contents));
    assert_eq!(
        world
            .nats(&["object", "get", "F", "small", "-O", "-"])
            .ok()
            .stdout,
        "text"
    );
    world
        .nats(&["object", "get", "F", "big", "-O", "copy.bin"])
        .fails_with("--force");
    world
        .nats(&["object", "get", "F", "none"])
        .fails_with("object \"none\" not found");
    assert!(
        world
            .nats(&["object", "info", "F", "small"])
            .ok()
            .stdout
            .contains("Digest: SHA-256 982d9e3eb996f559")
    );
}

#[test]
fn objects_are_replaced_deleted_and_sealed() {
    let world = World::new();
    assert_eq!(
        world.nats(&["object", "ls"]).ok().stdout,
        "No Object Store buckets found\n"
    );
    world.nats(&["object", "add", "F"]).ok();
    for text in ["one", "two"] {
        world
            .nats_with_input(
                &["object", "put", "F", "--name", "o", "-f"],
                text.as_bytes(),
            )
            .ok();
    }
    assert_eq!(
        world
            .nats(&["object", "get", "F", "o", "-O", "-"])
            .ok()
            .stdout,
        "two"
    );
    let watch = world.spawn(&["object", "watch", "F"]);
    watch.wait_for("PUT F > o: 3 B bytes in 1 chunks");
    assert!(
        world
            .nats(&["object", "del", "F", "o", "-f"])
            .ok()
            .stdout
            .starts_with("Removed F > o\n")
    );
    watch.wait_for("DEL F > o");
    world
        .nats(&["object", "edit", "F", "--description", "changed"])
        .ok();
    assert!(
        world
            .nats(&["object", "seal", "F", "-f"])
            .ok()
            .stdout
            .contains("Sealed: true")
    );
    world
        .nats_with_input(&["object", "put", "F", "--name", "o"], b"x")
        .fails_with("sealed");
    assert_eq!(world.nats(&["object", "ls", "-n"]).ok().stdout, "F\n");
    world.nats(&["object", "del", "F", "-f"]).ok();
    world
        .nats(&["object", "ls", "F"])
        .fails_with("bucket \"F\" not found");
}

#[test]
fn everything_is_there_as_json() {
    let world = World::new();
    world.nats(&["kv", "add", "B", "--history", "2"]).ok();
    world.nats(&["kv", "put", "B", "k", "v1"]).ok();
    let json = |args: &[&str]| world.nats(&[args, &["--json"]].concat()).ok().json();
    assert_eq!(json(&["kv", "info", "B"])["config"]["name"], "KV_B");
    assert_eq!(json(&["kv", "ls"])[0]["config"]["max_msgs_per_subject"], 2);
    assert_eq!(
        json(&["kv", "ls", "B", "--display-value"])[0]["value"],
        "v1"
    );
    let entry = json(&["kv", "get", "B", "k"]);
    assert_eq!(
        (&entry["key"], &entry["revision"], &entry["operation"]),
        (&"k".into(), &1.into(), &"PUT".into())
    );
    assert_eq!(json(&["kv", "history", "B", "k"])[0]["length"], 2);
    world.nats(&["object", "add", "F"]).ok();
    world
        .nats_with_input(&["object", "put", "F", "--name", "o"], b"text")
        .ok();
    assert_eq!(json(&["object", "ls"])[0]["config"]["name"], "OBJ_F");
    assert_eq!(json(&["object", "ls", "F"])[0]["size"], 4);
    assert_eq!(json(&["object", "info", "F"])["config"]["name"], "OBJ_F");
    assert_eq!(json(&["object", "info", "F", "o"])["chunks"], 1);
}
