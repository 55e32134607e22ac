//! Requests about streams and their messages.

use cognate_model::json::{Decode, Decoder, Json, Record, Unknown};
use cognate_model::{ApiError, StreamConfig, Timestamp, error, record};

use super::{parse, parse_optional, parse_plain, parse_required};
use crate::StreamState;

/// `STREAM.CREATE` and `STREAM.UPDATE`: the configuration, and how to treat it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StreamRequest {
    /// What the stream is to be; not checked yet.
    pub config: StreamConfig,
    /// Refuse what would be changed silently.
    pub pedantic: bool,
}

impl Record for StreamRequest {
    const GO_NAME: &'static str = "StreamConfigRequest";

    fn decode_field(&mut self, name: &str, value: &Json, decoder: &mut Decoder) -> bool {
        if name.eq_ignore_ascii_case("pedantic") {
            decoder.field("pedantic", value, &mut self.pedantic);
            return true;
        }
        decoder.embedded(name, value, &mut self.config)
    }
}

impl StreamRequest {
    /// Reads a body.
    ///
    /// # Errors
    /// 10025.
    pub fn parse(body: &[u8], unknown: Unknown) -> Result<Self, ApiError> {
        parse(body, unknown)
    }
}

record! {
    /// `STREAM.INFO`: which details are wanted.
    pub struct InfoRequest("JSApiStreamInfoRequest") {
        /// From which subject on, in the order of names.
        offset: i64 = "offset",
        /// The sequences without a message.
        deleted_details: bool = "deleted_details" omit,
        /// Messages of each subject that this filter matches; none if it is empty.
        subjects_filter: String = "subjects_filter" omit,
    }
}

impl InfoRequest {
    /// Reads a body.
    ///
    /// # Errors
    /// 10025.
    pub fn parse(body: &[u8], unknown: Unknown) -> Result<Self, ApiError> {
        parse_optional(body, unknown)
    }
}

record! {
    /// `STREAM.NAMES` and `STREAM.LIST`: which streams are wanted.
    pub struct SubjectPageRequest("JSApiStreamListRequest") {
        /// From which on, in the order of names.
        offset: i64 = "offset",
        /// Those with a subject that this filter overlaps; all if it is empty.
        subject: String = "subject" omit,
    }
}

impl SubjectPageRequest {
    /// Reads a body.
    ///
    /// # Errors
    /// 10025.
    pub fn parse(body: &[u8], unknown: Unknown) -> Result<Self, ApiError> {
        parse_optional(body, unknown)
    }
}

record! {
    /// `STREAM.PURGE`: what is to go. Everything, if nothing is set.
    pub struct PurgeRequest("JSApiStreamPurgeRequest") {
        /// Only what is below this sequence.
        seq: u64 = "seq" omit,
        /// Only messages of these subjects.
        filter: String = "filter" omit,
        /// All but so many.
        keep: u64 = "keep" omit,
    }
}

impl PurgeRequest {
    /// Reads a body.
    ///
    /// # Errors
    /// 10025, or 10003 if both a sequence and a number to keep are given.
    pub fn parse(body: &[u8], unknown: Unknown) -> Result<Self, ApiError> {
        let request: Self = parse_optional(body, unknown)?;
        if request.seq > 0 && request.keep > 0 {
            return Err(error::BAD_REQUEST);
        }
        Ok(request)
    }
}

record! {
    /// `STREAM.MSG.DELETE`: which message is to go.
    pub struct RemoveMessageRequest("JSApiMsgDeleteRequest") {
        /// Its sequence.
        seq: u64 = "seq",
        /// Without overwriting its bytes.
        no_erase: bool = "no_erase" omit,
    }
}

impl RemoveMessageRequest {
    /// Reads a body.
    ///
    /// # Errors
    /// 10003 if there is none, 10025.
    pub fn parse(body: &[u8], unknown: Unknown) -> Result<Self, ApiError> {
        parse_required(body, unknown)
    }
}

record! {
    /// `STREAM.MSG.GET` and `DIRECT.GET`: which messages are wanted.
    pub struct MessageRequest("JSApiMsgGetRequest") {
        /// The one at this sequence; with `next_by_subj` or `batch`, from it on.
        seq: u64 = "seq" omit,
        /// The last one of this subject.
        last_by_subj: String = "last_by_subj" omit,
        /// The first one that this filter matches.
        next_by_subj: String = "next_by_subj" omit,
        /// Direct reads only: so many.
        batch: i64 = "batch" omit,
        /// Direct reads only: at most so many bytes.
        max_bytes: i64 = "max_bytes" omit,
        /// From this time on.
        start_time: Option<Timestamp> = "start_time" omit,
        /// Direct reads only: the last one of each subject that one of these filters matches.
        multi_last: Vec<String> = "multi_last" omit,
        /// With `multi_last`: as it was at this sequence.
        up_to_seq: u64 = "up_to_seq" omit,
        /// With `multi_last`: as it was at this time.
        up_to_time: Option<Timestamp> = "up_to_time" omit,
        /// Without headers.
        no_hdr: bool = "no_hdr" omit,
    }
}

