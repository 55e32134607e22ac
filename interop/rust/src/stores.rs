//! Key-value buckets and object stores on the server with JetStream.

use std::io::Cursor;
use std::time::Duration;

use async_nats::jetstream::kv::{
    Config, CreateErrorKind, Entry, Operation, Store, UpdateErrorKind,
};
use async_nats::jetstream::object_store::{self, ObjectStore};
use futures_util::{Stream, StreamExt, TryStreamExt};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use crate::Result;
use crate::harness::{Report, WAIT, expect};
use crate::jetstream::context;

const OBJECT_BYTES: usize = 10 * 1024 * 1024;

pub async fn run(report: &mut Report) {
    report.check("kv_put_get", put_get()).await;
    report.check("kv_revisions", revisions()).await;
    report.check("kv_delete_purge", delete_purge()).await;
    report.check("kv_history", history()).await;
    report.check("kv_watch", watch()).await;
    report.check("kv_keys", keys()).await;
    report.check("kv_ttl", ttl()).await;
    report.check("object_put_get", object_put_get()).await;
    report
        .check("object_list_delete", object_list_delete())
        .await;
    report.check("object_watch", object_watch()).await;
}

/// A fresh bucket `RUST_<name>`.
async fn bucket(name: &str, config: Config) -> Result<Store> {
    let js = context().await?;
    let bucket = format!("RUST_{name}");
    let _ = js.delete_key_value(&bucket).await;
    Ok(js.create_key_value(Config { bucket, ..config }).await?)
}

async fn objects(name: &str) -> Result<ObjectStore> {
    let js = context().await?;
    let bucket = format!("RUST_{name}");
    let _ = js.delete_object_store(&bucket).await;
    let config = object_store::Config {
        bucket,
        ..object_store::Config::default()
    };
    Ok(js.create_object_store(config).await?)
}

fn show(entry: &Entry) -> String {
    let value = String::from_utf8_lossy(&entry.value);
    format!(
        "{}={value}@{} {:?}",
        entry.key, entry.revision, entry.operation
    )
}

async fn next<T, E>(
    updates: &mut (impl Stream<Item = std::result::Result<T, E>> + Unpin),
) -> Result<T>
where
    E: std::error::Error + Send + Sync + 'static,
{
    let next = timeout(WAIT, updates.next())
        .await
        .map_err(|_| "no update in time")?;
    Ok(next.ok_or("the watch ended")??)
}

async fn put_get() -> Result {
    let kv = bucket("basic", Config::default()).await?;
    expect("revision", kv.put("a.b", "one".into()).await?, 1)?;
    expect("revision", kv.put("a.b", "two".into()).await?, 2)?;
    expect("value", kv.get("a.b").await?, Some("two".into()))?;
    expect("missing", kv.get("none").await?, None)?;
    let status = kv.status().await?;
    // The values it tells are those of the bucket when it was made.
    expect(
        "status",
        (status.bucket(), status.history()),
        ("RUST_basic", 1),
    )
}

async fn revisions() -> Result {
    let config = Config {
        history: 5,
        ..Config::default()
    };
    let kv = bucket("revisions", config).await?;
    let first = kv.create("key", "1".into()).await?;
    let twice = kv.create("key", "x".into()).await.err().map(|e| e.kind());
    expect("created twice", twice, Some(CreateErrorKind::AlreadyExists))?;
    kv.update("key", "2".into(), first).await?;
    let old = kv
        .update("key", "x".into(), first)
        .await
        .err()
        .map(|e| e.kind());
    expect(
        "an old revision",
        old,
        Some(UpdateErrorKind::WrongLastRevision),
    )?;
    let found = kv
        .entry_for_revision("key", first)
        .await?
        .ok_or("no such revision")?;
    expect("get of a revision", show(&found), "key=1@1 Put")
}

async fn delete_purge() -> Result {
    let config = Config {
        history: 5,
        ..Config::default()
    };
    let kv = bucket("delete", config).await?;
    kv.put("key", "1".into()).await?;
    kv.delete_expect_revision("key", Some(1)).await?;
    expect("deleted", kv.get("key").await?, None)?;
    let marker = kv.entry("key").await?.ok_or("no marker")?;
    expect("marker", show(&marker), "key=@2 Delete")?;
    expect("created again", kv.create("key", "3".into()).await?, 3)?;
    kv.purge("key").await?;
    let history: Vec<_> = kv.history("key").await?.try_collect().await?;
    expect(
        "after the purge",
        history.iter().map(show).collect::<Vec<_>>(),
        ["key=@4 Purge"],
    )
}

