//! JetStream in the configuration file and on the command line.

mod reload;

use cognate_config::flags::{Command, parse_args};
use cognate_config::options::{
    BatchLimits, JetStreamLimits, JetStreamOptions, Options, Secret, StoreCipher, StoreEncryption,
    SyncPolicy,
};
use cognate_config::{Loaded, MemorySource, load};
use std::time::Duration;

fn loaded(text: &str) -> Result<Loaded, String> {
    let source = MemorySource::new().with_file("f", text);
    load("f", &source).map_err(|error| {
        let first = error.errors.first().expect("an error has errors");
        first.headline()
    })
}

fn options(text: &str) -> Options {
    let loaded = loaded(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    loaded.options
}

/// Compares the settings that a text gives; `None` is off.
fn check(text: &str, expected: Option<JetStreamOptions>) {
    let options = options(text);
    assert_eq!(options.jetstream, expected, "{text}");
    if options.jetstream.is_some() {
        let dormant = JetStreamOptions::default();
        assert_eq!(options.dormant_jetstream, dormant, "{text}");
    }
}

fn defaults() -> JetStreamOptions {
    JetStreamOptions::default()
}

fn stored_in(directory: &str) -> JetStreamOptions {
    JetStreamOptions {
        store_dir: Some(directory.to_owned()),
        ..defaults()
    }
}

#[test]
fn it_is_on_or_off_in_every_way_that_can_be_said() {
    for on in [
        "jetstream: true",
        "jetstream: enabled",
        "JetStream: ENABLE",
        "jetstream {}",
        "jetstream { enabled: true }",
        "jetstream { enable: yes }",
    ] {
        check(on, Some(defaults()));
    }
    for off in [
        "port: 4222",
        "jetstream: false",
        "jetstream: Disabled",
        "jetstream: disable",
        "jetstream { enabled: false, store_dir: x }",
        "store_dir: x",
    ] {
        check(off, None);
    }
}

#[test]
fn the_directory_is_at_the_top_or_in_the_block() {
    for text in [
        "store_dir: d\njetstream: true",
        "jetstream: enabled\nstoredir: d",
        "jetstream { store: d }",
        "jetstream { store_dir: d }",
        "store_dir: \"\"\njetstream { storedir: d }",
    ] {
        check(text, Some(stored_in("d")));
    }
    let duplicate = |place: &str| Err(format!("f:{place}: Duplicate 'store_dir' configuration"));
    for (text, place) in [
        ("store_dir: a\njetstream { store: b }", "2:20"),
        ("jetstream { store: b }\nstore_dir: a", "2:12"),
        ("store_dir: a\nstoredir: a", "2:11"),
        ("jetstream { store: a, store_dir: b }", "1:34"),
    ] {
        assert_eq!(loaded(text).map(drop), duplicate(place), "{text}");
    }
}

#[test]
fn sizes_are_numbers_or_strings_with_a_unit() {
    for (size, expected) in [
        ("1GB", Some(1 << 30)),
        ("1g", Some(1_000_000_000)),
        ("5000", Some(5000)),
        ("\"2K\"", Some(2 << 10)),
        ("\"3M\"", Some(3 << 20)),
        ("\"4G\"", Some(4 << 30)),
        ("\"+5T\"", Some(5 << 40)),
        ("\"\"", Some(0)),
        ("0", Some(0)),
        ("-1", None),
        ("\"-5G\"", None),
    ] {
        for key in ["max_memory_store", "max_mem_store", "max_mem"] {
            let expected = JetStreamOptions {
                max_memory_store: expected,
                ..defaults()
            };
            check(&format!("jetstream {{ {key}: {size} }}"), Some(expected));
        }
        for key in ["max_file_store", "max_file"] {
            let expected = JetStreamOptions {
                max_file_store: expected,
                ..defaults()
            };
            check(&format!("jetstream {{ {key}: {size} }}"), Some(expected));
        }
    }
}

#[test]
fn syncing_is_before_every_acknowledgement_unless_an_interval_is_set() {
    let every = |seconds| SyncPolicy::Interval(Duration::from_secs(seconds));
    for (setting, policy) in [
        ("", SyncPolicy::Always),
        ("sync: always", SyncPolicy::Always),
        ("sync_interval: ALWAYS", SyncPolicy::Always),
        ("sync_interval: \"0s\"", SyncPolicy::Always),
        ("sync_interval: \"2m\"", every(120)),
        ("sync: 10s", every(10)),
        ("sync: 10", every(10)),
    ] {
        let expected = JetStreamOptions {
            sync_interval: policy,
            ..defaults()
        };
        check(&format!("jetstream {{ {setting} }}"), Some(expected));
    }
    let warnings = loaded("jetstream { sync: 10 }").map(|loaded| loaded.warnings);
    let warnings = warnings.expect("the file is right");
    assert_eq!(
        warnings.first().map(|warning| warning.headline()),
        Some(
            "f:1:19: invalid use of field \"sync\": sync should be converted to a duration"
                .to_owned()
        )
    );
}

#[test]
fn numbers_that_are_not_positive_mean_the_default_or_no_limit() {
    check(
        "jetstream { max_buffered_size: 0, max_buffered_msgs: 0, request_queue_limit: -1 }",
        Some(defaults()),
    );
    check(
        "jetstream { max_buffered_size: -1, max_buffered_msgs: -1, request_queue_limit: 7 }",
        Some(JetStreamOptions {
            max_buffered_size: u64::MAX,
            max_buffered_msgs: u64::MAX,
            request_queue_limit: 7,
            info_queue_limit: 7,
            ..defaults()
        }),
    );
    check(
        "jetstream { limits { max_ack_pending: -1, max_ha_assets: 0, max_request_batch: 0, \
         duplicate_window: \"-2m0s\", batch { max_msgs: -5, timeout: 0s, max_inflight_total: 9 } } }",
        Some(JetStreamOptions {
            limits: JetStreamLimits {
                batch: BatchLimits {
                    max_inflight_total: Some(9),
                    ..BatchLimits::default()
                },
                ..JetStreamLimits::default()
            },
            ..defaults()
        }),
    );
}

// tidy: long-function: a table of what is wrong and how it is said
#[test]
fn wrong_values_are_said_where_they_are() {
    for (text, expected) in [
        (
            "jetstream: foo",
            "1:12: Expected 'enabled' or 'disabled' for string value, got 'foo'",
        ),
        ("jetstream: 5", "1:12: \"jetstream\" is an integer"),
        ("jetstream: [a]", "1:12: \"jetstream\" is an array"),
        ("store_dir: 5", "1:12: \"store_dir\" is an integer"),
        (
            "jetstream { max_mem: \"1GB\" }",
            "1:22: max_mem sizes defined as strings must end in K, M, G, T: \"1GB\"",
        ),
        (
            "jetstream { max_file: \"G\" }",
            "1:23: max_file sizes defined as strings must end in K, M, G, T: \"G\"",
        ),
        (
            "jetstream { max_file: \"99999999999T\" }",
            "1:23: max_file is too big: \"99999999999T\"",
        ),
        (
            "jetstream { max_file: true }",
            "1:23: \"max_file\" is a boolean",
        ),
        (
            "jetstream { domain: \"a.b\" }",
            "1:21: invalid domain name: may not contain ., * or >",
        ),
        (
            "jetstream { enabled: false, domain: \"a*\" }",
            "1:37: invalid domain name: may not contain ., * or >",
        ),
        (
            "jetstream { domain: \"a b\" }",
            "1:21: invalid domain name: derived \"$JS.a b.API.>\" is not a valid subject",
        ),
        (
            "jetstream { sync: soon }",
            "1:19: error parsing sync: invalid duration \"soon\"",
        ),
        (
            "jetstream { sync: \"-5s\" }",
            "1:19: invalid sync, needs to be positive",
        ),
        (
            "jetstream { max_concurrent_io: 3 }",
            "1:32: Expected an absolute size for \"max_concurrent_io\" between 4 and 8192, got 3",
        ),
        (
            "jetstream { meta_compact: -1 }",
            "1:27: meta_compact value can not be negative",
        ),
        (
            "jetstream { meta_compact_size: x }",
            "1:32: meta_compact_size sizes defined as strings must end in K, M, G, T: \"x\"",
        ),
        (
            "jetstream { limits { duplicate_window: 120 } }",
            "1:40: \"duplicate_window\" is an integer",
        ),
        ("jetstream { limits: 5 }", "1:21: \"limits\" is an integer"),
        ("jetstream { foo: 1 }", "1:13: unknown field \"foo\""),
        (
            "jetstream { limits { batch { foo: 1 } } }",
            "1:30: unknown field \"foo\"",
        ),
    ] {
        let found = loaded(text).map(drop);
        assert_eq!(found, Err(format!("f:{expected}")), "{text}");
    }
}

#[test]
fn a_key_in_the_wrong_place_is_told_the_right_one() {
    let source =
        MemorySource::new().with_file("f", "domain: hub\njetstream { max_memory_stor: 1 }");
    let error = load("f", &source).expect_err("both keys are wrong");
    let text = error.to_string();
    assert!(
        text.contains("\"domain\" belongs in the jetstream block"),
        "{text}"
    );
    assert!(
        text.contains("did you mean \"max_memory_store\"?"),
        "{text}"
    );
}

#[test]
fn stores_are_encrypted_with_a_key() {
    let encrypted = |previous: Option<&str>, cipher: StoreCipher| {
        let encryption = StoreEncryption {
            key: Secret::new("k"),
            previous: previous.map(Secret::new),
            cipher,
        };
        Some(JetStreamOptions {
            encryption: Some(encryption),
            ..defaults()
        })
    };
    check("jetstream { key: k }", encrypted(None, StoreCipher::ChaCha));
    check(
        "jetstream { ek: k, cipher: AES }",
        encrypted(None, StoreCipher::Aes),
    );
    check(
        "jetstream { encryption_key: k, prev_ek: old, cipher: chachapoly }",
        encrypted(Some("old"), StoreCipher::ChaCha),
    );
    check("jetstream { cipher: aes }", Some(defaults()));
    let error = |text| loaded(text).map(drop).expect_err(text);
    assert!(error("jetstream { cipher: rot13 }").contains("Unknown cipher type: \"rot13\""));
    assert!(error("jetstream { prev_key: k }").contains("prev_key without key"));
    let shown = format!("{:?}", options("jetstream { key: sesame }"));
    assert!(!shown.contains("sesame"), "{shown}");
    let source = MemorySource::new().with_file("f", "jetstream { key: sesame, cipher: rot13 }");
    let diagnostic = load("f", &source)
        .expect_err("there is no such cipher")
        .to_string();
    assert!(!diagnostic.contains("sesame"), "{diagnostic}");
}

#[test]
fn what_is_not_built_is_refused_by_name() {
    for (setting, key, feature) in [
        ("unique_tag: az", "unique_tag", "clustering"),
        (
            "extension_hint: no_extend",
            "extension_hint",
            "JetStream domains of other servers",
        ),
    ] {
        let expected = format!(
            "f:1:13: {key:?} is recognised, but this version of Cognate does not support {feature} \
             yet; remove the key to start this server without it"
        );
        let found = loaded(&format!("jetstream {{ {setting} }}")).map(drop);
        assert_eq!(found, Err(expected));
    }
    check(
        "jetstream { key: \"\", unique_tag: \"\", tpm {} }",
        Some(defaults()),
    );
}

/// A program can set what the file could not say.
#[test]
fn options_made_by_a_program_are_validated() {
    let with_domain = |domain: &str| Options {
        jetstream: Some(JetStreamOptions {
            domain: Some(domain.to_owned()),
            ..defaults()
        }),
        ..Options::default()
    };
    assert_eq!(with_domain("hub").validate(), Ok(()));
    assert_eq!(
        with_domain("a>").validate(),
        Err(vec![
            "invalid domain name: may not contain ., * or >: use letters, digits, - and _"
                .to_owned()
        ])
    );
}

/// Compares the settings that a command line makes of a file.
fn check_flags(file: &str, line: &str, expected: Option<JetStreamOptions>) {
    let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let Ok(Command::Run(flags)) = parse_args(&args) else {
        panic!("{line:?} does not run a server")
    };
    let mut options = options(file);
    flags.apply(&mut options).expect("the flags are right");
    assert_eq!(options.jetstream, expected, "{line:?} over {file:?}");
}

#[test]
fn flags_win_over_the_file() {
    check_flags("", "-js", Some(defaults()));
    check_flags("", "--jetstream -sd d", Some(stored_in("d")));
    check_flags("", "-sd d -js=true", Some(stored_in("d")));
    check_flags("", "-sd d", None);
    check_flags("jetstream { store: f }", "-js=false", None);
    check_flags(
        "jetstream { store: f }",
        "--store_dir d",
        Some(stored_in("d")),
    );
    check_flags("jetstream { store: f }", "-sd=", Some(defaults()));
    check_flags("store_dir: f", "-js", Some(stored_in("f")));
    check_flags(
        "jetstream { enabled: false, store: f }",
        "-js",
        Some(stored_in("f")),
    );
}
