//! Operator mode: operators, accounts and users as JWTs, made on the spot; resolvers from memory and
//! from a directory that accounts are pushed into. The scenes are in `accounts_jwt/`; `world.rs` has
//! the tokens they name.

#[path = "accounts_jwt/web.rs"]
mod web;
#[path = "accounts_jwt/world.rs"]
mod world;

use cognate_conformance::jwt::now;
use serde_json::json;
use world::World;

#[test]
fn logins() {
    let mut world = World::new();
    let soon = now() + 3600;
    let past = now() - 10;
    world.account("A", json!({}));
    world.account("B", json!({}));
    world.user("a", "A", json!({}));
    world.user("b", "B", json!({}));
    world.claims("expired", "A", json!({}), &[("exp", json!(past))]);
    world.claims("early", "A", json!({}), &[("nbf", json!(soon))]);
    world.claims("lasting", "A", json!({}), &[("exp", json!(soon))]);
    world.user("bearer", "A", json!({"bearer_token": true}));
    world.user(
        "types",
        "A",
        json!({"allowed_connection_types": ["WEBSOCKET"]}),
    );
    world.user(
        "standard",
        "A",
        json!({"allowed_connection_types": ["STANDARD", "MQTT"]}),
    );
    world.user("near", "A", json!({"src": ["127.0.0.0/8"]}));
    world.user("far", "A", json!({"src": ["10.0.0.0/8"]}));
    let all_day = json!([{"start": "00:00:00", "end": "23:59:59"}]);
    world.user("daily", "A", json!({"times": all_day}));
    world.user("proxied", "A", json!({"proxy_required": true}));
    world.signed_by("stranger", "A", "B", json!({}));
    world.unsigned("bearer");
    world.informed("sys");
    world.play("logins");
}

#[test]
fn accounts_that_are_not_what_they_seem() {
    let mut world = World::new();
    let past = now() - 10;
    world.account("A", json!({}));
    world.account("NOBEARER", json!({"limits": {"disallow_bearer": true}}));
    world.account_with("EXPIRED", json!({}), &[("exp", json!(past))]);
    world.account_of("FOREIGN", "OTHER", json!({}));
    world.account(
        "REVOKER",
        json!({"revocations": {world.key("u1"): now() + 1000}}),
    );
    world.account("ALL", json!({"revocations": {"*": now() + 1000}}));
    world.account("LATER", json!({"revocations": {"*": now() - 1000}}));
    world.user("a", "A", json!({}));
    world.user("bearer", "NOBEARER", json!({"bearer_token": true}));
    world.user("nobearer", "NOBEARER", json!({}));
    world.user("expired", "EXPIRED", json!({}));
    world.user("foreign", "FOREIGN", json!({}));
    world.user_with_key("revoked", "u1", "REVOKER", json!({}));
    world.user("other", "REVOKER", json!({}));
    world.user("everybody", "ALL", json!({}));
    world.user("newer", "LATER", json!({}));
    world.unknown("lost", "NOWHERE");
    world.play("accounts");
}

#[test]
fn operator_rules() {
    let mut world = World::new();
    world.account("A", json!({}));
    world.account("B", json!({}));
    world.user("a", "A", json!({}));
    world.user("b", "B", json!({}));
    world.user(
        "bearer",
        "A",
        json!({"bearer_token": true, "pub": {"deny": ["no"]}}),
    );
    world.unsigned("bearer");
    // Of an operator who signs with nothing but a signing key.
    let signing = world.signing_key("PLAIN");
    let keys = json!({"signing_keys": [signing.public()]});
    world.account_of("STRICT", "OPSIGN", keys);
    world.by_signing_key("s", &signing, "STRICT", json!({}));
    world.user("own", "STRICT", json!({}));
    world.strict_operator("OP.strict", "OPSIGN");
    world.play("operator_rules");
}

