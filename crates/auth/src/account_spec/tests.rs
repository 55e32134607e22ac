//! What can be said of one account alone: renames, positions, weights, revocations, limits.

use super::{
    AccountLimits, AccountSpec, ExportAccess, ExportError, Revocations, Sampling, ServiceExport,
    ServiceLatency, StreamImport, StreamTarget, SubjectRename, WithheldImports,
};
use crate::nkey::{Kind, PublicKey};
use cognate_subject::Filter;

fn apply(transform: Option<&cognate_subject::Transform>, subject: &str) -> Option<String> {
    let mut out = Vec::new();
    transform?
        .apply(subject.as_bytes(), 0, &mut out)
        .then(|| String::from_utf8(out).unwrap())
}

/// The local filter, and a subject carried over, there and here; or a refusal.
type Renamed<'a> = Result<(&'a str, Option<(&'a str, &'a str)>), ()>;

/// What a rename says: exported, local, and a subject carried over in both directions.
fn check_service(exported: &str, local: &str, expected: Renamed<'_>) {
    let rename = SubjectRename::for_service(exported, local);
    let Ok((local_filter, carried)) = expected else {
        assert!(rename.is_err(), "{exported} {local}: {rename:?}");
        return;
    };
    let rename = rename.unwrap_or_else(|error| panic!("{exported} {local}: {error}"));
    assert_eq!(rename.exported().to_string(), exported);
    assert_eq!(
        rename.local().to_string(),
        local_filter,
        "{exported} {local}"
    );
    match carried {
        None => assert!(rename.to_local().is_none() && rename.to_exported().is_none()),
        Some((there, here)) => {
            assert_eq!(apply(rename.to_local(), there).as_deref(), Some(here));
            assert_eq!(apply(rename.to_exported(), here).as_deref(), Some(there));
        }
    }
}

#[test]
fn services_are_renamed_in_both_directions() {
    check_service("a.b", "", Ok(("a.b", None)));
    check_service("a.b", "c", Ok(("c", None)));
    check_service("a.b", "c.*", Ok(("c.*", None)));
    check_service("a.*", "a.*", Ok(("a.*", None)));
    check_service("a.>", "b.>", Ok(("b.>", Some(("a.x.y", "b.x.y")))));
    check_service("a.*.*", "b.$2.$1", Ok(("b.*.*", Some(("a.x.y", "b.y.x")))));
    check_service("a.*.*", "b.*.*", Ok(("b.*.*", Some(("a.x.y", "b.x.y")))));
    check_service(
        "a.*",
        "b.{{wildcard(1)}}",
        Ok(("b.*", Some(("a.x", "b.x")))),
    );
    check_service("a.*.*", "b.$1", Err(()));
    check_service("a.*.*", "b.$1.$1", Err(()));
    check_service("a.*", "b.$2", Err(()));
    check_service("a.>", "b", Err(()));
    check_service("a..b", "c", Err(()));
    check_service("a b", "c", Err(()));
    check_service("a", "c..d", Err(()));
    check_service("", "c", Err(()));
}

#[test]
fn streams_are_prefixed_or_renamed() {
    let check = |exported: &str, target, expected: Option<&str>| {
        let rename = SubjectRename::for_stream(exported, target).ok();
        let local = rename.map(|rename| rename.local().to_string());
        assert_eq!(local.as_deref(), expected, "{exported} {target:?}");
    };
    check("a.*", StreamTarget::Same, Some("a.*"));
    check("a.*", StreamTarget::Prefix("p"), Some("p.a.*"));
    check("a.*", StreamTarget::Prefix("p.q."), Some("p.q.a.*"));
    check("a.*", StreamTarget::Prefix(""), Some("a.*"));
    check("a.*", StreamTarget::Prefix("p.*"), None);
    check("a.*", StreamTarget::Prefix("."), None);
    check("a.*.*", StreamTarget::Subject("b.$2.$1"), Some("b.*.*"));
    check("a", StreamTarget::Subject("b"), Some("b"));
    check("a", StreamTarget::Subject("b.*"), None);
    let rename = SubjectRename::for_stream("a.>", StreamTarget::Prefix("p")).unwrap();
    assert_eq!(apply(rename.to_local(), "a.x").as_deref(), Some("p.a.x"));
    assert_eq!(apply(rename.to_exported(), "p.a.x").as_deref(), Some("a.x"));
    let same = SubjectRename::for_stream("a.>", StreamTarget::Same).unwrap();
    assert!(same.is_same() && !rename.is_same() && same != rename);
}

#[test]
fn renames_that_swap_wildcards_differ() {
    let rename = |local| SubjectRename::for_service("a.*.*", local).unwrap();
    assert_eq!(rename("b.*.*"), rename("b.$1.$2"));
    assert_ne!(rename("b.$1.$2"), rename("b.$2.$1"));
}

