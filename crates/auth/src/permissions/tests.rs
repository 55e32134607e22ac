//! Permission rules as tables, checked against nats-server 2.14.5 where it decides, and as
//! properties against the rules written down naively.

use super::{
    PermissionError, Permissions, PermissionsConfig, ResponseLimits, SubjectList, SubjectRules,
    SubscribeVerdict, is_reserved_publish, is_reserved_reply,
};
use proptest::prelude::*;

fn rules(allow: &[&str], deny: &[&str]) -> SubjectRules {
    SubjectRules {
        allow: allow.into(),
        deny: deny.into(),
    }
}

fn compile(publish: SubjectRules, subscribe: SubjectRules) -> Permissions {
    let config = PermissionsConfig {
        publish,
        subscribe,
        responses: None,
    };
    Permissions::compile(config).unwrap()
}

/// Subjects that may be published to, and such that may not.
fn check_publish(publish: SubjectRules, allowed: &[&str], denied: &[&str]) {
    let permissions = compile(publish, SubjectRules::default());
    for subject in allowed {
        assert!(
            permissions.can_publish(subject.as_bytes()),
            "{subject} {permissions:?}"
        );
    }
    for subject in denied {
        assert!(
            !permissions.can_publish(subject.as_bytes()),
            "{subject} {permissions:?}"
        );
    }
}

#[test]
fn publishing() {
    check_publish(rules(&[], &[]), &["a", "$SYS.x", "_INBOX.1"], &[]);
    check_publish(
        rules(&["a.*", "b.>"], &[]),
        &["a.x", "b.x.y"],
        &["a", "a.x.y", "b", "c"],
    );
    check_publish(
        rules(&[], &["a.*", "b"]),
        &["a", "c", "a.x.y"],
        &["a.x", "b"],
    );
    check_publish(rules(&[">"], &["a.b"]), &["a", "a.c"], &["a.b"]);
    // Wildcards in a published subject are plain characters, unless the client is pedantic.
    check_publish(rules(&["a.*"], &[]), &["a.*", "a.>"], &["*.b", ">"]);
}

#[test]
fn responses_close_an_empty_allow_list() {
    for (allow, other) in [(&[][..], false), (&["x"][..], true)] {
        let publish = rules(allow, &[]);
        let responses = Some(ResponseLimits::default());
        let config = PermissionsConfig {
            publish,
            responses,
            ..Default::default()
        };
        let permissions = Permissions::compile(config).unwrap();
        assert_eq!(permissions.can_publish(b"x"), other);
        assert!(!permissions.can_publish(b"y"));
        assert!(permissions.restricts_publish());
        assert_eq!(permissions.responses(), responses);
    }
}

/// `+` allowed, `~` allowed with a filter, `-` denied.
fn verdict(permissions: &Permissions, subscription: &str) -> char {
    let (filter, queue) = match subscription.split_once(' ') {
        Some((filter, queue)) => (filter, Some(queue.as_bytes())),
        None => (subscription, None),
    };
    match permissions.check_subscribe(filter.as_bytes(), queue) {
        SubscribeVerdict::Allowed => '+',
        SubscribeVerdict::AllowedWithFilter(_) => '~',
        SubscribeVerdict::Denied => '-',
    }
}

fn check_subscribe(subscribe: SubjectRules, expected: &[&str]) {
    let permissions = compile(SubjectRules::default(), subscribe);
    for line in expected {
        let subscription = line[1..].trim();
        let found = format!("{}{}", verdict(&permissions, subscription), &line[1..]);
        assert_eq!(&found, line, "{permissions:?}");
    }
}

#[test]
fn subscribing() {
    check_subscribe(rules(&[], &[]), &["+ a", "+ > q", "+ $SYS.>"]);
    check_subscribe(
        rules(&["foo.*", "bar.>"], &[]),
        &[
            "+ foo.*",
            "+ foo.a",
            "- >",
            "- *.a",
            "- foo.*.>",
            "+ bar.>",
            "+ bar.*.x",
            "+ bar.a q",
        ],
    );
    // The Go server accepts this one and delivers foo.a.b to it.
    check_subscribe(rules(&["foo.*"], &[]), &["- foo.>"]);
    check_subscribe(
        rules(&[], &["foo.*", "d.b"]),
        &[
            "- foo.a",
            "- foo.*",
            "- foo.>",
            "~ >",
            "+ *",
            "~ *.a",
            "~ d.*",
            "~ d.* q",
            "+ d.c",
            "- d.b",
            "- d.b q",
            "+ foo.a.b",
            "+ foo.*.*",
        ],
    );
    check_subscribe(
        rules(&["a.>"], &["a.b"]),
        &["+ a.c", "- a.b", "~ a.*", "- b"],
    );
}

