//! Tells code from comments and literals, without parsing.
//!
//! [`mask`] blanks out what is not code and keeps every byte at its place, so that an offset found
//! in the masked text is valid in the original. The delimiters of string literals stay: in masked
//! text quotation marks come in pairs, and what a literal says is read from the original.

/// Blanks out comments and the contents of string, byte and character literals.
pub fn mask(text: &str) -> String {
    let mut masked = text.as_bytes().to_vec();
    let mut at = 0;
    while at < masked.len() {
        let end = skip(text.as_bytes(), at);
        let literal = matches!(masked[at], b'"' | b'\'');
        let inner = if literal && end > at + 1 {
            at + 1..end - 1
        } else {
            at..end
        };
        if end > at + 1 {
            blank(&mut masked[inner]);
        }
        at = end.max(at + 1);
    }
    // Only whole comments and literals were blanked, so characters of several bytes went whole.
    String::from_utf8(masked).expect("blanking keeps characters whole")
}

/// The contents of the string literal whose opening quotation mark is at `quote` in the masked
/// text, read from the original.
pub fn literal_at<'a>(text: &'a str, masked: &str, quote: usize) -> Option<&'a str> {
    let inside = masked.get(quote..)?.strip_prefix('"')?;
    let len = inside.find('"')?;
    text.get(quote + 1..quote + 1 + len)
}

/// The offsets at which `word` stands in `masked` with no letter, digit or underscore around it.
pub fn words<'a>(masked: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_part = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    let bytes = masked.as_bytes();
    let starts_open = word.starts_with(|c: char| !c.is_ascii_alphanumeric());
    let ends_open = word.ends_with(|c: char| !c.is_ascii_alphanumeric());
    masked
        .match_indices(word)
        .map(|(at, _)| at)
        .filter(move |&at| {
            let before = at.checked_sub(1).and_then(|before| bytes.get(before));
            (starts_open || !is_part(before)) && (ends_open || !is_part(bytes.get(at + word.len())))
        })
}

fn blank(bytes: &mut [u8]) {
    for byte in bytes.iter_mut().filter(|byte| **byte != b'\n') {
        *byte = b' ';
    }
}

/// Where the comment or literal that begins at `at` ends, or the next byte.
fn skip(text: &[u8], at: usize) -> usize {
    match &text[at..] {
        [b'/', b'/', ..] => find(text, at, b"\n"),
        [b'/', b'*', ..] => skip_block_comment(text, at),
        [b'"', ..] => match raw_hashes(text, at) {
            Some(hashes) => {
                let close = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
                find(text, at + 1, &close) + 1
            }
            None => skip_escaped(text, at, b'"'),
        },
        [b'\'', b'\\', ..] => skip_escaped(text, at, b'\''),
        // A lifetime has no closing quotation mark right behind its first character.
        [b'\'', rest @ ..] => match rest.iter().take(5).position(|&byte| byte == b'\'') {
            Some(len) if is_one_character(&rest[..len]) => at + len + 2,
            _ => at + 1,
        },
        _ => at + 1,
    }
    .min(text.len())
}

/// The offset of `what` from `from` on, or the end.
fn find(text: &[u8], from: usize, what: &[u8]) -> usize {
    let found = text[from..]
        .windows(what.len())
        .position(|window| window == what);
    found.map_or(text.len(), |at| from + at)
}

fn skip_block_comment(text: &[u8], start: usize) -> usize {
    let mut depth = 0;
    let mut at = start;
    while at < text.len() {
        match &text[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    at
}

fn skip_escaped(text: &[u8], start: usize, close: u8) -> usize {
    let mut at = start + 1;
    while at < text.len() && text[at] != close {
        at += if text[at] == b'\\' { 2 } else { 1 };
    }
    at + 1
}

/// The number of `#` before the quotation mark at `quote`, if it opens a raw string.
fn raw_hashes(text: &[u8], quote: usize) -> Option<usize> {
    let hashes = text[..quote]
        .iter()
        .rev()
        .take_while(|&&byte| byte == b'#')
        .count();
    let mut before = text[..quote - hashes].iter().rev();
    if before.next() != Some(&b'r') {
        return None;
    }
    let mut prefix = before.peekable();
    prefix.next_if(|byte| matches!(byte, b'b' | b'c'));
    let alone = prefix
        .next()
        .is_none_or(|b| !b.is_ascii_alphanumeric() && *b != b'_');
    alone.then_some(hashes)
}

fn is_one_character(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| text.chars().count() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_is_left() {
        let cases = [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            ("f(\"x{\\\"\", 1)", "f(\"    \", 1)"),
            ("r#\"a\"b\"# {", "r#\"   \"# {"),
            ("br\"\\\" {", "br\" \" {"),
            ("r\"\\\" {", "r\" \" {"),
            ("for\"\\\"\"", "for\"  \""),
            ("'{' 'a '\\'' b'\"'", "' ' 'a '  ' b' '"),
            ("&'a str '\u{1F600}'", "&'a str '    '"),
            ("\"\u{e4}\" // \u{e4}", "\"  \"      "),
            ("\"\" \"open", "\"\" \"   n"),
        ];
        for (text, expected) in cases {
            assert_eq!(mask(text), expected, "{text}");
        }
    }

    #[test]
    fn a_literal_is_read_from_the_original() {
        let text = "x.expect(\"it is (there)\")";
        let masked = mask(text);
        assert_eq!(literal_at(text, &masked, 9), Some("it is (there)"));
        assert_eq!(literal_at(text, &masked, 0), None);
    }

    #[test]
    fn words_stand_alone() {
        assert_eq!(
            words("rand(a_rand, rand1) rand", "rand").collect::<Vec<_>>(),
            [0, 20]
        );
        assert_eq!(
            words("x.unwrap() y.unwrap_or()", ".unwrap()").collect::<Vec<_>>(),
            [1]
        );
    }
}