#[test]
fn a_token_position_points_at_a_wildcard() {
    let subject = Filter::try_from("a.*.>").unwrap();
    let at = |position| ExportAccess::token_position(&subject, position);
    assert!(matches!(at(2), Ok(ExportAccess::TokenPosition(n)) if n.get() == 2));
    for position in [0, 1, 3, 4, usize::MAX] {
        let error = at(position).unwrap_err();
        assert!(
            matches!(error, ExportError::TokenPosition { .. }),
            "{error}"
        );
    }
}

#[test]
fn latency_is_sampled_by_percent_or_by_headers() {
    let sampling = |rate| ServiceLatency::new(rate, "lat").map(|latency| latency.sampling);
    assert_eq!(sampling(0), Ok(Sampling::Headers));
    assert_eq!(sampling(100), Ok(Sampling::Percent(100)));
    assert_eq!(sampling(101), Err(ExportError::Sampling(101)));
    assert_eq!(sampling(-1), Err(ExportError::Sampling(-1)));
    let wild = ServiceLatency::new(1, "lat.*").unwrap_err();
    assert_eq!(wild, ExportError::LatencySubject("lat.*".to_owned()));
}

#[test]
fn the_narrowest_export_counts() {
    let export = |subject| ServiceExport::new(Filter::try_from(subject).unwrap());
    let account = AccountSpec {
        service_exports: vec![export("a.>"), export("a.b"), export("a.*")],
        ..AccountSpec::new("A")
    };
    let found = |subject: &str| {
        let export = account.service_export(subject.as_bytes());
        export.map(|export| export.subject.to_string())
    };
    assert_eq!(found("a.b").as_deref(), Some("a.b"));
    assert_eq!(found("a.c").as_deref(), Some("a.*"));
    assert_eq!(found("a.*").as_deref(), Some("a.*"));
    assert_eq!(found("a.c.d").as_deref(), Some("a.>"));
    assert_eq!(found(">"), None);
}

#[test]
fn revocations_cover_a_key_or_everybody_up_to_a_time() {
    let key = PublicKey::from_bytes(Kind::User, [1; 32]);
    let other = PublicKey::from_bytes(Kind::User, [2; 32]);
    let mut revocations = Revocations::default();
    assert!(!revocations.is_revoked(&key, 0) && revocations.is_empty());
    revocations.keys.insert(key, 100);
    let revoked = |r: &Revocations, at| (r.is_revoked(&key, at), r.is_revoked(&other, at));
    assert_eq!(revoked(&revocations, 100), (true, false));
    assert_eq!(revoked(&revocations, 101), (false, false));
    revocations.all = Some(50);
    assert_eq!(revoked(&revocations, 50), (true, true));
    assert_eq!(revoked(&revocations, 51), (true, false));
}

#[test]
fn negative_limits_are_none_and_large_ones_are_cut() {
    for (number, limit) in [
        (-1, None),
        (i64::MIN, None),
        (0, Some(0)),
        (7, Some(7)),
        (i64::MAX, Some(2_147_483_647)),
    ] {
        assert_eq!(AccountLimits::from_number(number), limit);
    }
}

#[test]
fn an_import_has_lapsed_if_it_was_in_force_and_is_still_asked_for() {
    let import = |subject: &str| StreamImport {
        account: "B".to_owned(),
        rename: SubjectRename::for_stream(subject, StreamTarget::Same).unwrap(),
        allow_trace: false,
        activation: None,
    };
    let account = |granted: &[&str], withheld: &[&str]| AccountSpec {
        stream_imports: granted.iter().map(|subject| import(subject)).collect(),
        withheld: WithheldImports {
            streams: withheld.iter().map(|subject| import(subject)).collect(),
            services: Vec::new(),
        },
        ..AccountSpec::new("A")
    };
    let mut now = AccountSpec::new("A");
    let mut lapsed = WithheldImports::default();
    for (granted, withheld, expected) in [
        // What was never granted has not lapsed.
        (&["a", "b"][..], &["c"][..], &[][..]),
        (&["b"], &["a", "c"], &["a"]),
        // It stays so while others change, until it is granted again or asked for no more.
        (&[], &["a", "b", "c"], &["a", "b"]),
        (&["a"], &["b", "c"], &["b"]),
        (&["a"], &["c"], &[]),
        (&["a"], &["b", "c"], &[]),
    ] {
        let new = account(granted, withheld);
        lapsed = lapsed.lapsed(&now, &new);
        let subjects = lapsed.streams.iter();
        let subjects: Vec<_> = subjects
            .map(|one| one.rename.exported().to_string())
            .collect();
        assert_eq!(subjects, expected, "{granted:?} {withheld:?}");
        now = new;
    }
}
