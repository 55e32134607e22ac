//! Comparing what is received with what is written, and writing down what is received.
//!
//! `{name}` stands for a word of letters, digits, `_`, `-`, `$` and `.`; the first time it takes
//! what it finds, afterwards it demands the same. `{*}` takes anything up to the next literal. Where
//! both sides continue with a JSON object, they are compared by value; in there `"<any>"` takes any
//! value, `"<maybe>"` any value or none, `"<time>"` a time, `"<id>"` a generated id, `"<server>"` a
//! server's id. Lists may come in any order.

use std::collections::BTreeMap;

use serde_json::Value;

/// Names with what they stand for.
pub(super) type Names = BTreeMap<String, String>;

/// Fields whose value differs from run to run, written down as `"<any>"`.
const VOLATILE: &[&str] = &[
    "active_accounts",
    "avg_fanout",
    "cache_hit_rate",
    "cid",
    "client_id",
    "client_ip",
    "config_digest",
    "cores",
    "cpu",
    "decoded_jwt",
    "feature_flags",
    "git_commit",
    "go",
    "gomaxprocs",
    "gomemlimit",
    "http_port",
    "idle",
    "jwt",
    "max_fanout",
    "mem",
    "nonce",
    "num_cache",
    "num_inserts",
    "num_matches",
    "num_removes",
    "num_subscriptions",
    "pending_bytes",
    "port",
    "seq",
    "service",
    "store_dir",
    "system",
    "total_connections",
    "update_time",
    "uptime",
    "ver",
    "version",
    "xkey",
];

/// Replaces every known `{name}` by what it stands for.
pub(super) fn fill_in(text: &str, names: &Names) -> String {
    names.iter().fold(text.to_owned(), |text, (name, value)| {
        text.replace(&format!("{{{name}}}"), value)
    })
}

/// Compares one message with its pattern.
pub(super) fn matches(pattern: &str, seen: &str, names: &mut Names) -> Result<(), String> {
    let differs = |why: String| format!("    wanted {pattern}\n    got    {seen}{why}");
    let (wanted, found): (Vec<&str>, Vec<&str>) =
        (pattern.split('|').collect(), seen.split('|').collect());
    if wanted.len() != found.len() {
        return Err(differs(String::new()));
    }
    for (wanted, found) in wanted.iter().zip(&found) {
        let same = match (split_json(wanted), split_json(found)) {
            (Some((before, wanted)), Some((other, found))) => {
                text_matches(before, other, names) && {
                    let mut why = Vec::new();
                    compare("", &wanted, &found, names, &mut why);
                    if !why.is_empty() {
                        return Err(differs(format!("\n    {}", why.join("\n    "))));
                    }
                    true
                }
            }
            _ => text_matches(wanted, found, names),
        };
        if !same {
            return Err(differs(String::new()));
        }
    }
    Ok(())
}

/// Cuts a line before its JSON object, if it ends with one.
fn split_json(line: &str) -> Option<(&str, Value)> {
    let at = line.find("{\"").or_else(|| line.find("{}"))?;
    let (before, json) = line.split_at(at);
    Some((before, serde_json::from_str(json).ok()?))
}

fn text_matches(pattern: &str, seen: &str, names: &mut Names) -> bool {
    let Some((literal, name, rest)) = next_placeholder(pattern) else {
        return pattern == seen;
    };
    let Some(seen) = seen.strip_prefix(literal) else {
        return false;
    };
    if name == "*" {
        let next = next_placeholder(rest).map_or(rest, |(literal, _, _)| literal);
        let end = if next.is_empty() {
            Some(seen.len())
        } else {
            seen.find(next)
        };
        return end.is_some_and(|end| text_matches(rest, &seen[end..], names));
    }
    let word = |c: char| c.is_ascii_alphanumeric() || "_-$.".contains(c);
    let end = seen.find(|c| !word(c)).unwrap_or(seen.len());
    let (value, after) = match names.get(name) {
        Some(known) => match seen.strip_prefix(known.as_str()) {
            Some(after) => (known.clone(), after),
            None => return false,
        },
        None => (seen[..end].to_owned(), &seen[end..]),
    };
    names.insert(name.to_owned(), value);
    text_matches(rest, after, names)
}

