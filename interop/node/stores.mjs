// Key-value buckets and object stores on the server with JetStream.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Kvm } from "@nats-io/kv";
import { Objm } from "@nats-io/obj";
import { within } from "./harness.mjs";
import { onJetStream, refused } from "./jetstream.mjs";

export const storeChecks = {
  kv_put_get: () => onBucket("basic", {}, putGet),
  kv_revisions: () => onBucket("revisions", { history: 5 }, revisions),
  kv_delete_purge: () => onBucket("delete", { history: 5 }, deletePurge),
  kv_history: () => onBucket("history", { history: 3 }, history),
  kv_watch: () => onBucket("watch", {}, watch),
  kv_keys: () => onBucket("keys", {}, keys),
  kv_ttl: () => onBucket("ttl", { markerTTL: 60_000 }, ttl),
  object_put_get: () => onObjects("objects", objectPutGet),
  object_list_delete: () => onObjects("list", objectListDelete),
  object_watch: () => onObjects("watch", objectWatch),
};

const OBJECT_BYTES = 10 * 1024 * 1024;

function onBucket(label, options, body) {
  return onJetStream(async (nc) => {
    const kv = await new Kvm(nc).create(`NODE_${label}`, options);
    try {
      await body(kv);
    } finally {
      await kv.destroy();
    }
  });
}

function onObjects(label, body) {
  return onJetStream(async (nc) => {
    const store = await new Objm(nc).create(`NODE_${label}`);
    try {
      await body(store);
    } finally {
      await store.destroy();
    }
  });
}

const show = (entry) => entry && `${entry.key}=${entry.string()}@${entry.revision} ${entry.operation}`;

/** The next `count` of what an iterator brings, as text. */
function take(iterator, count, text) {
  const read = async () => {
    const found = [];
    while (found.length < count) found.push(text((await iterator.next()).value));
    return found;
  };
  return within(read(), `${count} updates`);
}

async function all(answers, text = (item) => item) {
  const found = [];
  for await (const item of await answers) found.push(text(item));
  return found;
}

async function putGet(kv) {
  assert.equal(await kv.put("a.b", "one"), 1);
  assert.equal(await kv.put("a.b", "two"), 2);
  assert.equal(show(await kv.get("a.b")), "a.b=two@2 PUT");
  assert.equal(await kv.get("none"), null);
  const status = await kv.status();
  assert.deepEqual([status.values, status.history], [1, 1]);
}

async function revisions(kv) {
  const first = await kv.create("key", "1");
  await refused("created twice", kv.create("key", "x"), 10071);
  await kv.update("key", "2", first);
  await refused("an old revision", kv.update("key", "x", first), 10071);
  assert.equal(show(await kv.get("key", { revision: first })), "key=1@1 PUT");
}

async function deletePurge(kv) {
  await kv.put("key", "1");
  await kv.delete("key");
  assert.equal(show(await kv.get("key")), "key=@2 DEL");
  assert.equal(await kv.create("key", "3"), 3);
  await kv.purge("key");
  assert.deepEqual(await all(kv.history({ key: "key" }), show), ["key=@4 PURGE"]);
}

async function history(kv) {
  for (let i = 0; i < 5; i++) await kv.put("key", String(i));
  const found = await all(kv.history({ key: "key" }), (entry) => `${show(entry)} ${entry.delta}`);
  assert.deepEqual(found, ["key=2@3 PUT 2", "key=3@4 PUT 1", "key=4@5 PUT 0"]);
}

async function watch(kv) {
  for (const key of ["w.a", "w.b", "v.c"]) await kv.put(key, "1");
  const one = (await kv.watch({ key: "w.*" }))[Symbol.asyncIterator]();
  const updates = (await kv.watch({ key: ["v.*", "w.a"], include: "updates" }))[Symbol.asyncIterator]();
  assert.deepEqual(await take(one, 2, show), ["w.a=1@1 PUT", "w.b=1@2 PUT"]);
  await kv.put("v.c", "4");
  await kv.put("w.a", "5");
  await kv.delete("w.b");
  assert.deepEqual(await take(one, 2, show), ["w.a=5@5 PUT", "w.b=@6 DEL"]);
  assert.deepEqual(await take(updates, 2, show), ["v.c=4@4 PUT", "w.a=5@5 PUT"]);
}

async function keys(kv) {
  assert.deepEqual(await all(kv.keys()), []);
  for (const key of ["a", "b.c", "d"]) await kv.put(key, "x");
  await kv.delete("d");
  assert.deepEqual((await all(kv.keys())).sort(), ["a", "b.c"]);
  assert.deepEqual(await all(kv.keys("b.*")), ["b.c"]);
}

async function ttl(kv) {
  const updates = (await kv.watch({ key: "short" }))[Symbol.asyncIterator]();
  await kv.create("short", "x", "1s");
  assert.deepEqual(await take(updates, 2, show), ["short=x@1 PUT", "short=@2 PURGE"]);
}

async function objectPutGet(store) {
  const contents = new Uint8Array(OBJECT_BYTES);
  for (let i = 0; i < contents.length; i++) contents[i] = Math.imul(i, 2654435761) >>> 13;
  const info = await store.putBlob({ name: "big file.bin" }, contents);
  assert.deepEqual([info.size, info.chunks], [OBJECT_BYTES, OBJECT_BYTES / (128 * 1024)]);
  const digest = createHash("sha256").update(contents).digest("base64").replaceAll("+", "-").replaceAll("/", "_");
  assert.equal(info.digest, `SHA-256=${digest}`);
  const found = await store.getBlob("big file.bin");
  assert.ok(Buffer.compare(found, contents) === 0, "the same bytes");
  const link = await store.link("link", info);
  assert.equal(link.options.link.name, "big file.bin");
  assert.equal(await store.getBlob("none"), null);
}

async function objectListDelete(store) {
  for (const name of ["one", "two", "three", "one"]) await store.putBlob({ name }, Buffer.from(name.repeat(1000)));
  await store.delete("two");
  await store.update("three", { name: "drei" });
  const listed = (await store.list()).filter((info) => !info.deleted).map((info) => info.name).sort();
  assert.deepEqual(listed, ["drei", "one"]);
  await store.seal();
  assert.equal((await store.status()).sealed, true);
  await assert.rejects(store.putBlob({ name: "late" }, Buffer.from("x")));
}

async function objectWatch(store) {
  await store.putBlob({ name: "first" }, Buffer.from("1"));
  const updates = (await store.watch({ includeHistory: true }))[Symbol.asyncIterator]();
  const text = (info) => info && `${info.name}/${info.size}/${Boolean(info.deleted)}`;
  const initial = await take(updates, 1, text);
  await store.putBlob({ name: "second" }, Buffer.from("22"));
  await store.delete("first");
  const found = [...initial, ...(await take(updates, 2, text))];
  assert.deepEqual(found, ["first/1/false", "second/2/false", "first/0/true"]);
}
