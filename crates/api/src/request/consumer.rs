//! Requests about consumers: what is to become of one, and which are wanted in a list.

use cognate_model::json::{Decode, DecodeError, Decoder, IsEmpty, Json, Unknown};
use cognate_model::{ApiError, ConsumerConfig, Timestamp, error, is_valid_group, record};
use serde::{Serialize, Serializer};

use super::{parse, parse_optional, parse_plain};
use crate::Operation;

/// Whether a consumer may be there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConsumerAction {
    /// It may: then it is changed.
    #[default]
    CreateOrUpdate,
    /// It must be, and is changed.
    Update,
    /// It must not be, unless it is just the same.
    Create,
}

impl Serialize for ConsumerAction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            ConsumerAction::CreateOrUpdate => "",
            ConsumerAction::Update => "update",
            ConsumerAction::Create => "create",
        })
    }
}

impl IsEmpty for ConsumerAction {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Decode for ConsumerAction {
    const GO_TYPE: &'static str = "server.ConsumerAction";

    fn decode_into(&mut self, value: &Json, decoder: &mut Decoder) {
        match value {
            Json::String(word) if word.is_empty() => *self = Self::CreateOrUpdate,
            Json::String(word) if word == "update" => *self = Self::Update,
            Json::String(word) if word == "create" => *self = Self::Create,
            other => {
                let shown = cognate_model::json::to_string(other);
                decoder.fail(DecodeError::new(format!(
                    "unknown consumer action: {shown}"
                )));
            }
        }
    }
}

record! {
    /// `CONSUMER.CREATE` in all its forms.
    pub struct ConsumerRequest("CreateConsumerRequest") {
        /// The stream, once more.
        stream_name: String = "stream_name",
        /// What the consumer is to be; not checked yet.
        config: ConsumerConfig = "config",
        /// Whether it may be there already.
        action: ConsumerAction = "action",
        /// Refuse what would be changed silently.
        pedantic: bool = "pedantic" omit,
    }
}

impl ConsumerRequest {
    /// Reads a body, and settles the consumer's name between it and the subject: afterwards
    /// `config.name` is the name; empty for one that the server is to choose.
    ///
    /// # Errors
    /// 10025, or what body and subject disagree about.
    pub fn parse(
        operation: &Operation<'_>,
        body: &[u8],
        unknown: Unknown,
    ) -> Result<Self, ApiError> {
        let mut request: Self = parse(body, unknown)?;
        let (stream, consumer, filter) = match *operation {
            Operation::ConsumerCreate {
                stream,
                consumer,
                filter,
            } => (stream, Some(consumer), filter),
            Operation::DurableCreate { stream, consumer } => (stream, Some(consumer), None),
            Operation::EphemeralCreate { stream } => (stream, None, None),
            _ => return Err(error::BAD_REQUEST),
        };
        if request.stream_name != stream {
            return Err(error::STREAM_MISMATCH);
        }
        let config = &mut request.config;
        if consumer.unwrap_or(&config.name).contains(['\\', '/']) {
            return Err(error::CONSUMER_NAME_CONTAINS_PATH_SEPARATORS);
        }
        let durable = !config.durable_name.is_empty();
        match (operation, consumer) {
            (Operation::DurableCreate { .. }, _) if !durable => {
                return Err(error::CONSUMER_DURABLE_NAME_NOT_SET);
            }
            (_, Some(consumer)) => {
                if durable && config.durable_name != consumer {
                    return Err(error::CONSUMER_DURABLE_NAME_NOT_MATCH_SUBJECT);
                }
                consumer.clone_into(&mut config.name);
            }
            (_, None) if durable => return Err(error::CONSUMER_EPHEMERAL_WITH_DURABLE_NAME),
            (_, None) => {}
        }
        if let Some(filter) = filter {
            if !config.filter_subjects.is_empty() {
                return Err(error::CONSUMER_MULTIPLE_FILTERS_NOT_ALLOWED);
            }
            if config.filter_subject != filter {
                return Err(error::CONSUMER_CREATE_FILTER_SUBJECT_MISMATCH);
            }
        }
        Ok(request)
    }
}

record! {
    /// `CONSUMER.NAMES` and `CONSUMER.LIST`: which consumers are wanted.
    pub struct PageRequest("JSApiConsumersRequest") {
        /// From which on, in the order of names.
        offset: i64 = "offset",
    }
}

impl PageRequest {
    /// Reads a body.
    ///
    /// # Errors
    /// 10025.
    pub fn parse(body: &[u8], unknown: Unknown) -> Result<Self, ApiError> {
        parse_optional(body, unknown)
    }
}

record! {
    /// `CONSUMER.PAUSE`: until when; not at all, if it is not set.
    pub struct PauseRequest("JSApiConsumerPauseRequest") {
        /// The end of the pause.
        pause_until: Option<Timestamp> = "pause_until" omit,
    }
}

impl PauseRequest {
    /// Reads a body. Go's zero time is taken for "not set".
    ///
    /// # Errors
    /// 10025.
    pub fn parse(body: &[u8], unknown: Unknown) -> Result<Self, ApiError> {
        let mut request: Self = parse_optional(body, unknown)?;
        request.pause_until = request.pause_until.filter(|until| !until.is_zero_time());
        Ok(request)
    }
}

record! {
    /// `CONSUMER.UNPIN`: of which group.
    pub struct UnpinRequest("JSApiConsumerUnpinRequest") {
        /// The group.
        group: String = "group",
    }
}

impl UnpinRequest {
    /// Reads a body. Unknown members are never refused here.
    ///
    /// # Errors
    /// 10025 or 10162.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        if body.trim_ascii().is_empty() {
            return Err(error::invalid_json("unexpected end of JSON input"));
        }
        let request: Self = parse_plain(body)?;
        if request.group.is_empty() {
            return Err(error::invalid_json("consumer group not specified"));
        }
        if !is_valid_group(&request.group) {
            return Err(error::CONSUMER_INVALID_GROUP_NAME);
        }
        Ok(request)
    }
}

record! {
    /// `CONSUMER.RESET`: to which sequence; to the one after the last acknowledged if it is 0.
    pub struct ResetRequest("JSApiConsumerResetRequest") {
        /// The sequence.
        seq: u64 = "seq" omit,
    }
}

impl ResetRequest {
    /// Reads a body. Unknown members are never refused here.
    ///
    /// # Errors
    /// 10025.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        parse_plain(body)
    }
}
