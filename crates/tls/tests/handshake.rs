//! Handshakes with a real client over a stream: what is accepted, what is refused and how that
//! is logged, and what is then known about the peer.

mod common;

use cognate_config::options::{CurvePreference, TlsOptions, TlsVersion};
use cognate_tls::{HandshakeError, ServerTls};
use common::{Authority, connect, connect_to};
use rcgen::{KeyPair, PKCS_ED25519, PKCS_RSA_SHA256};
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider};
use rustls::version::{TLS12, TLS13};
use rustls::{HandshakeKind, SupportedProtocolVersion};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::{TcpListener, TcpStream};

fn load(options: &TlsOptions) -> ServerTls {
    ServerTls::load(options).unwrap_or_else(|error| panic!("{error}"))
}

#[tokio::test]
async fn a_plain_client_is_accepted_without_a_certificate() {
    let authority = Authority::new();
    let tls = load(&authority.options());
    assert!(!tls.verifies_clients() && !tls.maps_users() && tls.warnings().is_empty());
    let detail = connect(&tls, &Arc::new(authority.client(None)))
        .await
        .server
        .unwrap();
    assert_eq!(
        (detail.version, detail.cipher_suite),
        ("1.3", "TLS_AES_128_GCM_SHA256")
    );
    assert!(detail.peers.is_empty() && detail.identities.is_empty());
}

#[tokio::test]
async fn works_over_tcp() {
    let authority = Authority::new();
    let tls = load(&authority.options());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(authority.client(None)));
    let client = connector.connect("localhost".try_into().unwrap(), stream);
    let server = async { tls.accept(listener.accept().await.unwrap().0).await };
    let (server, client) = tokio::join!(server, client);
    let (mut server, mut client) = (server.unwrap().0, client.unwrap());
    client.write_all(b"PING\r\n").await.unwrap();
    let mut line = [0; 6];
    server.read_exact(&mut line).await.unwrap();
    assert_eq!(&line, b"PING\r\n");
}

#[tokio::test]
async fn mutual_tls_tells_who_the_client_is() {
    let authority = Authority::new();
    let tls = load(&TlsOptions {
        verify_and_map: true,
        ..authority.options()
    });
    assert!(tls.verifies_clients() && tls.maps_users());
    let client = authority.issue(&["client.example.com"]);
    let detail = connect(&tls, &Arc::new(authority.client(Some(&client))))
        .await
        .server
        .unwrap();
    let [peer] = &detail.peers[..] else {
        panic!("{detail:?}")
    };
    assert_eq!(peer.subject, "CN=client.example.com");
    assert_eq!((peer.spki_sha256.len(), peer.cert_sha256.len()), (64, 64));
    assert_ne!(peer.spki_sha256, peer.cert_sha256);
    let first = cognate_auth::tls::TlsIdentity::Name("client.example.com".to_owned());
    assert_eq!(detail.identities.first(), Some(&first));
}

#[tokio::test]
async fn a_missing_client_certificate_is_refused() {
    let authority = Authority::new();
    let tls = load(&TlsOptions {
        verify: true,
        ..authority.options()
    });
    let outcome = connect(&tls, &Arc::new(authority.client(None))).await;
    assert_eq!(
        outcome.logged(),
        "TLS handshake error: peer sent no certificates"
    );
    let told = outcome.client.unwrap_err();
    assert!(told.contains("CertificateRequired"), "{told}");
}

#[tokio::test]
async fn an_untrusted_client_is_refused_and_named() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let tls = load(&TlsOptions {
        verify: true,
        ..authority.options()
    });
    let certificate = stranger.issue(&["stranger"]);
    let outcome = connect(&tls, &Arc::new(authority.client(Some(&certificate)))).await;
    let logged = outcome.logged();
    let expected = "TLS handshake error: invalid peer certificate: UnknownIssuer \
                    (CN=stranger SHA-256: ";
    assert!(logged.starts_with(expected), "{logged}");
    assert!(!outcome.server.unwrap_err().is_probe());
    let told = outcome.client.unwrap_err();
    assert!(told.contains("UnknownCA"), "{told}");
}

