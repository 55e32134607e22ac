//! Where to go on, and the request for a consumer that does.

use std::collections::BTreeMap;

use cognate_api::{OriginConsumer, origin_consumer_request};
use cognate_model::{
    ApiError, ConsumerConfig, DeliverPolicy, ExternalStream, MessageStore, Nanos, Sequence,
    StreamSource, Timestamp, error,
};
use cognate_store::disk::Disk;
use cognate_stream::{Fetch, FoundSource, NO_SEQUENCE, SILENCE, short_hash};

use super::{Origins, Wish};
use crate::frames::kind;
use crate::group::Group;

/// The prefix of the API that an external origin replaces.
const API_PREFIX: &str = "$JS.API";

/// The origin must know what `sourcing` means.
const LEVEL_HEADER: &[u8] = b"NATS/1.0\r\nNats-Required-Api-Level: 4\r\n\r\n";

/// How long an acknowledgement may take that never comes.
const ACK_WAIT: Nanos = Nanos(22 * 3600 * SECOND);
const SECOND: i64 = 1_000_000_000;

impl<D: Disk> Group<D> {
    /// Looks for the last message of each source that is here, a bounded number of messages at a
    /// time; then they are followed from there. Returns whether there is more to look at.
    pub(crate) fn look_back(&mut self, now: Timestamp) -> bool {
        let Group {
            origins,
            stream,
            store,
            ..
        } = self;
        if origins.followed.iter().all(|one| one.fetch.is_some()) {
            return false;
        }
        if origins.is_mirror {
            let last = store.state().last;
            origins.begin_at(&[None], last, now);
            return false;
        }
        let floor = origins.floor();
        let scan = &mut origins.scan;
        let scan = scan.get_or_insert_with(|| stream.start_source_scan(floor, store));
        stream.continue_source_scan(scan, store);
        if !scan.is_done() {
            return true;
        }
        let found = scan.found().to_vec();
        origins.scan = None;
        origins.begin_at(&found, 0, now);
        false
    }
}

impl Origins {
    /// At and below this sequence of the stream there is nothing to look for.
    fn floor(&self) -> Sequence {
        let unknown = self.followed.iter().filter(|one| one.fetch.is_none());
        let floors = unknown.map(|one| {
            let known = self.positions.of(&one.identity);
            known.map_or(0, |known| known.sequence)
        });
        floors.min().unwrap_or(0)
    }

    /// Follows each origin that is not followed yet after what was found of it, or of which the
    /// journal speaks; the mirrored stream after `last`.
    fn begin_at(&mut self, found: &[Option<FoundSource>], last: Sequence, now: Timestamp) {
        for at in 0..self.followed.len() {
            let random = self.random();
            let followed = &mut self.followed[at];
            if followed.fetch.is_some() {
                continue;
            }
            let found = found.get(at).copied().flatten();
            let known = self.positions.of(&followed.identity);
            // Of two that say something, the later one is right: an origin may have begun anew.
            let latest = match (found, known) {
                (Some(found), Some(known)) if known.sequence >= found.sequence => Some(known),
                (found, known) => found.or(known),
            };
            let taken = latest.map_or(last, |latest| latest.origin);
            followed.fetch = Some(Fetch::new(taken, now, random));
            followed.sealed = taken;
        }
    }

    /// Asks an origin for a consumer; `last` is the stream's last sequence.
    pub(super) fn ask(&mut self, at: usize, last: Sequence) {
        let token = self.token();
        let Some(followed) = self.followed.get(at) else {
            return;
        };
        let Some(fetch) = &followed.fetch else {
            return;
        };
        let (origin, attempt) = (followed.number, fetch.attempt());
        let reply = format!("$JSC.R.{token}");
        let source = &followed.source;
        let (subject, headers, body) = match &source.consumer {
            Some(consumer) => {
                let subject = format!("$JS.API.CONSUMER.RESET.{}.{}", source.name, consumer.name);
                (subject, &[][..], Vec::new())
            }
            None => {
                let config = self.consumer_config(at, fetch.taken(), last);
                let (subject, body) = origin_consumer_request(&source.name, config);
                let headers = if followed.is_old { &[] } else { LEVEL_HEADER };
                (subject, headers, body)
            }
        };
        let subject = reached(subject, source.external.as_ref());
        let sid = sid(kind::ORIGIN_ANSWER, origin, attempt);
        self.wishes.push(Wish::Listen {
            origin,
            subject: reply.clone(),
            sid,
        });
        self.wishes.push(Wish::Ask {
            origin,
            attempt,
            subject,
            reply,
            headers,
            body,
        });
    }

