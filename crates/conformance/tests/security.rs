//! Published advisories of nats-server, and what a server must keep to itself: one test per advisory,
//! named by its id, that fails where the weakness is. `docs/security.md` lists them all, those of
//! listeners that are not built included.
//!
//! Each test tries what an attacker would try and looks at what matters: nothing crosses a border,
//! nothing is written, the server lives on. Exact answers are compared by the other areas.

#[path = "security/accounts.rs"]
mod accounts;
#[path = "accounts_callout/service.rs"]
#[expect(dead_code, reason = "the callout's own tests use all of it")]
mod callout;
#[path = "security/jetstream.rs"]
mod jetstream;
#[path = "security/permissions.rs"]
mod permissions;
#[path = "security/protocol.rs"]
mod protocol;
#[path = "security/secrets.rs"]
mod secrets;
#[path = "security/support.rs"]
mod support;
#[path = "security/system.rs"]
mod system;
#[path = "conformance/support/tls.rs"]
#[expect(dead_code, reason = "the core tests use all of it")]
mod tls;
#[path = "security/tokens.rs"]
mod tokens;
