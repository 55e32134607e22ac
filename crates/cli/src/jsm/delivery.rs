//! What a delivered message's reply subject says: where it is stored and how much follows.
//!
//! ```text
//! $JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<nanoseconds>.<pending>
//! $JS.ACK.<domain>.<account>.<stream>.…the same….<pending>[.<token>]
//! ```

use jiff::Timestamp;

/// Where a delivered message comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// The stream.
    pub(crate) stream: String,
    /// The consumer.
    pub(crate) consumer: String,
    /// How often it was delivered, this time included.
    pub(crate) deliveries: u64,
    /// Its sequence in the stream.
    pub(crate) stream_seq: u64,
    /// Its sequence among the consumer's deliveries.
    pub(crate) consumer_seq: u64,
    /// When it was stored.
    pub(crate) time: Timestamp,
    /// How many more messages the consumer has yet to deliver.
    pub(crate) pending: u64,
}

impl Delivery {
    /// Reads a reply subject; `None` if it is not one of a delivery.
    pub(crate) fn of(reply: &str) -> Option<Self> {
        let tokens: Vec<&str> = reply.strip_prefix("$JS.ACK.")?.split('.').collect();
        let tokens = match tokens.len() {
            7 => tokens.as_slice(),
            9.. => tokens.get(2..9)?,
            _ => return None,
        };
        let number = |at: usize| tokens.get(at)?.parse::<u64>().ok();
        Some(Delivery {
            stream: (*tokens.first()?).to_owned(),
            consumer: (*tokens.get(1)?).to_owned(),
            deliveries: number(2)?,
            stream_seq: number(3)?,
            consumer_seq: number(4)?,
            time: Timestamp::from_nanosecond(i128::from(number(5)?)).ok()?,
            pending: number(6)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let short = Delivery::of("$JS.ACK.S.C.1.20.3.1700000000000000000.7").expect("it is one");
        assert_eq!(
            (short.stream.as_str(), short.stream_seq, short.pending),
            ("S", 20, 7)
        );
        assert_eq!(
            Delivery::of("$JS.ACK._.ACC.S.C.1.20.3.1700000000000000000.7.x"),
            Some(short)
        );
        for text in ["_INBOX.x", "$JS.ACK.S.C", "$JS.ACK.S.C.a.b.c.d.e"] {
            assert_eq!(Delivery::of(text), None, "{text}");
        }
    }
}