#[test]
fn signing_keys() {
    let mut world = World::new();
    let (plain, scoped) = (world.signing_key("PLAIN"), world.signing_key("SCOPE"));
    let template = json!({
        "pub": {"allow": [
            "own.{{name()}}", "sub.{{subject()}}", "acc.{{account-name()}}",
            "acc.{{account-subject()}}", "team.{{tag(team)}}", "at.{{account-tag(site)}}"]},
        "sub": {"allow": ["inbox.{{name()}}", "hear.{{tag(team)}}"]},
        "subs": 3, "data": -1, "payload": 10,
        "allowed_connection_types": ["STANDARD"],
    });
    let scope = json!({"kind": "user_scope", "key": scoped.public(), "role": "r",
        "template": template});
    world.account(
        "A",
        json!({"signing_keys": [plain.public(), scope], "tags": ["site:north"]}),
    );
    world.user("a", "A", json!({}));
    world.by_signing_key("signed", &plain, "A", json!({}));
    world.by_signing_key(
        "limits",
        &plain,
        "A",
        json!({"pub": {"allow": ["x"]}, "subs": 1}),
    );
    let empty = || json!({"subs": 0, "data": 0, "payload": 0});
    let mut tagged = empty();
    tagged["tags"] = json!(["team:red", "team:blue"]);
    world.scoped("scoped", &scoped, "A", tagged);
    world.scoped("untagged", &scoped, "A", empty());
    let mut own = empty();
    own["pub"] = json!({"allow": ["x"]});
    world.scoped("permitted", &scoped, "A", own);
    let unknown = world.signing_key("UNLISTED");
    world.by_signing_key("unknown", &unknown, "A", json!({}));
    world.play("signing_keys");
}

#[test]
fn permissions_and_limits() {
    let mut world = World::new();
    world.account(
        "A",
        json!({"default_permissions": {
            "pub": {"allow": ["out"]}, "sub": {"deny": ["secret"]},
            "resp": {"max": 1, "ttl": 60_000_000_000_u64}}}),
    );
    world.account("CONN", json!({"limits": {"conn": 2}}));
    world.account("SUBS", json!({"limits": {"subs": 2}}));
    world.account("PAYLOAD", json!({"limits": {"payload": 5}}));
    world.account(
        "DENIED",
        json!({"default_permissions": {"pub": {"deny": ["no.>"]}, "sub": {}}}),
    );
    world.user("default", "A", json!({}));
    let own = json!({"pub": {"allow": ["x", "inbox"]}, "sub": {"allow": ["x q", "inbox"]}});
    world.user("own", "A", own);
    world.user("subs", "A", json!({"subs": 1}));
    world.user("payload", "A", json!({"payload": 3}));
    world.user("conn", "CONN", json!({}));
    world.user("many", "SUBS", json!({}));
    world.user("big", "PAYLOAD", json!({}));
    world.user("denied", "DENIED", json!({}));
    world.informed("payload");
    world.informed("big");
    world.play("permissions");
}

// tidy: long-function: one hierarchy, all of its imports side by side with its exports
#[test]
fn imports_and_exports() {
    let mut world = World::new();
    let (a, b) = (world.key("A"), world.key("B"));
    let export = |name: &str, subject: &str, kind: &str, more: serde_json::Value| {
        let mut export = json!({"name": name, "subject": subject, "type": kind});
        if let (Some(into), Some(more)) = (export.as_object_mut(), more.as_object()) {
            into.extend(more.clone());
        }
        export
    };
    world.account(
        "A",
        json!({
            "exports": [
                export("open", "open.>", "stream", json!({})),
                export("help", "help.*", "service", json!({"response_type": "Singleton"})),
                export("many", "many", "service", json!({"response_type": "Stream"})),
                export("private", "private.>", "stream", json!({"token_req": true})),
                export("revoked", "revoked", "service", json!({"token_req": true,
                    "revocations": {"*": 1000, (b.clone()): 1_700_000_000}})),
                export("token", "token.*.x", "stream", json!({"account_token_position": 2})),
                export("timed", "timed", "service", json!({
                    "response_type": "Singleton",
                    "service_latency": {"sampling": 100, "results": "lat"}})),
            ],
            "mappings": {"old": [{"subject": "open.new", "weight": 100}]},
        }),
    );
    let import = |subject: &str, local: &str, kind: &str| {
        json!({"name": subject, "subject": subject, "account": a, "local_subject": local,
            "type": kind})
    };
    let mut shared = import("help.shared", "ask.shared", "service");
    shared["share"] = json!(true);
    let mut private = import("private.b", "private.b", "stream");
    private["token"] = json!(world.activation("A", "B", "private.>", "stream"));
    world.account(
        "B",
        json!({"imports": [
            import("open.>", "from.a.>", "stream"),
            import("help.b", "ask", "service"),
            import("many", "many", "service"),
            import("timed", "timed", "service"),
            shared,
            private,
            import(&format!("token.{b}.x"), "mine", "stream"),
        ]}),
    );
    world.account(
        "C",
        json!({"imports": [
            import("private.x", "private.x", "stream"),
            import(&format!("token.{b}.x"), "theirs", "stream"),
            import("nothing", "nothing", "stream"),
            import("open.*", "open.*", "stream"),
        ]}),
    );
    let mut wrong = import("private.d", "private.d", "stream");
    wrong["token"] = json!(world.activation("A", "B", "private.>", "stream"));
    world.account("D", json!({"imports": [wrong]}));
    let mut past = import("private.f", "private.f", "stream");
    past["token"] = json!(world.expired_activation("A", "F", "private.f", "stream"));
    let mut good = import("private.g", "private.g", "stream");
    good["token"] = json!(world.activation("A", "F", "private.g", "stream"));
    world.account("F", json!({"imports": [past, good]}));
    for (user, account) in [("a", "A"), ("b", "B"), ("c", "C"), ("d", "D"), ("f", "F")] {
        world.user(user, account, json!({}));
    }
    world.play("imports");
}

