// Credentials, good and bad, and permissions.

import assert from "node:assert/strict";
import { errors, nkeyAuthenticator } from "@nats-io/transport-node";
import { connect, env, received, Statuses, using, WAIT_MS, within } from "./harness.mjs";

export const authChecks = {
  auth_token: () => accepted("TOKEN_URL", { token: env("TOKEN") }),
  auth_token_wrong: () => refused("TOKEN_URL", { token: "wrong" }),
  auth_missing: () => refused("TOKEN_URL", {}),
  auth_user_password: () => accepted("USERS_URL", user("alice")),
  auth_password_wrong: () => refused("USERS_URL", { user: "alice", pass: "wrong" }),
  auth_bcrypt: () => accepted("USERS_URL", { user: "hashed", pass: env("BCRYPT_PASSWORD") }),
  auth_no_auth_user: noAuthUser,
  auth_nkey: () => accepted("NKEY_URL", nkey("NKEY_SEED")),
  auth_nkey_wrong: () => refused("NKEY_URL", nkey("WRONG_NKEY_SEED")),
};

export const permissionChecks = {
  permission_publish: () => permissionPublish(),
  permission_subscribe: () => permissionSubscribe(),
  permission_queue: () => permissionQueue(),
  permission_responses: () => permissionResponses(),
};

const user = (name) => ({ user: name, pass: env("PASSWORD") });
const nkey = (seed) => ({ authenticator: nkeyAuthenticator(new TextEncoder().encode(env(seed))) });

/** These options let a client in, and the server serves it. */
export const accepted = (url, options) =>
  using(connect(env(url), options), (nc) => usable(nc, "guest.node.usable"));

/** These options end in the client's authorization error. */
export async function refused(url, options) {
  const attempt = connect(env(url), options).then((nc) => nc.close());
  await assert.rejects(attempt, errors.AuthorizationError);
}

/** Sends one message to ourselves. */
async function usable(nc, subject) {
  const sub = nc.subscribe(subject);
  nc.publish(subject, "hello");
  assert.deepEqual(await received(sub), ["hello"]);
}

async function noAuthUser() {
  await using(connect(env("USERS_URL")), async (nc) => {
    const statuses = new Statuses(nc);
    await usable(nc, "guest.node");
    // Being the guest shows in what the guest may not do.
    nc.publish("ok.node");
    await violation(statuses, "publish", "ok.node");
  });
}

/** Awaits a permissions violation of this operation on a subject that starts so. */
async function violation(statuses, operation, subject) {
  const { error } = await statuses.type("error");
  assert.ok(error instanceof errors.PermissionViolationError, `a permissions violation, not ${error}`);
  assert.equal(error.operation, operation);
  assert.ok(error.subject.startsWith(subject), `${error.subject} is not ${subject}`);
  return error;
}

/** Runs the body as the limited user and then requires that the connection lives. */
const asLimited = (body) =>
  using(connect(env("USERS_URL"), user("limited")), async (nc) => {
    await body(nc, new Statuses(nc));
    await usable(nc, "ok.node.alive");
  });

const asAlice = (body) => using(connect(env("USERS_URL"), user("alice")), body);

const permissionPublish = () =>
  asLimited(async (nc, statuses) => {
    for (const subject of ["other.node", "ok.secret.node"]) {
      nc.publish(subject);
      await violation(statuses, "publish", subject);
    }
  });

/** Subscribes to what is forbidden; the subscription's own callback gets the error too. */
async function forbiddenSubscription(nc, statuses, subject, queue) {
  const own = new Promise((resolve) => nc.subscribe(subject, { queue, callback: (error) => resolve(error) }));
  const error = await violation(statuses, "subscription", subject);
  assert.equal(error.queue, queue);
  assert.ok((await within(own, "error at the subscription")) instanceof errors.PermissionViolationError);
}

const permissionSubscribe = () =>
  asLimited(async (nc, statuses) => {
    await forbiddenSubscription(nc, statuses, "other.node");
    await forbiddenSubscription(nc, statuses, "ok.secret.node");
  });

const permissionQueue = () =>
  asLimited(async (nc, statuses) => {
    await forbiddenSubscription(nc, statuses, "q.node", "others");
    const workers = nc.subscribe("q.node", { queue: "workers" });
    await within(nc.flush(), "PONG");
    await asAlice(async (alice) => {
      alice.publish("q.node", "job");
      assert.deepEqual(await received(workers), ["job"]);
    });
  });

const permissionResponses = () =>
  using(connect(env("USERS_URL"), user("responder")), async (nc) => {
    const statuses = new Statuses(nc);
    // Two answers to a request that allows one: the second is the violation.
    const callback = (_, msg) => {
      msg.respond("one");
      msg.respond("two");
    };
    nc.subscribe("svc.node", { callback });
    await within(nc.flush(), "PONG");
    await asAlice(async (alice) => {
      const reply = await alice.request("svc.node", "", { timeout: WAIT_MS });
      assert.equal(reply.string(), "one");
      await violation(statuses, "publish", "_INBOX.");
    });
  });
