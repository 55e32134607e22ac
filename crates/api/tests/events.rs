//! Advisories and metrics are valid by the published schemas, and go to the right subjects.

mod support;

use cognate_api::event::*;
use cognate_api::{PeerInfo, StreamState};
use cognate_model::{Nanos, Timestamp};
use support::check_schema;

const NOW: Timestamp = Timestamp(1_700_000_000_123_000_000);

#[track_caller]
fn check<E: Event>(event: &E, subject: &str) -> serde_json::Value {
    assert_eq!(event.subject(), format!("$JS.EVENT.{subject}"));
    let shown = check_schema(&encode(event, "ID", NOW));
    assert_eq!(shown["type"], E::TYPE);
    assert_eq!(shown["id"], "ID");
    assert_eq!(shown["timestamp"], "2023-11-14T22:13:20.123Z");
    shown
}

/// One without and one with a domain.
const DOMAINS: [&str; 2] = ["", "hub"];

fn client() -> ClientInfo {
    ClientInfo {
        start: Some(NOW),
        host: "127.0.0.1".to_owned(),
        id: 7,
        acc: "$G".to_owned(),
        user: "u".to_owned(),
        lang: "go".to_owned(),
        ver: "1".to_owned(),
        rtt: Nanos(5),
        server: "n1".to_owned(),
        kind: "Client".to_owned(),
        client_type: "nats".to_owned(),
        ..ClientInfo::default()
    }
}

#[test]
fn actions_are_told() {
    let (stream, consumer, account) = ("S", "C", "$G");
    for domain in DOMAINS {
        for (action, token) in [
            (Action::Create, "CREATED"),
            (Action::Modify, "UPDATED"),
            (Action::Delete, "DELETED"),
        ] {
            let event = StreamAdvisory {
                stream,
                action,
                domain,
            };
            check(&event, &format!("ADVISORY.STREAM.{token}.S"));
        }
        let action = Action::Create;
        let event = ConsumerAdvisory {
            stream,
            consumer,
            action,
            domain,
        };
        check(&event, "ADVISORY.CONSUMER.CREATED.S.C");
        let event = ConsumerPause {
            stream,
            consumer,
            paused: true,
            pause_until: NOW,
            domain,
        };
        let shown = check(&event, "ADVISORY.CONSUMER.PAUSE.S.C");
        assert_eq!(shown.get("domain").is_some(), !domain.is_empty());
        let (group, pinned_id, reason) = ("g", "x", "admin");
        let event = GroupPinned {
            account,
            stream,
            consumer,
            group,
            pinned_id,
            domain,
        };
        check(&event, "ADVISORY.CONSUMER.PINNED.S.C");
        let event = GroupUnpinned {
            account,
            stream,
            consumer,
            group,
            reason,
            domain,
        };
        check(&event, "ADVISORY.CONSUMER.UNPINNED.S.C");
    }
}

#[test]
fn deliveries_are_told() {
    let (stream, consumer, domain) = ("S", "C", "hub");
    let (consumer_seq, stream_seq, deliveries) = (4, 5, 2);
    let event = MaxDeliveries {
        stream,
        consumer,
        stream_seq,
        deliveries,
        domain,
    };
    check(&event, "ADVISORY.CONSUMER.MAX_DELIVERIES.S.C");
    let event = Naked {
        stream,
        consumer,
        consumer_seq,
        stream_seq,
        deliveries,
        domain,
    };
    check(&event, "ADVISORY.CONSUMER.MSG_NAKED.S.C");
    for reason in ["", "bad"] {
        let event = Terminated {
            stream,
            consumer,
            consumer_seq,
            stream_seq,
            deliveries,
            reason,
            domain,
        };
        let shown = check(&event, "ADVISORY.CONSUMER.MSG_TERMINATED.S.C");
        assert_eq!(shown.get("reason").is_some(), !reason.is_empty());
    }
    let ack_time = 1000;
    let event = Acknowledged {
        stream,
        consumer,
        consumer_seq,
        stream_seq,
        ack_time,
        deliveries,
        domain,
    };
    check(&event, "METRIC.CONSUMER.ACK.S.C");
    let (account, batch) = ("$G", "b");
    for reason in ["timeout", "large", "incomplete", "unsupported"] {
        let event = BatchAbandoned {
            account,
            stream,
            batch,
            reason,
            domain,
        };
        check(&event, "ADVISORY.STREAM.BATCH_ABANDONED.S");
    }
}

#[test]
fn copies_are_told() {
    let (stream, domain, client) = ("S", "hub", &client());
    let state = &StreamState::default();
    check(
        &SnapshotCreate {
            stream,
            state,
            client,
            domain,
        },
        "ADVISORY.STREAM.SNAPSHOT_CREATE.S",
    );
    let (start, end) = (NOW, NOW);
    check(
        &SnapshotComplete {
            stream,
            start,
            end,
            client,
            domain,
        },
        "ADVISORY.STREAM.SNAPSHOT_COMPLETE.S",
    );
    check(
        &RestoreCreate {
            stream,
            client,
            domain,
        },
        "ADVISORY.STREAM.RESTORE_CREATE.S",
    );
    let bytes = 99;
    check(
        &RestoreComplete {
            stream,
            start,
            end,
            bytes,
            client,
            domain,
        },
        "ADVISORY.STREAM.RESTORE_COMPLETE.S",
    );
}

#[test]
fn leaders_are_told() {
    let (account, stream, consumer, domain) = ("$G", "S", "C", "hub");
    let (leader, cluster) = ("n1", "c1");
    let replicas = &[PeerInfo {
        name: "n1".to_owned(),
        current: true,
        peer: "p".to_owned(),
        ..PeerInfo::default()
    }];
    check(
        &DomainLeaderElected {
            leader,
            replicas,
            cluster,
            domain,
        },
        "ADVISORY.DOMAIN.LEADER_ELECTED",
    );
    check(
        &StreamLeaderElected {
            account,
            stream,
            leader,
            replicas,
            domain,
        },
        "ADVISORY.STREAM.LEADER_ELECTED.S",
    );
    check(
        &StreamQuorumLost {
            account,
            stream,
            replicas,
            domain,
        },
        "ADVISORY.STREAM.QUORUM_LOST.S",
    );
    check(
        &ConsumerLeaderElected {
            account,
            stream,
            consumer,
            leader,
            replicas,
            domain,
        },
        "ADVISORY.CONSUMER.LEADER_ELECTED.S.C",
    );
    check(
        &ConsumerQuorumLost {
            account,
            stream,
            consumer,
            replicas,
            domain,
        },
        "ADVISORY.CONSUMER.QUORUM_LOST.S.C",
    );
}

#[test]
fn servers_are_told_of() {
    let (server, server_id, cluster, domain) = ("n1", "N", "c1", "hub");
    let (subject, request, response) = ("$JS.API.INFO", "", "{}");
    let client = &client();
    let event = ApiAudit {
        server,
        client,
        subject,
        request,
        response,
        domain,
    };
    let shown = check(&event, "ADVISORY.API");
    assert_eq!(shown["client"]["acc"], "$G");
    let dropped = 10_000;
    check(
        &ApiLimitReached {
            server,
            dropped,
            domain,
        },
        "ADVISORY.API.LIMIT_REACHED",
    );
    let stream = "S";
    check(
        &ServerOutOfStorage {
            server,
            server_id,
            stream,
            cluster,
            domain,
        },
        "ADVISORY.SERVER.OUT_OF_STORAGE",
    );
    check(
        &ServerRemoved {
            server,
            server_id,
            cluster,
            domain,
        },
        "ADVISORY.SERVER.REMOVED",
    );
}
