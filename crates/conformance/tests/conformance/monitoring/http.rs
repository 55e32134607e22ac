//! Paths, methods, content types and errors that all endpoints share.

use cognate_conformance::{Server, http};

use crate::support::QUIET;

#[test]
fn endpoints_answer_with_their_content_type() {
    let server = Server::monitored();
    for path in [
        "/varz",
        "/connz",
        "/subsz",
        "/subscriptionsz",
        "/healthz",
        "/varz?unknown=1",
    ] {
        let response = server.get(path);
        assert_eq!(response.status, 200, "{path}");
        assert_eq!(
            response.header("content-type"),
            Some("application/json"),
            "{path}"
        );
        assert_eq!(
            response.header("access-control-allow-origin"),
            Some("*"),
            "{path}"
        );
        assert!(response.json().is_object(), "{path}");
    }
    let index = server.get("/");
    assert_eq!(index.status, 200);
    assert!(
        index
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("text/html"))
    );
    for link in ["varz", "connz", "subsz", "healthz"] {
        assert!(index.body.contains(link), "the index links to {link}");
    }
}

#[test]
fn bodies_are_indented_by_two_spaces_except_health() {
    let server = Server::monitored();
    let body = server.get("/varz").body;
    assert!(body.starts_with("{\n  \"server_id\": \"N"), "{body}");
    assert_eq!(server.get("/healthz").body, "{\"status\":\"ok\"}");
}

#[test]
fn unknown_paths_are_not_found() {
    let server = Server::monitored();
    for path in ["/nope", "/varz/", "/VARZ", "/connz/1"] {
        assert_eq!(server.get(path).status, 404, "{path}");
    }
}

#[test]
fn any_method_reads() {
    let server = Server::monitored();
    for method in ["GET", "POST", "PUT", "DELETE", "OPTIONS"] {
        let response = http::request(server.monitor_addr(), method, "/varz");
        assert_eq!(
            (response.status, response.json()["version"].as_str()),
            (200, Some("2.14.5"))
        );
    }
    let head = http::request(server.monitor_addr(), "HEAD", "/varz");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[test]
fn wrong_queries_are_explained() {
    let server = Server::monitored();
    for (path, start) in [
        ("/connz?subs=bogus", "Error decoding boolean for 'subs': "),
        ("/connz?auth=x", "Error decoding boolean for 'auth': "),
        ("/connz?limit=x", "Error decoding int for 'limit': "),
        ("/connz?offset=x", "Error decoding int for 'offset': "),
        ("/connz?cid=x", "Error decoding uint64 for 'cid': "),
        ("/connz?cid=-1", "Error decoding uint64 for 'cid': "),
        ("/connz?state=bogus", "Error decoding state for bogus"),
        ("/connz?sort=bogus", "invalid sorting option: bogus"),
        (
            "/connz?sort=stop",
            "sort by stop only valid on closed connections",
        ),
        (
            "/connz?sort=reason",
            "sort by reason only valid on closed connections",
        ),
        (
            "/connz?sort=stop&state=any",
            "sort by stop only valid on closed connections",
        ),
        ("/subsz?subs=x", "Error decoding boolean for 'subs': "),
        ("/subsz?subs=detail", "Error decoding boolean for 'subs': "),
        ("/subsz?limit=x", "Error decoding int for 'limit': "),
        ("/subsz?offset=x", "Error decoding int for 'offset': "),
        (
            "/subsz?test=foo.*",
            "invalid test subject, must be valid publish subject: foo.*",
        ),
        (
            "/healthz?js-enabled-only=x",
            "Error decoding boolean for 'js-enabled-only': ",
        ),
    ] {
        let response = server.get(path);
        assert_eq!(response.status, 400, "{path}: {}", response.body);
        assert!(
            response.body.starts_with(start),
            "{path}: {}",
            response.body
        );
        let kind = response.header("content-type").unwrap_or_default();
        assert!(kind.starts_with("text/plain"), "{path}: {kind}");
    }
}

#[test]
fn health_without_jetstream() {
    let server = Server::monitored();
    for path in [
        "/healthz",
        "/healthz?js-enabled-only=1",
        "/healthz?js-server-only=true",
        "/healthz?details=1",
    ] {
        assert_eq!(
            (
                server.get(path).status,
                server.json(path)["status"].as_str()
            ),
            (200, Some("ok"))
        );
    }
    let wrong = server.get("/healthz?stream=x");
    assert_eq!(wrong.status, 400);
    assert_eq!(wrong.json()["status"], "error");
    assert_eq!(
        wrong.json()["error"],
        "\"account\" must not be empty when checking stream health"
    );
}

#[test]
fn a_base_path_moves_everything() {
    let server = Server::with_config("http_base_path: \"/nats\"");
    for (path, status) in [
        ("/nats/varz", 200),
        ("/nats/connz", 200),
        ("/nats/subsz", 200),
        ("/nats/healthz", 200),
        ("/nats", 200),
        ("/varz", 404),
        ("/", 404),
    ] {
        assert_eq!(server.get(path).status, status, "{path}");
    }
    assert_eq!(server.json("/nats/varz")["http_base_path"], "/nats");
}

#[test]
fn requests_are_counted_by_path() {
    let server = Server::monitored();
    for path in ["/connz", "/connz?subs=1", "/healthz"] {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
    let counts = server.json("/varz")["http_req_stats"].clone();
    assert_eq!(
        (&counts["/connz"], &counts["/healthz"], &counts["/varz"]),
        (&2.into(), &1.into(), &1.into())
    );
}

#[test]
fn requests_do_not_disturb_clients_nor_clients_the_listener() {
    let server = Server::monitored();
    let mut lost = cognate_conformance::Client::silent(server.monitor_addr());
    lost.send(QUIET);
    let answer = lost.rest();
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 400"),
        "{answer}"
    );
    server.quiet().sync();
    assert_eq!(server.get("/healthz").status, 200);
}
