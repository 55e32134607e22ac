//! Tables of requests with their outcomes: every row is played, all differences are reported at
//! once.

use super::{Headers, JetStream};

/// A subject below `$JS.API.`, a payload, and the outcome (`ok`, or code and text of the error).
pub type ApiCase<'a> = (&'a str, &'a str, &'a str);

/// A subject, headers, a payload and the exact answer.
pub type PublishCase<'a> = (&'a str, Headers<'a>, &'a str, &'a str);

/// Sends every request and compares its outcome.
#[track_caller]
pub fn check_api(js: &mut JetStream, cases: &[ApiCase<'_>]) {
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|&(subject, payload, expected)| {
            let seen = js.outcome(subject, payload);
            let shown: String = payload.chars().take(120).collect();
            difference(&format!("{subject} {shown}"), expected, &seen)
        })
        .collect();
    report(&failures);
}

/// Publishes every message and compares what the stream answers.
#[track_caller]
pub fn check_publishes(js: &mut JetStream, cases: &[PublishCase<'_>]) {
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|&(subject, headers, payload, expected)| {
            let seen = js.publish(subject, headers, payload);
            difference(&format!("{subject} {headers:?} {payload}"), expected, &seen)
        })
        .collect();
    report(&failures);
}

fn difference(what: &str, expected: &str, seen: &str) -> Option<String> {
    (seen != expected).then(|| format!("{what}\n    expected {expected}\n    got      {seen}"))
}

#[track_caller]
fn report(failures: &[String]) {
    assert!(
        failures.is_empty(),
        "{} rows differ:\n{}",
        failures.len(),
        failures.join("\n")
    );
}
