//! Refusals are valid by the published schemas, and to the byte what nats-server 2.14.5 sends.

mod support;

use cognate_api::{Operation, error_response};
use cognate_model::{ApiError, error, json};
use support::check_schema;

#[track_caller]
fn check_error(subject: &str, error: &ApiError, more: &str) {
    let operation = Operation::parse(subject.as_bytes()).expect("a subject of the API");
    let text = error_response(Some(&operation), error);
    let kind = operation.response_type().expect("it answers with JSON");
    let shown = json::to_string(error);
    let expected = format!("{{\"type\":\"{kind}\",\"error\":{shown}{more}}}");
    assert_eq!(String::from_utf8(text.clone()).expect("text"), expected);
    check_schema(&text);
}

/// Operations whose refusals are an error and nothing else.
const PLAIN: [&str; 17] = [
    "STREAM.DELETE.S",
    "STREAM.SNAPSHOT.S",
    "STREAM.MSG.GET.S",
    "STREAM.MSG.DELETE.S",
    "STREAM.PEER.REMOVE.S",
    "STREAM.LEADER.STEPDOWN.S",
    "CONSUMER.CREATE.S",
    "CONSUMER.CREATE.S.C",
    "CONSUMER.DURABLE.CREATE.S.C",
    "INFO",
    "CONSUMER.INFO.S.C",
    "CONSUMER.DELETE.S.C",
    "CONSUMER.UNPIN.S.C",
    "CONSUMER.LEADER.STEPDOWN.S.C",
    "META.LEADER.STEPDOWN",
    "SERVER.REMOVE",
    "ACCOUNT.PURGE.A",
];

#[test]
fn refusals_are_shown_with_the_members_that_are_always_there() {
    let not_found = error::STREAM_NOT_FOUND;
    let page = r#","total":0,"offset":0,"limit":0"#;
    check_error("$JS.API.STREAM.CREATE.S", &error::STREAM_NAME_EXIST, "");
    check_error(
        "$JS.API.STREAM.UPDATE.S",
        &error::stream_invalid_config("x <"),
        "",
    );
    check_error("$JS.API.STREAM.INFO.S", &not_found, page);
    check_error(
        "$JS.API.STREAM.NAMES",
        &not_found,
        &format!("{page},\"streams\":null"),
    );
    check_error(
        "$JS.API.STREAM.LIST",
        &not_found,
        &format!("{page},\"streams\":[]"),
    );
    check_error(
        "$JS.API.CONSUMER.NAMES.S",
        &not_found,
        &format!("{page},\"consumers\":[]"),
    );
    check_error(
        "$JS.API.CONSUMER.LIST.S",
        &not_found,
        &format!("{page},\"consumers\":[]"),
    );
    check_error("$JS.API.STREAM.PURGE.S", &not_found, r#","purged":0"#);
    check_error(
        "$JS.API.STREAM.RESTORE.S",
        &not_found,
        r#","deliver_subject":"""#,
    );
    check_error(
        "$JS.API.CONSUMER.RESET.S.C",
        &not_found,
        r#","reset_seq":0"#,
    );
    let pause = r#","paused":false,"pause_until":"0001-01-01T00:00:00Z""#;
    check_error("$JS.API.CONSUMER.PAUSE.S.C", &not_found, pause);
    for subject in PLAIN {
        check_error(&format!("$JS.API.{subject}"), &not_found, "");
    }
}

#[test]
fn what_no_operation_stands_for_is_refused_too() {
    let text = error_response(None, &error::BAD_REQUEST);
    let expected = concat!(
        r#"{"type":"io.nats.jetstream.api.v1.system_response","#,
        r#""error":{"code":400,"err_code":10003,"description":"bad request"}}"#,
    );
    assert_eq!(String::from_utf8(text).expect("text"), expected);
}
