//! Configurations are checked as nats-server 2.14.5 checks them: the same defaults, rules, codes,
//! texts and JSON, for requests that it was asked and whose answers are in `data/`.

use std::fmt::Write;

use cognate_model::json::{Decoder, Json, Record};
use cognate_model::{
    AccountLimits, ApiError, ConsumerConfig, ConsumerContext, ServerLimits, StreamConfig,
    StreamContext, error, json,
};
use serde_json::Value;

const VERSION: &str = "2.14.5";

fn cases(text: &str) -> Vec<Value> {
    serde_json::from_str(text).expect("the recorded cases are JSON")
}

/// The stream that exists in every case.
fn origin() -> StreamConfig {
    let text = r#"{"name":"ORIGIN","subjects":["or.*"],"allow_direct":true,"max_msg_size":100}"#;
    decode(&serde_json::from_str(text).expect("JSON")).expect("a configuration")
}

/// A request as it is sent: the configuration and `pedantic`.
#[derive(Default)]
struct Request {
    config: StreamConfig,
    pedantic: bool,
}

impl Record for Request {
    const GO_NAME: &'static str = "StreamConfigRequest";

    fn decode_field(&mut self, name: &str, value: &Json, decoder: &mut Decoder) -> bool {
        if name == "pedantic" {
            decoder.field("pedantic", value, &mut self.pedantic);
            return true;
        }
        decoder.embedded(name, value, &mut self.config)
    }
}

fn decode<T: Record + Default>(value: &Value) -> Result<T, ApiError> {
    let text = value.to_string();
    json::decode_request(text.as_bytes(), json::Unknown::Refused).map_err(error::invalid_json)
}

fn checked_stream(request: &Value, creates: bool) -> Result<StreamConfig, ApiError> {
    let Request {
        mut config,
        pedantic,
    } = decode(request)?;
    config.set_required_level();
    if creates {
        let name = config.name.clone();
        config.check_create(&name)?;
    }
    let find = |name: &str| (name == "ORIGIN").then(origin);
    let context = StreamContext {
        server: &ServerLimits::default(),
        account: &AccountLimits::UNLIMITED,
        pedantic,
        find: &find,
    };
    let mut config = config.checked(&context)?;
    config.set_required_level();
    if creates && config.num_replicas > 1 {
        return Err(error::STREAM_REPLICAS_NOT_SUPPORTED);
    }
    Ok(config)
}

fn created_stream(request: &Value) -> Result<StreamConfig, ApiError> {
    let config = checked_stream(request, true)?;
    config.check_subjects_free([&origin()])?;
    Ok(config)
}

fn updated_stream(old: &Value, new: &Value) -> Result<StreamConfig, ApiError> {
    let old = created_stream(old)?;
    let new = checked_stream(new, false)?;
    if new.name != old.name {
        return Err(error::STREAM_MISMATCH);
    }
    let new = old.updated(new)?;
    new.check_subjects_free([&origin()])?;
    Ok(new)
}

fn checked_consumer(
    request: &Value,
    name: &str,
) -> Result<(StreamConfig, ConsumerConfig), ApiError> {
    let stream = created_stream(&request["stream"])?;
    let mut config: ConsumerConfig = decode(&request["request"]["config"])?;
    if config.durable_name.is_empty() || config.durable_name == name {
        name.clone_into(&mut config.name);
    }
    if config.num_replicas > 1 {
        return Err(error::STREAM_REPLICAS_NOT_SUPPORTED);
    }
    config.set_required_level();
    let context = ConsumerContext {
        server: &ServerLimits::default(),
        account: &AccountLimits::UNLIMITED,
        pedantic: request["request"]["pedantic"] == true,
        stream: &stream,
    };
    let config = config.checked(&context)?;
    Ok((stream, config))
}

