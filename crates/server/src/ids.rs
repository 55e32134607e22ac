//! Ids that nobody else has.

use crate::shared::Shared;

/// An id of 22 characters, as NATS's own.
pub(crate) fn fresh(shared: &Shared) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut id = String::with_capacity(22);
    for _ in 0..2 {
        let mut rest = shared.fresh_seed();
        for _ in 0..11 {
            id.push(char::from(DIGITS[(rest % 62) as usize]));
            rest /= 62;
        }
    }
    id
}
