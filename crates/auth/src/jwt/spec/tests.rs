//! Claims of the Go library's tokens as specs: every field that the server works with.

use super::super::tests::vector;
use crate::account_spec::{
    AccountJetStream, AccountSpec, ClusterTraffic, ExportAccess, JetStreamLimits, ResponseType,
    Sampling,
};
use crate::jwt::{Account, AccountClaims, Export, ExportKind, Import, Signed};
use std::time::Duration;

fn spec_of(name: &str) -> (AccountSpec, Vec<String>) {
    let account = Signed::<Account>::decode(&vector(name)).unwrap();
    let (spec, problems) = account.claims().to_spec();
    (spec, problems.iter().map(ToString::to_string).collect())
}

#[test]
fn every_field_arrives() {
    let (spec, problems) = spec_of("account_full");
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(spec.name_tag.as_deref(), Some("Shop"));
    assert_eq!(
        Some(spec.name.clone()),
        spec.nkey.map(|key| key.to_string())
    );
    assert_eq!(spec.tags, ["plan:gold", "b"]);
    assert_eq!(spec.limits.max_connections, Some(5));
    assert_eq!(spec.limits.max_leafnodes, Some(6));
    assert_eq!(spec.limits.max_subscriptions, Some(10));
    assert_eq!(spec.limits.max_payload, Some(30));
    assert!(spec.limits.disallow_bearer);
    let jetstream = JetStreamLimits {
        max_memory: Some(1),
        max_storage: None,
        max_streams: Some(3),
        max_consumers: Some(4),
        max_ack_pending: Some(5),
        memory_max_stream_bytes: Some(6),
        storage_max_stream_bytes: Some(7),
        max_bytes_required: true,
    };
    assert_eq!(spec.jetstream, AccountJetStream::Limits(jetstream));
    assert_eq!(spec.cluster_traffic, ClusterTraffic::Owner);
    let trace = spec.trace.unwrap();
    assert_eq!(
        (trace.subject.to_string().as_str(), trace.sampling),
        ("trace.dest", 25)
    );
    let permissions = spec.default_permissions.unwrap();
    assert_eq!(permissions.publish.allow, ["a.>"].into());
    assert_eq!(permissions.publish.deny, ["b"].into());
    assert_eq!(permissions.subscribe.allow, ["c q.*"].into());
    let responses = permissions.responses.unwrap();
    assert_eq!(responses.max_messages, Some(3));
    assert_eq!(responses.expires, Some(Duration::from_secs(1)));
    let [mapping] = &spec.mappings[..] else {
        panic!("{:?}", spec.mappings);
    };
    let destinations = mapping.destinations().iter();
    let destinations: Vec<_> = destinations
        .map(|d| (d.subject.as_str(), d.weight, d.cluster.as_str()))
        .collect();
    assert_eq!(mapping.source().to_string(), "m.*");
    assert_eq!(destinations, [("n.$1", 40, "east"), ("o.$1", 100, "")]);
}

#[test]
fn exports_and_imports_arrive() {
    let (spec, _) = spec_of("account_full");
    let export = spec.service_export(b"svc.a.x").unwrap();
    // A position takes precedence over a token.
    assert!(matches!(export.access, ExportAccess::TokenPosition(at) if at.get() == 2));
    assert_eq!(export.response_type, ResponseType::Chunked);
    assert_eq!(export.response_threshold, Duration::from_secs(60));
    assert!(export.allow_trace && export.latency.is_none());
    let sampling = |subject: &[u8]| {
        let latency = spec
            .service_export(subject)
            .unwrap()
            .latency
            .clone()
            .unwrap();
        (latency.sampling, latency.subject.to_string())
    };
    assert_eq!(
        sampling(b"lat"),
        (Sampling::Percent(50), "lat.results".to_owned())
    );
    assert_eq!(
        sampling(b"lat2"),
        (Sampling::Headers, "lat.results".to_owned())
    );
    assert_eq!(
        spec.stream_export(b"st.x").unwrap().access,
        ExportAccess::Public
    );

    let streams = spec.stream_imports.iter();
    let streams: Vec<_> = streams
        .map(|i| {
            let names = (
                i.rename.exported().to_string(),
                i.rename.local().to_string(),
            );
            (names, i.allow_trace, i.activation.is_some())
        })
        .collect();
    let names = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(
        streams,
        [
            (names("old", "pre.old"), false, false),
            (names("private.a", "mine"), true, true),
        ]
    );
    let services = spec.service_imports.iter();
    let services: Vec<_> = services
        .map(|i| {
            let names = (
                i.rename.exported().to_string(),
                i.rename.local().to_string(),
            );
            (names, i.share, i.activation.is_some())
        })
        .collect();
    assert_eq!(
        services,
        [
            (names("answered", "asked"), false, false),
            (names("svc.*", "local.*"), true, true),
        ]
    );
}

#[test]
fn tiers_take_the_place_of_limits() {
    let (spec, _) = spec_of("account_tiers");
    let AccountJetStream::Tiers(tiers) = spec.jetstream else {
        panic!("{:?}", spec.jetstream);
    };
    assert_eq!(tiers.keys().collect::<Vec<_>>(), ["R1", "R3"]);
    assert_eq!(
        (tiers["R1"].max_storage, tiers["R1"].max_memory),
        (None, Some(0))
    );
    assert_eq!(
        (tiers["R3"].max_memory, tiers["R3"].max_ack_pending),
        (Some(10), None)
    );
    let (spec, _) = spec_of("account_small");
    assert_eq!(spec.jetstream, AccountJetStream::Disabled);
}

#[test]
fn what_cannot_be_used_is_left_out_and_told() {
    let mut claims = AccountClaims::new("A");
    let export = |subject: &str, position| Export {
        subject: subject.to_owned(),
        kind: Some(ExportKind::Stream),
        account_token_position: position,
        ..Export::default()
    };
    claims.nats.exports = vec![export("a.>.b", 0), export("a.*", 1), export("ok", 0)];
    let import = |subject: &str, local: &str| Import {
        subject: subject.to_owned(),
        local_subject: local.to_owned(),
        kind: Some(ExportKind::Service),
        ..Import::default()
    };
    claims.nats.imports = vec![import("a.*", "b.$2"), import("a.*", "b.$1")];
    let (spec, problems) = claims.to_spec();
    assert_eq!(
        (spec.stream_exports.len(), spec.service_imports.len()),
        (1, 1)
    );
    let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(problems[0].starts_with("Error adding export \"a.>.b\": "));
}