/// Compares an outcome with what was answered, to the byte where it is a configuration.
fn compare(case: &Value, outcome: Result<String, ApiError>, report: &mut String) {
    let recorded = match case.get("config") {
        // serde_json would sort the members: compare with the text in the file.
        Some(config) => Ok(config.to_string()),
        None => Err(case["error"].to_string()),
    };
    let outcome = outcome
        .map(|text| normal(&text))
        .map_err(|error| normal(&json::to_string(&error)));
    if recorded != outcome {
        let mut case = case.clone();
        let members = case.as_object_mut().expect("a case is an object");
        members.remove("config");
        members.remove("error");
        let _ = writeln!(
            report,
            "{case}\n  recorded {recorded:?}\n  got      {outcome:?}"
        );
    }
}

fn normal(text: &str) -> String {
    let value: Value = serde_json::from_str(text).expect("we write JSON");
    value.to_string()
}

#[track_caller]
fn finish(report: &str) {
    assert!(
        report.is_empty(),
        "{} differ:\n{report}",
        report.lines().count() / 3
    );
}

#[test]
fn streams_are_created_as_by_the_go_server() {
    let mut report = String::new();
    for case in cases(include_str!("data/stream_create.json")) {
        let outcome = created_stream(&case["request"]);
        let outcome = outcome.map(|config| json::to_string(&config.shown(VERSION)));
        compare(&case, outcome, &mut report);
    }
    finish(&report);
}

#[test]
fn streams_are_updated_as_by_the_go_server() {
    let mut report = String::new();
    for case in cases(include_str!("data/stream_update.json")) {
        let outcome = updated_stream(&case["old"], &case["new"]);
        let outcome = outcome.map(|config| json::to_string(&config.shown(VERSION)));
        compare(&case, outcome, &mut report);
    }
    finish(&report);
}

#[test]
fn consumers_are_created_as_by_the_go_server() {
    let mut report = String::new();
    for case in cases(include_str!("data/consumer_create.json")) {
        let name = case["name"].as_str().expect("a name");
        let outcome = checked_consumer(&case, name).and_then(|(stream, mut config)| {
            config.check_beside(name, &stream, -1, [])?;
            config.fill_inactive_threshold();
            Ok(json::to_string(&config.shown(VERSION)))
        });
        compare(&case, outcome, &mut report);
    }
    finish(&report);
}

#[test]
fn consumers_are_updated_as_by_the_go_server() {
    let mut report = String::new();
    for case in cases(include_str!("data/consumer_update.json")) {
        let with =
            |request: &Value| serde_json::json!({"stream": case["stream"], "request": request});
        let (_, old) = checked_consumer(&with(&case["old"]), "D").expect("it was created");
        let outcome = checked_consumer(&with(&case["new"]), "D").and_then(|(_, mut new)| {
            // A pause is not changed this way.
            new.pause_until = old.pause_until;
            new.set_required_level();
            old.check_update(&new, false)?;
            Ok(json::to_string(&new.shown(VERSION)))
        });
        compare(&case, outcome, &mut report);
    }
    finish(&report);
}

/// Members are in the Go server's order, and left out when it leaves them out.
#[test]
fn json_is_written_byte_by_byte_as_by_the_go_server() {
    let mut compared = 0;
    for line in include_str!("data/stream_create.json").lines() {
        let Some((_, config)) = line.split_once("\"config\":") else {
            continue;
        };
        let config = config
            .trim_end_matches(',')
            .strip_suffix('}')
            .expect("a case ends here");
        let decoded: StreamConfig =
            json::decode_request(config.as_bytes(), json::Unknown::Refused).expect("it is one");
        let written = json::to_string(&decoded);
        // The recording has no escapes of Go's own.
        let plain = written
            .replace("\\u003c", "<")
            .replace("\\u003e", ">")
            .replace("\\u0026", "&");
        assert_eq!(plain, config);
        compared += 1;
    }
    assert!(
        compared > 100,
        "only {compared} configurations were recorded"
    );
}
