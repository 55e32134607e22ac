//! The form of public nkeys.
//!
//! Owns one check: that text is a public user key (base32 of a prefix byte, 32 bytes of key and a
//! CRC-16, little-endian). A typing error in a configuration is thereby found at start and not at
//! the first login. Absent: keys themselves; signing and verifying is the auth crate's.

/// Prefix byte of public user keys; makes the text begin with `U`.
const USER_PREFIX: u8 = 20 << 3;
/// Bytes of a key: prefix, key, checksum.
const KEY_BYTES: usize = 35;

/// Whether text is a valid public user key.
pub(crate) fn is_public_user_key(text: &str) -> bool {
    let Some(bytes) = decode_base32(text) else {
        return false;
    };
    match bytes.split_last_chunk::<2>() {
        Some((body, checksum)) => {
            bytes.len() == KEY_BYTES
                && body.first() == Some(&USER_PREFIX)
                && crc16(body) == u16::from_le_bytes(*checksum)
        }
        None => false,
    }
}

/// Decodes unpadded RFC 4648 base32 of the length of a key.
fn decode_base32(text: &str) -> Option<Vec<u8>> {
    if text.len() != KEY_BYTES * 8 / 5 {
        return None;
    }
    let (mut bytes, mut buffer, mut bits) = (Vec::with_capacity(KEY_BYTES), 0u32, 0u32);
    for c in text.bytes() {
        let digit = match c {
            b'A'..=b'Z' => c - b'A',
            b'2'..=b'7' => c - b'2' + 26,
            _ => return None,
        };
        buffer = buffer << 5 | u32::from(digit);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((buffer >> bits & 0xff) as u8);
        }
    }
    Some(bytes)
}

/// CRC-16/XMODEM: polynomial 0x1021, initially zero.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| {
            if crc & 0x8000 == 0 {
                crc << 1
            } else {
                crc << 1 ^ 0x1021
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::is_public_user_key;

    #[test]
    fn a_user_key_with_a_right_checksum_is_accepted_and_nothing_else() {
        // The key of NATS's documentation.
        let good = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";
        assert!(is_public_user_key(good));
        let account = good.replacen('U', "A", 1);
        let typo = good.replacen("DXU", "DXV", 1);
        for bad in ["", "U", &good[1..], &good.to_lowercase(), &account, &typo] {
            assert!(!is_public_user_key(bad), "{bad}");
        }
    }
}
