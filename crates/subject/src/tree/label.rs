//! The token on the edge that leads to a trie node.

/// Tokens up to this length are kept inside the node.
const INLINE: usize = 22;

/// A token in 24 bytes: in place when it is short, as nearly all are.
pub(super) enum Label {
    Inline { len: u8, bytes: [u8; INLINE] },
    Heap(Box<[u8]>),
}

impl Label {
    pub(super) const EMPTY: Self = Self::Inline {
        len: 0,
        bytes: [0; INLINE],
    };

    pub(super) fn new(token: &[u8]) -> Self {
        let mut bytes = [0; INLINE];
        match (bytes.get_mut(..token.len()), u8::try_from(token.len())) {
            (Some(place), Ok(len)) => {
                place.copy_from_slice(token);
                Self::Inline { len, bytes }
            }
            _ => Self::Heap(token.into()),
        }
    }

    #[inline]
    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Self::Heap(token) => token,
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::Inline { .. } => 0,
            Self::Heap(token) => token.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_any_length_keep_their_token() {
        assert_eq!(size_of::<Label>(), 24);
        for len in 0..300 {
            let token = vec![b'x'; len];
            let label = Label::new(&token);
            assert_eq!(label.as_bytes(), token);
            assert_eq!(label.heap_bytes(), if len > INLINE { len } else { 0 });
        }
    }
}