#[tokio::test]
async fn an_expired_client_certificate_is_refused() {
    let authority = Authority::new();
    let tls = load(&TlsOptions {
        verify: true,
        ..authority.options()
    });
    let key = KeyPair::generate().unwrap();
    let expired = authority.issue_with(&["late"], &key, |params| {
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    });
    let logged = connect(&tls, &Arc::new(authority.client(Some(&expired))))
        .await
        .logged();
    assert!(
        logged.contains("expired") && logged.contains("CN=late"),
        "{logged}"
    );
}

/// The system's authorities are in place of `ca_file`; no machine trusts the one of this test.
#[tokio::test]
async fn without_ca_file_the_system_decides() {
    let authority = Authority::new();
    let options = TlsOptions {
        verify: true,
        ca_file: None,
        ..authority.options()
    };
    match ServerTls::load(&options) {
        Ok(tls) => {
            let client = authority.issue(&["client"]);
            let outcome = connect(&tls, &Arc::new(authority.client(Some(&client)))).await;
            assert!(
                outcome.logged().contains("UnknownIssuer"),
                "{}",
                outcome.logged()
            );
        }
        Err(error) => assert!(error.to_string().contains("as ca_file"), "{error}"),
    }
}

#[tokio::test]
async fn only_pinned_keys_are_accepted() {
    let authority = Authority::new();
    let verifying = TlsOptions {
        verify: true,
        ..authority.options()
    };
    let certificate = authority.issue(&["client"]);
    let client = Arc::new(authority.client(Some(&certificate)));
    let unpinned = load(&verifying);
    let detail = connect(&unpinned, &client).await.server.unwrap();

    let digest = |hex: &str| -> [u8; 32] {
        std::array::from_fn(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
    };
    let pin = digest(&detail.peers[0].spki_sha256);
    let pinned = load(&TlsOptions {
        pinned_certs: vec![[7; 32], pin],
        ..verifying.clone()
    });
    assert!(pinned.allows(&detail));
    assert_eq!(connect(&pinned, &client).await.logged(), "accepted");

    let others = load(&TlsOptions {
        pinned_certs: vec![[7; 32]],
        ..verifying
    });
    assert!(!others.allows(&detail) && unpinned.allows(&detail));
    let outcome = connect(&others, &client).await;
    assert_eq!(
        outcome.logged(),
        "TLS handshake error: certificate not pinned"
    );
    assert!(outcome.client.is_err());

    // Pins without verification: there is no certificate that could fit.
    let open = load(&TlsOptions {
        pinned_certs: vec![pin],
        ..authority.options()
    });
    assert_eq!(
        connect(&open, &client).await.server.unwrap_err(),
        HandshakeError::NotPinned
    );
}

#[tokio::test]
async fn the_name_in_sni_chooses_the_certificate() {
    let authority = Authority::new();
    let hosts = [
        &["a.example.com"][..],
        &["b.example.com", "c.example.com"],
        &["*.wild.com"],
    ];
    let certificates: Vec<_> = hosts.iter().map(|hosts| authority.issue(hosts)).collect();
    let tls = load(&TlsOptions {
        certificates,
        ..authority.options()
    });
    let client = Arc::new(authority.client(None));
    for host in [
        "a.example.com",
        "b.example.com",
        "c.example.com",
        "x.wild.com",
    ] {
        assert_eq!(
            connect_to(host, &tls, &client).await.logged(),
            "accepted",
            "{host}"
        );
    }
    // The first one is for everybody else, who will not accept it unless it fits.
    let told = connect_to("d.example.com", &tls, &client)
        .await
        .client
        .unwrap_err();
    assert!(
        told.contains("not valid for name") && told.contains("a.example.com"),
        "{told}"
    );
}

#[tokio::test]
async fn an_unnamed_client_gets_a_certificate_it_can_verify() {
    let authority = Authority::new();
    let hosts: &[&str] = &["rsa.example.com", "127.0.0.1"];
    let rsa = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    let ed25519 = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let certificates = vec![
        authority.issue_with(&["ed.example.com"], &ed25519, |_| {}),
        authority.issue_with(hosts, &rsa, |_| {}),
    ];
    let tls = load(&TlsOptions {
        certificates,
        ..authority.options()
    });
    // This suite is for RSA keys, and an address is no name for SNI.
    let mut provider = default_provider();
    provider.cipher_suites = vec![cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384];
    let client = authority.client_with(provider, &[&TLS12], None);
    let detail = connect_to("127.0.0.1", &tls, &Arc::new(client))
        .await
        .server
        .unwrap();
    let suite = "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384";
    assert_eq!((detail.version, detail.cipher_suite), ("1.2", suite));
}

#[tokio::test]
async fn versions_and_cipher_suites_are_what_the_options_allow() {
    let authority = Authority::new();
    let chacha = "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256";
    let aes = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256";
    let mut provider = default_provider();
    provider
        .cipher_suites
        .retain(|suite| suite.tls13().is_none());
    let old = Arc::new(authority.client_with(provider, &[&TLS12], None));
    let new = Arc::new(authority.client(None));
    let expect = async |change: TlsOptions, client, expected: Result<(&str, &str), &str>| {
        let outcome = connect(&load(&change), client).await;
        let got = match &outcome.server {
            Ok(detail) => Ok((detail.version, detail.cipher_suite)),
            Err(error) => Err(error.to_string()),
        };
        match expected {
            Ok(expected) => assert_eq!(got, Ok(expected)),
            Err(part) => assert!(got.as_ref().is_err_and(|e| e.contains(part)), "{got:?}"),
        }
    };
    let base = authority.options();
    let suites = |cipher_suites: Vec<&'static str>| TlsOptions {
        cipher_suites,
        ..base.clone()
    };
    expect(base.clone(), &old, Ok(("1.2", aes))).await;
    expect(suites(vec![chacha, aes]), &old, Ok(("1.2", chacha))).await;
    expect(
        suites(vec![chacha]),
        &new,
        Ok(("1.3", "TLS_AES_128_GCM_SHA256")),
    )
    .await;
    let only13 = TlsOptions {
        min_version: TlsVersion::Tls13,
        ..base.clone()
    };
    expect(only13, &old, Err("Tls12NotOffered")).await;
    // No suite for TLS 1.2 is left.
    expect(
        suites(vec!["TLS_AES_256_GCM_SHA384"]),
        &old,
        Err("TLS handshake error: "),
    )
    .await;
}

