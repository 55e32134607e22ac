//! Messages that come from other streams: a mirror copies one stream, numbers and all; a stream with
//! sources adds the messages of others to its own.
//!
//! This is the accepting side. How messages are fetched, in what order they were delivered and what
//! was lost on the way is the business of the caller, which asks where to go on
//! ([`SourceScan`]) and is told what became of each message ([`Taken`]).

use cognate_model::{ApiError, Message, MessageStore, Sequence, StreamConfig, StreamSource, error};
use cognate_subject::Transform;
use cognate_wire::encode::write_decimal;
use cognate_wire::headers::HeaderBlock;
use sha2::{Digest, Sha256};

use crate::context::{Context, store_failed};
use crate::edit::Edits;
use crate::expect::rollup_of;
use crate::header::{self, Headers, name};
use crate::host::{Publish, StreamHost};
use crate::keep::Draft;
use crate::rules::compile;

/// What became of a message from another stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It has this sequence here. (Where nobody is interested it may not be stored.)
    New(Sequence),
    /// It, or a later one, was taken before.
    Old,
    /// A message with its id was stored before.
    Duplicate,
}

/// One origin, as messages that came from it name it.
pub(crate) struct Source {
    /// `ORIGIN`, or `ORIGIN:hash` for one in another account or domain.
    name: String,
    /// The filters and the destinations of its transforms, `>` where there are none.
    rules: [String; 2],
    transforms: Vec<Transform>,
}

impl Source {
    /// All origins of a stream, the mirrored one or the sources.
    pub(crate) fn all(config: &StreamConfig) -> Result<Vec<Self>, ApiError> {
        let origins = config.mirror.iter().chain(&config.sources);
        origins.map(Self::new).collect()
    }

    fn new(source: &StreamSource) -> Result<Self, ApiError> {
        let (name, rules) = names(source);
        let transforms = source.subject_transforms.iter();
        Ok(Self {
            name,
            rules,
            transforms: transforms.map(compile).collect::<Result<_, _>>()?,
        })
    }

    /// The subject that a message of the origin has here.
    fn subject<'b>(&self, subject: &'b [u8], buffer: &'b mut Vec<u8>) -> &'b [u8] {
        for rule in &self.transforms {
            if rule.apply(subject, 0, buffer) {
                return buffer;
            }
        }
        subject
    }

    /// Writes the value of `Nats-Stream-Source`.
    fn write_header(&self, out: &mut Vec<u8>, message: &Message<'_>) {
        let [filters, destinations] = &self.rules;
        out.clear();
        out.extend_from_slice(self.name.as_bytes());
        out.push(b' ');
        write_decimal(out, message.sequence);
        for part in [filters, destinations] {
            out.push(b' ');
            out.extend_from_slice(part.as_bytes());
        }
        out.push(b' ');
        out.extend_from_slice(message.subject);
    }

    /// The origin's sequence in such a header, if it names this origin.
    fn sequence_in(&self, value: &[u8]) -> Option<Sequence> {
        let mut fields = value.split(|byte| *byte == b' ');
        let is_named = fields.next() == Some(self.name.as_bytes());
        let sequence = header::parse_number(fields.next()?)?;
        let [filters, destinations] = &self.rules;
        // Headers of old servers end here.
        let is_same = match (fields.next(), fields.next()) {
            (Some(f), Some(d)) => f == filters.as_bytes() && d == destinations.as_bytes(),
            _ => true,
        };
        (is_named && is_same).then_some(sequence)
    }
}

