//! The ways back of answers, and how far a request goes: nobody leads an answer to a requester but
//! who was asked, and however long a chain of imports is, its end is a clean one.

use std::fmt::Write as _;

use cognate_conformance::{Client, Server};

fn login(server: &Server, user: &str) -> Client {
    let options = format!(
        r#"{{"verbose":false,"headers":true,"no_responders":true,"user":"{user}","pass":"p"}}"#
    );
    Client::with_options(server.addr(), &options)
}

/// What a guesser may make of a reply subject that it has seen: another character in each place,
/// less, more, another beginning.
fn guesses(seen: &str) -> Vec<String> {
    let mut guesses = vec![
        format!("{seen}0"),
        format!("{seen}.0"),
        seen[..seen.len() - 1].to_owned(),
        seen.replacen("_R_.", "_R_.0", 1),
    ];
    for (at, old) in seen.char_indices().skip(4).filter(|(_, old)| *old != '.') {
        for new in ['0', '1', 'A', 'b', 'z'].iter().filter(|new| **new != old) {
            let (before, after) = (&seen[..at], &seen[at + 1..]);
            guesses.push(format!("{before}{new}{after}"));
        }
    }
    guesses
}

#[test]
fn nobody_guesses_the_way_back_of_an_answer() {
    let server = Server::with_config(
        "accounts {\n\
         A { users: [{user: a, password: p}, {user: a2, password: p}], exports: [{service: q}] }\n\
         B { users: [{user: b, password: p}], imports: [{service: {account: A, subject: q}}] }\n\
         C { users: [{user: c, password: p}], imports: [{service: {account: A, subject: q}}] } }",
    );
    let [mut service, mut colleague, mut asking, mut other] =
        ["a", "a2", "b", "c"].map(|user| login(&server, user));
    service.send("SUB q 1\r\n").sync();
    asking
        .send("SUB inbox 1\r\nPUB q inbox 3\r\none\r\nPUB q inbox 3\r\ntwo\r\n")
        .sync();
    let [first, second] = [(); 2].map(|()| service.message().reply.expect("a way back"));
    assert_ne!(first, second);
    // Of the account that was asked: what is nearly right. Of another one: even what is right.
    for guess in guesses(&first) {
        if guess != second {
            colleague.send(format!("PUB {guess} 5\r\nwrong\r\n"));
        }
    }
    colleague.sync();
    for right in [&first, &second] {
        other.send(format!("PUB {right} 5\r\nwrong\r\n"));
        asking.send(format!("PUB {right} 5\r\nwrong\r\n"));
    }
    other.sync();
    let nothing = asking.messages_until_pong();
    assert!(nothing.is_empty(), "{nothing:?}");
    // Nothing of that has closed the ways back, which serve once.
    for (subject, answer) in [
        (&second, "2nd"),
        (&first, "1st"),
        (&first, "3rd"),
        (&second, "4th"),
    ] {
        service.send(format!("PUB {subject} 3\r\n{answer}\r\n"));
    }
    service.sync();
    let answers = asking.messages_until_pong();
    let answers: Vec<_> = answers.iter().map(|m| (&*m.subject, &*m.payload)).collect();
    assert_eq!(answers, [("inbox", "2nd"), ("inbox", "1st")]);
}

/// Accounts each of which imports the service of the one before, so that a request of the last
/// crosses `length` imports.
fn chain(length: usize) -> String {
    let mut config = "accounts {\n".to_owned();
    for at in 0..=length {
        let imports = match at.checked_sub(1) {
            Some(next) => {
                format!(
                    "imports: [{{service: {{account: A{next}, subject: s{next}}}, to: s{at}}}],"
                )
            }
            None => String::new(),
        };
        let _ = writeln!(
            config,
            "A{at} {{ users: [{{user: u{at}, password: p}}], {imports} exports: [{{service: s{at}}}] }}"
        );
    }
    config + "}"
}

#[test]
fn a_request_crosses_a_hundred_imports_and_so_does_its_answer() {
    const LENGTH: usize = 100;
    let server = Server::with_config(&chain(LENGTH));
    let mut service = login(&server, "u0");
    service.send("SUB s0 1\r\n").sync();
    let mut asking = login(&server, &format!("u{LENGTH}"));
    asking
        .send(format!("SUB inbox 1\r\nPUB s{LENGTH} inbox 2\r\nhi\r\n"))
        .sync();
    let request = service.message();
    assert_eq!((&*request.subject, &*request.payload), ("s0", "hi"));
    let reply = request.reply.expect("a way back");
    service
        .send(format!(
            "PUB {reply} 5\r\nthere\r\nPUB {reply} 5\r\nagain\r\n"
        ))
        .sync();
    let answers = asking.messages_until_pong();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(
        (&*answers[0].subject, &*answers[0].payload),
        ("inbox", "there")
    );
}

/// nats-server has no bound on chains without a circle; this server has one. Either way the requester
/// hears exactly once, and everybody goes on.
#[test]
fn a_request_beyond_the_bound_ends_as_one_that_nobody_serves() {
    const LENGTH: usize = 200;
    let server = Server::with_config(&chain(LENGTH));
    let mut service = login(&server, "u0");
    service.send("SUB s0 1\r\n").sync();
    let mut asking = login(&server, &format!("u{LENGTH}"));
    asking.send(format!("SUB inbox 1\r\nPUB s{LENGTH} inbox 2\r\nhi\r\n"));
    let unserved = asking.messages_until_pong();
    let requests = service.messages_until_pong();
    match requests.as_slice() {
        [] => {
            let headers = unserved.iter().map(|message| message.headers.as_deref());
            let status = headers.map(|headers| headers.and_then(|h| h.get(..12)));
            assert_eq!(status.collect::<Vec<_>>(), [Some("NATS/1.0 503")]);
        }
        [request] => {
            assert!(unserved.is_empty(), "{unserved:?}");
            let reply = request.reply.as_deref().expect("a way back");
            service.send(format!("PUB {reply} 5\r\nthere\r\n")).sync();
            assert_eq!(asking.message().payload, "there");
        }
        more => panic!("one request became {more:?}"),
    }
    // The accounts in the middle serve each other as before.
    let mut nearer = login(&server, "u3");
    nearer
        .send("SUB inbox 1\r\nPUB s3 inbox 2\r\nhi\r\n")
        .sync();
    let reply = service.message().reply.expect("a way back");
    service.send(format!("PUB {reply} 4\r\nfine\r\n")).sync();
    assert_eq!(nearer.message().payload, "fine");
}

/// Results of one service's latency are requests to another one, and the other way round: no circle
/// of imports, but each request makes another one.
#[test]
fn results_that_are_requests_to_measured_services_come_to_an_end() {
    let server = Server::with_config(
        "accounts {\n\
         A { users: [{user: a, password: p}], imports: [{service: {account: B, subject: t}, to: one}],\n\
             exports: [{service: u, latency: {sampling: 100, subject: one}}] }\n\
         B { users: [{user: b, password: p}], imports: [{service: {account: A, subject: u}, to: two}],\n\
             exports: [{service: t, latency: {sampling: 100, subject: two}}] } }",
    );
    // A request without a reply subject is told of as a bad one.
    let mut asking = login(&server, "b");
    asking.send("PUB two 2\r\nhi\r\n").sync();
    login(&server, "a").sync();
}