async fn history() -> Result {
    let config = Config {
        history: 3,
        ..Config::default()
    };
    let kv = bucket("history", config).await?;
    for value in ["0", "1", "2", "3", "4"] {
        kv.put("key", value.into()).await?;
    }
    let history: Vec<_> = kv.history("key").await?.try_collect().await?;
    let wanted = ["key=2@3 Put", "key=3@4 Put", "key=4@5 Put"];
    expect(
        "history",
        history.iter().map(show).collect::<Vec<_>>(),
        wanted,
    )
}

async fn watch() -> Result {
    let kv = bucket("watch", Config::default()).await?;
    for key in ["w.a", "w.b", "v.c"] {
        kv.put(key, "1".into()).await?;
    }
    let mut with_history = kv.watch_with_history("w.*").await?;
    let mut updates = kv.watch_many(["v.*", "w.a"]).await?;
    kv.put("v.c", "4".into()).await?;
    kv.put("w.a", "5".into()).await?;
    kv.delete("w.b").await?;
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(show(&next(&mut with_history).await?));
    }
    // The first ones depend on when the consumer came to be: history is one value per key.
    expect("last updates", &seen[2..], ["w.a=5@5 Put", "w.b=@6 Delete"])?;
    expect("update", show(&next(&mut updates).await?), "v.c=4@4 Put")?;
    expect("update", show(&next(&mut updates).await?), "w.a=5@5 Put")
}

async fn keys() -> Result {
    let kv = bucket("keys", Config::default()).await?;
    for key in ["a", "b.c", "d"] {
        kv.put(key, "x".into()).await?;
    }
    kv.delete("d").await?;
    let mut keys: Vec<String> = kv.keys().await?.try_collect().await?;
    keys.sort();
    expect("keys", keys, ["a", "b.c"])
}

async fn ttl() -> Result {
    let config = Config {
        limit_markers: Some(Duration::from_secs(60)),
        ..Config::default()
    };
    let kv = bucket("ttl", config).await?;
    let mut updates = kv.watch("short").await?;
    kv.create_with_ttl("short", "x".into(), Duration::from_secs(1))
        .await?;
    expect("created", show(&next(&mut updates).await?), "short=x@1 Put")?;
    let marker = next(&mut updates).await?;
    expect(
        "marker",
        (marker.revision, marker.operation),
        (2, Operation::Purge),
    )
}

async fn object_put_get() -> Result {
    let contents: Vec<u8> = (0..OBJECT_BYTES as u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let store = objects("objects").await?;
    let info = store
        .put("big file.bin", &mut Cursor::new(&contents))
        .await?;
    expect(
        "size and chunks",
        (info.size, info.chunks),
        (OBJECT_BYTES, OBJECT_BYTES / (128 * 1024)),
    )?;
    let mut found = Vec::new();
    store
        .get("big file.bin")
        .await?
        .read_to_end(&mut found)
        .await?;
    expect("the same bytes", found == contents, true)?;
    expect(
        "a digest",
        info.digest
            .is_some_and(|digest| digest.starts_with("SHA-256=")),
        true,
    )?;
    expect("missing", store.get("none").await.is_err(), true)
}

async fn object_list_delete() -> Result {
    let store = objects("list").await?;
    for name in ["one", "two", "three", "one"] {
        store.put(name, &mut Cursor::new(name.repeat(1000))).await?;
    }
    store.delete("two").await?;
    let mut names: Vec<_> = store
        .list()
        .await?
        .map_ok(|info| info.name)
        .try_collect()
        .await?;
    names.sort();
    expect("list", names, ["one", "three"])?;
    store.clone().seal().await?;
    let late = store.put("late", &mut Cursor::new("x")).await;
    expect("put into a sealed store fails", late.is_err(), true)
}

async fn object_watch() -> Result {
    let store = objects("watch").await?;
    let mut updates = store.watch().await?;
    store.put("first", &mut Cursor::new("1")).await?;
    store.delete("first").await?;
    let update = next(&mut updates).await?;
    expect(
        "put",
        (update.name.as_str(), update.size, update.deleted),
        ("first", 1, false),
    )?;
    let update = next(&mut updates).await?;
    expect(
        "delete",
        (update.name.as_str(), update.deleted),
        ("first", true),
    )
}
