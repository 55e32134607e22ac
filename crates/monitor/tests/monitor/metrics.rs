//! `/metrics`: the format, the values, and that the documentation names every metric.

use std::collections::BTreeMap;

use cognate_monitor::{JetStream, StreamFacts};

use crate::support::{Facts, Site, at, connection, server_facts};

const DOCUMENTATION: &str = include_str!("../../../../docs/metrics.md");

fn page() -> String {
    let mut server = server_facts();
    server.server_name = "a\\b\"c\nd".into();
    server.tls_cert_not_after = Some(at(0));
    let pending = |cid, pending_bytes| {
        let mut facts = connection(cid);
        facts.pending_bytes = pending_bytes;
        facts
    };
    let open = vec![pending(1, 40), pending(2, 2)];
    let stream = StreamFacts {
        account: "$G",
        name: "S",
        ..StreamFacts::default()
    };
    let site = Site::of(Facts {
        server,
        open,
        jetstream: JetStream::Enabled(Box::default()),
        streams: vec![stream],
        ..Facts::default()
    });
    let response = site.get("/metrics");
    assert_eq!(response.status, 200);
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    assert_eq!(response.header("content-type"), kind);
    response.body
}

#[test]
fn values_are_those_of_the_server() {
    let page = page();
    for line in [
        "cognate_build_info{version=\"0.1.0\",compatible_version=\"2.14.5\",git_commit=\"\"} 1",
        "cognate_server_info{server_id=\"NBGUWSMPDLOCTXLBWW3OHNOXLMNXMBRE5L4QZNLSHPQGWGHU2EABG3V7\",server_name=\"a\\\\b\\\"c\\nd\"} 1",
        "cognate_ready 1",
        "cognate_start_time_seconds 1767272461.1234567",
        "cognate_uptime_seconds 93784",
        "cognate_cpu_seconds_total 12.25",
        "cognate_resident_memory_bytes 15679488",
        "cognate_connections 3",
        "cognate_max_connections 65536",
        "cognate_connections_opened_total 9",
        "cognate_in_messages_total 11",
        "cognate_in_bytes_total 12",
        "cognate_out_messages_total 13",
        "cognate_out_bytes_total 14",
        "cognate_pending_bytes 42",
        "cognate_subscriptions 62",
        "cognate_slow_consumers_total 4",
        "cognate_stale_connections_total 5",
        "cognate_stalls_total 6",
        "cognate_http_requests_total{path=\"/metrics\"} 1",
    ] {
        assert!(
            page.lines().any(|found| found == line),
            "no line {line}\n{page}"
        );
    }
}

/// Every metric has HELP, TYPE and samples, in that order, once; names say units and kinds.
#[test]
fn the_page_is_well_formed_and_documented() {
    let page = page();
    assert!(page.ends_with('\n'));
    let mut kinds: BTreeMap<&str, &str> = BTreeMap::new();
    let mut expected = "";
    for line in page.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').expect("a text");
            assert!(text.ends_with('.'), "{line}");
            expected = name;
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect("a type");
            assert_eq!(name, expected, "HELP comes first");
            assert!(kinds.insert(name, kind).is_none(), "{name} twice");
        } else {
            let name = line.split(['{', ' ']).next().expect("a name");
            assert_eq!(name, expected, "a sample of another metric: {line}");
            let value = line.rsplit(' ').next().expect("a value");
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
    }
    for (name, kind) in kinds {
        assert!(name.starts_with("cognate_"), "{name}");
        assert_eq!(
            name.ends_with("_total"),
            kind == "counter",
            "{name} is a {kind}"
        );
        let row = format!("| `{name}` | {kind} |");
        assert!(
            DOCUMENTATION.contains(&row),
            "docs/metrics.md has no row {row}"
        );
    }
    let documented = DOCUMENTATION
        .lines()
        .filter(|line| line.contains("` | gauge |") || line.contains("` | counter |"));
    for row in documented {
        let name = row.split('`').nth(1).expect("a name");
        assert!(
            page.contains(&format!("# TYPE {name} ")),
            "{name} is documented, not served"
        );
    }
}

#[test]
fn an_unready_server_says_so() {
    let site = Site::of(Facts {
        error: Some("no".into()),
        ..Facts::default()
    });
    assert!(site.get("/metrics").body.contains("\ncognate_ready 0\n"));
}
