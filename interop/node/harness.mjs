// What every check uses: deadlines, connections, comparisons, the runner's control line.

import assert from "node:assert/strict";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { connect as natsConnect } from "@nats-io/transport-node";

/** Bounds everything a check waits for. */
export const WAIT_MS = 8_000;
/** Bounds a whole check, whatever it hangs on. */
export const CHECK_DEADLINE_MS = 30_000;

/** The value of INTEROP_<name>; the runner sets them all. */
export function env(name) {
  const value = process.env[`INTEROP_${name}`];
  assert.notEqual(value, undefined, `INTEROP_${name} is not set; start this through run.py`);
  return value;
}

export const cert = (file) => join(env("CERTS"), file);

/** Rejects when the promise takes longer than the deadline. */
export function within(promise, what, milliseconds = WAIT_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no ${what} within ${milliseconds} ms`)), milliseconds);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** A connection that does not reconnect unless an option says so. */
export function connect(server, options = {}) {
  const servers = server.replace("nats://", "");
  return natsConnect({ name: "interop-node", timeout: WAIT_MS, reconnect: false, servers, ...options });
}

/** Runs the body on a fresh connection and closes it. */
export async function using(connection, body) {
  const nc = await connection;
  try {
    return await body(nc);
  } finally {
    await nc.close();
  }
}

/** The client cannot express the check. */
export class Skipped extends Error {}

export const onPlain = (body) => using(connect(env("PLAIN_URL")), body);

/** The next messages of a subscription that nothing else reads. */
export function next(sub, count = 1) {
  const messages = [];
  const read = async () => {
    const iterator = sub[Symbol.asyncIterator]();
    while (messages.length < count) {
      const { value, done } = await iterator.next();
      if (done) throw new Error(`ended after ${messages.length} of ${count} messages`);
      messages.push(value);
    }
    return messages;
  };
  return within(read(), `${count} messages on ${sub.getSubject()}`);
}

/** Their payloads as text. */
export const received = async (sub, count = 1) => (await next(sub, count)).map((m) => m.string());

/**
 * Fails if the server has sent more than `total` messages to this connection.
 * The flush puts everything sent before its PONG in front of us, so no time has to pass.
 */
export async function sentExactly(nc, total) {
  await within(nc.flush(), "PONG");
  assert.equal(nc.stats().inMsgs, total, "messages sent by the server");
}

/** Waits for a status of the connection that `wanted` accepts, passing over others. */
export class Statuses {
  #seen = [];
  #wake = () => {};

  constructor(nc) {
    (async () => {
      for await (const status of nc.status()) {
        this.#seen.push(status);
        this.#wake();
      }
    })();
  }

  async next(what, wanted) {
    const search = async () => {
      for (;;) {
        while (this.#seen.length > 0) {
          const status = this.#seen.shift();
          if (wanted(status)) return status;
        }
        await new Promise((resolve) => (this.#wake = resolve));
      }
    };
    return within(search(), what);
  }

  type(type) {
    return this.next(`${type} status`, (status) => status.type === type);
  }
}

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Asks the runner to do something to this program's own server. */
export async function control(verb) {
  console.log(`CONTROL ${verb}`);
  const { value } = await answers.next();
  assert.equal(value, "done", `answer to CONTROL ${verb}`);
}
