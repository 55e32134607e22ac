//! Advisories: what JetStream tells to whoever listens on `$JS.EVENT.>`.
//!
//! Nothing is encoded unless somebody would get it. Events are published in the account of the
//! streams they are about. Called by the API and by the outlets of groups. Only audits and advisories
//! of snapshots say which client it was, as in nats-server.

use std::sync::Arc;
use std::time::SystemTime;

use cognate_api::event::{
    self, Acknowledged, Action, ApiAudit, ApiLimitReached, BatchAbandoned, ClientInfo,
    ConsumerAdvisory, ConsumerPause, GroupPinned, GroupUnpinned, MaxDeliveries, Naked,
    StreamAdvisory, Terminated,
};
use cognate_group::{Event, Notice};
use cognate_model::{Nanos, Timestamp};

use super::api::queue::Request;
use super::{AccountJetStream, JetStream};
use crate::info::plain_ip;

/// A message ready to be published: its subject and its JSON.
pub(super) type Encoded = (String, Vec<u8>);

/// A group's notice as an advisory; none if nobody would get it.
pub(super) fn of_notice(
    jetstream: &AccountJetStream,
    stream: &str,
    notice: &Notice,
) -> Option<Encoded> {
    let names = Names {
        account: &jetstream.account.name,
        stream,
        domain: domain(jetstream),
    };
    encode_notice(&names, notice, jetstream)
}

/// A stream was created, changed or deleted.
pub(super) fn stream_action(jetstream: &AccountJetStream, stream: &str, action: Action) {
    let domain = domain(jetstream);
    send(
        jetstream,
        &StreamAdvisory {
            stream,
            action,
            domain,
        },
    );
}

/// A consumer was created or deleted.
pub(super) fn consumer_action(
    jetstream: &AccountJetStream,
    stream: &str,
    consumer: &str,
    action: Action,
) {
    let domain = domain(jetstream);
    send(
        jetstream,
        &ConsumerAdvisory {
            stream,
            consumer,
            action,
            domain,
        },
    );
}

/// A consumer was deleted, by request or because nobody used it.
pub(super) fn consumer_deleted(jetstream: &AccountJetStream, stream: &str, consumer: &str) {
    consumer_action(jetstream, stream, consumer, Action::Delete);
}

/// A consumer begins with a pause.
pub(super) fn consumer_paused(
    jetstream: &AccountJetStream,
    stream: &str,
    consumer: &str,
    until: Timestamp,
) {
    send(
        jetstream,
        &ConsumerPause {
            stream,
            consumer,
            paused: true,
            pause_until: until,
            domain: domain(jetstream),
        },
    );
}

/// Who made a request, if anybody follows what the API is used for.
pub(super) fn audited(jetstream: &AccountJetStream, request: &Request) -> Option<ClientInfo> {
    jetstream
        .has_interest("$JS.EVENT.ADVISORY.API")
        .then(|| client_info(jetstream, request))
}

/// Who made a request. Without a connection, or when it is gone, only the account is known.
pub(super) fn client_info(jetstream: &AccountJetStream, request: &Request) -> ClientInfo {
    let shared = &jetstream.server.shared;
    let server = shared.facts.server_name.clone();
    let acc = jetstream.account.name.clone();
    let Some(connection) = shared.registry.find(request.cid) else {
        return ClientInfo {
            acc,
            server,
            ..ClientInfo::default()
        };
    };
    let home = connection.account();
    if let Some(home) = home.filter(|home| !Arc::ptr_eq(home, &jetstream.account)) {
        // Through an import: whose client it is, and no more.
        return ClientInfo {
            acc: home.name.clone(),
            svc: acc,
            rtt: Nanos::from(connection.rtt().unwrap_or_default()),
            server,
            ..ClientInfo::default()
        };
    }
    let detail = connection.detail();
    let since_epoch = connection.started_at.duration_since(SystemTime::UNIX_EPOCH);
    let start = Nanos::from(since_epoch.unwrap_or_default()).0;
    let peer = connection
        .peer()
        .map(|peer| plain_ip(peer.ip()).to_string());
    ClientInfo {
        start: Some(Timestamp(start)),
        host: peer.unwrap_or_default(),
        id: connection.cid,
        acc,
        user: detail.user,
        name: detail.name,
        lang: detail.lang,
        ver: detail.version,
        rtt: Nanos::from(connection.rtt().unwrap_or_default()),
        server,
        kind: "Client".to_owned(),
        client_type: "nats".to_owned(),
        ..ClientInfo::default()
    }
}

