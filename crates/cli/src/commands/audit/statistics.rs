//! A server's statistics (`STATSZ`) made of its other documents, because an audit does not gather them.
//!
//! Absent: what no other document has, such as active accounts.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::commands::shared::doc::Doc;

/// The statistics of a server with these variables, routes and gateways, which is one of `servers`.
pub(super) fn of(variables: &Value, routes: &Value, gateways: &Value, servers: usize) -> Value {
    let mut statistics = of_variables(variables);
    for (name, value) in [
        ("active_servers", json!(servers)),
        ("routes", of_routes(routes)),
        ("gateways", of_gateways(gateways)),
    ] {
        statistics.insert(name.to_owned(), value);
    }
    Value::Object(statistics)
}

fn of_variables(data: &Value) -> Map<String, Value> {
    let mut statistics = Map::new();
    for key in [
        "start",
        "mem",
        "cores",
        "cpu",
        "connections",
        "total_connections",
        "subscriptions",
        "slow_consumers",
        "slow_consumer_stats",
        "gomemlimit",
        "gomaxprocs",
    ] {
        if let Some(value) = data.get(key) {
            statistics.insert(key.to_owned(), value.clone());
        }
    }
    for (name, direction) in [("sent", "out"), ("received", "in")] {
        let [msgs, bytes] = ["msgs", "bytes"].map(|unit| data.at(&format!("{direction}_{unit}")));
        statistics.insert(name.to_owned(), json!({ "msgs": msgs, "bytes": bytes }));
    }
    if data.at("jetstream.config").is_object() {
        statistics.insert("jetstream".to_owned(), data.at("jetstream").clone());
    }
    statistics
}

fn of_routes(data: &Value) -> Value {
    let route = |route: &Value| {
        json!({
            "rid": route.at("rid"), "name": route.at("remote_name"), "pending": route.at("pending_size"),
            "sent": { "msgs": route.at("out_msgs"), "bytes": route.at("out_bytes") },
            "received": { "msgs": route.at("in_msgs"), "bytes": route.at("in_bytes") },
        })
    };
    data.list("routes").iter().map(route).collect()
}

fn of_gateways(data: &Value) -> Value {
    let inbound = |name: &str| data.at("inbound_gateways").list(name).len();
    let mut gateways: BTreeMap<&str, Value> = BTreeMap::new();
    for (name, gateway) in data.entries("outbound_gateways") {
        let [msgs, bytes] =
            ["msgs", "bytes"].map(|unit| gateway.at(&format!("connection.out_{unit}")));
        gateways.insert(
            name,
            json!({ "name": name, "inbound_connections": inbound(name), "sent": { "msgs": msgs, "bytes": bytes } }),
        );
    }
    for (name, _) in data.entries("inbound_gateways") {
        let known = || json!({ "name": name, "inbound_connections": inbound(name) });
        gateways.entry(name).or_insert_with(known);
    }
    gateways.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_made_of_other_documents() {
        let gateways = json!({
            "outbound_gateways": { "b": { "connection": { "out_msgs": 7, "out_bytes": 70 } } },
            "inbound_gateways": { "b": [{}, {}], "c": [{}] },
        });
        let expected = json!([
            { "name": "b", "inbound_connections": 2, "sent": { "msgs": 7, "bytes": 70 } },
            { "name": "c", "inbound_connections": 1 },
        ]);
        assert_eq!(of_gateways(&gateways), expected);
        let variables =
            json!({ "mem": 5, "in_msgs": 1, "in_bytes": 2, "out_msgs": 3, "out_bytes": 4 });
        let expected = json!({
            "mem": 5, "received": { "msgs": 1, "bytes": 2 }, "sent": { "msgs": 3, "bytes": 4 },
        });
        assert_eq!(Value::Object(of_variables(&variables)), expected);
    }
}
