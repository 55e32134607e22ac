//! Advisories about the client protocol itself.

use cognate_conformance::Server;

use crate::support::{arrived, login, well};

/// Sizes at and beyond every integer a server may compute with, for anybody and for users.
#[test]
fn cve_2019_13126_sizes_beyond_integers_are_refused() {
    let open = Server::monitored();
    let closed = Server::with_config("authorization { users: [{user: a, password: p}] }");
    let sizes = [
        "-1",
        "2147483647",
        "2147483648",
        "4294967295",
        "4294967297",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551617",
        "99999999999999999999999999999999",
    ];
    for size in sizes {
        for line in [
            format!("PUB x {size}"),
            format!("PUB x r {size}"),
            format!("HPUB x {size} {size}"),
            format!("HPUB x 12 {size}"),
            format!("HPUB x {size} 12"),
        ] {
            for (server, first) in [
                (&open, "CONNECT {\"headers\":true}\r\n"),
                (&open, ""),
                (&closed, ""),
                (
                    &closed,
                    "CONNECT {\"headers\":true,\"user\":\"a\",\"pass\":\"p\"}\r\n",
                ),
            ] {
                let mut client = server.connect();
                let text = format!("{first}{line}\r\nNATS/1.0\r\n\r\nPING\r\n");
                let _ = client.try_send(text);
                // Whatever it says, it must not take the payload to be of another size.
                let said = client.rest();
                assert!(!said.contains("PONG"), "{first}{line}: {said}");
            }
        }
        well(&open);
        well(&closed);
    }
}

/// Counts beyond integers where they are no sizes.
#[test]
fn cve_2019_13126_counts_beyond_integers_are_harmless() {
    let server = Server::monitored();
    let mut client = server.quiet();
    for count in ["2147483648", "9223372036854775808", "99999999999999999999"] {
        let mut other = server.quiet();
        let _ = other.try_send(format!("SUB x {count}\r\nUNSUB {count} {count}\r\n"));
        let _ = other.try_send("PUB x 1\r\nm\r\nPING\r\n");
        while let Some(line) = other.line_or_end() {
            if line == "PONG" {
                break;
            }
        }
    }
    client.sync();
    well(&server);
}

/// The server alone says who asks: whatever a client writes under the name of its header is gone, in
/// every place and number, also where nothing is imported.
#[test]
fn cve_2026_33223_who_asks_cannot_be_forged() {
    let server = Server::with_config(
        r#"accounts {
          A { users: [{user: a, password: p}], exports: [{service: "help"}, {service: "deep"}] }
          B { users: [{user: b, password: p}], exports: [{service: "deep"}]
              imports: [{service: {account: A, subject: "help"}, share: true}
                        {service: {account: A, subject: "deep"}, share: true}] }
          C { users: [{user: c, password: p}]
              imports: [{service: {account: B, subject: "deep"}, share: true}] }
        }"#,
    );
    let mut service = login(&server, "a");
    service.send("SUB help 1\r\nSUB deep 2\r\n").sync();
    let forged = "Nats-Request-Info: {\"acc\":\"FORGED\"}\r\n";
    let other = "Other: 1\r\n";
    for (user, account, subject) in [("b", "B", "help"), ("b", "B", "deep"), ("c", "C", "deep")] {
        for headers in [
            forged.to_owned(),
            forged.repeat(2),
            format!("{forged}{other}{forged}"),
            format!("{other}{forged}{forged}{forged}{other}"),
            format!("Nats-Request-Info:{{\"acc\":\"FORGED\"}}\r\n{forged}"),
            format!("Nats-Request-Info2: x\r\n{forged}{forged}"),
        ] {
            let mut client = login(&server, user);
            client.send(crate::support::hpub(subject, "inbox", &headers, "please"));
            client.sync();
            let messages = service.messages_until_pong();
            assert_eq!(messages.len(), 1, "{headers:?}");
            let seen = messages[0].headers.as_deref().unwrap_or_default();
            assert!(!seen.contains("FORGED"), "{user}: {seen}");
            let own: Vec<&str> = seen
                .lines()
                .filter_map(|line| line.strip_prefix("Nats-Request-Info: "))
                .collect();
            assert_eq!(own.len(), 1, "{user}: {seen}");
            let info: serde_json::Value = serde_json::from_str(own[0]).expect("JSON");
            assert_eq!(info["acc"], account, "{seen}");
        }
    }
}

/// Headers are read out of headers only, also where sizes do not fit each other.
#[test]
fn cve_2026_33249_a_payload_is_not_read_as_headers() {
    let server = Server::with_config("max_payload: 64");
    let mut watcher = server.quiet();
    watcher.send("SUB spy 1\r\n").sync();
    for sizes in ["12 64", "12 4096", "12 65"] {
        let mut client = server.quiet();
        let _ = client.try_send(format!(
            "HPUB x {sizes}\r\nNATS/1.0\r\n\r\nNats-Trace-Dest: spy\r\n\r\n{}\r\nPING\r\n",
            "x".repeat(28)
        ));
        while client.line_or_end().is_some_and(|line| line != "PONG") {}
    }
    assert_eq!(arrived(&mut watcher), []);
}
