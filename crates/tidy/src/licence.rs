//! Licence expressions, as far as crates use them.

/// Licences that may come into the binary. All of them allow what Apache-2.0 allows, and ask for
/// no more than that their text and notices travel along.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "OpenSSL",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Whether an expression can be satisfied with allowed licences only.
///
/// Grammar: terms joined by `OR` (or the old `/`), factors by `AND`, parentheses, and `WITH` an
/// exception, which only ever grants more.
pub fn is_allowed(expression: &str) -> bool {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let mut tokens: Vec<&str> = spaced.split_whitespace().rev().collect();
    let allowed = any_of(&mut tokens);
    // What is left over was not understood, and nothing is allowed unread.
    allowed && tokens.is_empty()
}

fn any_of(tokens: &mut Vec<&str>) -> bool {
    let mut allowed = all_of(tokens);
    while tokens.last() == Some(&"OR") {
        tokens.pop();
        allowed |= all_of(tokens);
    }
    allowed
}

fn all_of(tokens: &mut Vec<&str>) -> bool {
    let mut allowed = one(tokens);
    while tokens.last() == Some(&"AND") {
        tokens.pop();
        allowed &= one(tokens);
    }
    allowed
}

fn one(tokens: &mut Vec<&str>) -> bool {
    let Some(token) = tokens.pop() else {
        return false;
    };
    if token == "(" {
        let allowed = any_of(tokens);
        return tokens.pop() == Some(")") && allowed;
    }
    if tokens.last() == Some(&"WITH") {
        tokens.truncate(tokens.len().saturating_sub(2));
    }
    ALLOWED.contains(&token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_weighed() {
        let allowed = [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-3.0 OR MIT",
            "ISC AND (Apache-2.0 OR GPL-2.0) AND OpenSSL",
            "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
        ];
        let refused = [
            "",
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "(MIT",
            "MIT)",
            "MIT ISC",
            "AGPL-3.0 AND (MIT OR ISC)",
        ];
        for expression in allowed {
            assert!(is_allowed(expression), "{expression}");
        }
        for expression in refused {
            assert!(!is_allowed(expression), "{expression}");
        }
    }
}
