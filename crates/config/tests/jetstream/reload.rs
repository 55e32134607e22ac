//! What a reload does with a changed block.

use cognate_config::reload::diff;
use cognate_config::{KeyReference, Reload, reference};

use super::options;

/// Compares what a reload says of the change between two texts.
fn check_reload(old: &str, new: &str, expected: Result<&[&str], &str>) {
    let found = diff(&options(old), &options(new));
    let found = found
        .map(|changes| changes.iter().map(ToString::to_string).collect::<Vec<_>>())
        .map_err(|error| error.to_string());
    let expected = expected
        .map(|lines| lines.iter().map(|line| (*line).to_owned()).collect())
        .map_err(str::to_owned);
    assert_eq!(found, expected, "{old:?} to {new:?}");
}

#[test]
fn the_stores_can_only_grow_while_the_server_runs() {
    let stores = |memory: &str, file: &str| format!("jetstream {{ {memory}, {file} }}");
    let small = stores("max_mem: 512", "max_file: 1GB");
    let large = stores("max_mem: \"1K\"", "max_file: \"1536M\"");
    check_reload(
        &small,
        &large,
        Ok(&[
            "JetStream max_mem_store = 1.00 KB",
            "JetStream max_file_store = 1.50 GB",
        ]),
    );
    check_reload(&small, &small, Ok(&[]));
    check_reload(
        &large,
        &small,
        Err(
            "config reload not supported for decreasing jetstream max memory and store: old=1024, \
             new=512; config reload not supported for decreasing jetstream max memory and store: \
             old=1610612736, new=1073741824",
        ),
    );
    check_reload(
        "jetstream {}",
        "jetstream { max_mem: 5 }",
        Err(
            "config reload not supported for jetstream dynamic max memory and store: old=-1, new=5",
        ),
    );
    check_reload(
        "jetstream { max_file: 5 }",
        "jetstream {}",
        Err("config reload not supported for jetstream max memory and max store: old=5, new=-1"),
    );
}

#[test]
fn turning_it_on_or_off_needs_a_restart() {
    check_reload(
        "port: 4222",
        "jetstream { domain: hub }",
        Err("config reload not supported for JetStream: old=false, new=true"),
    );
    check_reload(
        "jetstream { store: d }",
        "port: 4222",
        Err("config reload not supported for JetStream: old=true, new=false"),
    );
    check_reload("store_dir: a", "store_dir: b", Ok(&[]));
}

#[test]
fn the_rest_needs_a_restart() {
    check_reload(
        "jetstream { store: a }",
        "jetstream { store: b, domain: hub, strict: false, sync: \"2m\", \
         limits { max_ack_pending: 5 } }",
        Err(
            "config reload not supported for NoJetStreamStrict: old=false, new=true; \
             config reload not supported for JetStreamDomain: old=, new=hub; \
             config reload not supported for JetStreamLimits: old={0 0 0 0s 0 0 0 0s}, \
             new={0 5 0 0s 0 0 0 0s}; \
             config reload not supported for jetstream storage directory: old=a, new=b; \
             config reload not supported for SyncInterval: old=always, new=2m0s",
        ),
    );
}

/// A value for each key of the block that differs from its default.
const CHANGED: &[(&str, &str)] = &[
    ("enabled", "false"),
    ("store_dir", "d"),
    ("max_memory_store", "5"),
    ("max_file_store", "5"),
    ("domain", "d"),
    ("sync_interval", "5s"),
    ("strict", "false"),
    ("limits", "{max_ack_pending: 5}"),
    ("max_buffered_size", "5"),
    ("max_buffered_msgs", "5"),
    ("request_queue_limit", "5"),
    ("info_queue_limit", "5"),
    ("max_concurrent_io", "5"),
    ("key", "k"),
    ("prev_key", "old, key: k"),
    ("cipher", "aes, key: k"),
    ("max_outstanding_catchup", "5"),
    ("meta_compact", "5"),
    ("meta_compact_size", "5"),
    ("meta_compact_sync", "true"),
];

/// A key that reload forgot would be changed in the file and not in the server, in silence.
#[test]
fn reload_sees_every_key_that_has_an_effect() {
    let keys: Vec<KeyReference> = reference()
        .into_iter()
        .filter(|key| key.supported && key.block == "jetstream")
        .collect();
    assert_eq!(keys.len(), CHANGED.len(), "a key is missing in CHANGED");
    for key in keys {
        let name = key.names[0];
        let (_, value) = CHANGED
            .iter()
            .find(|(changed, _)| *changed == name)
            .expect(name);
        let (before, value) = match name {
            // Only a limit that was set can be raised.
            "max_memory_store" | "max_file_store" => (format!("{name}: 4"), *value),
            // Without a key they say nothing.
            "prev_key" | "cipher" => ("key: k".to_owned(), *value),
            _ => (String::new(), *value),
        };
        let old = options(&format!("jetstream {{ {before} }}"));
        let new = options(&format!("jetstream {{ {name}: {value} }}"));
        let result = diff(&old, &new);
        let without_effect = key.doc.contains("without effect before clustering");
        match key.reload {
            _ if without_effect => assert_eq!(result, Ok(Vec::new()), "{name}"),
            Reload::Live => assert!(result.is_ok_and(|changes| !changes.is_empty()), "{name}"),
            Reload::Restart => assert!(result.is_err(), "{name}"),
        }
    }
}
