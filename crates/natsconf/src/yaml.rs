//! The part of YAML that settings are written in: one mapping of scalars and lists of scalars.
//!
//! ```text
//! document ::= (key ":" value)*
//! value    ::= scalar | "[" scalar ("," scalar)* "]" | newline (indent "-" scalar)+
//! scalar   ::= plain | 'single' | "double" (with JSON's escapes)
//! ```
//!
//! Comments, empty lines and the markers `---` and `...` are skipped. Everything else that YAML has
//! (anchors, tags, nested mappings, block texts) is refused with its line, never misread.

use serde_json::{Map, Value};

/// Reads a document; the error names the line.
pub(crate) fn parse(text: &str) -> Result<Map<String, Value>, String> {
    let mut values = Map::new();
    let mut open: Option<String> = None;
    for (at, raw) in text.lines().enumerate() {
        let fault = |what: &str| format!("line {}: {what}", at + 1);
        let line = without_comment(raw);
        let trimmed = line.trim();
        if trimmed.is_empty() || matches!(trimmed, "---" | "...") {
            continue;
        }
        if let Some(item) = trimmed
            .strip_prefix('-')
            .filter(|rest| rest.is_empty() || rest.starts_with(' '))
        {
            let key = open
                .as_ref()
                .ok_or_else(|| fault("a list item without a key above it"))?;
            let list = values
                .entry(key.clone())
                .or_insert_with(|| Value::Array(Vec::new()));
            if list.is_null() {
                *list = Value::Array(Vec::new());
            }
            let list = list
                .as_array_mut()
                .ok_or_else(|| fault("a list item below a value"))?;
            list.push(scalar(item.trim()).map_err(|what| fault(&what))?);
            continue;
        }
        if line.starts_with([' ', '\t']) {
            return Err(fault("nested mappings are not used in these settings"));
        }
        let (key, value) = trimmed
            .split_once(':')
            .ok_or_else(|| fault("expected `key: value`"))?;
        if !(value.is_empty() || value.starts_with([' ', '\t'])) {
            return Err(fault("expected a blank after the colon"));
        }
        let key = key.trim().trim_matches(['"', '\'']).to_owned();
        let value = flow(value.trim()).map_err(|what| fault(&what))?;
        if values.contains_key(&key) {
            return Err(fault(&format!("{key:?} is there twice")));
        }
        open = value.is_null().then(|| key.clone());
        values.insert(key, value);
    }
    Ok(values)
}

/// The line up to a `#` that is outside quotes and at the start or after a blank.
fn without_comment(line: &str) -> &str {
    let mut quote = None;
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        match quote {
            Some(open) => quote = (c != open).then_some(open),
            None if matches!(c, '"' | '\'') && matches!(before, ' ' | '[' | ',') => quote = Some(c),
            None if c == '#' && before.is_whitespace() => return line.get(..at).unwrap_or(line),
            None => {}
        }
        before = c;
    }
    line
}

fn flow(text: &str) -> Result<Value, String> {
    let Some(inner) = text.strip_prefix('[') else {
        return scalar(text);
    };
    let inner = inner
        .strip_suffix(']')
        .ok_or("a list in brackets ends on its line")?;
    let items = inner
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty());
    Ok(Value::Array(items.map(scalar).collect::<Result<_, _>>()?))
}

fn scalar(text: &str) -> Result<Value, String> {
    if let Some(inner) = text.strip_prefix('\'') {
        let inner = inner.strip_suffix('\'').ok_or("a quote is not closed")?;
        return Ok(Value::String(inner.replace("''", "'")));
    }
    if text.starts_with('"') {
        return serde_json::from_str(text).map_err(|error| format!("in quotes: {error}"));
    }
    if text.starts_with(['{', '&', '*', '!', '|', '>', '%', '@', '`']) || text.contains(": ") {
        return Err(format!(
            "{text:?}: only texts, numbers and lists of them are used in these settings"
        ));
    }
    Ok(match text {
        "" | "~" | "null" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        text => text
            .parse::<i64>()
            .map_or_else(|_| Value::String(text.to_owned()), Value::from),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_are_read() {
        let text =
            "---\na: x # note\nb: 'it''s'\nc: \"q\\n#\"\nd: [1, two]\ne:\n- nats://h:1\n- y\nf:\n";
        let expected = json!({"a": "x", "b": "it's", "c": "q\n#", "d": [1, "two"], "e": ["nats://h:1", "y"], "f": null});
        assert_eq!(parse(text).map(Value::Object), Ok(expected));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for text in [
            "a",
            "a:b",
            "- x",
            "a: {b: c}",
            "a:\n  b: c",
            "a: 'x",
            "a: |\n",
            "a: 1\na: 2",
            "a: x\n- y",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