    fn consumer_config(&self, at: usize, taken: Sequence, last: Sequence) -> ConsumerConfig {
        let followed = &self.followed[at];
        let source = &followed.source;
        let (letter, key) = if self.is_mirror {
            ("M", "mirror")
        } else {
            ("S", "src")
        };
        let token = short_hash(&format!("{}{}{}", self.stream, self.random, at));
        let external = source.external.as_ref();
        let prefix = external.map(|external| external.deliver.as_str());
        let prefix = prefix.filter(|prefix| !prefix.is_empty()).unwrap_or("$JS");
        let mut metadata = BTreeMap::from([
            (format!("_nats.{key}.stream"), self.stream.clone()),
            (format!("_nats.{key}.acc"), self.account.clone()),
        ]);
        if !self.domain.is_empty() {
            metadata.insert(format!("_nats.{key}.domain"), self.domain.clone());
        }
        let mut name = self.consumer_name(source);
        if followed.is_old {
            // An old server does not tell consumers of one name apart.
            name = format!("{name}_{token}");
        }
        let mut config = ConsumerConfig {
            name,
            deliver_subject: format!("{prefix}.{letter}.{token}").replace("..", "."),
            ack_wait: ACK_WAIT,
            max_deliver: 1,
            idle_heartbeat: Nanos(SECOND),
            flow_control: true,
            direct: true,
            sourcing: !followed.is_old,
            inactive_threshold: Nanos::from(SILENCE),
            metadata,
            ..ConsumerConfig::default()
        };
        self.set_start(&mut config, source, taken, last);
        set_filters(&mut config, source);
        config
    }

    /// After what is here; at the very beginning, where the configuration says.
    fn set_start(
        &self,
        config: &mut ConsumerConfig,
        source: &StreamSource,
        taken: Sequence,
        last: Sequence,
    ) {
        let is_fresh = taken == 0 && (last == 0 || !self.is_mirror);
        let start = if is_fresh {
            source.opt_start_seq
        } else {
            taken.saturating_add(1)
        };
        if start > 0 {
            config.deliver_policy = DeliverPolicy::ByStartSequence;
            config.opt_start_seq = start;
        } else if let Some(time) = source.opt_start_time {
            config.deliver_policy = DeliverPolicy::ByStartTime;
            config.opt_start_time = Some(time);
        }
    }

    /// The name of the consumer at an origin: the same each time, so that one that acknowledges is
    /// found again. Where a stream of one name is a source several times, the filters are in it.
    fn consumer_name(&self, source: &StreamSource) -> String {
        let mut id = format!("{} {}", self.stream, self.account);
        if !self.domain.is_empty() {
            id = format!("{id} {}", self.domain);
        }
        let stable = short_hash(&id);
        if self.is_mirror {
            return format!("JS_MIRROR_{stable}");
        }
        let same = |one: &&super::Followed| one.source.name == source.name;
        let id = if self.followed.iter().filter(same).count() > 1 {
            format!("{stable} {}", cognate_stream::source_identity(source))
        } else {
            stable
        };
        format!("JS_SRC_{}", short_hash(&id))
    }

    /// An origin answered.
    pub(super) fn answered(&mut self, at: usize, body: &[u8], last: Sequence, now: Timestamp) {
        let random = self.random();
        let answer = OriginConsumer::parse(body).and_then(|answer| self.checked(at, answer));
        let Some(followed) = self.followed.get_mut(at) else {
            return;
        };
        let Some(fetch) = followed.fetch.as_mut().filter(|fetch| fetch.is_asking()) else {
            return;
        };
        match answer {
            Ok(consumer) => {
                if !self.is_mirror && !followed.is_old && !consumer.acks_by_flow_control {
                    // It has less than is here: it was made anew, or lost its end.
                    fetch.rewind(fetch.taken().min(consumer.delivered));
                }
                let (here, there) = (fetch.taken(), consumer.delivered);
                fetch.handle_created(&consumer.name, consumer.delivered, consumer.pending, now);
                let is_ahead = here > there && !consumer.acks_by_flow_control;
                if self.is_mirror && is_ahead && !followed.is_old {
                    fetch.complain(ahead(here, there));
                }
                let (origin, attempt) = (followed.number, fetch.attempt());
                let subject = match &followed.source.consumer {
                    Some(own) => own.deliver_subject.clone(),
                    None => consumer.deliver_subject,
                };
                self.wishes.push(Wish::Listen {
                    origin,
                    subject,
                    sid: sid(kind::ORIGIN, origin, attempt),
                });
                self.read_if_close(consumer.pending);
            }
            Err(refused) if is_old_server(&refused) && !followed.is_old => {
                followed.is_old = true;
                if fetch.ask_again(now) {
                    self.ask(at, last);
                }
            }
            Err(refused) => {
                fetch.handle_failure(Some(refused), now, random);
                self.leave(at);
            }
        }
    }