#[test]
fn subscribing_in_a_queue() {
    let allow = rules(&["q.x", "q.x g1", "w.> g.*", "lit v1.*"], &[]);
    check_subscribe(
        allow,
        &[
            "+ q.x",
            "+ q.x g1",
            "- q.x g2",
            "- w.a",
            "+ w.a g.b",
            "- w.a g.>",
            "+ w.* g.*",
            "+ w.> g.1",
            "- w.a h",
            "+ lit v1.*",
            "+ lit v1.2",
            "- lit v1.2.3",
            "- lit",
        ],
    );
    check_subscribe(
        rules(&[], &["e.b q1", "f.> *.prod"]),
        &[
            "+ e.b",
            "- e.b q1",
            "+ e.b q2",
            "+ e.*",
            "~ e.* q1",
            "+ e.* q2",
            "+ f.a",
            "+ f.a q",
            "- f.a x.prod",
            "+ f.a prod",
            "~ > x.prod",
            "+ >",
        ],
    );
    check_subscribe(rules(&["a"], &[]), &["+ a any"]);
}

#[test]
fn the_filter_holds_back_denied_subjects() {
    let permissions = compile(SubjectRules::default(), rules(&[], &["foo.*", "e.b q1"]));
    let SubscribeVerdict::AllowedWithFilter(filter) =
        permissions.check_subscribe(b">", Some(b"q1"))
    else {
        panic!("{permissions:?}");
    };
    for (subject, queue, denied) in [
        ("foo.x", None, true),
        ("foo.x", Some("any"), true),
        ("foo.x.y", None, false),
        ("e.b", None, false),
        ("e.b", Some(""), false),
        ("e.b", Some("q1"), true),
        ("e.b", Some("q2"), false),
    ] {
        let found = filter.denies(subject.as_bytes(), queue.map(str::as_bytes));
        assert_eq!(found, denied, "{subject} {queue:?}");
    }
}

#[test]
fn malformed_entries_are_named() {
    let check = |config: PermissionsConfig, message: &str| {
        let error = Permissions::compile(config).map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), message);
    };
    let publish = |rules| PermissionsConfig {
        publish: rules,
        ..Default::default()
    };
    let subscribe = |rules| PermissionsConfig {
        subscribe: rules,
        ..Default::default()
    };
    check(
        publish(rules(&["ok", "a..b"], &[])),
        r#"publish allow: subject "a..b" is not a valid subject"#,
    );
    check(
        publish(rules(&[], &["a q"])),
        r#"publish deny: subject "a q" is not a valid subject"#,
    );
    check(
        subscribe(rules(&["a b c"], &[])),
        r#"subscribe allow: subject "a b c" is not a valid subject"#,
    );
    check(
        subscribe(rules(&[" a"], &[])),
        r#"subscribe allow: subject " a" is not a valid subject"#,
    );
    check(
        subscribe(rules(&[], &["a.>.b q"])),
        r#"subscribe deny: subject "a.>.b" is not a valid subject"#,
    );
    check(
        subscribe(rules(&[], &["a q..r"])),
        r#"subscribe deny: queue "q..r" is not a valid queue"#,
    );
    check(
        subscribe(rules(&[""], &[])),
        r#"subscribe allow: subject "" is not a valid subject"#,
    );
    assert!(matches!(
        Permissions::compile(subscribe(rules(&["a q."], &[]))),
        Err(PermissionError::Queue { .. })
    ));
}

#[test]
fn reserved_subjects() {
    for (reply, reserved) in [
        ("_R_.", true),
        ("_R_.x", true),
        ("_R_", false),
        ("$JS.ACK.", false),
        ("$JS.ACK.x", true),
        ("_GR_.", false),
        ("_GR_.x", true),
        ("_gr_.x", false),
        ("_INBOX.x", false),
        ("", false),
    ] {
        assert_eq!(is_reserved_reply(reply.as_bytes()), reserved, "{reply}");
    }
    assert!(is_reserved_publish(b"$NRG.x") && !is_reserved_publish(b"$NRG"));
}

