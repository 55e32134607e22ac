//! Names, order and types of fields; headers; endpoints without options; refusals.

use serde_json::json;

use crate::support::{Facts, Site, at, fields, server_facts};

fn site() -> Site {
    Site::of(Facts {
        server: server_facts(),
        ..Facts::default()
    })
}

/// The fields of nats-server 2.14.5 for the same configuration, plus `cognate_version`.
#[test]
fn varz_has_the_fields_of_nats_server_in_its_order() {
    let expected = "server_id:s server_name:s version:s cognate_version:s proto:n go:s host:s \
        port:n max_connections:n ping_interval:n ping_max:n http_host:s http_port:n \
        http_base_path:s https_port:n auth_timeout:n max_control_line:n max_payload:n \
        max_pending:n cluster:o gateway:o leaf:o mqtt:o websocket:o jetstream:o tls_timeout:n \
        write_deadline:n start:s now:s uptime:s mem:n cores:n gomaxprocs:n cpu:n connections:n \
        total_connections:n routes:n remotes:n leafnodes:n in_msgs:n in_bytes:n \
        in_client_msgs:n in_client_bytes:n out_msgs:n out_bytes:n out_client_msgs:n \
        out_client_bytes:n slow_consumers:n stale_connections:n stalled_clients:n \
        subscriptions:n http_req_stats:o config_load_time:s config_digest:s \
        slow_consumer_stats:o stale_connection_stats:o disk_io_wait_stats:o";
    let document = site().get("/varz").body;
    assert_eq!(
        fields(&document, 1),
        expected.split_whitespace().collect::<Vec<_>>().join(" ")
    );
    let nested = "/varz:n clients:n routes:n gateways:n leafs:n clients:n routes:n gateways:n \
        leafs:n waiters:n waits:n wait_time:n max_wait_time:n";
    assert_eq!(
        fields(&document, 2),
        nested.split_whitespace().collect::<Vec<_>>().join(" ")
    );
}

#[test]
fn varz_shows_what_is_configured() {
    let mut server = server_facts();
    server.git_commit = "abc".into();
    server.auth_required = true;
    server.tls_required = true;
    server.tls_verify = true;
    server.tls_ocsp_peer_verify = true;
    server.ip = "1.2.3.4".into();
    server.connect_urls = vec!["1.2.3.4:4222".into()];
    server.ws_connect_urls = vec!["1.2.3.4:80".into()];
    server.max_subscriptions = 10;
    server.write_timeout = "close".into();
    server.tags = vec!["a".into(), "b".into()];
    server.metadata = [("k".to_owned(), "v".to_owned())].into();
    server.feature_flags = [("f".to_owned(), true)].into();
    server.system_account = "$SYS".into();
    server.tls_cert_not_after = Some(at(0));
    let site = Site::of(Facts {
        server,
        ..Facts::default()
    });
    let varz = site.json("/varz");
    let check = |field: &str, expected: serde_json::Value| {
        assert_eq!(varz[field], expected, "{field}");
    };
    check("git_commit", json!("abc"));
    for field in [
        "auth_required",
        "tls_required",
        "tls_verify",
        "tls_ocsp_peer_verify",
    ] {
        check(field, json!(true));
    }
    check("ip", json!("1.2.3.4"));
    check("connect_urls", json!(["1.2.3.4:4222"]));
    check("ws_connect_urls", json!(["1.2.3.4:80"]));
    check("max_subscriptions", json!(10));
    check("write_timeout", json!("close"));
    check("tags", json!(["a", "b"]));
    check("metadata", json!({"k": "v"}));
    check("feature_flags", json!({"f": true}));
    check("system_account", json!("$SYS"));
    check(
        "tls_cert_not_after",
        json!("2026-01-02T15:04:05.123456789Z"),
    );
    check("ping_interval", json!(120_000_000_000_u64));
    check("write_deadline", json!(10_000_000_000_u64));
    check("auth_timeout", json!(2));
    check("tls_timeout", json!(2.5));
    check("cpu", json!(1.5));
    check("uptime", json!("1d2h3m4s"));
    check("start", json!("2026-01-01T13:01:01.123456789Z"));
    check("out_client_bytes", json!(14));
    check(
        "slow_consumer_stats",
        json!({"clients": 4, "routes": 0, "gateways": 0, "leafs": 0}),
    );
    check(
        "stale_connection_stats",
        json!({"clients": 5, "routes": 0, "gateways": 0, "leafs": 0}),
    );
}

#[test]
fn json_answers_have_the_headers_of_nats_server() {
    let response = site().get("/varz");
    assert_eq!(response.status, 200);
    assert_eq!(response.header("content-type"), "application/json");
    assert_eq!(response.header("access-control-allow-origin"), "*");
    assert_eq!(
        response.header("content-length"),
        response.body.len().to_string()
    );
    assert!(
        response.header("date").ends_with(" GMT"),
        "{:?}",
        response.headers
    );
    assert!(
        response.body.starts_with("{\n  \"server_id\": \"N"),
        "{}",
        response.body
    );
}

