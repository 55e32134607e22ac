//! Bodies in the form in which they are wanted: gzip, or Snappy in its framing.

use std::io::Write as _;

use cognate_wire::tracing::Encoding;
use flate2::Compression;
use flate2::write::GzEncoder;

/// What a Snappy stream begins with.
const SNAPPY_START: &[u8] = b"\xff\x06\x00\x00sNaPpY";

/// The most that one chunk of it holds, uncompressed.
const SNAPPY_CHUNK: usize = 65_536;

/// A body in the form of `encoding`.
pub(super) fn encoded(body: Vec<u8>, encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Plain | Encoding::Identity => body,
        Encoding::Gzip => gzipped(&body).unwrap_or(body),
        Encoding::Snappy => snappy(&body),
    }
}

/// Fails never: it writes to memory.
fn gzipped(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body)?;
    encoder.finish()
}

fn snappy(body: &[u8]) -> Vec<u8> {
    let mut out = SNAPPY_START.to_vec();
    for chunk in body.chunks(SNAPPY_CHUNK) {
        let compressed = minlz::encode_snappy(chunk);
        let (kind, data) = match compressed.len() < chunk.len() {
            true => (0, &compressed[..]),
            false => (1, chunk),
        };
        // Its length, with that of the checksum, in three bytes; a chunk is far smaller than that.
        let len = (data.len() + 4) as u32;
        out.push(kind);
        out.extend_from_slice(&len.to_le_bytes()[..3]);
        out.extend_from_slice(&minlz::crc::crc(chunk).to_le_bytes());
        out.extend_from_slice(data);
    }
    out
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn body() -> Vec<u8> {
        (0..20_000u32).flat_map(|n| (n / 7).to_le_bytes()).collect()
    }

    #[test]
    fn gzip_comes_back() {
        let encoded = encoded(body(), Encoding::Gzip);
        assert!(encoded.len() < body().len());
        let mut decoded = Vec::new();
        let mut decoder = flate2::read::GzDecoder::new(&encoded[..]);
        decoder.read_to_end(&mut decoded).expect("what was encoded");
        assert_eq!(decoded, body());
    }

    #[test]
    fn snappy_comes_back() {
        let encoded = encoded(body(), Encoding::Snappy);
        assert!(encoded.len() < body().len());
        let mut rest = encoded.strip_prefix(SNAPPY_START).expect("its start");
        let mut decoded = Vec::new();
        while let [kind, a, b, c, after @ ..] = rest {
            let len = u32::from_le_bytes([*a, *b, *c, 0]) as usize;
            let (chunk, following) = after.split_at(len);
            let data = match kind {
                0 => minlz::decode_snappy(&chunk[4..]).expect("a block"),
                _ => chunk[4..].to_vec(),
            };
            assert_eq!(chunk[..4], minlz::crc::crc(&data).to_le_bytes());
            decoded.extend(data);
            rest = following;
        }
        assert_eq!(decoded, body());
    }
}