/// An origin as headers name it, and the filters and destinations of its rules.
fn names(source: &StreamSource) -> (String, [String; 2]) {
    let mut name = source.name.clone();
    if let Some(external) = &source.external {
        name = format!("{name}:{}", short_hash(&external.api));
    }
    if let Some(consumer) = &source.consumer {
        name = format!("{name}:C={}", short_hash(&consumer.name));
    }
    let or_all = |text: &str| {
        if text.is_empty() {
            ">".to_owned()
        } else {
            text.to_owned()
        }
    };
    let rules = &source.subject_transforms;
    let joined = |part: fn(&cognate_model::SubjectTransform) -> &str| {
        let parts: Vec<String> = rules.iter().map(|rule| or_all(part(rule))).collect();
        parts.join("\u{c}")
    };
    let rules = if rules.is_empty() {
        [or_all(&source.filter_subject), ">".into()]
    } else {
        [joined(|rule| &rule.src), joined(|rule| &rule.dest)]
    };
    (name, rules)
}

/// What tells an origin from the others of its stream, in nats-server's form.
#[must_use]
pub fn source_identity(source: &StreamSource) -> String {
    let (name, [filters, destinations]) = names(source);
    format!("{name} {filters} {destinations}")
}

/// nats-server's short hash of a name: base 62 digits of a SHA-256.
#[must_use]
pub fn short_hash(text: &str) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let hash = Sha256::digest(text.as_bytes());
    let digits = hash.iter().take(8);
    digits
        .map(|byte| char::from(DIGITS[usize::from(*byte) % DIGITS.len()]))
        .collect()
}

/// Finds the last message of each source that is held, going back from the end of the stream; see
/// [`Stream::continue_source_scan`](crate::Stream::continue_source_scan).
#[derive(Debug)]
pub struct SourceScan {
    pub(crate) before: Sequence,
    /// Nothing is looked for at or below this.
    pub(crate) floor: Sequence,
    pub(crate) found: Vec<Option<FoundSource>>,
}

/// The last message of a source that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundSource {
    /// Its sequence at the origin.
    pub origin: Sequence,
    /// Its sequence here.
    pub sequence: Sequence,
}

impl SourceScan {
    /// Whether there is nothing more to find.
    #[must_use]
    pub fn is_done(&self) -> bool {
        let is_over = self.before <= self.floor.saturating_add(1);
        is_over || self.found.iter().all(Option::is_some)
    }

    /// For each configured source, its last message held here.
    #[must_use]
    pub fn found(&self) -> &[Option<FoundSource>] {
        &self.found
    }
}

/// How many sequences one step of a scan looks at.
const SCAN_STEP: usize = 4096;

/// Goes on with a scan.
pub(crate) fn scan<S: MessageStore>(sources: &[Source], scan: &mut SourceScan, store: &mut S) {
    let first = store.state().first;
    for _ in 0..SCAN_STEP {
        if scan.is_done() {
            return;
        }
        scan.before -= 1;
        if scan.before < first {
            scan.before = 0;
            return;
        }
        let Ok(Some(message)) = store.load(scan.before) else {
            continue;
        };
        let value = Headers::parse(message.headers).stream_source;
        if value.is_empty() {
            continue;
        }
        for (source, found) in sources.iter().zip(&mut scan.found) {
            *found = found.or_else(|| {
                Some(FoundSource {
                    origin: source.sequence_in(value)?,
                    sequence: scan.before,
                })
            });
        }
    }
}