#[test]
fn requests_are_counted_by_endpoint() {
    let site = site();
    for path in [
        "/",
        "/varz",
        "//varz",
        "/subscriptionsz",
        "/subsz?subs=x",
        "/expvarz",
        "/nope",
    ] {
        site.get(path);
    }
    let expected = json!({"/": 1, "/debug/vars": 1, "/subsz": 2, "/varz": 3});
    assert_eq!(site.json("/varz")["http_req_stats"], expected);
}

#[test]
fn any_method_is_answered_and_head_has_no_body() {
    let site = site();
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
        let request = format!(
            "{method} /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"
        );
        assert_eq!(
            site.send(request.as_bytes()).body,
            "{\"status\":\"ok\"}",
            "{method}"
        );
    }
    let head = site.send(b"HEAD /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!(
        (head.status, head.header("content-length"), &*head.body),
        (200, "15", "")
    );
    let old = site.send(b"GET /healthz HTTP/1.0\r\n\r\n");
    assert_eq!(old.body, "{\"status\":\"ok\"}");
}

// tidy: long-function: a table of queries with their status and text
#[test]
fn health_is_told_by_status_and_text() {
    let healthy = site();
    let check = |site: &Site, path: &str, status: u16, body: &str| {
        let response = site.get(path);
        assert_eq!((response.status, &*response.body), (status, body), "{path}");
        if status != 400 || body.starts_with('{') {
            assert_eq!(
                response.header("content-type"),
                "application/json",
                "{path}"
            );
        }
    };
    for option in [
        "",
        "?js-enabled=1",
        "?js-enabled-only=true",
        "?js-server-only=1",
        "?js-meta-only=1",
        "?details=1",
        "?account=A",
        "?account=A&stream=S",
    ] {
        check(
            &healthy,
            &format!("/healthz{option}"),
            200,
            r#"{"status":"ok"}"#,
        );
    }
    check(
        &healthy,
        "/healthz?js-enabled-only=q",
        400,
        r#"Error decoding boolean for 'js-enabled-only': strconv.ParseBool: parsing "q": invalid syntax"#,
    );
    check(
        &healthy,
        "/healthz?stream=S",
        400,
        r#"{"status":"error","error":"\"account\" must not be empty when checking stream health"}"#,
    );
    check(
        &healthy,
        "/healthz?stream=S&details=1",
        400,
        r#"{"status":"error","errors":[{"type":"BAD_REQUEST","error":"\"account\" must not be empty when checking stream health"}]}"#,
    );
    check(
        &healthy,
        "/healthz?consumer=C&account=A",
        400,
        r#"{"status":"error","error":"\"stream\" must not be empty when checking consumer health"}"#,
    );
    let sick = Site::of(Facts {
        error: Some("shutting down".into()),
        ..Facts::default()
    });
    check(
        &sick,
        "/healthz",
        500,
        r#"{"status":"error","error":"shutting down"}"#,
    );
    check(
        &sick,
        "/healthz?details=true",
        500,
        r#"{"status":"error","errors":[{"type":"CONNECTION","error":"shutting down"}]}"#,
    );
}

#[test]
fn features_that_are_not_built_have_true_documents_or_none() {
    let site = site();
    let check = |path: &str, expected: &str| {
        let document = site.get(path);
        assert_eq!(
            (document.status, &*fields(&document.body, 1)),
            (200, expected),
            "{path}"
        );
    };
    check(
        "/routez",
        "server_id:s server_name:s now:s num_routes:n routes:a",
    );
    check(
        "/gatewayz",
        "server_id:s now:s outbound_gateways:o inbound_gateways:o",
    );
    check("/leafz", "server_id:s now:s leafnodes:n leafs:a");
    check(
        "/jsz",
        "memory:n storage:n reserved_memory:n reserved_storage:n accounts:n ha_assets:n api:o \
         server_id:s now:s disabled:b config:o streams:n consumers:n messages:n bytes:n total:n",
    );
    assert_eq!(site.get("/ipqueuesz").body, "{}");
    let raftz = site.get("/raftz");
    assert_eq!(
        (raftz.status, &*raftz.body),
        (404, "No Raft nodes registered")
    );
    check("/accountz", "server_id:s now:s");
    let unknown = site.get("/accountz?acc=NOPE");
    assert_eq!(
        (unknown.status, &*unknown.body),
        (400, "Account NOPE does not exist")
    );
    check("/accstatz", "server_id:s now:s account_statz:a");
    let absent = site.get("/stacksz");
    assert_eq!(absent.status, 404);
    assert!(absent.body.contains("not built yet"), "{absent:?}");
    for path in [
        "/nope",
        "/varz/",
        "/varz/x",
        "/debug",
        "/debug/vars/x",
        "/..",
    ] {
        let missing = site.get(path);
        assert_eq!(
            (missing.status, &*missing.body),
            (404, "404 page not found\n"),
            "{path}"
        );
    }
}

