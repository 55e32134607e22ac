//! The part of JSON Schema that NATS's schemas use, as a check of a document.
//!
//! Keywords that say nothing about validity are passed over, and so is one that is unknown: the
//! schemas are part of the program, and a test holds that there is none.

use std::collections::HashMap;

use regex::Regex;
use serde_json::{Map, Value};

use crate::output::time;

/// Faults that are told; a document with more is wrong enough.
const MAX_FAULTS: usize = 100;

/// Where `document` breaks `schema`, each with its place in the document.
pub(super) fn faults(schema: &Value, document: &Value) -> Vec<String> {
    let mut check = Check::default();
    let mut faults = Vec::new();
    check.value(schema, document, "", &mut faults);
    faults.truncate(MAX_FAULTS);
    faults
}

/// What one check remembers: patterns are compiled once.
#[derive(Default)]
struct Check {
    patterns: HashMap<String, Option<Regex>>,
}

impl Check {
    fn value(&mut self, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
        let Some(keywords) = schema.as_object() else {
            return;
        };
        if faults.len() >= MAX_FAULTS {
            return;
        }
        for (keyword, rule) in keywords {
            if !self.keeps(keyword, rule, value) {
                faults.push(format!("{}: {keyword} is {rule}, found {value}", place(at)));
            }
        }
        self.members(keywords, value, at, faults);
        if let Some(rule) = keywords.get("items") {
            for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                self.value(rule, item, &format!("{at}/{index}"), faults);
            }
        }
        for part in list(keywords.get("allOf")) {
            self.value(part, value, at, faults);
        }
        self.one_of(list(keywords.get("oneOf")), value, at, faults);
    }

    /// Whether a keyword about the value itself holds.
    fn keeps(&mut self, keyword: &str, rule: &Value, value: &Value) -> bool {
        match keyword {
            "type" => has_type(rule, value),
            "const" => value == rule,
            "enum" => list(Some(rule)).contains(value),
            "minimum" => both(value.as_f64(), rule.as_f64()).is_none_or(|(v, r)| v >= r),
            "maximum" => both(value.as_f64(), rule.as_f64()).is_none_or(|(v, r)| v <= r),
            "minLength" => both(length(value), rule.as_u64()).is_none_or(|(v, r)| v >= r),
            "maxLength" => both(length(value), rule.as_u64()).is_none_or(|(v, r)| v <= r),
            "pattern" => both(rule.as_str(), value.as_str())
                .is_none_or(|(pattern, text)| self.matches(pattern, text)),
            "format" => value
                .as_str()
                .is_none_or(|text| text.starts_with("0001-") || time::parse(text).is_some()),
            _ => true,
        }
    }

    fn matches(&mut self, pattern: &str, text: &str) -> bool {
        let compiled = self
            .patterns
            .entry(pattern.to_owned())
            .or_insert_with(|| Regex::new(pattern).ok());
        compiled.as_ref().is_none_or(|regex| regex.is_match(text))
    }

    fn members(
        &mut self,
        schema: &Map<String, Value>,
        value: &Value,
        at: &str,
        faults: &mut Vec<String>,
    ) {
        let Some(members) = value.as_object() else {
            return;
        };
        for name in list(schema.get("required"))
            .iter()
            .filter_map(Value::as_str)
        {
            if !members.contains_key(name) {
                faults.push(format!("{}: {name} is required", place(at)));
            }
        }
        let listed = schema.get("properties").and_then(Value::as_object);
        let by_pattern = schema.get("patternProperties").and_then(Value::as_object);
        for (name, member) in members {
            let inner = format!("{at}/{name}");
            let matching = by_pattern.into_iter().flatten();
            let rule = listed.and_then(|rules| rules.get(name)).or_else(|| {
                let found: Vec<_> = matching
                    .filter(|(pattern, _)| self.matches(pattern, name))
                    .collect();
                found.first().map(|(_, rule)| *rule)
            });
            match (rule, schema.get("additionalProperties")) {
                (Some(rule), _) => self.value(rule, member, &inner, faults),
                (None, Some(Value::Bool(false))) => {
                    faults.push(format!("{inner}: is not in the schema"));
                }
                (None, Some(rule)) => self.value(rule, member, &inner, faults),
                (None, None) => {}
            }
        }
    }

    fn one_of(&mut self, parts: &[Value], value: &Value, at: &str, faults: &mut Vec<String>) {
        let mut outcomes = Vec::new();
        for part in parts {
            let mut outcome = Vec::new();
            self.value(part, value, at, &mut outcome);
            outcomes.push(outcome);
        }
        match outcomes.iter().filter(|outcome| outcome.is_empty()).count() {
            // The part that fits best is the one that was meant.
            0 => faults.extend(
                outcomes
                    .into_iter()
                    .min_by_key(Vec::len)
                    .into_iter()
                    .flatten(),
            ),
            1 => {}
            _ => faults.push(format!("{}: fits several of oneOf", place(at))),
        }
    }
}

