// Streams, publishing and consumers on the server with JetStream.

import assert from "node:assert/strict";
import { AckPolicy, DeliverPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { createInbox, headers as newHeaders, nanos } from "@nats-io/transport-node";
import { connect, control, env, using, WAIT_MS, within } from "./harness.mjs";

export const jetstreamChecks = {
  js_account: () => onStream("account", {}, account),
  js_stream_edit: () => onStream("edit", {}, streamEdit),
  js_stream_purge: () => onStream("purge", {}, streamPurge),
  js_stream_list: () => onStream("list", {}, streamList),
  js_publish: () => onStream("publish", {}, publish),
  js_publish_duplicate: () => onStream("dupe", {}, publishDuplicate),
  js_publish_expected: () => onStream("expect", {}, publishExpected),
  js_messages: () => onStream("msgs", {}, messages),
  js_direct_get: () => onStream("direct", { allow_direct: true }, directGet),
  js_pull_fetch: () => onStream("fetch", {}, pullFetch),
  js_pull_consume: () => onStream("consume", {}, pullConsume),
  js_push: () => onStream("push", {}, push),
  js_ordered: () => onStream("ordered", {}, ordered),
  js_ack_kinds: () => onStream("acks", {}, ackKinds),
  js_redelivery: () => onStream("redeliver", {}, redelivery),
  js_consumer_manage: () => onStream("manage", {}, consumerManage),
  js_errors: () => onStream("errors", {}, errors),
  js_message_ttl: () => onStream("ttl", { allow_msg_ttl: true }, messageTtl),
  js_counter: () => onStream("counter", { allow_msg_counter: true, allow_direct: true }, counter),
  js_batch: () => onStream("batch", { allow_atomic: true }, batch),
  js_survives_kill: survivesKill,
  js_mirror: mirror,
};

export const onJetStream = (body) => using(connect(env("JETSTREAM_URL")), body);

/** Runs the body with a fresh stream NODE_<name> on node.<name>.>; `subject` makes one of its subjects. */
function onStream(label, config, body) {
  return onJetStream(async (nc) => {
    const name = `NODE_${label}`;
    const jsm = await jetstreamManager(nc, { timeout: WAIT_MS });
    await jsm.streams.delete(name).catch(() => {});
    await jsm.streams.add({ name, subjects: [`node.${label}.>`], ...config });
    await body({ nc, jsm, name, js: jetstream(nc, { timeout: WAIT_MS }), subject: (rest) => `node.${label}.${rest}` });
    await jsm.streams.delete(name);
  });
}

/** Rejects unless the call ends in this JetStream error. */
export async function refused(what, call, code) {
  const error = await call.then(() => null, (error) => error);
  assert.ok(error, `${what}: accepted`);
  const found = error.code ?? error.cause?.code;
  assert.equal(found, code, `${what}: ${error}`);
  return error;
}

async function fill({ js, subject }, rest, count) {
  for (let i = 0; i < count; i++) await js.publish(subject(rest), String(i));
}

const state = async ({ jsm, name }) => (await jsm.streams.info(name)).state;

/** Exactly `count` messages of a consumer. */
export async function fetch(consumer, count) {
  const found = [];
  for await (const message of await consumer.fetch({ max_messages: count, expires: WAIT_MS })) found.push(message);
  assert.equal(found.length, count, "messages fetched");
  return found;
}

async function durable({ jsm, js, name }, config = {}) {
  await jsm.consumers.add(name, { durable_name: "durable", ack_policy: AckPolicy.Explicit, ...config });
  return js.consumers.get(name, "durable");
}

async function account({ jsm }) {
  const info = await jsm.getAccountInfo();
  assert.ok(info.streams >= 1);
  assert.equal(info.limits.max_streams, -1);
  assert.equal(info.api.level, 4);
}

async function streamEdit(f) {
  const { js, jsm, name } = f;
  await jsm.streams.update(name, { subjects: ["node.edit.>", "node.more"], max_msgs: 3, description: "edited" });
  for (let i = 0; i < 5; i++) await js.publish("node.more");
  const info = await jsm.streams.info(name);
  assert.equal(info.config.description, "edited");
  const { messages, first_seq, last_seq } = info.state;
  assert.deepEqual([messages, first_seq, last_seq], [3, 3, 5]);
  await refused("storage change", jsm.streams.update(name, { storage: "memory" }), 10052);
}

async function streamPurge(f) {
  const { jsm, name, subject } = f;
  await fill(f, "a", 5);
  await fill(f, "b", 5);
  await jsm.streams.purge(name, { filter: subject("a"), keep: 1 });
  assert.equal((await state(f)).messages, 6);
  await jsm.streams.purge(name, { seq: 8 });
  assert.equal((await state(f)).messages, 3);
  assert.equal((await jsm.streams.purge(name)).purged, 3);
  const { messages, first_seq, last_seq } = await state(f);
  assert.deepEqual([messages, first_seq, last_seq], [0, 11, 10]);
}

async function streamList(f) {
  const { jsm, name, subject } = f;
  await fill(f, "a", 2);
  await fill(f, "b", 1);
  assert.equal(await jsm.streams.find(subject("a")), name);
  const names = [];
  for await (const found of jsm.streams.names(subject("b"))) names.push(found);
  assert.deepEqual(names, [name]);
  let listed = false;
  for await (const info of jsm.streams.list()) listed ||= info.config.name === name;
  assert.ok(listed, "listed");
  const info = await jsm.streams.info(name, { subjects_filter: ">" });
  assert.deepEqual(info.state.subjects, { [subject("a")]: 2, [subject("b")]: 1 });
}

async function publish({ js, name, subject }) {
  const ack = await js.publish(subject("one"), "one");
  assert.deepEqual([ack.stream, ack.seq, ack.duplicate], [name, 1, false]);
  const acks = await Promise.all(Array.from({ length: 500 }, () => js.publish(subject("many"), "m")));
  assert.deepEqual(acks.map((ack) => ack.seq), Array.from({ length: 500 }, (_, i) => i + 2));
  await assert.rejects(js.publish("node.nostream", "x", { retries: 1 }), /no responders|not enabled/);
}

async function publishDuplicate(f) {
  const first = await f.js.publish(f.subject("x"), "1", { msgID: "id-1" });
  const again = await f.js.publish(f.subject("x"), "2", { msgID: "id-1" });
  assert.deepEqual([first.seq, first.duplicate, again.seq, again.duplicate], [1, false, 1, true]);
  assert.equal((await state(f)).messages, 1);
}

async function publishExpected({ js, name, subject }) {
  const send = (rest, expect, msgID) => js.publish(subject(rest), "x", { expect, msgID });
  await send("a", { streamName: name }, "first");
  await send("a", { lastSequence: 1, lastMsgID: "first" }, "second");
  await send("b", { lastSubjectSequence: 0 });
  const wrong = await refused("wrong last sequence", send("a", { lastSequence: 1 }), 10071);
  assert.match(wrong.message, /wrong last sequence: 3/);
  await refused("wrong last subject sequence", send("a", { lastSubjectSequence: 9 }), 10071);
  await refused("wrong last id", send("a", { lastMsgID: "other" }), 10070);
  await refused("wrong stream", send("a", { streamName: "OTHER" }), 10060);
}

async function messages(f) {
  const { js, jsm, name, subject } = f;
  const headers = newHeaders();
  headers.append("X-Multi", "one");
  headers.append("X-Multi", "two");
  await js.publish(subject("a"), "1", { headers });
  await fill(f, "b", 2);
  const first = await jsm.streams.getMessage(name, { seq: 1 });
  assert.deepEqual([first.subject, first.string(), first.header.values("X-Multi")], [subject("a"), "1", ["one", "two"]]);
  assert.equal((await jsm.streams.getMessage(name, { last_by_subj: subject("b") })).seq, 3);
  assert.equal((await jsm.streams.getMessage(name, { seq: 2, next_by_subj: subject("b") })).seq, 2);
  await jsm.streams.deleteMessage(name, 2, false);
  assert.equal(await jsm.streams.getMessage(name, { seq: 2 }), null);
  assert.equal((await state(f)).messages, 2);
}

async function directGet(f) {
  const { jsm, name, subject } = f;
  await fill(f, "a", 3);
  await fill(f, "b", 2);
  const second = await jsm.direct.getMessage(name, { seq: 2 });
  assert.deepEqual([second.subject, second.string(), second.seq], [subject("a"), "1", 2]);
  assert.equal((await jsm.direct.getMessage(name, { last_by_subj: subject("b") })).seq, 5);
  const sequences = async (answers) => {
    const found = [];
    for await (const message of await answers) found.push(message.seq);
    return found;
  };
  assert.deepEqual(await sequences(jsm.direct.getBatch(name, { seq: 2, batch: 3 })), [2, 3, 4]);
  assert.deepEqual(await sequences(jsm.direct.getLastMessagesFor(name, { multi_last: [subject("*")] })), [3, 5]);
  assert.equal(await jsm.direct.getMessage(name, { seq: 99 }), null);
}

async function pullFetch(f) {
  await fill(f, "x", 25);
  const consumer = await durable(f);
  let number = 0;
  for (const count of [10, 10, 5]) {
    for (const message of await fetch(consumer, count)) {
      assert.equal(message.string(), String(number++));
      assert.ok(await message.ackAck(), "the acknowledgement is confirmed");
    }
  }
  const { num_pending, num_ack_pending, ack_floor } = await consumer.info();
  assert.deepEqual([num_pending, num_ack_pending, ack_floor.stream_seq], [0, 0, 25]);
  assert.equal(await consumer.next({ expires: 1000 }), null);
}

async function pullConsume(f) {
  const count = 2_000;
  const consumer = await durable(f);
  const found = await consumer.consume({ max_messages: 100 });
  const read = async () => {
    let number = 0;
    for await (const message of found) {
      assert.equal(message.string(), String(number++));
      message.ack();
      if (number === count) break;
    }
  };
  const reading = read();
  await Promise.all(Array.from({ length: count }, (_, i) => f.js.publish(f.subject("x"), String(i))));
  await within(reading, "all messages");
}

async function push(f) {
  const { nc, js, jsm, name } = f;
  await jsm.consumers.add(name, {
    durable_name: "pusher", deliver_subject: createInbox(), ack_policy: AckPolicy.Explicit,
    flow_control: true, idle_heartbeat: nanos(1000),
  });
  const consumer = await js.consumers.getPushConsumer(name, "pusher");
  const found = await consumer.consume();
  const read = async () => {
    let number = 0;
    for await (const message of found) {
      assert.equal(message.string(), String(number++));
      message.ack();
      if (number === 200) return;
    }
  };
  const reading = read();
  await fill(f, "x", 199);
  assert.equal((await jsm.consumers.info(name, "pusher")).push_bound, true);
  await f.js.publish(f.subject("x"), "199");
  await within(reading, "200 messages");
  await nc.flush();
}

async function ordered(f) {
  const count = 2_000;
  await Promise.all(Array.from({ length: count }, () => f.js.publish(f.subject("x"), new Uint8Array(100))));
  const consumers = [await f.js.consumers.get(f.name), await f.js.consumers.getPushConsumer(f.name)];
  for (const consumer of consumers) {
    const read = async () => {
      let wanted = 1;
      for await (const message of await consumer.consume()) {
        assert.equal(message.seq, wanted++);
        if (wanted > count) return;
      }
    };
    await within(read(), "all messages in order");
  }
}

const delivery = (message) => `${message.string()}/${message.info.deliveryCount}`;

async function ackKinds(f) {
  await fill(f, "x", 4);
  const consumer = await durable(f);
  const [acked, naked, ended, slow] = await fetch(consumer, 4);
  assert.ok(await acked.ackAck());
  naked.nak();
  ended.term("spoiled");
  slow.working();
  const [again] = await fetch(consumer, 1);
  assert.equal(delivery(again), "1/2");
  again.nak(300);
  const [later] = await fetch(consumer, 1);
  assert.equal(delivery(later), "1/3");
  assert.ok(await later.ackAck());
  const { num_ack_pending, ack_floor } = await consumer.info();
  assert.deepEqual([num_ack_pending, ack_floor.stream_seq], [1, 3]);
}

async function redelivery(f) {
  await fill(f, "x", 1);
  const consumer = await durable(f, { ack_wait: nanos(500), max_deliver: 2 });
  for (const wanted of ["0/1", "0/2"]) assert.equal(delivery((await fetch(consumer, 1))[0]), wanted);
  assert.equal(await consumer.next({ expires: 1200 }), null);
}

async function consumerManage(f) {
  const { jsm, name, subject } = f;
  await fill(f, "a", 3);
  await fill(f, "b", 2);
  const config = { durable_name: "managed", ack_policy: AckPolicy.Explicit, filter_subjects: [subject("b")] };
  assert.equal((await jsm.consumers.add(name, config)).num_pending, 2);
  const edited = await jsm.consumers.update(name, "managed", { description: "second", filter_subjects: [subject("a")] });
  assert.deepEqual([edited.config.description, edited.num_pending], ["second", 3]);
  await refused("another policy", jsm.consumers.add(name, { ...config, deliver_policy: DeliverPolicy.New }), 10148);
  const names = [];
  for await (const info of jsm.consumers.list(name)) names.push(info.name);
  assert.deepEqual(names, ["managed"]);
  assert.equal((await jsm.consumers.pause(name, "managed", new Date(Date.now() + 3_600_000))).paused, true);
  assert.equal((await jsm.consumers.resume(name, "managed")).paused, false);
  assert.ok(await jsm.consumers.delete(name, "managed"));
  await refused("a deleted consumer", jsm.consumers.info(name, "managed"), 10014);
}

async function errors({ jsm, name, subject }) {
  await refused("no stream", jsm.streams.info("NODE_NONE"), 10059);
  await refused("name in use", jsm.streams.add({ name, subjects: ["node.else"] }), 10058);
  await refused("overlap", jsm.streams.add({ name: "NODE_OTHER", subjects: [subject("x")] }), 10065);
  await refused("no consumer", jsm.consumers.info(name, "none"), 10014);
  const bad = { durable_name: "c", ack_policy: AckPolicy.Explicit, max_deliver: 1, backoff: [nanos(1000), nanos(2000)] };
  await refused("bad consumer", jsm.consumers.add(name, bad), 10116);
}

async function messageTtl(f) {
  await f.js.publish(f.subject("short"), "x", { ttl: "1s" });
  await f.js.publish(f.subject("long"), "x", { ttl: "1h" });
  await refused("a bad TTL", f.js.publish(f.subject("bad"), "x", { ttl: "soon" }), 10165);
  const gone = async () => {
    while ((await state(f)).messages !== 1) await new Promise((resolve) => setTimeout(resolve, 50));
  };
  await within(gone(), "expiry");
}

async function counter({ js, jsm, name, subject }) {
  for (const [delta, total] of [["+5", "5"], ["-7", "-2"], ["100000000000000000000", "99999999999999999998"]]) {
    const headers = newHeaders();
    headers.set("Nats-Incr", delta);
    const ack = await js.publish(subject("hits"), "", { headers });
    assert.equal(ack.val, total);
  }
  const last = await jsm.direct.getMessage(name, { last_by_subj: subject("hits") });
  assert.equal(last.string(), '{"val":"99999999999999999998"}');
  await refused("no increment", js.publish(subject("hits"), "x"), 10169);
}

async function batch(f) {
  const started = await f.js.startBatch(f.subject("1"), "1");
  started.add(f.subject("2"), "2");
  assert.equal((await state(f)).messages, 0);
  const ack = await started.commit(f.subject("3"), "3");
  assert.deepEqual([ack.stream, ack.count, ack.seq], [f.name, 3, 3]);
  assert.equal((await state(f)).messages, 3);
}

function survivesKill() {
  const options = { reconnect: true, maxReconnectAttempts: -1, reconnectTimeWait: 50, reconnectJitter: 10 };
  return using(connect(env("RESTART_URL"), options), async (nc) => {
    const jsm = await jetstreamManager(nc, { timeout: WAIT_MS });
    const js = jetstream(nc, { timeout: 1000 });
    const f = { jsm, js, name: "NODE_KILL" };
    await jsm.streams.add({ name: f.name, subjects: ["node.kill.>"] });
    const consumer = await durable(f);
    const send = (i) => js.publish("node.kill.x", String(i), { msgID: `kill-${i}` });
    for (let i = 0; i < 50; i++) await send(i);
    await control("kill");
    await control("start");
    const resend = async () => {
      for (;;) {
        const ack = await send(49).catch(() => null);
        if (ack) return ack;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    };
    const again = await within(resend(), "ack after the restart");
    assert.deepEqual([again.seq, again.duplicate], [50, true]);
    const found = await fetch(consumer, 50);
    found.forEach((message, i) => assert.equal(message.string(), String(i)));
  });
}

/** A mirror, and a stream with a source; both go on where they were after the server was killed. */
function mirror() {
  const options = { reconnect: true, reconnectTimeWait: 50, reconnectJitter: 0, maxReconnectAttempts: -1 };
  return using(connect(env("RESTART_URL"), options), async (nc) => {
    const jsm = await jetstreamManager(nc, { timeout: 1000 });
    const js = jetstream(nc, { timeout: 1000 });
    await jsm.streams.add({ name: "NODE_ORIGIN", subjects: ["node.origin.*"] });
    await publishToOrigin(js, 0, 20);
    await jsm.streams.add({ name: "NODE_MIRROR", mirror: { name: "NODE_ORIGIN" } });
    const sources = [{ name: "NODE_ORIGIN", filter_subject: "node.origin.1" }];
    await jsm.streams.add({ name: "NODE_SOURCED", sources });
    await copied(jsm, 20);
    await control("kill");
    await control("start");
    await copied(jsm, 20);
    await publishToOrigin(js, 20, 30);
    await copied(jsm, 30);
  });
}

/** Publishes numbers, even and odd ones on subjects of their own. */
async function publishToOrigin(js, from, to) {
  for (let number = from; number < to; number++) await js.publish(`node.origin.${number % 2}`, String(number));
}

/** Waits until the copies have so many messages of the origin, and compares them. */
async function copied(jsm, count) {
  const arrived = async () => {
    for (;;) {
      try {
        const { last_seq } = (await jsm.streams.info("NODE_MIRROR")).state;
        const { messages } = (await jsm.streams.info("NODE_SOURCED")).state;
        if (last_seq === count && messages === count / 2) return;
      } catch {
        // The server is not back yet.
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  await within(arrived(), `copies of ${count} messages`, 2 * WAIT_MS);
  const text = async (name, seq) => {
    const message = await jsm.streams.getMessage(name, { seq });
    return `${message.subject} ${message.string()}`;
  };
  for (let number = 0; number < count; number++) {
    assert.equal(await text("NODE_MIRROR", number + 1), `node.origin.${number % 2} ${number}`);
  }
  for (let place = 0; place < count / 2; place++) {
    assert.equal(await text("NODE_SOURCED", place + 1), `node.origin.1 ${2 * place + 1}`);
  }
}