    /// What is amiss with a consumer that an origin has.
    fn checked(
        &self,
        at: usize,
        consumer: Option<OriginConsumer>,
    ) -> Result<OriginConsumer, ApiError> {
        let source = self.followed.get(at).map(|followed| &followed.source);
        let is_own = source.is_some_and(|source| source.consumer.is_some());
        let consumer = consumer.filter(|consumer| consumer.delivered < NO_SEQUENCE);
        match (consumer, self.is_mirror) {
            (Some(consumer), _) if !is_own || consumer.acks_by_flow_control => Ok(consumer),
            (Some(_), true) => Err(error::MIRROR_CONSUMER_REQUIRES_ACK_FLOW_CONTROL),
            (Some(_), false) => Err(error::SOURCE_CONSUMER_REQUIRES_ACK_FLOW_CONTROL),
            (None, true) => Err(error::mirror_consumer_setup_failed(SENSELESS)),
            (None, false) => Err(error::source_consumer_setup_failed(SENSELESS)),
        }
    }

    /// Lets the mirror answer direct reads of its origin once it is close behind it.
    pub(super) fn read_if_close(&mut self, pending: u64) {
        const CLOSE: u64 = 10;
        if self.answers_reads
            && self.reads_for.is_none()
            && pending < CLOSE
            && let Some(followed) = self.followed.first()
        {
            let name = &followed.source.name;
            self.reads_for = Some(name.clone());
            self.wishes.push(Wish::ReadFor(Some(name.clone())));
        }
    }

    /// Nothing more is to come of what an origin was asked for.
    pub(super) fn leave(&mut self, at: usize) {
        if let Some(followed) = self.followed.get(at) {
            let origin = followed.number;
            self.wishes.push(Wish::Leave { origin });
        }
    }

    /// An origin is not followed any more. Its consumer is not needed, unless it was the user's.
    pub(super) fn end(&mut self, followed: &super::Followed) {
        let origin = followed.number;
        self.wishes.push(Wish::Leave { origin });
        let source = &followed.source;
        let name = followed.fetch.as_ref().and_then(Fetch::consumer);
        if let (Some(name), None) = (name, &source.consumer) {
            let subject = format!("$JS.API.CONSUMER.DELETE.{}.{name}", source.name);
            self.wishes.push(Wish::Ask {
                origin,
                attempt: 0,
                subject: reached(subject, source.external.as_ref()),
                reply: String::new(),
                headers: &[],
                body: Vec::new(),
            });
        }
    }

    fn token(&mut self) -> String {
        let random = self.random();
        short_hash(&random.to_string())
    }
}

/// A mirror has given away sequences that its origin is yet to give: the origin was made anew, or one
/// of the two lost the end of its log.
fn ahead(here: Sequence, there: Sequence) -> ApiError {
    error::mirror_consumer_setup_failed(format_args!(
        "the mirror is at sequence {here} and its origin at {there}; what the origin stores up to \
         {here} is not mirrored"
    ))
}

const SENSELESS: &str = "invalid consumer create response";

/// Whether an origin refused because it does not know what it was asked.
fn is_old_server(refused: &ApiError) -> bool {
    let invalid_json = error::invalid_json("").err_code;
    refused.err_code == error::REQUIRED_API_LEVEL.err_code || refused.err_code == invalid_json
}

/// A subject of the API as it is reached from here.
fn reached(subject: String, external: Option<&ExternalStream>) -> String {
    match external {
        Some(external) => subject
            .replacen(API_PREFIX, &external.api, 1)
            .replace("..", "."),
        None => subject,
    }
}

fn set_filters(config: &mut ConsumerConfig, source: &StreamSource) {
    config.filter_subject.clone_from(&source.filter_subject);
    let filters = source.subject_transforms.iter();
    let mut filters: Vec<String> = filters.map(|rule| rule.src.clone()).collect();
    if config.filter_subject.is_empty() && filters.len() == 1 {
        config.filter_subject = filters.remove(0);
    } else {
        config.filter_subjects = filters;
    }
}

/// What is on the frames of an origin's subscription: which it is, and of which attempt.
fn sid(kind: u8, origin: u64, attempt: u64) -> Vec<u8> {
    let mut sid = vec![kind];
    sid.extend_from_slice(format!("{origin}.{attempt}").as_bytes());
    sid
}
