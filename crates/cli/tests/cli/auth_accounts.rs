//! `nats auth`: what accounts share, limit and map, and keys on their own.

use crate::auth::{auth, has};
use crate::support::World;

// tidy: long-function: one story, step by step
#[test]
fn accounts_share_and_map() {
    let world = World::new();
    auth(&world, &["operator", "add", "OP"]).ok();
    for name in ["SHOP", "OFFICE"] {
        auth(&world, &["account", "add", name, "--defaults"]).ok();
    }
    has(
        auth(
            &world,
            &[
                "account",
                "exports",
                "add",
                "orders",
                "orders.>",
                "SHOP",
                "--description",
                "new ones",
            ],
        ),
        &[
            "Export info for orders exporting orders.>",
            "Kind: Stream",
            "Description: new ones",
        ],
    );
    auth(
        &world,
        &["account", "exports", "add", "again", "orders.>", "SHOP"],
    )
    .fails_with("already exported");
    auth(
        &world,
        &["account", "exports", "add", "bad", "a..b", "SHOP"],
    )
    .fails_with("a..b");
    has(
        auth(
            &world,
            &[
                "account",
                "exports",
                "add",
                "price",
                "price",
                "SHOP",
                "--service",
            ],
        ),
        &["Kind: Service"],
    );
    has(
        auth(
            &world,
            &["account", "exports", "edit", "price", "SHOP", "--advertise"],
        ),
        &["Advertised: true"],
    );
    has(
        auth(
            &world,
            &[
                "account", "imports", "add", "orders", "orders.>", "OFFICE", "--source", "SHOP",
                "--local", "shop.>",
            ],
        ),
        &[
            "From Account: SHOP (A",
            "Local Subject: shop.>",
            "Remote Subject: orders.>",
        ],
    );
    auth(
        &world,
        &[
            "account", "imports", "add", "x", "x", "OFFICE", "--source", "NONE",
        ],
    )
    .fails_with("unknown Account: NONE");
    has(
        auth(
            &world,
            &[
                "account",
                "imports",
                "edit",
                "shop.>",
                "OFFICE",
                "--traceable",
            ],
        ),
        &["Allows Message Tracing: true"],
    );
    has(
        auth(&world, &["account", "imports", "ls", "OFFICE"]),
        &["Imports for account OFFICE", "│ SHOP "],
    );
    has(
        auth(&world, &["account", "exports", "ls", "SHOP"]),
        &["Exports for account SHOP", "│ price "],
    );
    auth(&world, &["account", "exports", "rm", "price", "SHOP"]).fails_with("cannot ask");
    has(
        auth(&world, &["account", "exports", "rm", "price", "SHOP", "-f"]),
        &["Removed export"],
    );
    auth(&world, &["account", "exports", "info", "price", "SHOP"]).fails_with("is not exported");
    has(
        auth(
            &world,
            &["account", "imports", "rm", "shop.>", "OFFICE", "-f"],
        ),
        &["Removed import"],
    );
    auth(&world, &["account", "imports", "info", "shop.>", "OFFICE"]).fails_with("is not imported");
    has(
        auth(
            &world,
            &["account", "mappings", "add", "SHOP", "a", "b", "60"],
        ),
        &["Source: a", "Target: b", "Total weight: 60"],
    );
    auth(
        &world,
        &["account", "mappings", "add", "SHOP", "a", "c", "50"],
    )
    .fails_with("100%");
    has(
        auth(
            &world,
            &["account", "mappings", "add", "SHOP", "a", "c", "40"],
        ),
        &["Total weight: 100"],
    );
    has(
        auth(&world, &["account", "mappings", "ls", "SHOP"]),
        &["│ a ", "│ c "],
    );
    has(
        auth(&world, &["account", "mappings", "rm", "SHOP", "a"]),
        &["Deleted mapping {a}"],
    );
    auth(&world, &["account", "mappings", "info", "SHOP", "a"]).fails_with("mapping not found");
}

// tidy: long-function: one story, step by step
#[test]
fn limits_are_edited() {
    let world = World::new();
    auth(&world, &["operator", "add", "OP"]).ok();
    auth(&world, &["account", "add", "A", "--jetstream"])
        .fails_with("JetStream requires maximum Disk and Memory");
    assert_eq!(
        auth(&world, &["account", "ls", "--names"]).ok().stdout,
        "SYSTEM\n"
    );
    has(
        auth(
            &world,
            &[
                "account",
                "add",
                "A",
                "--jetstream",
                "--js-disk",
                "1GB",
                "--js-memory",
                "-1",
                "--connections",
                "7",
            ],
        ),
        &[
            "JetStream: true",
            "Connections: 7",
            "Max File Storage: 1.0 GiB",
            "Max Memory Storage: unlimited",
        ],
    );
    auth(&world, &["account", "add", "A"]).fails_with("account A already exist");
    has(
        auth(
            &world,
            &[
                "account",
                "edit",
                "A",
                "--js-streams",
                "3",
                "--bearer",
                "--tags",
                "t",
            ],
        ),
        &[
            "Maximum Streams: 3",
            "Connections: 7",
            "Bearer Tokens Allowed: true",
            "Tags: t",
        ],
    );
    has(
        auth(&world, &["account", "edit", "A", "--no-jetstream"]),
        &["JetStream: false"],
    );
    auth(&world, &["account", "edit", "A", "--js-streams", "3"])
        .fails_with("the account has no JetStream");
    auth(&world, &["user", "add", "u", "A", "--defaults"]).ok();
    has(
        auth(
            &world,
            &[
                "user",
                "edit",
                "u",
                "A",
                "--payload",
                "-1",
                "--sub-deny",
                "x",
            ],
        ),
        &["Max Payload: unlimited", "Deny: x"],
    );
    has(
        auth(&world, &["user", "ls", "A"]),
        &["Users in account A", "│ u "],
    );
    auth(&world, &["user", "info", "x", "A"]).fails_with("user not found");
    auth(&world, &["user", "add", "u", "A"]).fails_with("user u already exist");
    auth(&world, &["account", "keys", "add", "A", "role"]).ok();
    has(
        auth(&world, &["account", "keys", "ls", "A"]),
        &["Scoped Signing Keys", "│ role "],
    );
    auth(
        &world,
        &["user", "add", "v", "A", "--key", "role", "--payload", "5"],
    )
    .fails_with("the key's permissions");
    has(
        auth(
            &world,
            &["account", "keys", "rm", "A", "--key", "role", "-f"],
        ),
        &["removed"],
    );
    auth(&world, &["account", "keys", "info", "A", "role"]).fails_with("has no signing key");
}