/// Filters over a tiny alphabet, so that they often meet.
fn filter() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec!["a", "b", "*"]);
    (prop::collection::vec(token, 1..4), any::<bool>()).prop_map(|(tokens, full)| {
        let mut filter = tokens.join(".");
        if full {
            filter.push_str(".>");
        }
        filter
    })
}

fn lists() -> impl Strategy<Value = SubjectRules> {
    let list = || {
        let entries = prop::collection::vec(filter(), 0..12);
        entries.prop_map(|entries| SubjectList::from_iter(&entries))
    };
    (list(), list()).prop_map(|(allow, deny)| SubjectRules { allow, deny })
}

/// Every literal subject over the alphabet that filters of [`filter`] can tell apart.
fn all_subjects() -> Vec<String> {
    let mut subjects = vec![String::new()];
    let mut all = Vec::new();
    for _ in 0..5 {
        let grow = |subject: &String| ["a", "b"].map(|token| format!("{subject}.{token}"));
        subjects = subjects.iter().flat_map(grow).collect();
        all.extend(subjects.iter().map(|subject| subject[1..].to_owned()));
    }
    all
}

fn naive_match(filter: &str, subject: &str) -> bool {
    let (filter, subject): (Vec<_>, Vec<_>) =
        (filter.split('.').collect(), subject.split('.').collect());
    match filter.split_last() {
        Some((&">", head)) => {
            subject.len() > head.len()
                && head.iter().zip(&subject).all(|(f, s)| f == s || *f == "*")
        }
        _ => {
            filter.len() == subject.len()
                && filter
                    .iter()
                    .zip(&subject)
                    .all(|(f, s)| f == s || *f == "*")
        }
    }
}

fn naive_allows(rules: &SubjectRules, subject: &str) -> bool {
    let any = |list: &SubjectList| list.iter().any(|filter| naive_match(&filter, subject));
    (rules.allow.is_empty() || any(&rules.allow)) && !any(&rules.deny)
}

proptest! {
    #[test]
    fn publishing_is_matching_over_the_lists(lists in lists()) {
        let permissions = compile(lists.clone(), SubjectRules::default());
        for subject in all_subjects() {
            let found = permissions.can_publish(subject.as_bytes());
            prop_assert_eq!(found, naive_allows(&lists, &subject), "{}", subject);
        }
    }

    /// Whatever a subscription is told, it never sees a subject that the lists don't allow.
    #[test]
    fn a_subscription_sees_allowed_subjects_only(lists in lists(), filter in filter()) {
        let permissions = compile(SubjectRules::default(), lists.clone());
        let verdict = permissions.check_subscribe(filter.as_bytes(), None);
        for subject in all_subjects().iter().filter(|subject| naive_match(&filter, subject)) {
            let seen = match &verdict {
                SubscribeVerdict::Allowed => true,
                SubscribeVerdict::AllowedWithFilter(deny) => {
                    !deny.denies(subject.as_bytes(), None)
                }
                SubscribeVerdict::Denied => continue,
            };
            prop_assert_eq!(seen, naive_allows(&lists, subject), "{}", subject);
        }
    }

    #[test]
    fn literal_subscriptions_get_what_the_lists_allow(lists in lists()) {
        let permissions = compile(SubjectRules::default(), lists.clone());
        for subject in all_subjects() {
            let verdict = verdict(&permissions, &subject);
            prop_assert_eq!(verdict == '+', naive_allows(&lists, &subject), "{}", subject);
            prop_assert_ne!(verdict, '~');
        }
    }

    #[test]
    fn compiling_never_panics(entry in "\\PC*", subject: Vec<u8>, queue: Vec<u8>) {
        let lists = SubjectRules { allow: [&entry].into(), deny: [&entry].into() };
        let config = PermissionsConfig { subscribe: lists, ..Default::default() };
        if let Ok(permissions) = Permissions::compile(config) {
            permissions.check_subscribe(&subject, Some(&queue));
            permissions.can_publish(&subject);
        }
    }
}
