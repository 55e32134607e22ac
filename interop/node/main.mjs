// Exercises a NATS server with the official Node client.
//
// Runs the named checks of ../runner/checks.py in order and prints one line
// for each: `ok node <check>` or `FAIL node <check>: why`. Addresses and
// secrets come from INTEROP_* variables; see ../README.md. With a role as its
// argument it takes part in ../orders.py instead.

import { CHECK_DEADLINE_MS, Skipped, within } from "./harness.mjs";
import { authChecks, permissionChecks } from "./auth.mjs";
import { coreChecks } from "./core.mjs";
import { lifecycleChecks } from "./lifecycle.mjs";
import { jetstreamChecks } from "./jetstream.mjs";
import { playOrders } from "./orders.mjs";
import { storeChecks } from "./stores.mjs";
import { tlsChecks } from "./tls.mjs";

if (process.argv.length > 2) {
  await playOrders(process.argv[2]);
  process.exit(0);
}
const checks = {
  ...coreChecks, ...lifecycleChecks, ...authChecks, ...permissionChecks, ...tlsChecks, ...jetstreamChecks, ...storeChecks,
};
let failed = false;
for (const [name, run] of Object.entries(checks)) {
  try {
    await within(run(), "end of the check", CHECK_DEADLINE_MS);
    console.log(`ok node ${name}`);
  } catch (error) {
    if (error instanceof Skipped) {
      console.log(`skip node ${name}: ${error.message}`);
      continue;
    }
    failed = true;
    console.log(`FAIL node ${name}: ${String(error).replaceAll("\n", " ")}`);
  }
}
// A check that failed may have left a connection that would keep the process alive.
process.exit(failed ? 1 : 0);
