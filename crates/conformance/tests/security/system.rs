//! Advisories about the system account, monitoring and the command line.

use std::path::PathBuf;

use cognate_conformance::{Server, http};
use serde_json::json;

use crate::support::{Hierarchy, account, arrived, login, present, user_token, well};

/// Names of accounts become names of files; nothing else does.
#[test]
fn cve_2022_28357_pushed_accounts_write_no_other_files() {
    let hierarchy = Hierarchy::new(&[("A", json!({}))]);
    let server = hierarchy.start_full();
    let before = files(&server);
    let mut system = present(&server, &user_token("SYS", "s", json!({})), "s");
    system.send("SUB inbox 1\r\n").sync();
    let token = hierarchy.token("A", json!({}));
    let mut odd = Vec::new();
    for subject in [
        "../evil",
        "../../evil",
        "/evil",
        "A/../evil",
        "evil",
        "",
        "..",
    ] {
        let key = account("A");
        let mut claims = cognate_conformance::jwt::account(&key, "A", json!({}));
        claims["sub"] = json!(subject);
        let operator =
            cognate_conformance::jwt::Key::new(cognate_conformance::jwt::Role::Operator, "OP");
        odd.push(cognate_conformance::jwt::encode(&operator, claims));
    }
    for name in ["/evil", "evil/../evil", "evil", "%2e%2e%2fevil", "*", ">"] {
        for verb in ["CLAIMS.UPDATE", "CLAIMS.LOOKUP", "CLAIMS.DELETE"] {
            for body in [&token, &odd[0]] {
                system.send(format!(
                    "PUB $SYS.REQ.ACCOUNT.{name}.{verb} inbox {}\r\n{body}\r\n",
                    body.len()
                ));
            }
        }
        let body = format!("{name}|{token}");
        system.send(format!(
            "PUB $SYS.REQ.CLAIMS.PACK inbox {}\r\n{body}\r\n",
            body.len()
        ));
        // An answer to what a server may have asked for.
        system.send(format!(
            "PUB $SYS._INBOX.x.PACK {}\r\n{body}\r\n",
            body.len()
        ));
    }
    for body in &odd {
        system.send(format!(
            "PUB $SYS.REQ.CLAIMS.UPDATE inbox {}\r\n{body}\r\n",
            body.len()
        ));
    }
    // What comes back is not looked at; that it has been worked through is seen by a last answer.
    system.send("PUB $SYS.REQ.CLAIMS.LIST inbox 0\r\n\r\n");
    loop {
        let line = system.line();
        if line.starts_with("-ERR") || line == "PONG" {
            continue;
        }
        let message = system.message_of(&line);
        assert!(!message.payload.contains("root:"), "{}", message.payload);
        if message.payload.contains("\"data\":[") {
            break;
        }
    }
    well(&server);
    assert_eq!(files(&server), before);
}

/// The files of a server, without its log.
fn files(server: &Server) -> Vec<PathBuf> {
    fn below(dir: &std::path::Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                below(&path, found);
            } else if path.extension().is_none_or(|kind| kind != "log") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    below(server.dir(), &mut found);
    found.sort();
    found
}

/// Numbers at the ends of integers, over HTTP and as requests of an account.
#[test]
fn ghsa_q59r_vq66_pxc2_paging_does_not_overflow() {
    let server = Server::with_config(
        "accounts { A { users: [{user: a, password: p}] }\n\
         SYS { users: [{user: s, password: p}] } }\nsystem_account: SYS",
    );
    let mut tenant = login(&server, "a");
    tenant.send("SUB inbox 1\r\nSUB other 2\r\n").sync();
    let mut system = login(&server, "s");
    system.send("SUB inbox 1\r\n").sync();
    let id = tenant.info()["server_id"].as_str().unwrap_or("").to_owned();
    let numbers = [
        i64::MIN,
        -1,
        0,
        1,
        i64::from(i32::MAX),
        i64::MAX - 1,
        i64::MAX,
    ];
    for offset in numbers {
        for limit in numbers {
            for path in ["/connz", "/subsz", "/routez", "/leafz", "/jsz"] {
                let path = format!("{path}?subs=1&state=any&offset={offset}&limit={limit}");
                let status = server.get(&path).status;
                assert!([200, 400].contains(&status), "{path}: {status}");
            }
            let body = json!({"offset": offset, "limit": limit, "subscriptions": true});
            let system_wide = |kind: &str| format!("$SYS.REQ.SERVER.{id}.{kind}");
            for (of_tenant, subject) in [
                (true, "$SYS.REQ.ACCOUNT.PING.CONNZ".to_owned()),
                (true, "$SYS.REQ.SERVER.PING.CONNZ".to_owned()),
                (false, "$SYS.REQ.ACCOUNT.A.CONNZ".to_owned()),
                (false, "$SYS.REQ.ACCOUNT.A.SUBSZ".to_owned()),
                (false, system_wide("CONNZ")),
                (false, system_wide("SUBSZ")),
                (false, system_wide("JSZ")),
            ] {
                let client = if of_tenant { &mut tenant } else { &mut system };
                let body = body.to_string();
                client.send(format!("PUB {subject} inbox {}\r\n{body}\r\n", body.len()));
                let answer = client.message();
                assert!(answer.payload.starts_with('{'), "{subject} {body}");
            }
        }
    }
    well(&server);
    // Numbers that are none.
    for number in ["9223372036854775808", "99999999999999999999999", "x", "1e9"] {
        let status = server.get(&format!("/connz?offset={number}")).status;
        assert_eq!(status, 400, "{number}");
    }
    assert!(arrived(&mut tenant).is_empty());
}

/// What is typed at the start is not shown to who may look at the server.
#[test]
fn cve_2026_33247_secrets_of_the_command_line_are_not_shown() {
    for args in [
        vec!["--user", "bob", "--pass", "distinctive-secret"],
        vec!["--user=bob", "--pass=distinctive-secret"],
        vec!["-user", "bob", "-pass", "distinctive-secret"],
        vec!["--auth", "distinctive-secret"],
        vec!["-auth=distinctive-secret"],
    ] {
        let server = Server::builder().monitored().args(&args).start();
        for path in [
            "/debug/vars",
            "/debug/pprof/cmdline",
            "/varz",
            "/connz?auth=1&subs=detail",
            "/",
            "/healthz?details=true",
            "/accountz?acc=$G",
        ] {
            let body = http::get(server.monitor_addr(), path).body;
            assert!(!body.contains("distinctive"), "{args:?} {path}: {body}");
        }
    }
}