/// Paths and texts were read off nats-server 2.14.5.
#[test]
fn wrong_queries_are_refused_with_its_texts() {
    let site = site();
    let boolean = |path: &str, name: &str| {
        let expected = format!(
            "Error decoding boolean for '{name}': strconv.ParseBool: parsing \"x\": invalid syntax"
        );
        assert_eq!(
            site.refusal(&format!("{path}?{name}=x")),
            expected,
            "{path}"
        );
    };
    boolean("/connz", "auth");
    boolean("/connz", "subs");
    boolean("/subsz", "subs");
    boolean("/routez", "subs");
    boolean("/gatewayz", "accs");
    boolean("/gatewayz", "subs");
    boolean("/leafz", "subs");
    boolean("/jsz", "accounts");
    boolean("/jsz", "streams");
    boolean("/jsz", "stream-leader-only");
    boolean("/ipqueuesz", "all");
    boolean("/healthz", "details");
    let integer = |path: &str, name: &str| {
        let expected =
            format!("Error decoding int for '{name}': strconv.Atoi: parsing \"z\": invalid syntax");
        assert_eq!(
            site.refusal(&format!("{path}?{name}=z")),
            expected,
            "{path}"
        );
    };
    for path in ["/connz", "/subsz", "/jsz"] {
        integer(path, "limit");
        integer(path, "offset");
    }
    assert_eq!(
        site.refusal("/jsz?leader-only=1"),
        "filtered response: not leader"
    );
}

#[test]
fn a_base_path_moves_every_endpoint() {
    let facts = Facts {
        server: server_facts(),
        ..Facts::default()
    };
    let site = Site::start(facts, "/nats/x/", None);
    for path in [
        "/nats/x/varz",
        "/nats/x/debug/vars",
        "/nats/x",
        "/nats/x/",
        "/nats/x/metrics",
    ] {
        assert_eq!(site.get(path).status, 200, "{path}");
    }
    for path in [
        "/",
        "/varz",
        "/nats",
        "/nats/varz",
        "/nats/xvarz",
        "/nats/x/nope",
    ] {
        assert_eq!(site.get(path).status, 404, "{path}");
    }
    assert!(site.get("/nats/x").body.contains("href=\"x/varz\""));
    assert!(site.get("/nats/x/").body.contains("href=\"varz\""));
    assert_eq!(site.json("/nats/x/varz")["http_req_stats"]["/varz"], 2);
}

#[test]
fn the_index_leads_to_documents_that_are_there() {
    let mut server = server_facts();
    server.server_name = "<script>'&\"".into();
    let site = Site::of(Facts {
        server,
        ..Facts::default()
    });
    let index = site.get("/");
    assert_eq!(index.header("content-type"), "text/html; charset=utf-8");
    assert!(
        index
            .body
            .contains("<h1>&lt;script&gt;&#39;&amp;&quot;</h1>"),
        "{}",
        index.body
    );
    let links: Vec<&str> = index
        .body
        .split("href=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert_eq!(links.len(), 11);
    for link in links {
        assert_eq!(site.get(&format!("/{link}")).status, 200, "{link}");
    }
}

#[test]
fn expvar_has_the_shape_of_go_and_no_secrets() {
    let mut server = server_facts();
    let command_line = [
        "nats-server",
        "--user",
        "joe",
        "--pass=secret1",
        "-auth",
        "secret2",
    ];
    server.command_line = command_line.map(str::to_owned).to_vec();
    let site = Site::of(Facts {
        server,
        ..Facts::default()
    });
    for path in ["/debug/vars", "/expvarz"] {
        let response = site.get(path);
        assert_eq!(
            response.header("content-type"),
            "application/json; charset=utf-8"
        );
        assert_eq!(response.header("access-control-allow-origin"), "");
        assert!(
            response
                .body
                .starts_with("{\n\"cmdline\": [\"nats-server\","),
            "{}",
            response.body
        );
        assert!(!response.body.contains("secret") && !response.body.contains("joe"));
        let variables = response.json();
        assert_eq!(
            variables["cmdline"].as_array().map(Vec::len),
            Some(command_line.len())
        );
        for name in ["Alloc", "Sys", "HeapAlloc", "HeapSys", "HeapInuse"] {
            assert_eq!(variables["memstats"][name], 15_679_488, "{name}");
        }
        for name in ["PauseTotalNs", "NumGC", "NumForcedGC", "GCCPUFraction"] {
            assert_eq!(variables["memstats"][name], 0, "{name}");
        }
        assert_eq!(variables["memstats"]["EnableGC"], false);
    }
}
