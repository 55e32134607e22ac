//! `meta.inf`: what a stream or a consumer is to be, as JSON, with when it was created.

use cognate_model::json::{self, DecodeError, decode};
use cognate_model::{ConsumerConfig, StreamConfig, Timestamp, record};

record! {
    /// The member of a stream's file that is not its configuration.
    pub struct Born("FileStreamInfo") {
        /// When it was created.
        created: Timestamp = "Created",
    }
}

record! {
    /// The members of a consumer's file that are not its configuration.
    pub struct BornConsumer("FileConsumerInfo") {
        /// When it was created.
        created: Timestamp = "Created",
        /// Its name.
        name: String = "Name",
    }
}

/// What a stream is, unchecked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StreamMeta {
    /// Its configuration.
    pub config: StreamConfig,
    /// When it was created; [`Timestamp::ZERO_TIME`] if that is not known.
    pub created: Timestamp,
    /// Members of the configuration that this software does not know.
    pub unknown: Vec<String>,
}

impl StreamMeta {
    /// Reads a `meta.inf`.
    ///
    /// # Errors
    /// If it is not such a document.
    pub fn read(text: &[u8]) -> Result<Self, DecodeError> {
        let (config, mut unknown) = decode::<StreamConfig>(text)?;
        let born = decode_born::<Born>(text)?;
        unknown.retain(|name| !name.eq_ignore_ascii_case("Created"));
        Ok(Self {
            config,
            created: born.created,
            unknown,
        })
    }

    /// As a `meta.inf`.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let born = Born {
            created: self.created,
        };
        joined(json::to_vec(&born), &json::to_vec(&self.config))
    }
}

/// What a consumer is, unchecked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConsumerMeta {
    /// Its name.
    pub name: String,
    /// Its configuration.
    pub config: ConsumerConfig,
    /// When it was created; [`Timestamp::ZERO_TIME`] if that is not known.
    pub created: Timestamp,
    /// Members of the configuration that this software does not know.
    pub unknown: Vec<String>,
}

impl ConsumerMeta {
    /// Reads a `meta.inf`.
    ///
    /// # Errors
    /// If it is not such a document.
    pub fn read(text: &[u8]) -> Result<Self, DecodeError> {
        let (config, mut unknown) = decode::<ConsumerConfig>(text)?;
        let born = decode_born::<BornConsumer>(text)?;
        unknown.retain(|name| !name.eq_ignore_ascii_case("Created"));
        Ok(Self {
            name: born.name,
            config,
            created: born.created,
            unknown,
        })
    }

    /// As a `meta.inf`.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let born = BornConsumer {
            created: self.created,
            name: self.name.clone(),
        };
        joined(json::to_vec(&born), &json::to_vec(&self.config))
    }
}

fn decode_born<T: json::Record + Default>(text: &[u8]) -> Result<T, DecodeError> {
    decode::<T>(text).map(|(born, _)| born)
}

/// One object with the members of both.
fn joined(mut first: Vec<u8>, second: &[u8]) -> Vec<u8> {
    first.pop();
    first.push(b',');
    first.extend_from_slice(second.get(1..).unwrap_or_default());
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_come_back() {
        let text = br#"{"Created":"2024-05-06T07:08:09.000000123Z","name":"S","subjects":["s.>"],"retention":"limits","new_thing":1}"#;
        let meta = StreamMeta::read(text).expect("the document is right");
        assert_eq!(meta.config.name, "S");
        assert_eq!(meta.created.rfc3339(), "2024-05-06T07:08:09.000000123Z");
        assert_eq!(meta.unknown, ["new_thing"]);
        let again = StreamMeta::read(&meta.write()).expect("what was written is right");
        assert_eq!((again.config, again.created), (meta.config, meta.created));

        let text = br#"{"Created":"2024-05-06T07:08:09Z","Name":"C","durable_name":"C","name":"C","ack_policy":"explicit"}"#;
        let meta = ConsumerMeta::read(text).expect("the document is right");
        assert_eq!((meta.name.as_str(), meta.unknown.len()), ("C", 0));
        let again = ConsumerMeta::read(&meta.write()).expect("what was written is right");
        assert_eq!(again, meta);
        assert!(ConsumerMeta::read(b"no").is_err());
    }
}
