//! Requests are read, and refused, as nats-server 2.14.5 does. The texts were recorded from it.

use cognate_api::*;
use cognate_model::json::Unknown::{Ignored, Refused};
use cognate_model::{ApiError, ConsumerConfig, Timestamp, error};
use proptest::prelude::*;

/// The refusal has this number and text.
#[track_caller]
fn refuses<T: std::fmt::Debug>(outcome: Result<T, ApiError>, err_code: u16, text: &str) {
    let error = outcome.expect_err("it is refused");
    assert_eq!(
        (error.err_code, error.description.as_ref()),
        (err_code, text)
    );
}

#[track_caller]
fn refuses_stream(body: &str, text: &str) {
    let outcome = StreamRequest::parse(body.as_bytes(), Refused);
    refuses(outcome, 10025, &format!("invalid JSON: {text}"));
}

#[test]
fn stream_requests_are_refused_in_the_go_servers_words() {
    let field = "json: cannot unmarshal";
    let go = "into Go struct field StreamConfigRequest";
    let of = "into Go struct field StreamSource.StreamConfig";
    refuses_stream(r#"{"nope":1}"#, r#"json: unknown field "nope""#);
    refuses_stream(
        r#"{"sources":[{"name":"x","wat":3}]}"#,
        r#"json: unknown field "wat""#,
    );
    let text = format!("{field} string {go}.StreamConfig.max_msgs of type int64");
    refuses_stream(r#"{"name":"S2","Max_Msgs":"x"}"#, &text);
    let text = format!(
        "{field} string into Go struct field StreamConsumerLimits.StreamConfig.consumer_limits.\
         inactive_threshold of type time.Duration"
    );
    refuses_stream(r#"{"consumer_limits":{"inactive_threshold":"x"}}"#, &text);
    let text = format!("{field} number {of}.sources.name of type string");
    refuses_stream(r#"{"sources":[{"name":3}]}"#, &text);
    let text = format!("{field} array {of}.mirror.external of type server.ExternalStream");
    refuses_stream(r#"{"mirror":{"external":[]}}"#, &text);
    refuses_stream(r#"{"retention":"zz"}"#, r#"can not unmarshal "\"zz\"""#);
    refuses_stream(r#"{"retention":null}"#, r#"can not unmarshal "null""#);
    refuses_stream(r#"{"compression":"zz"}"#, "unknown compression algorithm");
    let text = format!("{field} number {go}.StreamConfig.compression of type string");
    refuses_stream(r#"{"compression":3}"#, &text);
    let text = r#"parsing time "bad" as "2006-01-02T15:04:05Z07:00": cannot parse "bad" as "2006""#;
    refuses_stream(r#"{"mirror":{"opt_start_time":"bad"}}"#, text);
    let text = "Time.UnmarshalJSON: input is not a JSON string";
    refuses_stream(r#"{"mirror":{"opt_start_time":3}}"#, text);
    refuses_stream(r#"{"name":"S2""#, "unexpected EOF");
    let text = "invalid character 'x' looking for beginning of value at offset 14";
    refuses_stream(r#"{"name":"S2"}x"#, text);
    let text = "invalid character 'h' looking for beginning of value at offset 1";
    refuses_stream("hello", text);
    let text = format!("{field} array into Go value of type server.StreamConfigRequest");
    refuses_stream("[]", &text);
    let text = format!("{field} number into Go value of type server.StreamConfigRequest");
    refuses_stream("3", &text);
    let text = format!("{field} number {go}.StreamConfig.metadata of type string");
    refuses_stream(r#"{"metadata":{"a":3}}"#, &text);
    let text = format!("{field} number {go}.StreamConfig.metadata of type map[string]string");
    refuses_stream(r#"{"metadata":3}"#, &text);
    let text = format!("{field} string {go}.StreamConfig.subjects of type []string");
    refuses_stream(r#"{"subjects":"x"}"#, &text);
    let text = format!("{field} string {go}.StreamConfig.max_age of type time.Duration");
    refuses_stream(r#"{"max_age":"1s"}"#, &text);
    let text = format!("{field} number 99999999999 {go}.StreamConfig.max_msg_size of type int32");
    refuses_stream(r#"{"max_msg_size":99999999999}"#, &text);
    let text = format!("{field} string {go}.pedantic of type bool");
    refuses_stream(r#"{"pedantic":"x"}"#, &text);
}

#[test]
fn stream_requests_are_read_as_leniently_as_the_go_server_reads_them() {
    let read = |body: &str| StreamRequest::parse(body.as_bytes(), Refused).expect("it is read");
    for body in ["", "  ", "null", "{}", "{} {}"] {
        assert_eq!(read(body), StreamRequest::default(), "{body:?}");
    }
    let request = read(r#"{"NAME":"a","name":"b","Pedantic":true,"max_msgs":null}"#);
    assert_eq!(
        (request.config.name.as_str(), request.pedantic),
        ("b", true)
    );
    assert_eq!(read(r#"{"name":"a"}{"max_msgs":3}"#).config.max_msgs, 3);
    let ignored = StreamRequest::parse(br#"{"nope":1,"name":"a"}"#, Ignored).expect("it is read");
    assert_eq!(ignored.config.name, "a");
    let damaged = StreamRequest::parse(b"{\"description\":\"a\xffb\"}", Refused).expect("read");
    assert_eq!(damaged.config.description, "a\u{fffd}b");
}

#[track_caller]
fn consumer(subject: &str, body: &str) -> Result<ConsumerRequest, ApiError> {
    let subject = format!("$JS.API.CONSUMER.{subject}");
    let operation = Operation::parse(subject.as_bytes()).expect("a subject of the API");
    ConsumerRequest::parse(&operation, body.as_bytes(), Refused)
}

#[test]
fn consumer_requests_agree_with_their_subject() {
    #[track_caller]
    fn check(subject: &str, config: &str, expected: Result<&str, u16>) {
        let body = format!(r#"{{"stream_name":"S1","config":{config}}}"#);
        let outcome = consumer(subject, &body);
        let outcome = outcome
            .map(|request| request.config.name)
            .map_err(|error| error.err_code);
        assert_eq!(outcome, expected.map(str::to_owned), "{subject} {config}");
    }
    check("CREATE.S1", "{}", Ok(""));
    check("CREATE.S1", r#"{"name":"n"}"#, Ok("n"));
    check("CREATE.S1", r#"{"name":"a/b"}"#, Err(10127));
    check("CREATE.S1", r#"{"durable_name":"D"}"#, Err(10020));
    check("CREATE.S2", "{}", Err(10056));
    check("CREATE.S1.x", r#"{"name":"y"}"#, Ok("x"));
    check("CREATE.S1.x", r#"{"durable_name":"y"}"#, Err(10017));
    check("CREATE.S1.a/b", r#"{"name":"a/b"}"#, Err(10127));
    check("CREATE.S2.x", "{}", Err(10056));
    check(
        "CREATE.S1.x.foo.*",
        r#"{"filter_subject":"foo.*"}"#,
        Ok("x"),
    );
    check(
        "CREATE.S1.x.foo.*",
        r#"{"filter_subject":"foo.bar"}"#,
        Err(10131),
    );
    check(
        "CREATE.S1.x.foo.*",
        r#"{"filter_subjects":["foo.*"]}"#,
        Err(10137),
    );
    check("DURABLE.CREATE.S1.x", r#"{"name":"y"}"#, Err(10018));
    check("DURABLE.CREATE.S1.x", r#"{"durable_name":"y"}"#, Err(10017));
    check("DURABLE.CREATE.S1.x", r#"{"durable_name":"x"}"#, Ok("x"));
    check("CREATE.S1.x", r#"{"foo":1}"#, Err(10025));
}

#[test]
fn consumer_requests_are_refused_in_the_go_servers_words() {
    let refuses = |rest: &str, text: &str| {
        let outcome = consumer("CREATE.S1.x", &format!(r#"{{"stream_name":"S1",{rest}}}"#));
        refuses(outcome, 10025, &format!("invalid JSON: {text}"));
    };
    let zz = r#"can not unmarshal "\"zz\"""#;
    refuses(
        r#""config":{"ack_policy":"zz","priority_policy":"q"},"action":"zz""#,
        zz,
    );
    refuses(
        r#""config":{"priority_policy":"q"}"#,
        r#"unknown priority policy: "q""#,
    );
    refuses(r#""action":"zz""#, r#"unknown consumer action: "zz""#);
    let text = "json: cannot unmarshal string into Go struct field ConsumerConfig.config.backoff \
                of type time.Duration";
    refuses(r#""config":{"backoff":["1s"]}"#, text);
    let text = "json: cannot unmarshal number into Go struct field \
                ConsumerConfig.config.sample_freq of type string";
    refuses(r#""config":{"sample_freq":30}"#, text);
    let request = consumer("CREATE.S1.x", r#"{"stream_name":"S1","action":"update"}"#);
    assert_eq!(request.expect("it is read").action, ConsumerAction::Update);
}

#[test]
fn bodies_are_empty_needed_or_optional() {
    assert_eq!(expect_empty(b""), Ok(()));
    assert_eq!(expect_empty(b" { } "), Ok(()));
    for body in [&b"x"[..], b"[]", b"{\"a\":1}", b"null"] {
        assert_eq!(expect_empty(body), Err(error::NOT_EMPTY_REQUEST));
    }
    assert_eq!(
        RemoveMessageRequest::parse(b"{}", Refused),
        Err(error::BAD_REQUEST)
    );
    assert_eq!(
        RemoveMessageRequest::parse(b"{\"seq\":2}", Refused)
            .expect("read")
            .seq,
        2
    );
    assert_eq!(
        SnapshotRequest::parse(b"", Refused),
        Err(error::BAD_REQUEST)
    );
    let request = SnapshotRequest::parse(br#"{"deliver_subject":"a.*"}"#, Refused).expect("read");
    assert_eq!(
        request.check(),
        Err(error::SNAPSHOT_DELIVER_SUBJECT_INVALID)
    );

    assert_eq!(
        InfoRequest::parse(b"x", Refused).expect("ignored"),
        InfoRequest::default()
    );
    assert_eq!(
        PageRequest::parse(b"7", Refused).expect("ignored"),
        PageRequest::default()
    );
    let text = r#"invalid JSON: json: unknown field "x""#;
    refuses(
        SubjectPageRequest::parse(br#" {"offset":-1,"x":3}"#, Refused),
        10025,
        text,
    );
    assert_eq!(
        PurgeRequest::parse(br#"{"seq":2,"keep":1}"#, Refused),
        Err(error::BAD_REQUEST)
    );
    assert_eq!(
        PurgeRequest::parse(b"x", Refused).expect("ignored"),
        PurgeRequest::default()
    );
}

#[test]
fn message_requests_say_one_thing() {
    let read = |body: &str| MessageRequest::parse(body.as_bytes(), Refused).is_ok();
    let good = [
        r#"{"seq":1}"#,
        r#"{"last_by_subj":"a"}"#,
        r#"{"next_by_subj":"a"}"#,
        r#"{"seq":1,"next_by_subj":"a"}"#,
        r#"{"start_time":"2024-01-01T00:00:00Z"}"#,
        r#"{"start_time":"2024-01-01T00:00:00Z","next_by_subj":"a"}"#,
    ];
    for body in good {
        assert!(read(body), "{body}");
    }
    let bad = [
        "",
        "{}",
        r#"{"seq":0}"#,
        r#"{"seq":1,"batch":3}"#,
        r#"{"seq":1,"max_bytes":3}"#,
        r#"{"seq":1,"last_by_subj":"a"}"#,
        r#"{"last_by_subj":"a","next_by_subj":"a"}"#,
        r#"{"seq":1,"start_time":"2024-01-01T00:00:00Z"}"#,
    ];
    for body in bad {
        let outcome = MessageRequest::parse(body.as_bytes(), Refused);
        assert_eq!(outcome, Err(error::BAD_REQUEST), "{body}");
    }
}

#[test]
fn direct_reads_are_answered_with_a_status() {
    let read = |body: &str| MessageRequest::parse_direct(body.as_bytes()).err();
    assert_eq!(read(""), Some("408 Empty Request"));
    assert_eq!(read("{}"), Some("408 Empty Request"));
    assert_eq!(read("{"), Some("408 Malformed Request"));
    assert_eq!(
        read(r#"{"last_by_subj":"a","batch":1}"#),
        Some("408 Bad Request")
    );
    assert_eq!(
        read(r#"{"seq":1,"batch":1,"next_by_subj":"a","nope":1}"#),
        None
    );
    assert_eq!(read(r#"{"multi_last":["a"],"up_to_seq":4}"#), None);
    let last = |body: &str| MessageRequest::parse_direct_last(body.as_bytes(), "a.b");
    assert_eq!(last("").expect("read").last_by_subj, "a.b");
    assert!(last(r#"{"no_hdr":true}"#).expect("read").no_hdr);
    assert_eq!(last(r#"{"seq":1}"#), Err("408 Bad Request"));
    assert_eq!(last("x"), Err("408 Malformed Request"));
}

#[test]
fn consumers_are_paused_unpinned_and_reset() {
    let pause = |body: &str| PauseRequest::parse(body.as_bytes(), Refused).expect("it is read");
    assert_eq!(pause("").pause_until, None);
    assert_eq!(
        pause(r#"{"pause_until":"0001-01-01T00:00:00Z"}"#).pause_until,
        None
    );
    let until = Timestamp::parse_rfc3339("2099-12-31T22:00:00.5Z");
    assert_eq!(
        pause(r#"{"pause_until":"2100-01-01T00:00:00.5+02:00"}"#).pause_until,
        until
    );

    let unpin = |body: &str| UnpinRequest::parse(body.as_bytes());
    refuses(
        unpin(""),
        10025,
        "invalid JSON: unexpected end of JSON input",
    );
    refuses(
        unpin("{}"),
        10025,
        "invalid JSON: consumer group not specified",
    );
    assert_eq!(
        unpin(r#"{"group":"a b"}"#),
        Err(error::CONSUMER_INVALID_GROUP_NAME)
    );
    assert_eq!(
        unpin(r#"{"group":"a","x":1}"#).expect("it is read").group,
        "a"
    );

    let text = "invalid JSON: json: cannot unmarshal string into Go struct field \
                JSApiConsumerResetRequest.seq of type uint64";
    refuses(ResetRequest::parse(br#"{"seq":"x"}"#), 10025, text);
    let text = "invalid JSON: invalid character 'x' looking for beginning of value";
    refuses(ResetRequest::parse(b"x"), 10025, text);
    assert_eq!(ResetRequest::parse(b"").expect("it is read").seq, 0);
}

#[test]
fn clusters_are_asked_too() {
    assert_eq!(
        PeerRequest::parse(b"{\"peer\":\"\"}", Refused),
        Err(error::BAD_REQUEST)
    );
    assert_eq!(
        PeerRequest::parse(b"{\"peer\":\"a\"}", Refused)
            .expect("read")
            .peer,
        "a"
    );
    let request = StepDownRequest::parse(br#"{"placement":{"preferred":"n1"}}"#, Refused);
    assert_eq!(
        request
            .expect("read")
            .placement
            .expect("there is one")
            .preferred,
        "n1"
    );
    assert_eq!(
        ServerRemoveRequest::parse(b"", Refused),
        Err(error::BAD_REQUEST)
    );
    assert_eq!(
        MoveRequest::parse(b"", Refused).expect("read"),
        MoveRequest::default()
    );
    let name = |body: &[u8]| RestoreRequest::parse(body, "S", Refused).map(|it| it.config.name);
    assert_eq!(name(br#"{"config":{}}"#).expect("read"), "S");
    assert_eq!(
        name(br#"{"config":{"name":"T"}}"#),
        Err(error::STREAM_MISMATCH)
    );
    assert_eq!(name(b"{}"), Err(error::BAD_REQUEST));
}

/// JSON of any shape, with member names that mean something.
fn any_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|flag| flag.to_string()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| format!("{number:e}")),
        Just("123456789012345678901234567890".to_owned()),
        Just("1e999".to_owned()),
        "\\PC{0,8}".prop_map(|text| serde_json::Value::from(text).to_string()),
        Just("\"2024-01-01T00:00:00Z\"".to_owned()),
    ];
    let name = prop::sample::select(vec![
        "name",
        "config",
        "subjects",
        "mirror",
        "sources",
        "external",
        "consumer",
        "max_age",
        "metadata",
        "retention",
        "seq",
        "start_time",
        "state",
        "first_ts",
        "placement",
        "tags",
        "backoff",
        "opt_start_time",
        "priority_groups",
        "Max_Msgs",
        "stream_name",
        "x",
        "consumer_limits",
        "subject_transforms",
        "republish",
        "num_replicas",
        "group",
    ]);
    leaf.prop_recursive(4, 64, 8, move |inner| {
        let members = prop::collection::vec((name.clone(), inner.clone()), 0..8);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            members.prop_map(|members| {
                let members: Vec<_> = members
                    .iter()
                    .map(|(name, value)| format!("\"{name}\":{value}"))
                    .collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

fn read_everything(body: &[u8]) {
    let _ = expect_empty(body);
    for unknown in [Refused, Ignored] {
        let _ = StreamRequest::parse(body, unknown);
        let _ = InfoRequest::parse(body, unknown);
        let _ = SubjectPageRequest::parse(body, unknown);
        let _ = PurgeRequest::parse(body, unknown);
        let _ = RemoveMessageRequest::parse(body, unknown);
        let _ = MessageRequest::parse(body, unknown);
        let _ = SnapshotRequest::parse(body, unknown);
        let _ = RestoreRequest::parse(body, "S", unknown);
        let _ = PageRequest::parse(body, unknown);
        let _ = PauseRequest::parse(body, unknown);
        let _ = PeerRequest::parse(body, unknown);
        let _ = StepDownRequest::parse(body, unknown);
        let _ = ServerRemoveRequest::parse(body, unknown);
        let _ = MoveRequest::parse(body, unknown);
        let operation = Operation::EphemeralCreate { stream: "S" };
        let _ = ConsumerRequest::parse(&operation, body, unknown);
    }
    let _ = MessageRequest::parse_direct(body);
    let _ = MessageRequest::parse_direct_last(body, "a");
    let _ = UnpinRequest::parse(body);
    let _ = ResetRequest::parse(body);
}

proptest! {
    #[test]
    fn no_json_makes_a_reader_panic(body in any_json()) {
        read_everything(body.as_bytes());
    }

    #[test]
    fn no_bytes_make_a_reader_panic(body in prop::collection::vec(any::<u8>(), 0..64)) {
        read_everything(&body);
    }

    #[test]
    fn no_subject_makes_the_parser_panic(
        tokens in prop::collection::vec("(STREAM|CONSUMER|CREATE|INFO|MSG|GET|DIRECT|[a-z.*>]{0,3})", 0..8)
    ) {
        let subject = format!("$JS.API.{}", tokens.join("."));
        if let Some(operation) = Operation::parse(subject.as_bytes()) {
            let text = error_response(Some(&operation), &error::BAD_REQUEST);
            prop_assert!(serde_json::from_slice::<serde_json::Value>(&text).is_ok());
        }
    }

    #[test]
    fn what_is_written_is_read_again(config in any_json()) {
        let read = |text: &[u8]| cognate_model::json::decode_request::<ConsumerConfig>(text, Ignored);
        if let Ok(config) = read(config.as_bytes()) {
            let written = cognate_model::json::to_vec(&config);
            prop_assert_eq!(read(&written), Ok(config));
        }
        let request = StreamRequest::parse(config.as_bytes(), Ignored);
        if let Ok(StreamRequest { config, .. }) = request {
            let written = cognate_model::json::to_vec(&config);
            let again = StreamRequest::parse(&written, Refused).map(|request| request.config);
            prop_assert_eq!(again, Ok(config));
        }
    }
}