#[tokio::test]
async fn every_curve_can_be_the_only_one() {
    let authority = Authority::new();
    let client = Arc::new(authority.client(None));
    for (name, curve) in CurvePreference::ALL {
        let options = TlsOptions {
            curve_preferences: vec![curve],
            ..authority.options()
        };
        let tls = load(&options);
        let outcome = connect(&tls, &client).await;
        // rustls' own client does not have P-521; the unit tests of the group use it.
        if curve == CurvePreference::P521 {
            assert!(
                outcome.logged().contains("NoKxGroupsInCommon"),
                "{}",
                outcome.logged()
            );
            continue;
        }
        let stream = outcome
            .client
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let group = stream
            .get_ref()
            .1
            .negotiated_key_exchange_group()
            .unwrap()
            .name();
        let expected = name
            .trim_start_matches("Curve")
            .replace("P256", "secp256r1");
        let expected = expected.replace("P384", "secp384r1");
        assert_eq!(format!("{group:?}"), expected);
    }
}

#[tokio::test]
async fn sessions_are_resumed_within_one_configuration_only() {
    let authority = Authority::new();
    let options = TlsOptions {
        verify: true,
        ..authority.options()
    };
    let (tls, reloaded) = (load(&options), load(&options));
    let certificate = authority.issue(&["client"]);
    let client = Arc::new(authority.client(Some(&certificate)));
    for (server, kind) in [
        (&tls, HandshakeKind::Full),
        (&tls, HandshakeKind::Resumed),
        (&reloaded, HandshakeKind::Full),
    ] {
        let outcome = connect(server, &client).await;
        let detail = outcome.server.unwrap();
        assert_eq!(detail.peers[0].subject, "CN=client");
        assert_eq!(
            outcome.client.unwrap().get_ref().1.handshake_kind(),
            Some(kind)
        );
    }
}

