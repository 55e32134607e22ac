//! Hides secrets in a line of a configuration that is going to be shown.
//!
//! Works on text that may be anything but correct, and therefore by its looks. Invariant: the
//! parts that are hidden only add up; being wrong about one thing shows no other. Called by
//! [`crate::diagnostic`]. Messages repeat no values of such keys; only seeds are looked for in them.

use crate::suggest::nearest;
use std::ops::Range;

/// The texts in quotes or parentheses that go on over line ends, as byte ranges in order. Comments,
/// and quotes within words, are passed over.
pub(crate) fn spread_texts(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut spread = Vec::new();
    let (mut at, mut at_word) = (0, true);
    while let Some(&byte) = bytes.get(at) {
        let end = match byte {
            _ if !at_word => at,
            b'"' => closing(bytes, at + 1, |bytes, at| bytes[at] == b'"', Some(b'\\')),
            b'\'' => closing(bytes, at + 1, |bytes, at| bytes[at] == b'\'', None),
            b'(' => closing(bytes, at + 1, ends_block, None),
            b'#' => line_end(bytes, at),
            b'/' if bytes.get(at + 1) == Some(&b'/') => line_end(bytes, at),
            _ => at,
        };
        if end == at {
            at_word = byte.is_ascii_whitespace() || b":=,;[]{}".contains(&byte);
            at += 1;
            continue;
        }
        if bytes[at..end].contains(&b'\n') {
            spread.push(at..end);
        }
        (at, at_word) = (end, false);
    }
    spread
}

/// Where a text that goes on at `from` is over: behind what `closes` it, or at the end. What
/// follows an `escape` does not close it.
fn closing(
    bytes: &[u8],
    from: usize,
    closes: fn(&[u8], usize) -> bool,
    escape: Option<u8>,
) -> usize {
    let mut at = from;
    while at < bytes.len() {
        if closes(bytes, at) {
            return at + 1;
        }
        at += if Some(bytes[at]) == escape { 2 } else { 1 };
    }
    bytes.len()
}

/// Whether a parenthesis alone on its line closes a block.
fn ends_block(bytes: &[u8], at: usize) -> bool {
    bytes[at] == b')'
        && bytes[at - 1] == b'\n'
        && matches!(bytes.get(at + 1), None | Some(b'\n' | b'\r'))
}

fn line_end(bytes: &[u8], from: usize) -> usize {
    let length = bytes[from..].iter().position(|&byte| byte == b'\n');
    length.map_or(bytes.len(), |length| from + length)
}

/// Replaces by asterisks, character by character, the values of keys that sound secret, seeds, and
/// the continuation of a text that began on an earlier line: its key is not looked for. The line
/// begins at byte `start` of a file whose [`spread_texts`] are `spread`.
pub(crate) fn line(line: &str, start: usize, spread: &[Range<usize>]) -> String {
    let chars: Vec<char> = line.chars().collect();
    let mut out = chars.clone();
    let continued = spread
        .get(spread.partition_point(|range| range.end <= start))
        .filter(|range| range.start < start)
        .map_or(0, |range| range.end - start);
    let masked = line.char_indices().take_while(|&(at, _)| at < continued);
    out[..masked.count()].fill('*');
    let mut at = 0;
    while at < chars.len() {
        if !is_word(chars[at]) {
            at += 1;
            continue;
        }
        let end = run(&chars, at, is_word);
        let start = at;
        let word: String = chars[at..end].iter().collect::<String>().to_lowercase();
        at = end;
        if is_seed(&word) {
            out[start..end].fill('*');
        } else if sounds_secret(&word) {
            let mut value = run(&chars, at, |c| c == '"' || c == '\'');
            value = run(&chars, value, |c| c.is_whitespace() || c == ':' || c == '=');
            if value == at || value >= chars.len() {
                continue;
            }
            let value_end = match chars[value] {
                '"' => quoted_end(&chars, value + 1),
                '\'' => run(&chars, value + 1, |c| c != '\''),
                // Several values, or one that may go on behind blanks.
                '(' | '[' => chars.len(),
                _ => run(&chars, value, |c| !c.is_whitespace() && !",;}]".contains(c)),
            };
            out[value..value_end].fill('*');
            at = value_end;
        }
    }
    hide_user_info(&chars, &mut out);
    out.into_iter().collect()
}

/// Hides what stands between `://` and `@` in URLs: a user and a password.
fn hide_user_info(chars: &[char], out: &mut [char]) {
    let mut at = 0;
    while at + 3 <= chars.len() {
        if chars[at..at + 3] != [':', '/', '/'] {
            at += 1;
            continue;
        }
        let end = run(chars, at + 3, |c| {
            !c.is_whitespace() && !"\"',;)]}".contains(c)
        });
        if let Some(length) = chars[at + 3..end].iter().rposition(|c| *c == '@') {
            out[at + 3..at + 3 + length].fill('*');
        }
        at = end.max(at + 3);
    }
}

/// Hides seeds in a message that repeats a name or value.
pub(crate) fn seeds(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for part in text.split_inclusive(|c: char| !is_word(c)) {
        let word = part.trim_end_matches(|c: char| !is_word(c));
        if is_seed(&word.to_lowercase()) {
            out.extend(word.chars().map(|_| '*'));
            out.push_str(&part[word.len()..]);
        } else {
            out.push_str(part);
        }
    }
    out
}

/// Where a text between `"` ends, which `\"` does not end.
fn quoted_end(chars: &[char], from: usize) -> usize {
    let mut at = from;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at.min(chars.len())
}

/// Whether a key is likely to hold a secret; slips such as `pasword` count.
fn sounds_secret(word: &str) -> bool {
    ["pass", "token", "secret", "sentinel"]
        .iter()
        .any(|secret| word.contains(secret))
        // Of the store: keys that are not files, names or kinds of keys.
        || ["key", "ek", "prev_key", "prev_ek", "encryption_key", "prev_encryption_key"]
            .contains(&word)
        || nearest(word, ["password", "pass", "token"].into_iter()).is_some()
}

/// Whether a word has the form of an nkey seed, which is a private key.
fn is_seed(word: &str) -> bool {
    word.len() >= 56 && word.starts_with('s') && word.chars().all(|c| c.is_ascii_alphanumeric())
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The end of the run of characters from `at` that satisfy `keep`.
fn run(chars: &[char], at: usize, keep: impl Fn(char) -> bool) -> usize {
    chars
        .iter()
        .skip(at)
        .position(|&c| !keep(c))
        .map_or(chars.len(), |length| at + length)
}
