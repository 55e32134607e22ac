//! JSON on standard output: two spaces of indent, fields in the order they came in.

use serde::Serialize;

use crate::error::Result;

/// Prints a value.
pub(crate) fn print<T: Serialize + ?Sized>(value: &T) -> Result<()> {
    crate::say!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Prints what a server answered, indented and otherwise as it came: unknown fields and their order
/// stay. Text that is not JSON is an error.
pub(crate) fn print_raw(json: &[u8]) -> Result<()> {
    crate::say!("{}", indent(json)?);
    Ok(())
}

/// Indents JSON without changing the order of anything.
pub(crate) fn indent(json: &[u8]) -> Result<String> {
    let _: serde::de::IgnoredAny = serde_json::from_slice(json)?;
    let text = std::str::from_utf8(json)?;
    let mut out = String::with_capacity(text.len() * 2);
    let mut depth = 0_usize;
    let mut chars = text
        .chars()
        .filter(|c| !c.is_ascii_whitespace() || *c == ' ')
        .peekable();
    let mut in_string = false;
    let mut escaped = false;
    while let Some(c) = chars.next() {
        if in_string {
            out.push(c);
            in_string = escaped || c != '"';
            escaped = c == '\\' && !escaped;
            continue;
        }
        match c {
            ' ' => {}
            '"' => {
                in_string = true;
                out.push(c);
            }
            '{' | '[' => {
                out.push(c);
                while chars.next_if_eq(&' ').is_some() {}
                match chars.next_if(|next| matches!(next, '}' | ']')) {
                    Some(close) => out.push(close),
                    None => {
                        depth += 1;
                        line(&mut out, depth);
                    }
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            _ => out.push(c),
        }
    }
    Ok(out)
}

fn line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_contents_stay() {
        let text = r#"{"b":[1, {}, [ ]],"a":"x, {y} \" :","c":{"d":null}}"#;
        let expected = "{\n  \"b\": [\n    1,\n    {},\n    []\n  ],\n  \"a\": \"x, {y} \\\" :\",\n  \"c\": {\n    \"d\": null\n  }\n}";
        assert_eq!(indent(text.as_bytes()).ok().as_deref(), Some(expected));
        assert!(indent(b"{\"a\":").is_err());
    }
}
