//! Sorting and paging of `/connz`.

use cognate_conformance::{Client, Server};

/// Three connections that differ in everything that can be sorted by.
fn three(server: &Server) -> [Client; 3] {
    let mut clients = [(); 3].map(|()| server.quiet());
    // The second subscribes most, the first receives most, the third sends most.
    clients[0].send("SUB in 1\r\n").sync();
    clients[1].send("SUB x 1\r\nSUB y 2\r\nSUB z 3\r\n").sync();
    clients[2].send("SUB q 1\r\nSUB r 2\r\n").sync();
    clients[2].send("PUB in 3\r\nabc\r\n".repeat(3)).sync();
    clients[1].send("PUB q 1\r\nx\r\n").sync();
    assert_eq!(clients[0].messages_until_pong().len(), 3);
    assert_eq!(clients[2].messages_until_pong().len(), 1);
    clients
}

fn order(server: &Server, query: &str) -> Vec<u64> {
    let connz = server.json(query);
    let list = connz["connections"].as_array().expect("a list");
    list.iter()
        .map(|shown| shown["cid"].as_u64().expect("a cid"))
        .collect()
}

#[test]
fn every_order_is_as_documented() {
    let server = Server::monitored();
    let clients = three(&server);
    let [one, two, three] = clients.each_ref().map(Client::cid);
    for (sort, expected) in [
        ("cid", [one, two, three]),
        ("start", [one, two, three]),
        ("subs", [two, three, one]),
        ("msgs_to", [one, three, two]),
        ("bytes_to", [one, three, two]),
        ("msgs_from", [three, two, one]),
        ("bytes_from", [three, two, one]),
    ] {
        assert_eq!(
            order(&server, &format!("/connz?sort={sort}")),
            expected,
            "{sort}"
        );
    }
    for sort in ["pending", "last", "idle", "uptime", "rtt"] {
        assert_eq!(
            order(&server, &format!("/connz?sort={sort}")).len(),
            3,
            "{sort}"
        );
    }
    // The oldest connection has been up longest, whichever way it is turned.
    assert!(order(&server, "/connz?sort=uptime").contains(&one));
}

#[test]
fn the_last_active_comes_first() {
    let server = Server::monitored();
    let mut clients = three(&server);
    let [one, ..] = clients.each_ref().map(Client::cid);
    clients[0].send("PUB nobody 0\r\n\r\n").sync();
    assert_eq!(order(&server, "/connz?sort=last")[0], one);
}

#[test]
fn closed_connections_sort_by_stop_and_reason() {
    let server = Server::monitored();
    let mut cids = Vec::new();
    for garbage in ["FOO\r\n", "CONNECT {\"protocol\":9}\r\n", "-ERR 'x'\r\n"] {
        let mut client = server.connect();
        let _ = client.try_send(garbage);
        client.rest();
        server.close_reason(client.cid());
        cids.push(client.cid());
    }
    let [protocol, version, parse] = [cids[0], cids[1], cids[2]];
    let by_reason = order(&server, "/connz?state=closed&sort=reason");
    assert_eq!(by_reason, [version, parse, protocol], "alphabetical");
    let by_stop = order(&server, "/connz?state=closed&sort=stop");
    assert_eq!(
        by_stop,
        [parse, version, protocol],
        "the last to stop comes first"
    );
}

#[test]
fn pages_are_cut_out_of_the_order() {
    let server = Server::monitored();
    let clients = three(&server);
    let [one, two, three] = clients.each_ref().map(Client::cid);
    for (query, expected, offset, limit) in [
        ("limit=2", vec![one, two], 0, 2),
        ("limit=2&offset=1", vec![two, three], 1, 2),
        ("limit=2&offset=2", vec![three], 2, 2),
        ("offset=9", vec![], 9, 1024),
        ("limit=0", vec![one, two, three], 0, 1024),
        ("limit=-1", vec![one, two, three], 0, 1024),
        ("offset=-1", vec![one, two, three], 0, 1024),
        ("limit=1&sort=subs", vec![two], 0, 1),
    ] {
        let connz = server.json(&format!("/connz?{query}"));
        assert_eq!(
            order(&server, &format!("/connz?{query}")),
            expected,
            "{query}"
        );
        assert_eq!(connz["num_connections"], expected.len(), "{query}");
        assert_eq!(
            (&connz["total"], &connz["offset"], &connz["limit"]),
            (&3.into(), &offset.into(), &limit.into()),
            "{query}"
        );
    }
}

#[test]
fn one_connection_by_its_id() {
    let server = Server::monitored();
    let clients = three(&server);
    let cid = clients[1].cid();
    assert_eq!(order(&server, &format!("/connz?cid={cid}")), [cid]);
    assert_eq!(server.json(&format!("/connz?cid={cid}"))["limit"], 1);
    assert_eq!(order(&server, "/connz?cid=999999"), Vec::<u64>::new());
    let listed = server.json(&format!("/connz?cid={cid}&subs=1"));
    assert_eq!(
        listed["connections"][0]["subscriptions_list"]
            .as_array()
            .map(Vec::len),
        Some(3)
    );
}