/// Of a resumed session the client could only be cut off, without a word.
#[tokio::test]
async fn a_session_is_not_resumed_when_its_certificate_has_expired() {
    let authority = Authority::new();
    let tls = load(&TlsOptions {
        verify: true,
        ..authority.options()
    });
    let key = KeyPair::generate().unwrap();
    let until_refused = async |version: &'static SupportedProtocolVersion| {
        let name = format!("{:?}", version.version);
        let expiry = SystemTime::now() + Duration::from_secs(2);
        let since_epoch = expiry.duration_since(UNIX_EPOCH).unwrap();
        let brief = authority.issue_with(&[&name], &key, |params| {
            params.not_after = rcgen::date_time_ymd(1970, 1, 1) + since_epoch;
        });
        let client = authority.client_with(default_provider(), &[version], Some(&brief));
        let client = Arc::new(client);
        while connect(&tls, &client).await.server.is_ok() {
            let late = SystemTime::now() > expiry + Duration::from_secs(60);
            assert!(!late, "{name}: still let in");
        }
        // The handshake in which it expired may have been a resumed one; none is now.
        let told = connect(&tls, &client).await.client.unwrap_err();
        assert!(told.contains("CertificateExpired"), "{name}: {told}");
    };
    tokio::join!(until_refused(&TLS12), until_refused(&TLS13));
}

#[tokio::test]
async fn monitoring_asks_for_no_certificate_and_gives_no_way_around_it() {
    let authority = Authority::new();
    let tls = load(&TlsOptions {
        verify: true,
        ..authority.options()
    });
    let client = Arc::new(authority.client(None));
    let (near, far) = duplex(1 << 16);
    let https = tokio_rustls::TlsAcceptor::from(tls.without_client_certificates());
    let connector = tokio_rustls::TlsConnector::from(Arc::clone(&client));
    let connecting = connector.connect("localhost".try_into().unwrap(), near);
    let (server, connected) = tokio::join!(https.accept(far), connecting);
    let (mut server, mut connected) = (server.unwrap(), connected.unwrap());
    server.write_all(b"200").await.unwrap();
    server.flush().await.unwrap();
    // Reading brings the session ticket too.
    connected.read_exact(&mut [0; 3]).await.unwrap();

    let logged = connect(&tls, &client).await.logged();
    assert_eq!(logged, "TLS handshake error: peer sent no certificates");
}

#[tokio::test]
async fn a_silent_client_is_cut_off() {
    let authority = Authority::new();
    let timeout = Duration::from_millis(20);
    let tls = load(&TlsOptions {
        timeout,
        ..authority.options()
    });
    assert_eq!(tls.timeout(), timeout);
    let (mut near, far) = duplex(1 << 16);
    let error = tls.accept(far).await.unwrap_err();
    assert_eq!(error.to_string(), "TLS handshake timeout");
    assert!(error.is_probe());
    // The stream is closed.
    assert_eq!(near.read(&mut [0; 1]).await.unwrap(), 0);
}

#[tokio::test]
async fn what_is_not_tls_is_refused() {
    let authority = Authority::new();
    let tls = load(&authority.options());
    let refuse = async |bytes: &[u8]| {
        let (mut near, far) = duplex(1 << 16);
        near.write_all(bytes).await.unwrap();
        near.shutdown().await.unwrap();
        tls.accept(far).await.unwrap_err()
    };
    for bytes in [
        &b"CONNECT {\"verbose\":false}\r\nPING\r\n"[..],
        b"GET / HTTP/1.1\r\n\r\n",
        &[0; 64],
        &[0xff; 64],
    ] {
        let error = refuse(bytes).await;
        assert_eq!(error, HandshakeError::NotTls, "{error} {bytes:?}");
        assert!(error.is_probe());
    }
    let closed = "TLS handshake error: the client closed the connection";
    for bytes in [&b""[..], &[0x16, 3, 1, 2, 0]] {
        assert_eq!(refuse(bytes).await.to_string(), closed);
    }
    // A record of the right type with nonsense in it.
    let error = refuse(&[0x16, 3, 1, 0, 4, 1, 0, 0, 0]).await;
    assert!(
        error.to_string().starts_with("TLS handshake error: "),
        "{error}"
    );
}
