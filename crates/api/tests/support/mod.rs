//! What tests of JSON share: the schemas, and a validator of the part of JSON Schema they use.

use serde_json::{Map, Value};

macro_rules! schemas {
    ($($name:literal),* $(,)?) => {
        /// Every schema, by its type without the beginning and with `/` for `.`.
        const SCHEMAS: &[(&str, &str)] = &[
            $( ($name, include_str!(concat!("../../../../schemas/jetstream/", $name, ".json"))), )*
        ];
    };
}

schemas![
    "api/v1/account_info_response",
    "api/v1/account_purge_response",
    "api/v1/consumer_create_response",
    "api/v1/consumer_delete_response",
    "api/v1/consumer_info_response",
    "api/v1/consumer_leader_stepdown_response",
    "api/v1/consumer_list_response",
    "api/v1/consumer_names_response",
    "api/v1/consumer_pause_response",
    "api/v1/consumer_reset_response",
    "api/v1/consumer_unpin_response",
    "api/v1/meta_leader_stepdown_response",
    "api/v1/meta_server_remove_response",
    "api/v1/pub_ack_response",
    "api/v1/stream_create_response",
    "api/v1/stream_delete_response",
    "api/v1/stream_info_response",
    "api/v1/stream_leader_stepdown_response",
    "api/v1/stream_list_response",
    "api/v1/stream_msg_delete_response",
    "api/v1/stream_msg_get_response",
    "api/v1/stream_names_response",
    "api/v1/stream_purge_response",
    "api/v1/stream_remove_peer_response",
    "api/v1/stream_restore_response",
    "api/v1/stream_snapshot_response",
    "api/v1/stream_update_response",
    "advisory/v1/api_audit",
    "advisory/v1/api_limit_reached",
    "advisory/v1/consumer_action",
    "advisory/v1/consumer_group_pinned",
    "advisory/v1/consumer_group_unpinned",
    "advisory/v1/consumer_leader_elected",
    "advisory/v1/consumer_pause",
    "advisory/v1/consumer_quorum_lost",
    "advisory/v1/domain_leader_elected",
    "advisory/v1/max_deliver",
    "advisory/v1/nak",
    "advisory/v1/restore_complete",
    "advisory/v1/restore_create",
    "advisory/v1/server_out_of_space",
    "advisory/v1/server_removed",
    "advisory/v1/snapshot_complete",
    "advisory/v1/snapshot_create",
    "advisory/v1/stream_action",
    "advisory/v1/stream_batch_abandoned",
    "advisory/v1/stream_leader_elected",
    "advisory/v1/stream_quorum_lost",
    "advisory/v1/terminated",
    "metric/v1/consumer_ack",
];

/// Where the schemas differ from what nats-server 2.14.5 sends, and we follow the server: the type
/// (or the beginning of it) and how the fault begins.
const KNOWN: [(&str, &str); 19] = [
    // Every event of a server in a domain names it.
    ("advisory.", "/domain is not in the schema"),
    ("metric.", "/domain is not in the schema"),
    // These members were never sent, or are not any more.
    ("advisory.v1.consumer_group_pinned", "/server is required"),
    ("advisory.v1.consumer_group_unpinned", "/server is required"),
    ("advisory.v1.snapshot_create", "/blocks is required"),
    ("advisory.v1.snapshot_create", "/block_size is required"),
    ("advisory.v1.snapshot_create", "/state is not in the schema"),
    // These have another kind of value.
    ("advisory.v1.nak", "/consumer_seq: type"),
    ("advisory.v1.terminated", "/consumer_seq: type"),
    ("advisory.v1.domain_leader_elected", "/replicas: type"),
    ("advisory.v1.stream_leader_elected", "/replicas: type"),
    ("advisory.v1.stream_quorum_lost", "/replicas: type"),
    ("advisory.v1.consumer_leader_elected", "/replicas: type"),
    ("advisory.v1.consumer_quorum_lost", "/replicas: type"),
    // There is one more.
    ("advisory.v1.stream_batch_abandoned", "/reason: enum"),
    // An error is not within another one.
    ("api.v1.consumer_unpin_response", "/error/error is required"),
    // The account is told, too.
    ("advisory.v1.stream_", "/account is not in the schema"),
    ("advisory.v1.consumer_", "/account is not in the schema"),
    // A refusal shows members of the usual answer, and so is both.
    ("api.", ": several of oneOf"),
];

fn is_known(kind: &str, fault: &str) -> bool {
    KNOWN
        .iter()
        .any(|(kinds, begin)| kind.starts_with(kinds) && fault.starts_with(begin))
}

