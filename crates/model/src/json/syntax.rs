//! What is wrong with a text that is not JSON, in the words of nats-server's decoder.
//!
//! Asked only when decoding has failed: a second walk over the text that finds the first byte that
//! cannot be there, and says what it was looking for. Invariants: every byte is looked at once; depth is
//! bounded ([`MAX_DEPTH`]). Absent: values.

/// How deep arrays and objects may be in each other.
const MAX_DEPTH: usize = 10_000;

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// The text ends too early.
    End,
    /// This byte, counted from 1, cannot be there.
    At(usize, String),
}

/// Which values are around the one being read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Around {
    Object,
    Array,
}

/// The first fault of a text; none if it has none. With `only_one`, a second document is one.
pub(super) fn fault(text: &[u8], only_one: bool) -> Option<Broken> {
    let mut walk = Walk {
        text,
        at: 0,
        only_one,
    };
    loop {
        if walk.skip_blanks().is_none() {
            // A text of blanks is no document; several may be followed by blanks.
            return (only_one && text.iter().all(u8::is_ascii_whitespace)).then_some(Broken::End);
        }
        if let Err(fault) = walk.document() {
            return Some(fault);
        }
        if only_one && walk.skip_blanks().is_some() {
            return Some(walk.unexpected("after top-level value"));
        }
    }
}

struct Walk<'a> {
    text: &'a [u8],
    at: usize,
    only_one: bool,
}

