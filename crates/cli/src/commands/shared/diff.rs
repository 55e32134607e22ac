//! How two configurations differ, member by member.

use serde::Serialize;
use serde_json::Value;

use crate::error::Result;

/// Lines `- path: old` and `+ path: new`; empty if they say the same. Lists of words that differ in
/// their order alone are equal, and so are a missing member and its zero.
pub(crate) fn diff(old: &impl Serialize, new: &impl Serialize) -> Result<String> {
    let mut out = String::new();
    compare(
        "",
        &serde_json::to_value(old)?,
        &serde_json::to_value(new)?,
        &mut out,
    );
    Ok(out)
}

fn compare(path: &str, old: &Value, new: &Value, out: &mut String) {
    if is_same(old, new) {
        return;
    }
    let (Value::Object(before), Value::Object(after)) = (old, new) else {
        for (sign, value) in [('-', old), ('+', new)] {
            if !value.is_null() {
                out.push_str(&format!("{sign} {path}: {value}\n"));
            }
        }
        return;
    };
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let inner = match path {
            "" => name.clone(),
            path => format!("{path}.{name}"),
        };
        let member = |object: &serde_json::Map<String, Value>| {
            object.get(name).cloned().unwrap_or(Value::Null)
        };
        compare(&inner, &member(before), &member(after), out);
    }
}

fn is_same(old: &Value, new: &Value) -> bool {
    if old == new || (is_zero(old) && is_zero(new)) {
        return true;
    }
    match (old.as_array(), new.as_array()) {
        (Some(old), Some(new)) => {
            let sorted = |items: &[Value]| {
                let mut texts: Vec<String> = items.iter().map(Value::to_string).collect();
                texts.sort();
                texts
            };
            sorted(old) == sorted(new)
        }
        _ => false,
    }
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(on) => !on,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn differences_are_told_by_member() {
        let old = json!({"a": 1, "b": {"c": "x"}, "l": ["1", "2"], "z": false});
        let new = json!({"a": 2, "b": {"c": "x", "d": true}, "l": ["2", "1"]});
        let told = diff(&old, &new).expect("they are JSON");
        assert_eq!(told, "- a: 1\n+ a: 2\n+ b.d: true\n");
        assert_eq!(diff(&old, &old).expect("they are JSON"), "");
    }
}