/// The text before the first placeholder, its name, and what follows.
fn next_placeholder(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    while let Some(open) = text[from..].find('{') {
        let open = from + open;
        let close = open + text[open..].find('}')?;
        let name = &text[open + 1..close];
        let letters = |c: char| c.is_ascii_alphanumeric() || c == '*' || c == '.';
        if !name.is_empty() && name.chars().all(letters) {
            return Some((&text[..open], name, &text[close + 1..]));
        }
        from = open + 1;
    }
    None
}

fn compare(path: &str, wanted: &Value, seen: &Value, names: &mut Names, why: &mut Vec<String>) {
    match (wanted, seen) {
        (Value::Object(wanted), Value::Object(seen)) => {
            // What a server says of itself under a name of its own is its own matter.
            let own = |key: &str| key.starts_with("cognate_");
            let more = seen.iter();
            for (key, value) in more.filter(|(key, _)| !own(key) && !wanted.contains_key(*key)) {
                why.push(format!("{path}.{key}: not wanted: {value}"));
            }
            for (key, value) in wanted {
                let path = format!("{path}.{key}");
                match seen.get(key) {
                    Some(seen) => compare(&path, value, seen, names, why),
                    None if value == "<maybe>" => {}
                    None => why.push(format!("{path}: missing, wanted {value}")),
                }
            }
        }
        (Value::Array(wanted), Value::Array(seen)) if wanted.len() == seen.len() => {
            compare_lists(path, wanted, seen, names, why);
        }
        _ if value_matches(wanted, seen, names) => {}
        _ => why.push(format!("{path}: wanted {wanted}, got {seen}")),
    }
}

fn compare_lists(
    path: &str,
    wanted: &[Value],
    seen: &[Value],
    names: &mut Names,
    why: &mut Vec<String>,
) {
    let mut left: Vec<&Value> = seen.iter().collect();
    let mut missing = Vec::new();
    for item in wanted {
        let fits = left.iter().position(|seen| {
            let (mut taken, mut differences) = (names.clone(), Vec::new());
            compare("", item, seen, &mut taken, &mut differences);
            if differences.is_empty() {
                *names = taken;
            }
            differences.is_empty()
        });
        match fits {
            Some(at) => drop(left.remove(at)),
            None => missing.push(item),
        }
    }
    for (wanted, seen) in missing.into_iter().zip(left) {
        compare(&format!("{path}[]"), wanted, seen, names, why);
    }
}

fn value_matches(wanted: &Value, seen: &Value, names: &mut Names) -> bool {
    match (wanted.as_str(), seen.as_str()) {
        (Some("<any>" | "<maybe>"), _) => true,
        (Some("<time>"), Some(seen)) => is_time(seen),
        (Some("<id>"), Some(seen)) => is_id(seen),
        (Some("<server>"), Some(seen)) => is_server_id(seen),
        (Some(wanted), Some(seen)) => text_matches(wanted, seen, names),
        _ => wanted == seen,
    }
}

/// What is received, as it is to be written down: known words by their names, new reply subjects
/// named `r1`, `r2`, ..., volatile JSON masked.
pub(super) fn record(seen: &str, names: &mut Names) -> String {
    let lines: Vec<String> = seen
        .split('|')
        .map(|line| match split_json(line) {
            Some((before, mut json)) => {
                mask("", &mut json, names);
                record_text(before, names) + &json.to_string()
            }
            None => record_text(line, names),
        })
        .collect();
    lines.join("|")
}

