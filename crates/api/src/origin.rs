//! The API seen from the other side: what a mirror or a stream with sources asks of its origin, and
//! what it reads in the answer.
//!
//! The origin may be a stream of this server or of any other, so answers are read leniently: what is
//! not needed may be anything.

use cognate_model::{ApiError, ConsumerConfig, Sequence, json};
use serde_json::Value;

use crate::ConsumerRequest;

/// What an origin says about the consumer that was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OriginConsumer {
    /// Its name.
    pub name: String,
    /// Where it delivers to.
    pub deliver_subject: String,
    /// Whether what it delivers is acknowledged by answers to its flow control.
    pub acks_by_flow_control: bool,
    /// It delivers what comes after this sequence.
    pub delivered: Sequence,
    /// How many messages that are there already it will deliver.
    pub pending: u64,
}

impl OriginConsumer {
    /// Reads the answer to `CONSUMER.CREATE` or `CONSUMER.RESET`; nothing if it makes no sense.
    ///
    /// # Errors
    /// What the origin answered if it refused.
    pub fn parse(body: &[u8]) -> Result<Option<Self>, ApiError> {
        let Ok(answer) = serde_json::from_slice::<Value>(body) else {
            return Ok(None);
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        if let Some(refused) = answer.get("error") {
            let number = |name| refused[name].as_u64().and_then(|n| u16::try_from(n).ok());
            return Err(ApiError {
                code: number("code").unwrap_or(500),
                err_code: number("err_code").unwrap_or(0),
                description: text(&refused["description"]).into(),
            });
        }
        let name = text(&answer["name"]);
        let config = &answer["config"];
        if name.is_empty() || !config.is_object() {
            return Ok(None);
        }
        Ok(Some(Self {
            name,
            deliver_subject: text(&config["deliver_subject"]),
            acks_by_flow_control: config["ack_policy"] == "flow_control",
            delivered: answer["delivered"]["stream_seq"].as_u64().unwrap_or(0),
            pending: answer["num_pending"].as_u64().unwrap_or(0),
        }))
    }
}

/// The subject and the body of a request for a consumer on the stream `origin`.
#[must_use]
pub fn origin_consumer_request(origin: &str, config: ConsumerConfig) -> (String, Vec<u8>) {
    let filter = &config.filter_subject;
    let subject = if filter.is_empty() {
        format!("$JS.API.CONSUMER.CREATE.{origin}")
    } else {
        format!("$JS.API.CONSUMER.CREATE.{origin}.{}.{filter}", config.name)
    };
    let request = ConsumerRequest {
        stream_name: origin.to_owned(),
        config,
        ..ConsumerRequest::default()
    };
    (subject, json::to_vec(&request))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let body = br#"{"type":"x","stream_name":"O","name":"C","config":{"deliver_subject":"d","ack_policy":"flow_control","new":1},"delivered":{"consumer_seq":0,"stream_seq":7},"num_pending":3}"#;
        let expected = OriginConsumer {
            name: "C".to_owned(),
            deliver_subject: "d".to_owned(),
            acks_by_flow_control: true,
            delivered: 7,
            pending: 3,
        };
        assert_eq!(OriginConsumer::parse(body), Ok(Some(expected)));
        for senseless in ["", "x", "[]", "{}", r#"{"name":"C"}"#, r#"{"config":{}}"#] {
            assert_eq!(OriginConsumer::parse(senseless.as_bytes()), Ok(None));
        }
        let refused =
            br#"{"error":{"code":404,"err_code":10059,"description":"stream not found"}}"#;
        let expected = cognate_model::error::STREAM_NOT_FOUND;
        assert_eq!(OriginConsumer::parse(refused), Err(expected));
    }

    #[test]
    fn requests_are_as_nats_server_makes_them() {
        let config = ConsumerConfig {
            name: "C".to_owned(),
            filter_subject: "o.*".to_owned(),
            ..ConsumerConfig::default()
        };
        let (subject, body) = origin_consumer_request("O", config);
        assert_eq!(subject, "$JS.API.CONSUMER.CREATE.O.C.o.*");
        let expected = r#"{"stream_name":"O","config":{"name":"C","deliver_policy":"all","ack_policy":"none","filter_subject":"o.*","replay_policy":"instant","num_replicas":0},"action":""}"#;
        assert_eq!(String::from_utf8(body).as_deref(), Ok(expected));
        let (subject, _) = origin_consumer_request("O", ConsumerConfig::default());
        assert_eq!(subject, "$JS.API.CONSUMER.CREATE.O");
    }
}