impl Walk<'_> {
    fn document(&mut self) -> Result<(), Broken> {
        let mut around = Vec::new();
        loop {
            // A value begins here.
            match self.skip_blanks().ok_or(Broken::End)? {
                opening @ (b'{' | b'[') => {
                    if around.len() == MAX_DEPTH {
                        return Err(Broken::At(self.at + 1, "exceeded max depth".to_owned()));
                    }
                    self.at += 1;
                    let (kind, closing) = match opening {
                        b'{' => (Around::Object, b'}'),
                        _ => (Around::Array, b']'),
                    };
                    if self.skip_blanks() == Some(closing) {
                        self.at += 1;
                    } else {
                        around.push(kind);
                        if kind == Around::Object {
                            self.key()?;
                        }
                        continue;
                    }
                }
                _ => self.scalar()?,
            }
            if !self.after_value(&mut around)? {
                return Ok(());
            }
        }
    }

    /// What follows a value, up to where the next one begins; false if there is none.
    fn after_value(&mut self, around: &mut Vec<Around>) -> Result<bool, Broken> {
        while let Some(&kind) = around.last() {
            let next = self.skip_blanks().ok_or(Broken::End)?;
            match (kind, next) {
                (Around::Object, b',') => {
                    self.at += 1;
                    self.key()?;
                    return Ok(true);
                }
                (Around::Array, b',') => {
                    self.at += 1;
                    return Ok(true);
                }
                (Around::Object, b'}') | (Around::Array, b']') => {
                    self.at += 1;
                    around.pop();
                }
                (Around::Object, _) => {
                    return Err(self.unexpected("after object key:value pair"));
                }
                (Around::Array, _) => return Err(self.unexpected("after array element")),
            }
        }
        Ok(false)
    }

    /// A key and its colon.
    fn key(&mut self) -> Result<(), Broken> {
        if self.skip_blanks().ok_or(Broken::End)? != b'"' {
            return Err(self.unexpected("looking for beginning of object key string"));
        }
        self.string()?;
        if self.skip_blanks().ok_or(Broken::End)? != b':' {
            return Err(self.unexpected("after object key"));
        }
        self.at += 1;
        Ok(())
    }

    fn scalar(&mut self) -> Result<(), Broken> {
        match self.peek()? {
            b'"' => self.string(),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            b'-' | b'0'..=b'9' => self.number(),
            _ => Err(self.unexpected("looking for beginning of value")),
        }
    }

    fn literal(&mut self, word: &str) -> Result<(), Broken> {
        for expected in word.bytes() {
            if self.here() != Some(expected) {
                let expected = char::from(expected);
                return Err(self.torn(&format!("in literal {word} (expecting '{expected}')")));
            }
            self.at += 1;
        }
        Ok(())
    }

    fn string(&mut self) -> Result<(), Broken> {
        self.at += 1;
        loop {
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => {
                    self.at += 1;
                    self.escape()?;
                }
                0..0x20 => return Err(self.unexpected("in string literal")),
                _ => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Result<(), Broken> {
        match self.here() {
            Some(b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.here().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                        return Err(self.torn("in \\u hexadecimal character escape"));
                    }
                    self.at += 1;
                }
            }
            _ => return Err(self.torn("in string escape code")),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Broken> {
        if self.peek()? == b'-' {
            self.at += 1;
        }
        match self.here() {
            // Nothing of the number may follow a zero: what does is somebody else's fault.
            Some(b'0') => self.at += 1,
            _ => self.digits("in numeric literal")?,
        }
        if self.here() == Some(b'.') {
            self.at += 1;
            self.digits("after decimal point in numeric literal")?;
        }
        if matches!(self.here(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.here(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits("in exponent of numeric literal")?;
        }
        Ok(())
    }

    /// One digit or more.
    fn digits(&mut self, place: &str) -> Result<(), Broken> {
        if !self.here().is_some_and(|byte| byte.is_ascii_digit()) {
            return Err(self.torn(place));
        }
        while self.here().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }

    /// What cannot be here, within a word or number. Where one document is all there is, its end is
    /// read as a blank.
    fn torn(&self, place: &str) -> Broken {
        match self.here() {
            None if self.only_one => {
                Broken::At(self.at + 1, format!("invalid character ' ' {place}"))
            }
            None => Broken::End,
            Some(_) => self.unexpected(place),
        }
    }

    fn here(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn peek(&self) -> Result<u8, Broken> {
        self.here().ok_or(Broken::End)
    }

    /// The next byte that is not blank.
    fn skip_blanks(&mut self) -> Option<u8> {
        while matches!(self.here(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
        self.here()
    }

    fn unexpected(&self, place: &str) -> Broken {
        let shown = match self.here().unwrap_or_default() {
            b'\'' => "\\'".to_owned(),
            b'"' => "\"".to_owned(),
            byte => {
                let quoted = crate::text::quoted(char::from(byte).encode_utf8(&mut [0; 4]));
                quoted[1..quoted.len() - 1].to_owned()
            }
        };
        Broken::At(self.at + 1, format!("invalid character '{shown}' {place}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expected` is the text of nats-server 2.14, which was asked for each of these.
    #[track_caller]
    fn check(text: &str, at: usize, expected: &str) {
        let found = fault(text.as_bytes(), true);
        assert_eq!(found, Some(Broken::At(at, expected.to_owned())), "{text}");
    }

    // tidy: long-function: a table of texts and what is told of them
    #[test]
    fn faults_are_told_like_nats_server_does() {
        check(
            "x",
            1,
            "invalid character 'x' looking for beginning of value",
        );
        check(
            r#"{"a":}"#,
            6,
            "invalid character '}' looking for beginning of value",
        );
        check(
            "{a:1}",
            2,
            "invalid character 'a' looking for beginning of object key string",
        );
        check(
            "{'a':1}",
            2,
            "invalid character '\\'' looking for beginning of object key string",
        );
        check(
            r#"{"a":1,}"#,
            8,
            "invalid character '}' looking for beginning of object key string",
        );
        check(r#"{"a" 1}"#, 6, "invalid character '1' after object key");
        check(
            r#"{"a":1 "b":2}"#,
            8,
            "invalid character '\"' after object key:value pair",
        );
        check("[1 2]", 4, "invalid character '2' after array element");
        check(
            "[1,]",
            4,
            "invalid character ']' looking for beginning of value",
        );
        check("{} x", 4, "invalid character 'x' after top-level value");
        check("{}{}", 3, "invalid character '{' after top-level value");
        check(
            r#"{"a":01}"#,
            7,
            "invalid character '1' after object key:value pair",
        );
        check(
            r#"{"a":tru}"#,
            9,
            "invalid character '}' in literal true (expecting 'e')",
        );
        check(r#"{"a":-x}"#, 7, "invalid character 'x' in numeric literal");
        check(
            r#"{"a":1.x}"#,
            8,
            "invalid character 'x' after decimal point in numeric literal",
        );
        check(
            r#"{"a":1ex}"#,
            8,
            "invalid character 'x' in exponent of numeric literal",
        );
        check(
            "{\"a\":\"\n\"}",
            7,
            "invalid character '\\n' in string literal",
        );
        check(
            r#"{"a":"\x"}"#,
            8,
            "invalid character 'x' in string escape code",
        );
        check(
            r#"{"a":"\u00g0"}"#,
            11,
            "invalid character 'g' in \\u hexadecimal character escape",
        );
    }

    #[test]
    fn a_text_may_end_too_early() {
        for text in ["", " ", "{", r#"{"a"#, r#"{"a":"#, "[1", r#"{"a":1,"#] {
            assert_eq!(fault(text.as_bytes(), true), Some(Broken::End), "{text}");
        }
        for text in ["tr", "-", "1.", "\"\\"] {
            assert_eq!(fault(text.as_bytes(), false), Some(Broken::End), "{text}");
        }
        check(
            "tr",
            3,
            "invalid character ' ' in literal true (expecting 'u')",
        );
        check("-", 2, "invalid character ' ' in numeric literal");
    }

    #[test]
    fn what_is_well_has_no_fault() {
        for text in [
            r#"{"a":[1,-0.5e+3,true,null,"\u00e9\n"],"b":{}}"#,
            " [] ",
            "0",
        ] {
            assert_eq!(fault(text.as_bytes(), true), None, "{text}");
        }
        assert_eq!(fault(b"{} {}", false), None);
        assert_eq!(fault(b" ", false), None);
        let deep = "[".repeat(MAX_DEPTH + 1);
        let depth = Broken::At(MAX_DEPTH + 1, "exceeded max depth".to_owned());
        assert_eq!(fault(deep.as_bytes(), false), Some(depth));
    }
}
