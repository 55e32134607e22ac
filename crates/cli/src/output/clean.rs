//! Text of others made harmless for a terminal.
//!
//! Names, descriptions, headers, bodies and errors come from whoever may write to a server. A terminal
//! obeys control characters in them: it moves its cursor, renames its window, answers as if somebody
//! typed. So what people read passes through here on its way to a terminal: control characters become
//! `�`, except for line ends, tabs and plain colours. Files and pipes get everything as it is.

use std::borrow::Cow;

const REPLACEMENT: char = '\u{fffd}';

/// Bytes of a sequence that sets colours, `ESC [ 1 ; 31 m`; a longer one is none.
const MAX_COLOUR_BYTES: usize = 32;

/// `text` without what a terminal would obey.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(is_suspicious) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let colour = colour(rest);
        let is_line_end = first == '\r' && rest.starts_with("\r\n");
        let is_harmless = !first.is_control() || matches!(first, '\n' | '\t') || is_line_end;
        let len = match is_harmless {
            true => first.len_utf8(),
            false => colour.unwrap_or(0),
        };
        match len {
            0 => clean.push(REPLACEMENT),
            len => clean.push_str(rest.get(..len).unwrap_or_default()),
        }
        rest = rest.get(len.max(first.len_utf8())..).unwrap_or_default();
    }
    Cow::Owned(clean)
}

/// The same for bytes that may be no text.
pub(super) fn clean_bytes(bytes: &[u8]) -> Cow<'_, [u8]> {
    match bytes.iter().copied().any(is_suspicious) {
        false => Cow::Borrowed(bytes),
        true => {
            let text = String::from_utf8_lossy(bytes);
            Cow::Owned(clean(&text).into_owned().into_bytes())
        }
    }
}

/// Whether a byte may be of a control character: those of ASCII, and the first byte of the others.
fn is_suspicious(byte: u8) -> bool {
    (byte < b' ' && byte != b'\n' && byte != b'\t') || byte == 0x7f || byte == 0xc2
}

/// The length of the colour that `text` begins with.
fn colour(text: &str) -> Option<usize> {
    let codes = text.strip_prefix("\x1b[")?;
    let end = codes.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    let is_colour = end <= MAX_COLOUR_BYTES && codes.get(end..)?.starts_with('m');
    is_colour.then_some("\x1b[".len() + end + "m".len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_are_told_nothing_to_do() {
        let check = |text: &str, expected: &str| {
            assert_eq!(clean(text), expected, "{text:?}");
            assert_eq!(*clean_bytes(text.as_bytes()), *expected.as_bytes());
        };
        check("Grüße → 你好\n\ttab\r\n", "Grüße → 你好\n\ttab\r\n");
        check("\x1b[1;31mred\x1b[0m", "\x1b[1;31mred\x1b[0m");
        check(
            "\x1b[2J\x1b]0;title\x07x",
            "\u{fffd}[2J\u{fffd}]0;title\u{fffd}x",
        );
        check("safe\rgone", "safe\u{fffd}gone");
        check(
            "a\u{9b}2Jb\u{85}\u{7f}\u{8}",
            "a\u{fffd}2Jb\u{fffd}\u{fffd}\u{fffd}",
        );
        check("£5 \x1b[", "£5 \u{fffd}[");
        let long = format!("\x1b[{}m", "1".repeat(99));
        assert!(clean(&long).starts_with('\u{fffd}'));
        assert_eq!(*clean_bytes(b"\xff\x1b"), *"\u{fffd}\u{fffd}".as_bytes());
        // No text and no control characters: as it is.
        assert_eq!(*clean_bytes(b"\xff\xfe"), *b"\xff\xfe");
    }
}
