// Core messaging on the plain server.

import assert from "node:assert/strict";
import { createInbox, errors, headers as newHeaders } from "@nats-io/transport-node";
import { connect, env, next, onPlain, received, sentExactly, using, WAIT_MS, within } from "./harness.mjs";

export const coreChecks = {
  server_info: () => onPlain(serverInfo),
  flush_rtt: () => onPlain(flushRtt),
  publish_subscribe: () => onPlain(publishSubscribe),
  order: () => onPlain(order),
  wildcards: () => onPlain(wildcards),
  queue_group: () => onPlain(queueGroup),
  unsubscribe: () => onPlain(unsubscribe),
  auto_unsubscribe: () => onPlain(autoUnsubscribe),
  no_echo: () => onPlain(noEcho),
  headers: () => onPlain(headers),
  request_reply: () => onPlain(requestReply),
  request_many: () => onPlain(requestMany),
  request_timeout: () => onPlain(requestTimeout),
  no_responders: () => onPlain(noResponders),
  max_payload: () => onPlain(maxPayload),
  subject_mapping: () => onPlain(subjectMapping),
};

async function serverInfo(nc) {
  const { version, server_name, headers, max_payload, auth_required, tls_required } = nc.info;
  assert.equal(version, env("VERSION"));
  assert.equal(server_name, "interop-plain");
  assert.equal(headers, true);
  assert.equal(String(max_payload), env("MAX_PAYLOAD"));
  assert.ok(!auth_required && !tls_required, "neither authentication nor TLS is required");
  assert.equal(nc.info.client_ip, "127.0.0.1");
  assert.equal(nc.info.server_id.length, 56);
  assert.equal(nc.info.proto, 1);
  assert.ok(nc.info.client_id > 0, "a client id");
}

async function flushRtt(nc) {
  const rtt = await within(nc.rtt(), "RTT");
  assert.ok(rtt >= 0 && rtt < WAIT_MS, `round trip of ${rtt} ms`);
  await within(nc.flush(), "PONG");
}

async function publishSubscribe(nc) {
  const sub = nc.subscribe("node.pubsub");
  const wanted = ["first", "", "third \0\r\n"];
  for (const payload of wanted) nc.publish("node.pubsub", payload);
  assert.deepEqual(await received(sub, wanted.length), wanted);
}

async function order(nc) {
  const count = 10_000;
  const sub = nc.subscribe("node.order.*");
  for (let i = 0; i < count; i++) nc.publish(`node.order.${i % 7}`, String(i));
  const payloads = await received(sub, count);
  payloads.forEach((payload, i) => assert.equal(payload, String(i)));
}

async function wildcards(nc) {
  const one = nc.subscribe("node.wild.*.end");
  const rest = nc.subscribe("node.wild.>");
  for (const subject of ["node.wild", "node.wild.a.end", "node.wild.b.c.end", "node.wild.d", "node.wilder.a.end"]) {
    nc.publish(subject, subject);
  }
  assert.deepEqual(await received(one), ["node.wild.a.end"]);
  assert.deepEqual(await received(rest, 3), ["node.wild.a.end", "node.wild.b.c.end", "node.wild.d"]);
  await sentExactly(nc, 4);
}

async function queueGroup(nc) {
  const [count, members] = [300, 3];
  const perMember = Array(members).fill(0);
  let arrived = 0;
  let complete;
  const all = new Promise((resolve) => (complete = resolve));
  for (let member = 0; member < members; member++) {
    const callback = () => {
      perMember[member]++;
      if (++arrived === count) complete();
    };
    nc.subscribe("node.queue", { queue: "workers", callback });
  }
  const observer = nc.subscribe("node.queue");
  for (let i = 0; i < count; i++) nc.publish("node.queue");
  await within(all, "complete set of messages for the group");
  await next(observer, count);
  assert.ok(perMember.every((n) => n > 0), `every member has messages: ${perMember}`);
  await sentExactly(nc, 2 * count);
}

async function unsubscribe(nc) {
  const sub = nc.subscribe("node.unsub");
  nc.publish("node.unsub", "seen");
  await received(sub);
  sub.unsubscribe();
  nc.publish("node.unsub", "unseen");
  await sentExactly(nc, 1);
}

