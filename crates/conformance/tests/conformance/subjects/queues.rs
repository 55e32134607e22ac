//! Queue groups: one member per message and group, fairly spread.

use std::collections::HashMap;

use cognate_conformance::{Client, Server};

use crate::support::{Open, QUIET, check, subscribed};

const MESSAGES: usize = 600;

fn publish(server: &Server, subject: &str, count: usize) {
    let script: String = (0..count)
        .map(|i| format!("PUB {subject} 4\r\n{i:04}\r\n"))
        .collect();
    server.quiet().send(script).sync();
}

fn payloads(client: &mut Client) -> Vec<String> {
    client
        .messages_until_pong()
        .into_iter()
        .map(|message| message.payload)
        .collect()
}

/// All messages exactly once, over all members.
fn assert_each_once(mut all: Vec<String>, count: usize) {
    all.sort();
    assert_eq!(
        all,
        (0..count).map(|i| format!("{i:04}")).collect::<Vec<_>>()
    );
}

#[test]
fn members_on_several_connections_share_the_messages_evenly() {
    let server = Server::start();
    let mut members: Vec<_> = (0..4)
        .map(|_| subscribed(&server, "SUB work q 1\r\n"))
        .collect();
    publish(&server, "work", MESSAGES);
    let received: Vec<Vec<String>> = members.iter_mut().map(payloads).collect();
    for each in &received {
        // 150 expected; 80 is seven standard deviations away.
        assert!(
            each.len() > 80,
            "{:?}",
            received.iter().map(Vec::len).collect::<Vec<_>>()
        );
        assert!(each.is_sorted(), "a member sees its messages in order");
    }
    assert_each_once(received.concat(), MESSAGES);
}

#[test]
fn members_on_one_connection_share_the_messages_evenly() {
    let server = Server::start();
    let mut client = subscribed(&server, "SUB work q 1\r\nSUB work q 2\r\nSUB work q 3\r\n");
    publish(&server, "work", MESSAGES);
    let mut counts: HashMap<String, usize> = HashMap::new();
    for message in client.messages_until_pong() {
        *counts.entry(message.sid).or_default() += 1;
    }
    assert_eq!(counts.values().sum::<usize>(), MESSAGES);
    assert!(
        counts.len() == 3 && counts.values().all(|count| *count > 100),
        "{counts:?}"
    );
}

#[test]
fn plain_subscriptions_and_other_groups_get_their_own_copies() {
    let server = Server::start();
    let mut plain = subscribed(&server, "SUB work 1\r\nSUB work.> 2\r\n");
    let mut first: Vec<_> = (0..2)
        .map(|_| subscribed(&server, "SUB work q1 1\r\n"))
        .collect();
    let mut second: Vec<_> = (0..2)
        .map(|_| subscribed(&server, "SUB work q2 1\r\n"))
        .collect();
    publish(&server, "work", 50);
    assert_each_once(payloads(&mut plain), 50);
    assert_each_once(first.iter_mut().flat_map(payloads).collect(), 50);
    assert_each_once(second.iter_mut().flat_map(payloads).collect(), 50);
}

#[test]
fn overlapping_filters_with_one_queue_name_are_one_group() {
    let server = Server::start();
    let mut exact = subscribed(&server, "SUB work.a q 1\r\n");
    let mut wild = subscribed(&server, "SUB work.* q 1\r\n");
    let mut full = subscribed(&server, "SUB work.> q 1\r\n");
    publish(&server, "work.a", MESSAGES);
    let received = [
        payloads(&mut exact),
        payloads(&mut wild),
        payloads(&mut full),
    ];
    let counts = received.each_ref().map(Vec::len);
    assert_each_once(received.concat(), MESSAGES);
    assert!(counts.iter().all(|count| *count > 100), "{counts:?}");
}

#[test]
fn groups_are_told_apart_by_name_and_case() {
    let server = Server::start();
    check(
        &server,
        QUIET,
        &[(
            "three groups",
            b"SUB a q 1\r\nUNSUB 1 1\r\nPUB a 0\r\n\r\nSUB a Q 2\r\nPUB a 0\r\n\r\n",
            "MSG a 1 0\r\n\r\nMSG a 2 0\r\n\r\n",
            Open,
        )],
    );
    // Another subject: the server may not have noticed yet that the client above is gone, and a
    // member of its group could be the one that is chosen.
    let mut client = subscribed(&server, "SUB b q 1\r\nSUB b Q 2\r\nSUB b qq 3\r\n");
    server.quiet().send("PUB b 0\r\n\r\n").sync();
    assert_eq!(client.messages_until_pong().len(), 3);
}

#[test]
fn a_member_that_leaves_is_passed_over() {
    let server = Server::start();
    let mut stays = subscribed(&server, "SUB work q 1\r\n");
    let mut unsubscribes = subscribed(&server, "SUB work q 1\r\n");
    unsubscribes.send("UNSUB 1\r\n").sync();
    let limited = "SUB work q 1\r\nUNSUB 1 5\r\n";
    let mut limited = subscribed(&server, limited);
    publish(&server, "work", 100);
    let few = payloads(&mut limited);
    assert_eq!(few.len(), 5, "auto-unsubscribe holds for members too");
    let mut all = payloads(&mut stays);
    all.extend(few);
    assert_each_once(all, 100);
    unsubscribes.sync();
}

#[test]
fn a_publisher_without_echo_is_not_chosen() {
    let server = Server::start();
    let mut publisher = server.connect();
    publisher
        .send("CONNECT {\"verbose\":false,\"echo\":false}\r\nSUB work q 1\r\n")
        .sync();
    let mut other = subscribed(&server, "SUB work q 1\r\n");
    for _ in 0..50 {
        publisher.send("PUB work 0\r\n\r\n");
    }
    publisher.sync();
    assert_eq!(other.messages_until_pong().len(), 50);
}

#[test]
fn requests_to_a_group_are_answered_once() {
    let server = Server::start();
    let mut members: Vec<_> = (0..3)
        .map(|_| subscribed(&server, "SUB svc q 1\r\n"))
        .collect();
    let mut asking = subscribed(&server, "SUB inbox.> 1\r\n");
    for i in 0..20 {
        asking.send(format!("PUB svc inbox.{i} 0\r\n\r\n"));
    }
    asking.sync();
    for member in &mut members {
        for message in member.messages_until_pong() {
            let reply = message.reply.expect("requests carry a reply");
            member.send(format!("PUB {reply} 2\r\nok\r\n"));
        }
        member.sync();
    }
    let mut answered: Vec<String> = asking
        .messages_until_pong()
        .into_iter()
        .map(|message| message.subject)
        .collect();
    answered.sort();
    answered.dedup();
    assert_eq!(answered.len(), 20);
}
