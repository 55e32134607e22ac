//! The text form of nkeys: RFC 4648 base32 without padding over `bytes ‖ CRC-16 (little endian)`.
//!
//! Decoding is canonical: one byte string has exactly one text, so texts can be compared. Called
//! by the key types of the parent module only; knows nothing of key kinds.

use zeroize::Zeroizing;

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The longest text accepted, in bytes. A seed, the longest nkey, has 58.
const MAX_TEXT_BYTES: usize = 64;

/// Appends the checksum to `payload` and returns the base32 text.
pub(super) fn encode(payload: &[u8]) -> String {
    let mut bytes = Zeroizing::new(Vec::with_capacity(payload.len() + 2));
    bytes.extend_from_slice(payload);
    bytes.extend_from_slice(&crc16(payload).to_le_bytes());

    // Sized up front, because growing would leave copies of a seed behind in freed memory.
    let mut text = String::with_capacity((bytes.len() * 8).div_ceil(5));
    let mut buffer = 0u32;
    let mut bits = 0;
    for &byte in bytes.iter() {
        buffer = (buffer << 8) | u32::from(byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(symbol(buffer >> bits));
        }
    }
    if bits > 0 {
        text.push(symbol(buffer << (5 - bits)));
    }
    text
}

/// Decodes `text` and checks its CRC. `None` if it is not canonical base32 of a checksummed
/// payload.
pub(super) fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    if text.len() > MAX_TEXT_BYTES {
        return None;
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_TEXT_BYTES));
    let mut buffer = 0u32;
    let mut bits = 0;
    for symbol in text.bytes() {
        buffer = (buffer << 5) | u32::from(value(symbol)?);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((buffer >> bits) as u8);
            buffer &= (1 << bits) - 1;
        }
    }
    // Left-over bits must be zero and fewer than a symbol, or two texts would mean one key.
    if buffer != 0 || bits >= 5 {
        return None;
    }
    let payload_len = bytes.len().checked_sub(2)?;
    let (payload, crc) = bytes.split_at_checked(payload_len)?;
    if crc16(payload).to_le_bytes() != crc {
        return None;
    }
    bytes.truncate(payload_len);
    Some(bytes)
}

fn symbol(index: u32) -> char {
    char::from(ALPHABET[(index & 31) as usize])
}

fn value(symbol: u8) -> Option<u8> {
    match symbol {
        b'A'..=b'Z' => Some(symbol - b'A'),
        b'2'..=b'7' => Some(symbol - b'2' + 26),
        _ => None,
    }
}

/// CRC-16/XMODEM: polynomial 0x1021, initial value 0, no reflection.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, &byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc: u16, _| {
            if crc & 0x8000 == 0 {
                crc << 1
            } else {
                (crc << 1) ^ 0x1021
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::{crc16, decode, encode};
    use proptest::prelude::*;

    #[test]
    fn crc_has_the_published_check_value() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
    }

    #[test]
    fn a_text_with_stray_bits_is_not_canonical() {
        let text = encode(&[7; 34]);
        assert_eq!(text.len(), 58);
        let stray = format!("{}{}", &text[..57], char::from(text.as_bytes()[57] + 1));
        assert!(decode(&text).is_some());
        assert!(decode(&stray).is_none());
        assert!(decode(&format!("{text}A")).is_none());
    }

    proptest! {
        #[test]
        fn every_payload_round_trips(payload in proptest::collection::vec(any::<u8>(), 0..36)) {
            let text = encode(&payload);
            prop_assert_eq!(decode(&text).map(|bytes| bytes.to_vec()), Some(payload));
        }

        #[test]
        fn decoding_is_total_and_canonical(text in "[A-Z2-7]{0,66}|\\PC*") {
            if let Some(payload) = decode(&text) {
                prop_assert_eq!(encode(&payload), text);
            }
        }
    }
}
