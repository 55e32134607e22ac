//! Clients' certificates: who is let in, who is turned away, and what the system account is told.

use super::*;

/// A client with a certificate that is logged in as `user`, if it is let in.
fn enter(
    server: &Server,
    roots: &RootCertStore,
    identity: &Identity,
    user: &str,
) -> Option<Client> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions of the provider")
        .with_root_certificates(roots.clone())
        .with_client_auth_cert(vec![identity.0.clone()], identity.1.clone_key())
        .expect("a certificate with its key");
    let tcp = Client::connect(server.addr()).into_tcp();
    let name = ServerName::from(std::net::IpAddr::from([127, 0, 0, 1]));
    let session = ClientConnection::new(Arc::new(config), name).expect("a configuration");
    let handle = tcp.try_clone().expect("a second handle of the socket");
    let mut client = Client::over(tcp, Box::new(StreamOwned::new(session, handle)));
    let connect =
        format!("CONNECT {{\"verbose\":false,\"user\":\"{user}\",\"pass\":\"p\"}}\r\nPING\r\n");
    // A server that turns it away may have closed the connection already.
    let _ = client.try_send(connect);
    (client.line_or_end()? == "PONG").then_some(client)
}

#[test]
fn clients_with_good_certificates_are_let_in_and_remembered() {
    let setup = Setup::new(false);
    let responder = setup.responder(Known::Good);
    let config = setup.peers("true", "");
    let (eligible, other) = (setup.client("a", true), setup.client("b", false));
    let roots = setup.roots.clone();
    let dir = setup.builder.dir().to_owned();
    let mut server = setup.builder.config(&config).start();
    assert!(enter(&server, &roots, &eligible, "a").is_some());
    // The answer is kept, so nobody has to be asked again.
    drop(responder);
    assert!(enter(&server, &roots, &eligible, "a").is_some());
    assert!(enter(&server, &roots, &other, "a").is_some());
    let varz = server.json("/varz");
    assert_eq!(varz["tls_ocsp_peer_verify"], true);
    let cache = &varz["ocsp_peer_cache"];
    for (field, number) in [
        ("cache_hits", 1),
        ("cache_misses", 1),
        ("cached_responses", 1),
        ("cached_good_responses", 1),
    ] {
        assert_eq!(cache[field], number, "{cache}");
    }
    assert_eq!(cache["cache_type"], "local");
    wait::until("the file of the cache", || {
        let text = std::fs::read(dir.join("rc/cache.json")).ok()?;
        let json: serde_json::Value = serde_json::from_slice(&text).ok()?;
        let entry = json.as_object()?.values().next()?.clone();
        (entry["resp_status"] == "good" && entry["subject"] == "CN=a").then_some(())
    });
    server.signal("TERM");
    server.wait_exit();
    // Another server begins with what the first has kept.
    let again = Server::builder().monitored().config(&config).start();
    assert!(enter(&again, &roots, &eligible, "a").is_some());
}

#[test]
fn a_client_whose_certificate_is_revoked_is_turned_away_and_told_of() {
    let setup = Setup::new(false);
    let _responder = setup.responder(Known::Revoked);
    let config = setup.peers("{ verify: true, ca_timeout: 2 }", "");
    let (revoked, watching) = (
        setup.client("revoked", true),
        setup.client("watching", false),
    );
    let roots = setup.roots.clone();
    let server = setup.builder.config(&config).start();
    let mut watcher = enter(&server, &roots, &watching, "s").expect("not asked about");
    watcher.send("SUB $SYS.SERVER.*.OCSP.PEER.> 1\r\n").sync();
    assert!(enter(&server, &roots, &revoked, "a").is_none());
    server.wait_log("client not OCSP valid");
    let mut seen: Vec<_> = (0..2)
        .map(|_| {
            let message = watcher.message();
            let body: serde_json::Value = serde_json::from_str(&message.payload).expect("an event");
            let kind = message.subject.rsplit("OCSP.").next().map(str::to_owned);
            (kind.expect("a subject"), body)
        })
        .collect();
    seen.sort_by(|(a, _), (b, _)| a.cmp(b));
    let [(reject, rejected), (invalid, link)] = seen.try_into().expect("two events");
    assert_eq!(
        (&*reject, &*invalid),
        ("PEER.CONN.REJECT", "PEER.LINK.INVALID")
    );
    assert_eq!(rejected["kind"], "Client");
    assert_eq!(rejected["reason"], "client not OCSP valid");
    assert_eq!(
        rejected["type"],
        "io.nats.server.advisory.v1.ocsp_peer_reject"
    );
    assert_eq!(rejected["peer"]["subject"], "CN=revoked");
    assert_eq!(rejected["peer"]["issuer"], "CN=ca");
    assert_eq!(link["reason"], "Invalid OCSP response status: revoked");
    assert_eq!(
        link["type"],
        "io.nats.server.advisory.v1.ocsp_peer_link_invalid"
    );
    assert_eq!(link["link"], link["peer"]);
    assert_eq!(link["peer"], rejected["peer"]);
}

#[test]
fn what_is_not_known_to_be_good_is_let_in_where_options_say_so() {
    for (options, known, enters) in [
        ("true", Known::No, false),
        ("{ verify: true, unknown_is_good: true }", Known::No, true),
        (
            "{ verify: true, unknown_is_good: true }",
            Known::Revoked,
            false,
        ),
        ("{ verify: true, warn_only: true }", Known::Revoked, true),
        ("{ verify: false }", Known::Revoked, true),
        ("false", Known::Revoked, true),
    ] {
        let setup = Setup::new(false);
        let _responder = setup.responder(known);
        let config = setup.peers(options, "");
        let client = setup.client("a", true);
        let server = setup.builder.config(&config).start();
        let entered = enter(&server, &setup.roots, &client, "a");
        assert_eq!(entered.is_some(), enters, "{options}");
    }
    for (options, enters) in [
        ("true", false),
        ("{ verify: true, allow_when_ca_unreachable: true }", true),
        ("{ verify: true, warn_only: true }", true),
    ] {
        // Nobody answers.
        let setup = Setup::new(false);
        let config = setup.peers(options, "");
        let client = setup.client("a", true);
        let server = setup.builder.config(&config).start();
        let entered = enter(&server, &setup.roots, &client, "a");
        assert_eq!(entered.is_some(), enters, "{options} without a responder");
    }
}

#[test]
fn peers_are_checked_only_with_certificates() {
    let setup = Setup::new(false);
    let config = setup.peers("true", "").replace("verify: true, ", "");
    let path = setup.builder.dir().join("refused.conf");
    std::fs::write(&path, config).expect("a writable directory");
    let mut command = Command::new(cli::binary());
    command
        .args(["-a", "127.0.0.1", "-p", "-1", "-c"])
        .arg(path);
    let said = cli::finish(command).stderr;
    let expected = "OCSP peer verification for client connections requires TLS verify (mTLS)";
    assert!(said.contains(expected), "{said}");
}
