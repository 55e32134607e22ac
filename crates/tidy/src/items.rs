//! Finds functions, test items and imports in masked text by counting brackets.

use std::ops::Range;

use crate::mask::words;

/// A function with a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Where it is: from the `fn` to the closing brace, in bytes.
    pub span: Range<usize>,
}

/// Every function with a body in masked text.
pub fn functions(masked: &str) -> Vec<Function> {
    words(masked, "fn")
        .filter_map(|at| function_at(masked, at))
        .collect()
}

/// The items that exist in test builds only, in bytes from the attribute on. An item without a
/// body (`mod tests;`) ends at its semicolon.
pub fn test_items(masked: &str) -> Vec<Range<usize>> {
    let attributes = masked.match_indices("#[cfg(").map(|(at, _)| at);
    let is_for_tests = |at: &usize| {
        let condition = &masked[*at..end_of_brackets(masked, at + 1)];
        words(condition, "test").next().is_some() && !condition.contains("not(test")
    };
    let item = |at| Some(at..item_end(masked, end_of_brackets(masked, at + 1))?.end);
    attributes.filter(is_for_tests).filter_map(item).collect()
}

/// Everything that `use` declarations of masked text name, as whole paths with their offsets.
pub fn imports(masked: &str) -> Vec<(usize, String)> {
    let mut paths = Vec::new();
    for at in words(masked, "use") {
        let Some(len) = masked[at..].find(';') else {
            continue;
        };
        expand(masked[at + 3..at + len].trim(), "", &mut |path| {
            paths.push((at, path))
        });
    }
    paths
}

fn function_at(masked: &str, at: usize) -> Option<Function> {
    let rest = masked[at + 2..].trim_start();
    let name: String = rest
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
        .collect();
    let body = item_end(masked, at).filter(|body| !name.is_empty() && body.len() > 1)?;
    Some(Function {
        name,
        span: at..body.end,
    })
}

/// The body of the item that `at` lies before: its braces, or its semicolon.
fn item_end(masked: &str, at: usize) -> Option<Range<usize>> {
    let mut depth = 0;
    for (offset, byte) in masked.bytes().enumerate().skip(at) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b';' if depth == 0 => return Some(offset..offset + 1),
            b'{' if depth == 0 => return Some(offset..end_of_brackets(masked, offset)),
            _ => {}
        }
    }
    None
}

/// Where the bracket at `open` is closed, or the end of the text.
fn end_of_brackets(masked: &str, open: usize) -> usize {
    let mut depth = 0;
    for (offset, byte) in masked.bytes().enumerate().skip(open) {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth -= 1,
            _ => {}
        }
        if depth <= 0 {
            return offset + 1;
        }
    }
    masked.len()
}

/// Calls `found` with each path of a `use` tree.
fn expand(tree: &str, prefix: &str, found: &mut impl FnMut(String)) {
    let Some((head, group)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or(tree).trim();
        found(format!("{prefix}{path}"));
        return;
    };
    let prefix = format!("{prefix}{}", head.trim());
    let group = group.trim_end().strip_suffix('}').unwrap_or(group);
    let mut depth = 0;
    let is_separator = |c: char| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    };
    for part in group
        .split(is_separator)
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        expand(part, &prefix, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask;

    #[test]
    fn functions_are_found_with_their_bodies() {
        let text = "fn a() -> [u8; 2] { if x { y } }\ntrait T { fn b(&self); fn c(&self) {} }\n\
                    type F = fn(u8); // fn d() {}";
        let found: Vec<_> = functions(&mask(text))
            .into_iter()
            .map(|f| text[f.span].to_owned())
            .collect();
        assert_eq!(
            found,
            ["fn a() -> [u8; 2] { if x { y } }", "fn c(&self) {}"]
        );
    }

    #[test]
    fn test_items_are_told_from_others() {
        let text = "#[cfg(test)] mod a { fn f() {} } #[cfg(not(test))] fn b() {} \
                    #[cfg(all(test, unix))] mod c; fn d() {}";
        let found: Vec<_> = test_items(text)
            .into_iter()
            .map(|span| &text[span])
            .collect();
        assert_eq!(
            found,
            [
                "#[cfg(test)] mod a { fn f() {} }",
                "#[cfg(all(test, unix))] mod c;"
            ]
        );
    }

    #[test]
    fn imports_are_whole_paths() {
        let text = "use std::{fs::{self, File}, net as n};\nuse a::b;";
        let found: Vec<_> = imports(text).into_iter().map(|(_, path)| path).collect();
        assert_eq!(
            found,
            ["std::fs::self", "std::fs::File", "std::net", "a::b"]
        );
    }
}