impl MessageRequest {
    /// Reads a body of `STREAM.MSG.GET`.
    ///
    /// # Errors
    /// 10003 if there is none or it asks for contradictory things, 10025.
    pub fn parse(body: &[u8], unknown: Unknown) -> Result<Self, ApiError> {
        let request: Self = parse_required(body, unknown)?;
        let (seq, time) = (request.seq > 0, request.start_time.is_some());
        let (last, next) = (
            !request.last_by_subj.is_empty(),
            !request.next_by_subj.is_empty(),
        );
        let nothing = !seq && !last && !next && !time;
        let contradicts = (seq && (last || time)) || (last && (time || next));
        if request.batch > 0 || request.max_bytes > 0 || nothing || contradicts {
            return Err(error::BAD_REQUEST);
        }
        Ok(request)
    }

    /// Reads a body of `DIRECT.GET`.
    ///
    /// # Errors
    /// The status to answer with: code and text.
    pub fn parse_direct(body: &[u8]) -> Result<Self, &'static str> {
        if body.is_empty() {
            return Err("408 Empty Request");
        }
        let request: Self = parse_plain(body).map_err(|_| "408 Malformed Request")?;
        let (seq, time) = (request.seq > 0, request.start_time.is_some());
        let (last, next) = (
            !request.last_by_subj.is_empty(),
            !request.next_by_subj.is_empty(),
        );
        let multi = !request.multi_last.is_empty();
        if !seq && !last && !next && !multi && !time {
            return Err("408 Empty Request");
        }
        let contradicts = (seq && (last || time))
            || (last && (time || next || multi || request.batch > 0))
            || (next && multi)
            || (request.up_to_seq > 0 && request.up_to_time.is_some());
        if contradicts {
            return Err("408 Bad Request");
        }
        Ok(request)
    }

    /// Reads a body of `DIRECT.GET` for the last message of `subject`, which may say nothing more
    /// than how to answer.
    ///
    /// # Errors
    /// The status to answer with: code and text.
    pub fn parse_direct_last(body: &[u8], subject: &str) -> Result<Self, &'static str> {
        let asked: Self = parse_plain(body).map_err(|_| "408 Malformed Request")?;
        let plain = Self {
            max_bytes: asked.max_bytes,
            no_hdr: asked.no_hdr,
            ..Self::default()
        };
        if asked != plain {
            return Err("408 Bad Request");
        }
        Ok(Self {
            last_by_subj: subject.to_owned(),
            ..plain
        })
    }
}

record! {
    /// `STREAM.SNAPSHOT`: how a copy is to be sent.
    pub struct SnapshotRequest("JSApiStreamSnapshotRequest") {
        /// Where to.
        deliver_subject: String = "deliver_subject",
        /// Without consumers.
        no_consumers: bool = "no_consumers" omit,
        /// The size of a piece, in bytes.
        chunk_size: i64 = "chunk_size" omit,
        /// How many bytes may be on their way.
        window_size: i64 = "window_size" omit,
        /// Check all messages before.
        jsck: bool = "jsck" omit,
    }
}

impl SnapshotRequest {
    /// Reads a body. Whether the stream exists is asked between the two steps the Go server takes
    /// here, so the deliver subject is for [`check`](Self::check).
    ///
    /// # Errors
    /// 10003 if there is none, 10025.
    pub fn parse(body: &[u8], unknown: Unknown) -> Result<Self, ApiError> {
        parse_required(body, unknown)
    }

    /// Whether the copy can be sent there.
    ///
    /// # Errors
    /// 10015.
    pub fn check(&self) -> Result<(), ApiError> {
        if cognate_subject::validate::is_valid_literal(self.deliver_subject.as_bytes()) {
            Ok(())
        } else {
            Err(error::SNAPSHOT_DELIVER_SUBJECT_INVALID)
        }
    }
}

record! {
    /// `STREAM.RESTORE`: what will be sent.
    pub struct RestoreRequest("JSApiStreamRestoreRequest") {
        /// The configuration; not checked yet.
        config: StreamConfig = "config",
        /// What the stream held.
        state: StreamState = "state",
    }
}

impl RestoreRequest {
    /// Reads a body for the stream called `stream`, whose name may be left out of it.
    ///
    /// # Errors
    /// 10003 if there is none, 10025, 10056 or 10128.
    pub fn parse(body: &[u8], stream: &str, unknown: Unknown) -> Result<Self, ApiError> {
        let mut request: Self = parse_required(body, unknown)?;
        if request.config.name.is_empty() {
            stream.clone_into(&mut request.config.name);
        }
        if request.config.name != stream {
            return Err(error::STREAM_MISMATCH);
        }
        if stream.contains(['\\', '/']) {
            return Err(error::STREAM_NAME_CONTAINS_PATH_SEPARATORS);
        }
        Ok(request)
    }
}

impl Decode for StreamRequest {
    const GO_TYPE: &'static str = "server.StreamConfigRequest";

    fn decode_into(&mut self, value: &Json, decoder: &mut Decoder) {
        decoder.record(value, self);
    }
}