/// Somebody used the API.
pub(super) fn api_audit(
    jetstream: &AccountJetStream,
    request: &Request,
    client: &ClientInfo,
    response: &[u8],
) {
    send(
        jetstream,
        &ApiAudit {
            server: &jetstream.server.shared.facts.server_name,
            client,
            subject: &String::from_utf8_lossy(&request.subject),
            request: &String::from_utf8_lossy(&request.body),
            response: &String::from_utf8_lossy(response),
            domain: domain(jetstream),
        },
    );
}

/// Requests were dropped because too many waited: the system account is told.
pub(super) fn requests_dropped(server: &JetStream, dropped: u64) {
    let Some(system) = server.shared.accounts.system() else {
        return;
    };
    let event = ApiLimitReached {
        server: &server.shared.facts.server_name,
        dropped,
        domain: server.options.domain.as_deref().unwrap_or_default(),
    };
    let subject = event::Event::subject(&event);
    if system.has_interest(subject.as_bytes(), None) {
        let body = event::encode(&event, &server.fresh_id(), server.clock.now());
        server.publish(&system, &subject, b"", &body);
    }
}

/// Who used the API, as far as that is known.
pub(super) fn client(jetstream: &AccountJetStream) -> ClientInfo {
    ClientInfo {
        acc: jetstream.account.name.clone(),
        server: jetstream.server.shared.facts.server_name.clone(),
        ..ClientInfo::default()
    }
}

/// The domain, for events.
pub(super) fn domain(jetstream: &AccountJetStream) -> &str {
    jetstream
        .server
        .options
        .domain
        .as_deref()
        .unwrap_or_default()
}

/// Publishes an event if anybody would get it.
pub(super) fn send<E: event::Event>(jetstream: &AccountJetStream, event: &E) {
    if let Some((subject, body)) = encode(jetstream, event) {
        jetstream.publish(&subject, b"", &body);
    }
}

/// The names that events carry.
struct Names<'a> {
    account: &'a str,
    stream: &'a str,
    domain: &'a str,
}

/// Who listens, and what an event needs besides its facts.
trait Surroundings {
    fn has_interest(&self, subject: &str) -> bool;
    fn fresh_id(&self) -> String;
    fn now(&self) -> Timestamp;
}

impl Surroundings for AccountJetStream {
    fn has_interest(&self, subject: &str) -> bool {
        AccountJetStream::has_interest(self, subject)
    }

    fn fresh_id(&self) -> String {
        self.server.fresh_id()
    }

    fn now(&self) -> Timestamp {
        self.server.clock.now()
    }
}

fn encode<E: event::Event>(around: &impl Surroundings, event: &E) -> Option<Encoded> {
    let subject = event.subject();
    around
        .has_interest(&subject)
        .then(|| event::encode(event, &around.fresh_id(), around.now()))
        .map(|body| (subject, body))
}

fn encode_notice(
    names: &Names<'_>,
    notice: &Notice,
    around: &impl Surroundings,
) -> Option<Encoded> {
    let &Names {
        account,
        stream,
        domain,
    } = names;
    let consumer = notice.consumer.as_deref().unwrap_or_default();
    match &notice.event {
        Event::BatchAbandoned { batch, reason } => encode(
            around,
            &BatchAbandoned {
                // nats-server has the member and leaves it empty.
                account: "",
                stream,
                batch,
                reason,
                domain,
            },
        ),
        Event::Pinned { group, id } => encode(
            around,
            &GroupPinned {
                account,
                stream,
                consumer,
                group,
                pinned_id: id,
                domain,
            },
        ),
        Event::Unpinned { group, reason } => encode(
            around,
            &GroupUnpinned {
                account,
                stream,
                consumer,
                group,
                reason,
                domain,
            },
        ),
        Event::Paused { until, paused } => encode(
            around,
            &ConsumerPause {
                stream,
                consumer,
                paused: *paused,
                pause_until: until.unwrap_or(Timestamp::ZERO_TIME),
                domain,
            },
        ),
        // What the server does about it is told when it is done.
        Event::Inactive => None,
        _ => encode_delivery(names, consumer, &notice.event, around),
    }
}