impl<S: MessageStore, H: StreamHost> Context<'_, S, H> {
    /// Takes the next message of the mirrored stream, under its own sequence and time. Sequences
    /// that are passed over hold nothing at the origin.
    pub(crate) fn accept_mirrored(&mut self, message: &Message<'_>) -> Result<Taken, ApiError> {
        let rules = self.rules;
        let mirrored = rules.origins.first().filter(|_| rules.is_mirror);
        let source = mirrored.ok_or(error::STREAM_INVALID)?;
        let last = self.state().last;
        if message.sequence <= last {
            return Ok(Taken::Old);
        }
        self.check_size(message.headers.len(), message.payload.len())?;
        if message.sequence > last.saturating_add(1) {
            let skipped = self.store.skip_to(message.sequence, message.timestamp);
            skipped.map_err(|e| store_failed(&e))?;
        }
        let mut buffer = Vec::new();
        let subject = source.subject(message.subject, &mut buffer);
        let mut block = Vec::new();
        let keeps = |key: &[u8]| key == name::STREAM_SOURCE || is_sourced(key);
        let blocks = HeaderBlock::parse(message.headers);
        let mut keys = blocks
            .iter()
            .flat_map(HeaderBlock::iter)
            .map(|(key, _)| key);
        let headers = if keys.all(keeps) {
            message.headers
        } else {
            header::copy_if(&mut block, message.headers, keeps);
            header::close(&mut block);
            &block
        };
        let parsed = Headers::parse(headers);
        let draft = Draft {
            subject,
            headers,
            payload: message.payload,
            parsed: &parsed,
            rollup: rollup_of(parsed.rollup).filter(|_| self.rules.rollups),
            is_checked: false,
        };
        // It is as old here as it is there.
        let now = std::mem::replace(&mut self.now, message.timestamp);
        let kept = self.keep(&draft, &mut Edits::default());
        self.now = now;
        kept.map(|kept| Taken::New(kept.sequence()))
    }

    /// Everything up to `sequence` at the mirrored stream is here or was passed over.
    pub(crate) fn skip_mirrored(&mut self, sequence: Sequence) -> Result<(), ApiError> {
        if !self.rules.is_mirror || sequence <= self.state().last {
            return Ok(());
        }
        let next = sequence.saturating_add(1);
        let skipped = self.store.skip_to(next, self.now);
        skipped.map_err(|e| store_failed(&e))
    }

    /// Takes a message of a source as the stream's next.
    pub(crate) fn accept_sourced(
        &mut self,
        source: usize,
        message: &Message<'_>,
    ) -> Result<Taken, ApiError> {
        let rules = self.rules;
        let source = rules.origins.get(source).filter(|_| !rules.is_mirror);
        let source = source.ok_or(error::STREAM_INVALID)?;
        if self.rules.sealed {
            return Err(error::STREAM_SEALED);
        }
        let mut block = std::mem::take(&mut self.scratch.headers);
        let taken = self.take_sourced(source, message, &mut block);
        block.clear();
        self.scratch.headers = block;
        taken
    }

    fn take_sourced(
        &mut self,
        source: &Source,
        message: &Message<'_>,
        block: &mut Vec<u8>,
    ) -> Result<Taken, ApiError> {
        block.clear();
        header::copy_if(block, message.headers, is_sourced);
        source.write_header(&mut self.scratch.target, message);
        header::push(block, name::STREAM_SOURCE, &self.scratch.target);
        header::close(block);
        let block = &block[..];
        let parsed = Headers::parse(block);
        if self.duplicate_of(parsed.msg_id).is_some() {
            return Ok(Taken::Duplicate);
        }
        let (mut buffer, mut own_buffer) = (Vec::new(), Vec::new());
        let subject = source.subject(message.subject, &mut buffer);
        let subject = self.transformed(subject, 0, &mut own_buffer);
        let mut edits = Edits::default();
        if self.rules.counters {
            let publish = Publish {
                subject,
                headers: block,
                payload: message.payload,
                ..Publish::default()
            };
            self.count(subject, &publish, &parsed, &mut edits)?;
        }
        self.check_size(
            edits.headers(block).len(),
            edits.payload(message.payload).len(),
        )?;
        let draft = Draft {
            subject,
            headers: block,
            payload: message.payload,
            parsed: &parsed,
            rollup: rollup_of(parsed.rollup).filter(|_| self.rules.rollups),
            is_checked: false,
        };
        let kept = self.keep(&draft, &mut edits)?;
        Ok(Taken::New(kept.sequence()))
    }
}

/// Whether a sourced message keeps a header: not what its publisher expected of the origin, how it
/// came there, and where the origin had it from.
fn is_sourced(key: &[u8]) -> bool {
    key != name::STREAM_SOURCE
        && !key.starts_with(b"Nats-Expected-")
        && !key.starts_with(b"Nats-Batch-")
}
