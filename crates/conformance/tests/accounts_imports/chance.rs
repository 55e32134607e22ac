//! What is left to chance: weights, sampling, and who of a queue group is served. Bounds are six
//! standard deviations wide.

use std::collections::HashMap;

use cognate_conformance::jetstream::JetStream as Session;
use cognate_conformance::{Message, Server};

const ROUNDS: usize = 400;

fn fair(count: usize) -> bool {
    (ROUNDS / 2 - 80..=ROUNDS / 2 + 80).contains(&count)
}

fn by_subject(messages: &[Message]) -> HashMap<&str, usize> {
    let mut counts = HashMap::new();
    for message in messages {
        *counts.entry(message.subject.as_str()).or_default() += 1;
    }
    counts
}

#[test]
fn weights_of_an_account_share_out_its_messages() {
    let server = Server::with_config(
        "accounts {\n\
         A { users: [{user: a, password: p}], mappings: {\n\
           half: [{destination: one, weight: 50%}, {destination: two, weight: 50%}]\n\
           lossy: [{destination: lossy, weight: 50}] } }\n\
         B { users: [{user: b, password: p}] } }",
    );
    let mut a = Session::login(&server, "a", "p");
    let mut b = Session::login(&server, "b", "p");
    let (own, other) = (a.subscribe(">"), b.subscribe(">"));
    for _ in 0..ROUNDS {
        a.send("half", "", &[], "");
        a.send("lossy", "", &[], "");
        b.send("half", "", &[], "");
    }
    let messages = a.arrived(own);
    let counts = by_subject(&messages);
    assert!(fair(counts["one"]) && fair(counts["lossy"]), "{counts:?}");
    assert_eq!(counts["one"] + counts["two"], ROUNDS, "{counts:?}");
    assert_eq!(by_subject(&b.arrived(other)), [("half", ROUNDS)].into());
}

#[test]
fn weights_apply_to_what_is_exported() {
    let server = Server::with_config(
        "accounts {\n\
         A { users: [{user: a, password: p}], exports: [{stream: \"s.*\"}, {service: \"q\"}],\n\
           mappings: { pick: [{destination: s.one, weight: 50}, {destination: s.two, weight: 50}]\n\
             q: [{destination: q.one, weight: 50}, {destination: q.two, weight: 50}] } }\n\
         B { users: [{user: b, password: p}], imports: [\n\
           {stream: {account: A, subject: \"s.*\"}}, {service: {account: A, subject: q}}] } }",
    );
    let mut a = Session::login(&server, "a", "p");
    let mut b = Session::login(&server, "b", "p");
    let imported = b.subscribe("s.*");
    let asked = a.subscribe("q.*");
    for _ in 0..ROUNDS {
        a.send("pick", "", &[], "");
        b.send("q", "", &[], "");
    }
    for (messages, one, two) in [
        (b.take(imported, ROUNDS), "s.one", "s.two"),
        (a.take(asked, ROUNDS), "q.one", "q.two"),
    ] {
        let counts = by_subject(&messages);
        assert!(
            fair(counts[one]) && counts[one] + counts[two] == ROUNDS,
            "{counts:?}"
        );
    }
}

#[test]
fn half_of_the_requests_are_measured() {
    let server = Server::with_config(
        "accounts {\n\
         A { users: [{user: a, password: p}],\n\
           exports: [{service: q, latency: {sampling: 50, subject: lat}}] }\n\
         B { users: [{user: b, password: p}], imports: [{service: {account: A, subject: q}}] } }",
    );
    let mut a = Session::login(&server, "a", "p");
    let mut b = Session::login(&server, "b", "p");
    let (asked, answers) = (a.subscribe("q"), b.subscribe("inbox"));
    let measured = a.subscribe("lat");
    for _ in 0..ROUNDS {
        b.send("q", "inbox", &[], "");
    }
    for request in a.take(asked, ROUNDS) {
        a.send(&request.reply.expect("a request"), "", &[], "");
    }
    b.take(answers, ROUNDS);
    // Metrics come a moment after the answers.
    let mut count = 0;
    a.until("half of the requests to be measured", |a| {
        count += a.arrived(measured).len();
        fair(count).then_some(())
    });
    let late = a.arrived(measured).len();
    assert!(fair(count + late), "{count} + {late}");
}

/// Members of one group name in two accounts that import the same stream are members of one group
/// of the exporter, together with his own.
#[test]
fn a_queue_group_spans_the_accounts_that_import() {
    let server = Server::with_config(
        "accounts {\n\
         A { users: [{user: a, password: p}], exports: [{stream: s}] }\n\
         B { users: [{user: b, password: p}], imports: [{stream: {account: A, subject: s}}] }\n\
         C { users: [{user: c, password: p}],\n\
           imports: [{stream: {account: A, subject: s}, to: t}] } }",
    );
    let mut a = Session::login(&server, "a", "p");
    let mut b = Session::login(&server, "b", "p");
    let mut c = Session::login(&server, "c", "p");
    let own = a.subscribe_as("s", "g");
    let (first, second) = (b.subscribe_as("s", "g"), c.subscribe_as("t", "g"));
    for _ in 0..ROUNDS {
        a.send("s", "", &[], "");
    }
    let counts = [
        a.arrived(own).len(),
        b.arrived(first).len(),
        c.arrived(second).len(),
    ];
    assert_eq!(counts.iter().sum::<usize>(), ROUNDS, "{counts:?}");
    assert!(counts.iter().all(|count| *count > ROUNDS / 8), "{counts:?}");
}

#[test]
fn a_queue_group_of_responders_shares_the_requests() {
    let server = Server::with_config(
        "accounts {\n\
         A { users: [{user: a, password: p}], exports: [{service: q}] }\n\
         B { users: [{user: b, password: p}], imports: [{service: {account: A, subject: q}}] } }",
    );
    let mut responders = [(); 2].map(|()| Session::login(&server, "a", "p"));
    let groups = responders.each_mut().map(|it| it.subscribe_as("q", "g"));
    let mut b = Session::login(&server, "b", "p");
    let inbox = b.subscribe("inbox");
    for _ in 0..ROUNDS {
        b.send("q", "inbox", &[], "");
    }
    // Everything sent is with the responders once this is answered.
    b.arrived(inbox);
    let mut counts = Vec::new();
    for (responder, group) in responders.iter_mut().zip(groups) {
        let requests = responder.arrived(group);
        for request in &requests {
            responder.send(request.reply.as_deref().unwrap_or_default(), "", &[], "");
        }
        counts.push(requests.len());
    }
    b.take(inbox, ROUNDS);
    assert_eq!(counts.iter().sum::<usize>(), ROUNDS, "{counts:?}");
    assert!(counts.iter().all(|count| fair(*count)), "{counts:?}");
}