#[test]
fn monitoring() {
    let mut world = World::new();
    world.account(
        "A",
        json!({"tags": ["site:north"], "description": "the first"}),
    );
    world.user(
        "a",
        "A",
        json!({"tags": ["team:red"], "pub": {"allow": ["$SYS.REQ.USER.INFO"]}}),
    );
    world.play("monitoring");
}

#[test]
fn pushed_accounts() {
    let mut world = World::new();
    let signing = world.signing_key("PLAIN");
    let two = world.signing_key("TWO");
    let keys = json!({"signing_keys": [signing.public()]});
    world.account("A", keys.clone());
    world.account("B", json!({}));
    world.user("a", "A", json!({}));
    world.user("gone", "A", json!({}));
    world.by_signing_key("signed", &signing, "A", json!({}));
    world.user("b", "B", json!({}));
    world.user("n", "NEW", json!({}));
    world.variant(
        "A.revoked",
        "A",
        json!({"revocations": {world.key("gone"): now() + 1000},
        "signing_keys": [signing.public()]}),
    );
    world.variant(
        "A.everybody",
        "A",
        json!({"revocations": {"*": now() + 1000}}),
    );
    world.variant("A.unsigned", "A", json!({"signing_keys": [two.public()]}));
    world.variant(
        "A.one",
        "A",
        json!({"signing_keys": [signing.public()], "limits": {"conn": 1}}),
    );
    world.variant(
        "A.subs",
        "A",
        json!({"signing_keys": [signing.public()],
        "default_permissions": {"pub": {"deny": ["no"]}, "sub": {"deny": ["secret"]}}}),
    );
    world.variant(
        "A.mapped",
        "A",
        json!({"signing_keys": [signing.public()],
        "mappings": {"foo": [{"subject": "bar"}]}}),
    );
    world.variant(
        "A.export",
        "A",
        json!({"signing_keys": [signing.public()],
        "exports": [{"name": "s", "subject": "s.>", "type": "stream"},
            {"name": "q", "subject": "q", "type": "service"}]}),
    );
    let a = world.key("A");
    let import = |subject: &str, local: &str, kind: &str| {
        json!({"name": subject,
        "subject": subject, "account": a, "local_subject": local, "type": kind})
    };
    let imports = json!({"imports": [import("s.>", "from.>", "stream"),
        import("q", "ask", "service")]});
    world.variant("B.import", "B", imports);
    world.variant("NEW.jwt", "NEW", json!({}));
    world.deletion("delete.B", &["B"]);
    world.deletion("delete.SYS", &["SYS"]);
    world.play("pushed");
}