/// Checks `text` by the schema named by its `type` member, and returns it as JSON.
#[track_caller]
pub(crate) fn check_schema(text: &[u8]) -> Value {
    let document: Value = serde_json::from_slice(text).expect("it is JSON");
    let kind = document["type"].as_str().expect("it has a type");
    let kind = kind
        .strip_prefix("io.nats.jetstream.")
        .expect("a type of JetStream");
    let name = kind.replace('.', "/");
    let schema = SCHEMAS.iter().find(|(schema, _)| *schema == name);
    let (_, schema) = schema.unwrap_or_else(|| panic!("there is no schema for {kind}"));
    let schema: Value = serde_json::from_str(schema).expect("the schema is JSON");
    let mut faults = Vec::new();
    validate(&schema, &document, "", &mut faults);
    faults.retain(|fault| !is_known(kind, fault));
    assert!(faults.is_empty(), "{kind}: {faults:#?}\n{document:#}");
    document
}

/// Notes where `value` breaks `schema`. A keyword it does not know is a fault of the schema.
pub(crate) fn validate(schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    let keywords = schema.as_object().expect("a schema is an object");
    for (keyword, rule) in keywords {
        let broken = match keyword.as_str() {
            "$schema" | "$id" | "$comment" | "title" | "description" | "default" | "examples"
            | "deprecated" | "deprecationMessage"
            // In one schema, this member's description is not among its `properties`.
            | "missing" => false,
            "type" => !has_type(rule, value),
            "const" => value != rule,
            "enum" => !items(rule).contains(value),
            "minimum" => number(value) < number(rule),
            "maximum" => number(value) > number(rule),
            "minLength" => length(value) < number(rule),
            "maxLength" => length(value) > number(rule),
            "pattern" => breaks_pattern(rule, value),
            "format" => breaks_format(rule, value),
            "required" => {
                for name in items(rule).iter().filter_map(Value::as_str) {
                    if value.is_object() && value.get(name).is_none() {
                        faults.push(format!("{at}/{name} is required"));
                    }
                }
                false
            }
            "properties" | "patternProperties" => {
                validate_members(keywords, value, at, faults);
                false
            }
            // Seen with the members.
            "additionalProperties" => {
                if !keywords.contains_key("properties") {
                    validate_members(keywords, value, at, faults);
                }
                false
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    validate(rule, item, &format!("{at}/{index}"), faults);
                }
                false
            }
            "allOf" => {
                for part in items(rule) {
                    validate(part, value, at, faults);
                }
                false
            }
            "oneOf" => {
                let outcomes = items(rule).iter().map(|part| attempt(part, value, at));
                let outcomes: Vec<_> = outcomes.collect();
                match outcomes.iter().filter(|outcome| outcome.is_empty()).count() {
                    0 => faults.extend(outcomes.into_iter().flatten()),
                    1 => {}
                    _ => faults.push(format!("{at}: several of oneOf")),
                }
                false
            }
            unknown => panic!("the validator does not know {unknown:?}"),
        };
        if broken {
            faults.push(format!("{at}: {keyword} {rule} by {value}"));
        }
    }
}

fn attempt(schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let mut faults = Vec::new();
    validate(schema, value, at, &mut faults);
    faults
}

fn validate_members(
    schema: &Map<String, Value>,
    value: &Value,
    at: &str,
    faults: &mut Vec<String>,
) {
    let Some(members) = value.as_object() else {
        return;
    };
    let listed = schema.get("properties").and_then(Value::as_object);
    // The only pattern in use matches every name.
    let by_pattern = schema
        .get("patternProperties")
        .and_then(|rules| rules.get(".*"));
    for (name, member) in members {
        let at = format!("{at}/{name}");
        let rule = listed.and_then(|rules| rules.get(name)).or(by_pattern);
        match (rule, schema.get("additionalProperties")) {
            (Some(rule), _) => validate(rule, member, &at, faults),
            (None, Some(Value::Bool(false))) => faults.push(format!("{at} is not in the schema")),
            (None, Some(rule @ Value::Object(_))) => validate(rule, member, &at, faults),
            _ => {}
        }
    }
}

fn items(rule: &Value) -> &[Value] {
    rule.as_array().map_or(&[], Vec::as_slice)
}

fn has_type(rule: &Value, value: &Value) -> bool {
    if rule.is_array() {
        return items(rule).iter().any(|rule| has_type(rule, value));
    }
    match rule.as_str().unwrap_or_default() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("the validator does not know the type {other:?}"),
    }
}

/// Not a number for anything else, so that no comparison with it holds.
fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

fn length(value: &Value) -> f64 {
    value
        .as_str()
        .map_or(f64::NAN, |text| text.chars().count() as f64)
}

fn breaks_pattern(rule: &Value, value: &Value) -> bool {
    let Some(text) = value.as_str() else {
        return false;
    };
    let clean = !text.contains(['.', '*', '>']);
    match rule.as_str().unwrap_or_default() {
        "^[^.*>]*$" => !clean,
        "^[^.*>]+$" => !clean || text.is_empty(),
        other => panic!("the validator does not know the pattern {other:?}"),
    }
}

fn breaks_format(rule: &Value, value: &Value) -> bool {
    assert_eq!(rule, "date-time", "the validator knows no other format");
    let time = value
        .as_str()
        .and_then(cognate_model::Timestamp::parse_rfc3339);
    value.is_string() && time.is_none()
}