fn record_text(text: &str, names: &mut Names) -> String {
    const REPLY: &str = "_R_.";
    if let Some(at) = text.find(REPLY) {
        let rest = &text[at + REPLY.len()..];
        let word = |c: char| c.is_ascii_alphanumeric() || c == '.';
        let end = rest.find(|c| !word(c)).unwrap_or(rest.len());
        let reply = &rest[..end];
        if !reply.is_empty() && !names.values().any(|known| known == reply) {
            let count = names.keys().filter(|name| is_reply_name(name)).count();
            names.insert(format!("r{}", count + 1), reply.to_owned());
        }
    }
    names
        .iter()
        .filter(|(_, value)| value.len() > 7)
        .fold(text.to_owned(), |text, (name, value)| {
            text.replace(value.as_str(), &format!("{{{name}}}"))
        })
}

fn is_reply_name(name: &str) -> bool {
    name.strip_prefix('r')
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

fn mask(key: &str, value: &mut Value, names: &mut Names) {
    match value {
        _ if VOLATILE.contains(&key) => *value = "<any>".into(),
        // Unknown until the first PONG.
        _ if key == "rtt" => *value = "<maybe>".into(),
        Value::Object(fields) => fields
            .iter_mut()
            .for_each(|(key, value)| mask(key, value, names)),
        Value::Array(items) => items.iter_mut().for_each(|item| mask(key, item, names)),
        Value::String(text) if is_time(text) => *value = "<time>".into(),
        Value::String(text) if is_server_id(text) => *value = "<server>".into(),
        Value::String(text) if key == "id" && is_id(text) => *value = "<id>".into(),
        Value::String(text) => *text = record_text(text, names),
        Value::Number(_) if key == "id" => *value = "<any>".into(),
        // Nanoseconds rather than a count; bytes of answers, not of the few that a scene sends.
        Value::Number(n) if large(key, n.as_u64()) => *value = "<any>".into(),
        _ => {}
    }
}

fn large(key: &str, number: Option<u64>) -> bool {
    key == "total" && number > Some(10_000) || key.ends_with("bytes") && number > Some(100)
}

fn is_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    let zero = text.starts_with("0001-01-01");
    bytes.len() >= 20 && bytes[4] == b'-' && bytes[10] == b'T' && text.ends_with('Z') && !zero
}

fn is_server_id(text: &str) -> bool {
    let upper = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    text.len() == 56 && text.starts_with('N') && text.bytes().all(upper)
}

fn is_id(text: &str) -> bool {
    text.len() == 22 && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::{Names, matches, record};

    #[test]
    fn placeholders_take_and_demand() {
        let mut names = Names::new();
        assert_eq!(
            matches("MSG {r} 1|x", "MSG _R_.a.b 1|x", &mut names),
            Ok(())
        );
        assert_eq!(names["r"], "_R_.a.b");
        assert!(matches("MSG {r} 1|x", "MSG other 1|x", &mut names).is_err());
        assert_eq!(matches("a {*} c", "a b b c", &mut names), Ok(()));
        assert!(matches("a|b", "a", &mut names).is_err());
    }

    #[test]
    fn json_is_compared_by_value() {
        let mut names = Names::new();
        let wanted = r#"HMSG x|I: {"b":"<any>","a":[1]}|"#;
        assert_eq!(
            matches(wanted, r#"HMSG x|I: {"a":[1],"b":{"c":2}}|"#, &mut names),
            Ok(())
        );
        assert!(matches(wanted, r#"HMSG x|I: {"a":[2],"b":1}|"#, &mut names).is_err());
        assert!(matches(wanted, r#"HMSG x|I: {"a":[1]}|"#, &mut names).is_err());
    }

    #[test]
    fn recordings_name_reply_subjects() {
        let mut names = Names::new();
        assert_eq!(
            record("MSG _R_.abcdefgh 1|x", &mut names),
            "MSG _R_.{r1} 1|x"
        );
        assert_eq!(record("MSG _R_.abcdefgh 1", &mut names), "MSG _R_.{r1} 1");
        assert_eq!(record("MSG _R_.ABCDEFGH 1", &mut names), "MSG _R_.{r2} 1");
    }
}