async function autoUnsubscribe(nc) {
  const sub = nc.subscribe("node.auto", { max: 3 });
  for (let i = 0; i < 10; i++) nc.publish("node.auto");
  await next(sub, 3);
  // What the server sent is counted before the client's own limit cuts it.
  await sentExactly(nc, 3);
}

async function noEcho(other) {
  await using(connect(env("PLAIN_URL"), { noEcho: true }), async (nc) => {
    const sub = nc.subscribe("node.echo");
    nc.publish("node.echo", "own");
    await within(nc.flush(), "PONG");
    other.publish("node.echo", "other");
    assert.deepEqual(await received(sub), ["other"]);
    await sentExactly(nc, 1);
  });
}

async function headers(nc) {
  const sub = nc.subscribe("node.headers");
  const iterator = sub[Symbol.asyncIterator]();
  for (const payload of ["body", ""]) {
    const sent = newHeaders();
    sent.append("X-Multi", "one");
    sent.append("X-Multi", "two: with colon");
    sent.append("x-lower", "grüße");
    nc.publish("node.headers", payload, { headers: sent });
    const { value: msg } = await within(iterator.next(), "message");
    assert.deepEqual(msg.headers.values("X-Multi"), ["one", "two: with colon"]);
    assert.deepEqual(msg.headers.keys().sort(), ["X-Multi", "x-lower"]);
    assert.equal(msg.headers.get("x-lower"), "grüße");
    assert.equal(msg.string(), payload);
  }
}

async function requestReply(nc) {
  const callback = (_, msg) => msg.respond(`re: ${msg.string()}`);
  nc.subscribe("node.service", { queue: "service", callback });
  for (let i = 0; i < 20; i++) {
    const reply = await nc.request("node.service", String(i), { timeout: WAIT_MS });
    assert.equal(reply.string(), `re: ${i}`);
  }
}

async function requestMany(nc) {
  for (const name of ["a", "b", "c"]) {
    nc.subscribe("node.many", { callback: (_, msg) => msg.respond(name) });
  }
  const options = { strategy: "count", maxMessages: 3, maxWait: WAIT_MS };
  const names = [];
  const collect = async () => {
    for await (const msg of await nc.requestMany("node.many", "", options)) names.push(msg.string());
  };
  await within(collect(), "three replies");
  assert.deepEqual(names.sort(), ["a", "b", "c"]);
  // The same by hand, to see that no fourth reply follows.
  const before = nc.stats().inMsgs;
  const inbox = createInbox();
  const sub = nc.subscribe(inbox);
  nc.publish("node.many", "", { reply: inbox });
  assert.deepEqual((await received(sub, 3)).sort(), ["a", "b", "c"]);
  await sentExactly(nc, before + 6);
}

async function requestTimeout(nc) {
  nc.subscribe("node.silent", { callback: () => {} });
  await assert.rejects(nc.request("node.silent", "", { timeout: 200 }), errors.TimeoutError);
}

async function noResponders(nc) {
  const rejects = (error) => error instanceof errors.NoRespondersError || error.isNoResponders?.();
  await assert.rejects(nc.request("node.nobody", "anyone?", { timeout: WAIT_MS }), rejects);
}

async function maxPayload(nc) {
  const limit = nc.info.max_payload;
  const sub = nc.subscribe("node.large");
  const iterator = sub[Symbol.asyncIterator]();
  for (const size of [limit - 1, limit]) {
    const payload = Buffer.alloc(size, "0123456789abcdef");
    nc.publish("node.large", payload);
    const { value: msg } = await within(iterator.next(), `message of ${size} bytes`);
    assert.ok(payload.equals(msg.data), `${size} bytes came back as ${msg.data.length} others`);
  }
  assert.throws(() => nc.publish("node.large", Buffer.alloc(limit + 1)), errors.InvalidArgumentError);
  await within(nc.flush(), "PONG");
}

async function subjectMapping(nc) {
  const sub = nc.subscribe("mapped.node.>");
  nc.publish("map.node.left.right", "x");
  const [msg] = await next(sub);
  assert.equal(msg.subject, "mapped.node.right.left");
}
