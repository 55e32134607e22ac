//! JetStream of accounts: what each may use, what it is told, and how another account's streams are
//! reached. The scenes are in `accounts_jetstream/`.

use cognate_conformance::Server;
use cognate_conformance::jetstream::{self, JetStream};
use cognate_conformance::stage::play;
use serde_json::json;

#[test]
fn isolation() {
    play("accounts_jetstream/isolation");
}

#[test]
fn limits() {
    play("accounts_jetstream/limits");
}

#[test]
fn imports() {
    play("accounts_jetstream/imports");
}

#[test]
fn monitoring() {
    play("accounts_jetstream/monitoring");
}

#[test]
fn refused() {
    play("accounts_jetstream/refused");
}

#[test]
fn reload() {
    play("accounts_jetstream/reload");
}

/// Streams of one name in two accounts are there again after the server was stopped or killed, also
/// after one account was away for a while.
#[test]
fn restart() {
    for way in ["TERM", "KILL"] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let start = |accounts: &[&str]| {
            let accounts = accounts.iter();
            let accounts: String = accounts
                .map(|name| {
                    format!(
                        "{name} {{ jetstream: enabled, users: [{{user: {name}, password: p}}] }}\n"
                    )
                })
                .collect();
            Server::with_config(&format!(
                "jetstream {{ store_dir: {:?} }}\naccounts {{\n{accounts}}}",
                dir.path()
            ))
        };
        let stop = |mut server: Server| {
            server.signal(way);
            let _ = server.wait_exit();
        };
        let server = start(&["A", "B"]);
        for (account, count) in [("A", 3), ("B", 1)] {
            let mut js = JetStream::login(&server, account, "p");
            js.stream(json!({"name": "S", "subjects": ["s"]}));
            js.consumer(
                "S",
                json!({"name": account, "durable_name": account, "ack_policy": "explicit"}),
            );
            for seq in 1..=count {
                assert_eq!(js.put("s", account), seq, "{way}");
            }
        }
        stop(server);
        stop(start(&["A"]));
        let server = start(&["A", "B"]);
        for (account, count) in [("A", 3), ("B", 1)] {
            let mut js = JetStream::login(&server, account, "p");
            let info = js.ok(&format!("CONSUMER.INFO.S.{account}"), "");
            assert_eq!(info["num_pending"], count, "{way} {account}: {info}");
            assert_eq!(js.put("s", "x"), count + 1, "{way} {account}");
        }
        stop(server);
    }
}

/// The system account has all streams of one account removed; others cannot, and nobody else loses any.
#[test]
fn purged_by_the_system_account() {
    let server = jetstream::server_with(
        "accounts {
          A { jetstream: enabled, users: [{user: a, password: p}] }
          B { jetstream: enabled, users: [{user: b, password: p}] }
          SYS { users: [{user: s, password: p}] }
        }
        system_account: SYS",
    );
    let [mut a, mut b, mut system] =
        ["a", "b", "s"].map(|user| JetStream::login(&server, user, "p"));
    for js in [&mut a, &mut b] {
        for name in ["ONE", "TWO"] {
            js.stream(json!({"name": name, "subjects": [name]}));
            js.put(name, "m");
        }
        js.durable("ONE", "D");
    }
    let done =
        json!({"type": "io.nats.jetstream.api.v1.account_purge_response", "initiated": true});
    // Another account is not even answered.
    a.post("$JS.API.ACCOUNT.PURGE.B", &[], "");
    a.client().sync();
    assert_eq!(system.api("ACCOUNT.PURGE.A", ""), done);
    let names = |js: &mut JetStream| js.ok("STREAM.NAMES", "")["total"].clone();
    assert_eq!((names(&mut a), names(&mut b)), (json!(0), json!(2)));
    assert_eq!(a.ok("INFO", "")["consumers"], 0);
    // It goes on as any account without streams, and one that nobody knows has nothing to lose.
    a.stream(json!({"name": "ONE", "subjects": ["ONE"]}));
    assert_eq!(a.put("ONE", "m"), 1);
    assert_eq!(system.api("ACCOUNT.PURGE.NOBODY", ""), done);
    assert_eq!(
        system.outcome("ACCOUNT.PURGE.A/streams", ""),
        "500 10051 account name can not contain path separators"
    );
    assert_eq!((names(&mut a), names(&mut b)), (json!(1), json!(2)));
}
