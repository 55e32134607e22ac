//! Changes that a stream makes to a message before it stores it, in buffers that are used again.

use cognate_wire::headers::HeaderBlock;

use crate::header;

/// See the module. Unchanged parts are taken from the original message.
#[derive(Default)]
pub(crate) struct Edits {
    headers: Option<Vec<u8>>,
    payload: Option<Vec<u8>>,
    /// Buffers not in use.
    spare: Vec<Vec<u8>>,
}

impl Edits {
    /// Forgets all changes.
    pub(crate) fn clear(&mut self) {
        let used = [self.headers.take(), self.payload.take()];
        self.spare.extend(used.into_iter().flatten());
        self.spare.truncate(3);
    }

    /// The header block as it is to be stored.
    pub(crate) fn headers<'a>(&'a self, original: &'a [u8]) -> &'a [u8] {
        self.headers.as_deref().unwrap_or(original)
    }

    /// The payload as it is to be stored.
    pub(crate) fn payload<'a>(&'a self, original: &'a [u8]) -> &'a [u8] {
        self.payload.as_deref().unwrap_or(original)
    }

    /// A new payload, to be filled in.
    pub(crate) fn new_payload(&mut self) -> &mut Vec<u8> {
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.clear();
        self.payload.insert(buffer)
    }

    /// Adds a header at the end.
    pub(crate) fn add(&mut self, original: &[u8], key: &[u8], value: &[u8]) {
        self.change(original, |out, block| {
            header::open(out, block);
            header::push(out, key, value);
        });
    }

    /// Takes headers away.
    pub(crate) fn keep_if(&mut self, original: &[u8], keep: impl FnMut(&[u8]) -> bool) {
        self.change(original, |out, block| header::copy_if(out, block, keep));
    }

    /// Gives the first header with this key a new value, or adds one.
    pub(crate) fn set(&mut self, original: &[u8], key: &[u8], value: &[u8]) {
        self.change(original, |out, block| {
            header::open(out, &[]);
            let mut found = false;
            for (name, old) in HeaderBlock::parse(block).into_iter().flat_map(|b| b.iter()) {
                let is_it = name == key && !found;
                found |= is_it;
                header::push(out, name, if is_it { value } else { old });
            }
            if !found {
                header::push(out, key, value);
            }
        });
    }

    fn change(&mut self, original: &[u8], write: impl FnOnce(&mut Vec<u8>, &[u8])) {
        let mut out = self.spare.pop().unwrap_or_default();
        write(&mut out, self.headers(original));
        header::close(&mut out);
        if let Some(before) = self.headers.replace(out) {
            self.spare.push(before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_add_up() {
        let original = b"NATS/1.0\r\nA: 1\r\nB: 2\r\nA: 3\r\n\r\n";
        let mut edits = Edits::default();
        let text = |edits: &Edits| String::from_utf8_lossy(edits.headers(original)).into_owned();
        assert_eq!(edits.headers(original), original);
        edits.add(original, b"C", b"4");
        edits.set(original, b"A", b"5");
        edits.set(original, b"D", b"6");
        assert_eq!(
            text(&edits),
            "NATS/1.0\r\nA: 5\r\nB: 2\r\nA: 3\r\nC: 4\r\nD: 6\r\n\r\n"
        );
        edits.keep_if(original, |key| key == b"B");
        assert_eq!(text(&edits), "NATS/1.0\r\nB: 2\r\n\r\n");
        edits.new_payload().extend_from_slice(b"new");
        assert_eq!(edits.payload(b"old"), b"new");
        edits.clear();
        assert_eq!(
            (edits.headers(b"h"), edits.payload(b"p")),
            (&b"h"[..], &b"p"[..])
        );
    }
}