fn place(at: &str) -> &str {
    if at.is_empty() { "/" } else { at }
}

fn list(rule: Option<&Value>) -> &[Value] {
    rule.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn both<A, B>(a: Option<A>, b: Option<B>) -> Option<(A, B)> {
    a.zip(b)
}

fn length(value: &Value) -> Option<u64> {
    value.as_str().map(|text| text.chars().count() as u64)
}

fn has_type(rule: &Value, value: &Value) -> bool {
    if let Some(rules) = rule.as_array() {
        return rules.iter().any(|rule| has_type(rule, value));
    }
    match rule.as_str().unwrap_or_default() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::catalogue;
    use super::*;

    #[test]
    fn faults_have_their_place() {
        let schema = json!({
            "type": "object",
            "required": ["name"],
            "additionalProperties": false,
            "properties": {
                "name": {"type": "string", "pattern": "^[^.*>]+$", "maxLength": 4},
                "tags": {"type": "array", "items": {"enum": ["a", "b"]}},
                "size": {"oneOf": [{"const": -1}, {"minimum": 10}]},
            },
        });
        let check = |document: Value| faults(&schema, &document);
        assert!(check(json!({"name": "x", "tags": ["a"], "size": 10})).is_empty());
        assert_eq!(check(json!({})), ["/: name is required"]);
        let told = check(json!({"name": "a.bcd", "tags": ["a", "c"], "size": 5, "more": 1}));
        assert_eq!(told.len(), 5, "{told:#?}");
        assert!(told.iter().any(|fault| fault.starts_with("/tags/1: enum")));
    }

    #[test]
    fn every_schema_is_understood() {
        const KNOWN: &[&str] = &[
            "type",
            "const",
            "enum",
            "minimum",
            "maximum",
            "minLength",
            "maxLength",
            "pattern",
            "format",
            "required",
            "properties",
            "patternProperties",
            "additionalProperties",
            "items",
            "allOf",
            "oneOf",
            "$schema",
            "$id",
            "$comment",
            "title",
            "description",
            "default",
            "deprecationMessage",
            "missing",
        ];
        fn look(schema: &Value, name: &str) {
            for (keyword, rule) in schema.as_object().into_iter().flatten() {
                assert!(KNOWN.contains(&keyword.as_str()), "{name}: {keyword}");
                match keyword.as_str() {
                    "properties" | "patternProperties" => rule
                        .as_object()
                        .into_iter()
                        .flatten()
                        .for_each(|(_, rule)| look(rule, name)),
                    "allOf" | "oneOf" => list(Some(rule)).iter().for_each(|rule| look(rule, name)),
                    "items" | "additionalProperties" => look(rule, name),
                    "pattern" => assert!(Regex::new(rule.as_str().unwrap_or("(")).is_ok()),
                    "format" => assert_eq!(rule, "date-time"),
                    _ => {}
                }
            }
        }
        for name in catalogue::names() {
            let text = catalogue::find(&name).expect("it is there");
            let schema: Value = serde_json::from_str(text).expect("a schema is JSON");
            look(&schema, &name);
        }
    }
}
