// TLS: server certificates, client certificates, users from certificates.

import assert from "node:assert/strict";
import { cert, connect, env } from "./harness.mjs";
import { accepted, refused } from "./auth.mjs";

export const tlsChecks = {
  tls_server_cert: () => accepted("TLS_URL", { tls: trusting("ca") }),
  tls_untrusted_server: untrustedServer,
  tls_mutual: () => accepted("MTLS_URL", { tls: presenting("client") }),
  tls_mutual_no_cert: mutualNoCert,
  tls_mapped_user: () => accepted("MAPPED_URL", { tls: presenting("client") }),
  tls_unmapped_user: () => refused("MAPPED_URL", { tls: presenting("stranger") }),
  tls_first: () => accepted("TLS_FIRST_URL", { tls: { ...trusting("ca"), handshakeFirst: true } }),
};

const trusting = (authority) => ({ caFile: cert(`${authority}.pem`) });

const presenting = (name) => ({
  ...trusting("ca"),
  certFile: cert(`${name}.pem`),
  keyFile: cert(`${name}.key`),
});

async function untrustedServer() {
  const attempt = connect(env("TLS_URL"), { tls: trusting("other") }).then((nc) => nc.close());
  await assert.rejects(attempt, (error) => {
    assert.match(`${error} ${error.cause ?? ""}`, /certificate|self.signed/i);
    return true;
  });
}

async function mutualNoCert() {
  const attempt = connect(env("MTLS_URL"), { tls: trusting("ca") }).then((nc) => nc.close());
  // A refusal and not a time-out: the server must close or alert, not leave us hanging.
  await assert.rejects(attempt, (error) => {
    assert.doesNotMatch(String(error), /timeout/i);
    return true;
  });
}