#[test]
fn expiry_cuts_live_connections() {
    let mut world = World::new();
    let soon = now() + 3;
    world.account("A", json!({}));
    world.account_with("SHORT", json!({}), &[("exp", json!(soon))]);
    world.claims("brief", "A", json!({}), &[("exp", json!(soon))]);
    world.user("a", "A", json!({}));
    world.user("short", "SHORT", json!({}));
    world.play("expiry");
}

#[test]
fn jetstream_limits() {
    let mut world = World::new();
    let js = |mem: i64, disk: i64, streams: i64| {
        json!({"limits": {
        "mem_storage": mem, "disk_storage": disk, "streams": streams, "consumer": 2,
        "max_ack_pending": 7, "mem_max_stream_bytes": -1, "disk_max_stream_bytes": -1,
        "max_bytes_required": false}})
    };
    world.account("A", js(1000, 10000, 1));
    world.account("FREE", js(-1, -1, -1));
    world.account("NONE", json!({}));
    let tier = json!({"mem_storage": 1000, "disk_storage": 5000, "streams": 1, "consumer": 2});
    world.account("TIERED", json!({"limits": {"tiered_limits": {"R1": tier}}}));
    for (user, account) in [
        ("a", "A"),
        ("free", "FREE"),
        ("none", "NONE"),
        ("tiered", "TIERED"),
    ] {
        world.user(user, account, json!({}));
    }
    world.play("jetstream");
}

#[test]
fn jetstream_changes_by_pushes() {
    let mut world = World::new();
    let js = |streams: i64| json!({"limits": {"mem_storage": 1000, "disk_storage": 10000, "streams": streams}});
    world.account("A", js(1));
    world.user("a", "A", json!({}));
    world.variant("A.more", "A", js(2));
    world.variant("A.off", "A", json!({}));
    world.variant(
        "A.tiered",
        "A",
        json!({"limits": {"tiered_limits": {"R3": {"mem_storage": 1000, "disk_storage": 5000}}}}),
    );
    world.variant("A.again", "A", js(3));
    world.play("jetstream_pushed");
}

#[test]
fn refused() {
    let mut world = World::new();
    world.account("A", json!({}));
    world.play("refused");
}

#[test]
fn fetched_accounts() {
    let mut world = World::new();
    world.account("A", json!({}));
    world.account("B", json!({}));
    world.user("a", "A", json!({}));
    world.user("b", "B", json!({}));
    world.unknown("lost", "NOWHERE");
    let url = web::serve(world.tokens());
    world.set("url", &url);
    world.play("fetched");
}

/// A time of day, `hours` and `minutes` away from now by the clock of Greenwich.
fn away(hours: u64, minutes: u64) -> String {
    let minutes = now() / 60 + hours * 60 + minutes;
    format!("{:02}:{:02}:00", minutes / 60 % 24, minutes % 60)
}

#[test]
fn hours() {
    let mut world = World::new();
    world.account("A", json!({}));
    // A machine that is five hours behind.
    world.zone("Etc/GMT+5");
    // Half a day ahead of Greenwich all year; a window is an hour to either side of `hours` from now.
    let far = "Etc/GMT-12";
    let around = |hours: u64| json!([{"start": away(hours + 23, 0), "end": away(hours + 1, 0)}]);
    let mut user = |name: &str, times: serde_json::Value, place: &str| {
        let nats = json!({"times": times, "times_location": place});
        world.user(name, "A", nats);
    };
    user("now", around(0), "UTC");
    user("here", around(12), far);
    // From three hours ago to four hours ago, the next day.
    user(
        "overnight",
        json!([{"start": away(21, 0), "end": away(20, 0)}]),
        "UTC",
    );
    let two = json!([{"start": away(5, 0), "end": away(6, 0)}, around(0)[0]]);
    user("second", two, "UTC");
    user("later", around(12), "UTC");
    for (name, place) in [("local", "Local"), ("unnamed", "")] {
        user(name, around(19), place);
        user(&format!("no_{name}"), around(0), place);
    }
    user("there", around(0), far);
    user("nowhere", around(0), "Mars/Base");
    user("lower", around(0), "utc");
    user("path", around(0), "../../etc/localtime");
    user(
        "late",
        json!([{"start": "24:00:00", "end": "25:00:00"}]),
        "UTC",
    );
    user("open", json!([{"start": "00:00:00"}]), "UTC");
    world.play("hours");
}