/// What became of one message.
// tidy: long-function: one arm per event, each a plain list of its members
fn encode_delivery(
    names: &Names<'_>,
    consumer: &str,
    event: &Event,
    around: &impl Surroundings,
) -> Option<Encoded> {
    let &Names { stream, domain, .. } = names;
    match *event {
        Event::MaxDeliveries {
            stream_sequence: stream_seq,
            deliveries,
        } => encode(
            around,
            &MaxDeliveries {
                stream,
                consumer,
                stream_seq,
                deliveries,
                domain,
            },
        ),
        Event::Naked {
            consumer_sequence: consumer_seq,
            stream_sequence: stream_seq,
            deliveries,
        } => encode(
            around,
            &Naked {
                stream,
                consumer,
                consumer_seq,
                stream_seq,
                deliveries,
                domain,
            },
        ),
        Event::Terminated {
            consumer_sequence: consumer_seq,
            stream_sequence: stream_seq,
            deliveries,
            ref reason,
        } => encode(
            around,
            &Terminated {
                stream,
                consumer,
                consumer_seq,
                stream_seq,
                deliveries,
                reason,
                domain,
            },
        ),
        Event::AckSample {
            consumer_sequence: consumer_seq,
            stream_sequence: stream_seq,
            ack_time,
            deliveries,
        } => encode(
            around,
            &Acknowledged {
                stream,
                consumer,
                consumer_seq,
                stream_seq,
                ack_time: Nanos::from(ack_time).0,
                deliveries,
                domain,
            },
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Listeners on everything that begins with this.
    struct Listening(&'static str);

    impl Surroundings for Listening {
        fn has_interest(&self, subject: &str) -> bool {
            subject.starts_with(self.0)
        }

        fn fresh_id(&self) -> String {
            "ID".to_owned()
        }

        fn now(&self) -> Timestamp {
            Timestamp(1_000_000_000)
        }
    }

    #[track_caller]
    fn check(event: Event, subject: &str, kind: &str, members: &str) {
        let names = Names {
            account: "$G",
            stream: "S",
            domain: "hub",
        };
        let notice = Notice {
            consumer: Some("C".to_owned()),
            event,
        };
        let told = encode_notice(&names, &notice, &Listening("$JS.EVENT."));
        let (to, body) = told.expect("an advisory");
        assert_eq!(to, format!("$JS.EVENT.{subject}"));
        let begin = format!("{{\"type\":\"io.nats.jetstream.{kind}\",\"id\":\"ID\",");
        let begin = begin + "\"timestamp\":\"1970-01-01T00:00:01Z\",";
        let expected = begin + members + ",\"domain\":\"hub\"}";
        assert_eq!(String::from_utf8_lossy(&body), expected);
        let deaf = encode_notice(&names, &notice, &Listening("$JS.EVENT.NOTHING"));
        assert_eq!(deaf, None);
    }

    #[test]
    fn what_happens_to_messages_is_told() {
        check(
            Event::MaxDeliveries {
                stream_sequence: 7,
                deliveries: 3,
            },
            "ADVISORY.CONSUMER.MAX_DELIVERIES.S.C",
            "advisory.v1.max_deliver",
            r#""stream":"S","consumer":"C","stream_seq":7,"deliveries":3"#,
        );
        check(
            Event::Terminated {
                consumer_sequence: 9,
                stream_sequence: 7,
                deliveries: 1,
                reason: "broken".to_owned(),
            },
            "ADVISORY.CONSUMER.MSG_TERMINATED.S.C",
            "advisory.v1.terminated",
            r#""stream":"S","consumer":"C","consumer_seq":9,"stream_seq":7,"deliveries":1,"reason":"broken""#,
        );
        check(
            Event::AckSample {
                consumer_sequence: 9,
                stream_sequence: 7,
                ack_time: Duration::from_micros(5),
                deliveries: 1,
            },
            "METRIC.CONSUMER.ACK.S.C",
            "metric.v1.consumer_ack",
            r#""stream":"S","consumer":"C","consumer_seq":9,"stream_seq":7,"ack_time":5000,"deliveries":1"#,
        );
    }

    #[test]
    fn a_batch_given_up_is_told_without_the_account() {
        check(
            Event::BatchAbandoned {
                batch: "b".to_owned(),
                reason: "timeout",
            },
            "ADVISORY.STREAM.BATCH_ABANDONED.S",
            "advisory.v1.stream_batch_abandoned",
            r#""stream":"S","batch":"b","reason":"timeout""#,
        );
    }

    #[test]
    fn what_happens_to_consumers_is_told() {
        check(
            Event::Paused {
                until: None,
                paused: false,
            },
            "ADVISORY.CONSUMER.PAUSE.S.C",
            "advisory.v1.consumer_pause",
            r#""stream":"S","consumer":"C","paused":false,"pause_until":"0001-01-01T00:00:00Z""#,
        );
        check(
            Event::Unpinned {
                group: "g".to_owned(),
                reason: "admin",
            },
            "ADVISORY.CONSUMER.UNPINNED.S.C",
            "advisory.v1.consumer_group_unpinned",
            r#""account":"$G","stream":"S","consumer":"C","group":"g","reason":"admin""#,
        );
    }
}
