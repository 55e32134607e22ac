// Draining, and a server that goes away and comes back.

import assert from "node:assert/strict";
import { connect, control, env, onPlain, received, sentExactly, Statuses, using, within } from "./harness.mjs";

export const lifecycleChecks = {
  drain_subscription: () => onPlain(drainSubscription),
  drain_connection: () => onPlain(drainConnection),
  reconnect: () => reconnect("stop"),
  reconnect_after_kill: () => reconnect("kill"),
  lame_duck: lameDuck,
};

async function drainSubscription(nc) {
  const count = 100;
  const sub = nc.subscribe("node.drain.sub");
  for (let i = 0; i < count; i++) nc.publish("node.drain.sub");
  const drained = sub.drain();
  // The drain sends UNSUB; what comes after it must not arrive.
  nc.publish("node.drain.sub");
  let handled = 0;
  const handle = async () => {
    for await (const _ of sub) handled++;
  };
  await within(Promise.all([handle(), drained]), "end of the drain");
  assert.equal(handled, count);
  await sentExactly(nc, count);
}

async function drainConnection(observer) {
  const count = 100;
  const echoes = observer.subscribe("node.drain.echo");
  await observer.flush();
  const nc = await connect(env("PLAIN_URL"));
  // Handlers still publish while the connection drains: all of it must leave.
  nc.subscribe("node.drain.conn", { callback: (_, msg) => nc.publish("node.drain.echo", msg.data) });
  for (let i = 0; i < count; i++) nc.publish("node.drain.conn", "x");
  await within(nc.drain(), "end of the drain");
  assert.equal(await within(nc.closed(), "closed connection"), undefined);
  await received(echoes, count);
  assert.ok(nc.isClosed(), "closed");
}

/** A connection to this program's own server that comes back quickly. */
function reconnecting() {
  const options = { reconnect: true, maxReconnectAttempts: -1, reconnectTimeWait: 50, reconnectJitter: 0 };
  return connect(env("RESTART_URL"), options);
}

const reconnect = (how) =>
  using(reconnecting(), async (nc) => {
    const statuses = new Statuses(nc);
    const sub = nc.subscribe("node.reconnect");
    await within(nc.flush(), "PONG");
    await control(how);
    try {
      await statuses.type("disconnect");
    } finally {
      await control("start");
    }
    await statuses.type("reconnect");
    nc.publish("node.reconnect", "after");
    assert.deepEqual(await received(sub), ["after"]);
  });

async function lameDuck() {
  try {
    await using(reconnecting(), async (nc) => {
      const statuses = new Statuses(nc);
      await control("lame_duck");
      await statuses.type("ldm");
      // The grace period has only begun: the connection still works.
      await within(nc.flush(), "PONG");
    });
  } finally {
    await control("start");
  }
}
