//! Templates in bodies, headers and subjects: `{{Count}}`, `{{Time}}`, `{{Random 10 100}}`.
//!
//! The functions of the official tool, in its spelling, with or without blanks and the leading dot.
//! Text in braces that is none of them is an error, as it would be there. Text without braces is
//! passed on as it is, whatever its bytes.

use std::sync::atomic::{AtomicU64, Ordering};

use jiff::{Timestamp, Zoned};

use crate::error::{Error, Result};

/// Longest text that `Random` makes.
const MAX_RANDOM: usize = 64 << 20;

const HELP: &str = "There are Count, TimeStamp, Unix, UnixNano, Time, ID, Random(min, max), and Request in replies. \
                    --no-templates sends braces as they are.";

/// What templates are filled with.
#[derive(Clone, Copy, Default)]
pub(crate) struct Fill<'a> {
    /// The number of the message.
    pub(crate) count: u64,
    /// The body that is replied to.
    pub(crate) request: Option<&'a [u8]>,
}

/// Fills the templates in `text`.
pub(crate) fn render(text: &[u8], fill: Fill<'_>) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = memchr::memmem::find(rest, b"{{") {
        let (before, tail) = rest.split_at(start);
        out.extend_from_slice(before);
        let inner = tail.get(2..).unwrap_or_default();
        let Some(end) = memchr::memmem::find(inner, b"}}") else {
            return Err(Error::new("a template is not closed: }} is missing").hint(HELP));
        };
        let (call, after) = inner.split_at(end);
        evaluate(&String::from_utf8_lossy(call), fill, &mut out)?;
        rest = after.get(2..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    Ok(out)
}

/// [`render`] for text that stays text.
pub(crate) fn render_text(text: &str, fill: Fill<'_>) -> Result<String> {
    Ok(String::from_utf8_lossy(&render(text.as_bytes(), fill)?).into_owned())
}

fn evaluate(call: &str, fill: Fill<'_>, out: &mut Vec<u8>) -> Result<()> {
    let call = call
        .trim()
        .trim_start_matches('-')
        .trim_end_matches('-')
        .trim();
    let mut words = call
        .split([' ', '(', ')', ','])
        .filter(|word| !word.is_empty());
    let name = words.next().unwrap_or_default().trim_start_matches('.');
    let text = match name {
        "Count" | "Cnt" => fill.count.to_string(),
        "Unix" => Timestamp::now().as_second().to_string(),
        "UnixNano" => Timestamp::now().as_nanosecond().to_string(),
        "TimeStamp" => Zoned::now().strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
        "Time" => Zoned::now().strftime("%-I:%M%p").to_string(),
        "ID" => id(),
        "Random" => {
            let mut number = || words.next().and_then(|word| word.parse::<usize>().ok());
            let (Some(min), Some(max)) = (number(), number()) else {
                return Err(
                    Error::new("Random takes the shortest and the longest length").hint(HELP),
                );
            };
            if max > MAX_RANDOM || min > max {
                return Err(Error::new(format!("Random({min}, {max}) is out of range")));
            }
            random_text(min, max)
        }
        "Request" => {
            out.extend_from_slice(
                fill.request
                    .ok_or_else(|| Error::new("{{Request}} is for replies"))?,
            );
            return Ok(());
        }
        _ => return Err(Error::new(format!("unknown template {{{{{call}}}}}")).hint(HELP)),
    };
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// A unique id of 22 letters and digits.
pub(crate) fn id() -> String {
    random_text(22, 22)
}

/// A number nobody can guess from the outside, good enough for ids and test data.
pub(crate) fn random() -> u64 {
    static STATE: AtomicU64 = AtomicU64::new(0);
    let mut seed = STATE.load(Ordering::Relaxed);
    if seed == 0 {
        let mut bytes = [0_u8; 8];
        let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
        seed = u64::from_ne_bytes(bytes) | 1;
    }
    // A Weyl sequence through a mixing function: splitmix64.
    let next = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    STATE.store(next, Ordering::Relaxed);
    let mut mixed = next;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn random_text(min: usize, max: usize) -> String {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let len = min + (random() % (max - min + 1) as u64) as usize;
    let letter = |_| {
        char::from(
            LETTERS
                .get((random() % 62) as usize)
                .copied()
                .unwrap_or(b'x'),
        )
    };
    (0..len).map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_filled() {
        let fill = Fill {
            count: 7,
            request: Some(b"body"),
        };
        let render = |text: &str| render_text(text, fill).expect("it renders");
        assert_eq!(
            render("a {{Count}} {{ .Cnt }} {{.Request}}!"),
            "a 7 7 body!"
        );
        assert_eq!(render("no braces } { here"), "no braces } { here");
        let text = render("{{Random 10 20}}");
        assert!((10..=20).contains(&text.len()), "{text}");
        assert_eq!(render("{{ID}}").len(), 22);
        for text in ["{{Bogus}}", "{{Count", "{{Random 5}}", "{{Random 9 1}}"] {
            assert!(render_text(text, fill).is_err(), "{text}");
        }
        assert!(render_text("{{Request}}", Fill::default()).is_err());
    }
}
