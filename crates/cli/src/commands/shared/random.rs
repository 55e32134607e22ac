//! Unguessable bytes and passwords, from the operating system.

use rustix::rand::{GetRandomFlags, getrandom};

use crate::error::{Context, Error, Result};

/// What generated passwords are made of: safe in configuration files and shells without quoting.
const LETTERS: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// Random bytes.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    let filled = getrandom(&mut bytes, GetRandomFlags::empty()).context("randomness")?;
    match filled {
        filled if filled == N => Ok(bytes),
        _ => Err(Error::new("the system gave too few random bytes")),
    }
}

/// A password of letters and digits, each as likely as any other.
pub(crate) fn password(length: usize) -> Result<String> {
    let mut password = String::with_capacity(length);
    while password.len() < length {
        let [byte] = bytes::<1>()?;
        // Every letter has four of 256 values; the eight that are left over are asked for again.
        if let Some(letter) = LETTERS.get(usize::from(byte / 4)) {
            password.push(char::from(*letter));
        }
    }
    Ok(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_differ() {
        let (one, two) = (
            password(22).unwrap_or_default(),
            password(22).unwrap_or_default(),
        );
        assert_eq!(one.len(), 22);
        assert_ne!(one, two);
    }
}
