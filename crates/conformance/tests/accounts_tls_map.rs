//! Certificates that name the user (`verify_and_map`), with users in several accounts: which part of
//! a certificate counts first, how subjects are compared, and what a password is still good for.

#[expect(dead_code, reason = "the core tests use all of it")]
#[path = "conformance/support/tls.rs"]
mod tls;

use cognate_conformance::{Client, Server};
use rcgen::{DnType, SanType};
use serde_json::{Value, json};
use tls::{Authority, Identity, upgrade};

/// The parts of a certificate's subject.
type Subject<'a> = &'a [(DnType, &'a str)];

const ACCOUNTS: &str = r#"
accounts {
  A { users: [
    {user: "mail@example.com"}
    {user: "CN=subject"}
    {user: "CN=plain,O=Org,C=DE"}
  ] }
  B { users: [
    {user: "dns.example.com"}
    {user: "spiffe://example.com/user"}
    {user: "CN=part,O=Org"}
    {user: "CN=worded", password: p}
  ] }
}
"#;

fn start(authority: &Authority) -> Server {
    let builder = Server::builder().monitored();
    authority.write_server_files(builder.dir(), "server");
    let dir = builder.dir().display().to_string();
    builder
        .config(&format!(
            "tls {{ cert_file: \"{dir}/server.pem\", key_file: \"{dir}/server-key.pem\"\n\
             ca_file: \"{dir}/ca.pem\", verify_and_map: true }}\n{ACCOUNTS}"
        ))
        .start()
}

fn connect(server: &Server, authority: &Authority, identity: &Identity, more: &str) -> Client {
    let mut client = upgrade(server.addr(), authority.client_config(Some(identity)));
    client.send(format!("CONNECT {{\"verbose\":false{more}}}\r\n"));
    client
}

/// The account and user of the only connection.
fn who(server: &Server) -> Value {
    let connz = server.json("/connz?auth=1");
    let shown = &connz["connections"][0];
    json!([shown["account"], shown["authorized_user"]])
}

fn mail(address: &str) -> SanType {
    SanType::Rfc822Name(address.try_into().expect("ASCII"))
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().expect("ASCII"))
}

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().expect("ASCII"))
}

#[test]
fn names_of_a_certificate_are_tried_in_turn() {
    let authority = Authority::new("ca");
    let server = start(&authority);
    let subject = [(DnType::CommonName, "subject")];
    let spiffe = "spiffe://example.com/user";
    let unknown = || mail("nobody@example.com");
    for (names, account, user) in [
        (vec![], "A", "CN=subject"),
        (vec![mail("mail@example.com")], "A", "mail@example.com"),
        (vec![dns("dns.example.com")], "B", "dns.example.com"),
        (vec![uri(spiffe)], "B", spiffe),
        (
            vec![
                uri(spiffe),
                dns("dns.example.com"),
                mail("mail@example.com"),
            ],
            "A",
            "mail@example.com",
        ),
        (
            vec![uri(spiffe), dns("dns.example.com")],
            "B",
            "dns.example.com",
        ),
        (
            vec![unknown(), dns("dns.example.com")],
            "B",
            "dns.example.com",
        ),
        (
            vec![unknown(), dns("no.example.com"), uri(spiffe)],
            "B",
            spiffe,
        ),
        (vec![unknown(), dns("no.example.com")], "A", "CN=subject"),
    ] {
        let identity = authority.sign(&subject, names);
        let mut client = connect(&server, &authority, &identity, "");
        client.sync();
        assert_eq!(who(&server), json!([account, user]));
        drop(client);
        server.until_empty();
    }
}

#[test]
fn subjects_are_compared_part_by_part() {
    let authority = Authority::new("ca");
    let server = start(&authority);
    let (cn, org) = (DnType::CommonName, DnType::OrganizationName);
    let (unit, country) = (DnType::OrganizationalUnitName, DnType::CountryName);
    let rows: &[(Subject<'_>, Option<&str>)] = &[
        (
            &[
                (country.clone(), "DE"),
                (org.clone(), "Org"),
                (cn.clone(), "plain"),
            ],
            Some("CN=plain,O=Org,C=DE"),
        ),
        (
            &[
                (cn.clone(), "plain"),
                (org.clone(), "Org"),
                (country.clone(), "DE"),
            ],
            Some("CN=plain,O=Org,C=DE"),
        ),
        (&[(cn.clone(), "plain"), (org.clone(), "Org")], None),
        (
            &[(cn.clone(), "plain"), (org.clone(), "org"), (country, "DE")],
            None,
        ),
        (
            &[(cn.clone(), "part"), (org.clone(), "Org")],
            Some("CN=part,O=Org"),
        ),
        // A part of the subject is not enough.
        (
            &[(cn.clone(), "part"), (org.clone(), "Org"), (unit, "Unit")],
            None,
        ),
        (&[(cn.clone(), "part"), (org, "Other")], None),
        (&[(cn, "nobody")], None),
    ];
    let mut differences = Vec::new();
    for (subject, user) in rows {
        let identity = authority.sign(subject, vec![]);
        let mut client = connect(&server, &authority, &identity, "");
        let _ = client.try_send("PING\r\n");
        let seen = match client.line().as_str() {
            "PONG" => who(&server)[1].as_str().map(str::to_owned),
            "-ERR 'Authorization Violation'" => None,
            other => panic!("{subject:?}: {other}"),
        };
        if seen.as_deref() != *user {
            differences.push(format!("{subject:?}: wanted {user:?}, got {seen:?}"));
        }
        drop(client);
        server.until_empty();
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn a_mapped_user_is_in_his_account_and_no_other() {
    let authority = Authority::new("ca");
    let server = start(&authority);
    let mailed = authority.issue("x", Some("mail@example.com"));
    let named = authority.sign(&[(DnType::CommonName, "x")], vec![dns("dns.example.com")]);
    let mut one = connect(&server, &authority, &mailed, "");
    let mut other = connect(&server, &authority, &named, "");
    one.send("SUB x 1\r\n").sync();
    other.send("SUB x 1\r\n").sync();
    other.send("PUB x 1\r\nb\r\n").expect("MSG x 1 1\r\nb\r\n");
    other.sync();
    one.send("PUB x 1\r\na\r\n").expect("MSG x 1 1\r\na\r\n");
    one.sync();
}

#[test]
fn what_a_certificate_says_counts_and_a_password_is_still_checked() {
    let authority = Authority::new("ca");
    let server = start(&authority);
    let mailed = authority.issue("x", Some("mail@example.com"));
    let worded = authority.issue("worded", None);
    let stranger = authority.issue("stranger", None);
    let rows = [
        (&mailed, r#","user":"CN=worded""#, Some("mail@example.com")),
        (&mailed, r#","user":"CN=worded","pass":"p""#, None),
        (&worded, "", None),
        (&worded, r#","pass":"wrong""#, None),
        (&worded, r#","pass":"p""#, Some("CN=worded")),
        (&stranger, r#","user":"CN=worded","pass":"p""#, None),
    ];
    for (identity, typed, user) in rows {
        let mut client = connect(&server, &authority, identity, typed);
        if let Some(user) = user {
            client.sync();
            assert_eq!(who(&server)[1], json!(user), "{typed}");
        } else {
            client
                .expect("-ERR 'Authorization Violation'\r\n")
                .expect_close();
        }
        drop(client);
        server.until_empty();
    }
}