#[test]
fn keys_sign_and_seal() {
    let world = World::new();
    let generate = |kind: &str, name: &str| {
        let pair = auth(&world, &["nkey", "gen", kind, "--public"]).ok().stdout;
        let mut lines = pair.lines();
        let seed = world.file(name, lines.next().expect("a seed").as_bytes());
        (seed, lines.next().expect("a public key").to_owned())
    };
    for (kind, letter) in [
        ("user", 'U'),
        ("account", 'A'),
        ("server", 'N'),
        ("cluster", 'C'),
        ("operator", 'O'),
        ("x25519", 'X'),
    ] {
        let (seed, public) = generate(kind, "k.nk");
        assert!(public.starts_with(letter), "{kind}: {public}");
        assert_eq!(
            auth(&world, &["nkey", "show", &seed]).ok().stdout.trim(),
            public
        );
    }
    let (user, public) = generate("user", "user.nk");
    let data = world.file("data", b"hello");
    let signature = auth(&world, &["nkey", "sign", &data, &user]).ok().stdout;
    let signature = world.file("data.sig", signature.as_bytes());
    let public = world.file("user.pub", public.as_bytes());
    for key in [&user, &public] {
        has(
            auth(&world, &["nkey", "verify", &data, &signature, key]),
            &["Verified OK"],
        );
    }
    let other = world.file("other", b"bye");
    auth(&world, &["nkey", "verify", &other, &signature, &public])
        .fails_with("the signature is not that");
    let ((ann, ann_public), (bob, bob_public)) =
        (generate("curve", "ann.nk"), generate("curve", "bob.nk"));
    let sealed = auth(&world, &["nkey", "seal", &data, &ann, &bob_public])
        .ok()
        .stdout;
    let sealed = world.file("sealed", sealed.as_bytes());
    assert_eq!(
        auth(&world, &["nkey", "unseal", &sealed, &bob, &ann_public])
            .ok()
            .stdout,
        "hello\n"
    );
    auth(&world, &["nkey", "unseal", &sealed, &ann, &ann_public]).fails_with("");
    auth(&world, &["nkey", "seal", &data, &user, &bob_public]).fails_with("no curve seed");
    auth(&world, &["nkey", "seal", &data, &ann, "UX"]).fails_with("invalid public key");
}

/// What a bucket of one account needs to be used from another.
#[test]
fn a_bucket_is_shared() {
    let world = World::new();
    auth(&world, &["operator", "add", "OP"]).ok();
    for name in ["SHOP", "OFFICE"] {
        auth(&world, &["account", "add", name, "--defaults"]).ok();
    }
    let export = ["account", "exports", "kv", "CONFIG", "SHOP"];
    has(
        auth(&world, &export),
        &[
            "Exporting Service Subject: $JS.API.STREAM.INFO.KV_CONFIG\n",
            "Exporting Service Subject: $KV.CONFIG.>\n",
            "Exporting Stream Subject: _INBOX.KV_CONFIG.>\n",
        ],
    );
    auth(&world, &export).fails_with("is exported already");
    let import = [
        "account", "imports", "kv", "CONFIG", "shared", "SHOP", "OFFICE",
    ];
    has(
        auth(&world, &import),
        &[
            "Importing Service Subject: shared.DIRECT.GET.KV_CONFIG.$KV.CONFIG.>\n",
            "Importing Stream Subject: _INBOX.KV_CONFIG.>\n",
            "--js-api-prefix shared and --inbox-prefix _INBOX.KV_CONFIG",
        ],
    );
    auth(&world, &import).fails_with("is imported already");
    let info = ["account", "imports", "info", "shared.$KV.CONFIG.>"];
    let info = auth(&world, &[&info[..], &["OFFICE", "--json"]].concat()).ok();
    assert_eq!(info.json()["subject"], "$KV.CONFIG.>");
    auth(&world, &["account", "exports", "kv", "a.b", "SHOP"]).fails_with("invalid bucket name");
}
