//! Rules that are refused, rules that rewrite, and a property: no input panics.

use proptest::{collection::vec, prelude::*};

use super::{TransformProblem as P, *};

fn apply(rule: &Transform, subject: &[u8], random: u64) -> Option<Vec<u8>> {
    let mut out = b"what was there before".to_vec();
    let applied = rule.apply(subject, random, &mut out);
    assert!(applied || out.is_empty());
    applied.then_some(out)
}

/// The rule turns `subject` into `expected`; `None`: it doesn't apply.
#[track_caller]
fn check(source: &str, destination: &str, subject: &str, expected: Option<&str>) {
    let rule = match Transform::new(source, destination) {
        Ok(rule) => rule,
        Err(error) => panic!("{source:?} to {destination:?} was refused: {error}"),
    };
    let found = apply(&rule, subject.as_bytes(), 0);
    let found = found.as_ref().map(|bytes| String::from_utf8_lossy(bytes));
    assert_eq!(
        found.as_deref(),
        expected,
        "{source:?} to {destination:?} of {subject:?}"
    );
    // A mapping takes every rule that a stream takes, if its tokens have no white space.
    assert!(
        Transform::new_mapping(source, destination).is_ok(),
        "{destination:?} as a mapping"
    );
}

/// What the rule is refused for as a rule of streams, of imports, and of mappings.
#[track_caller]
fn check_refused(source: &str, destination: &str, wanted: [Option<P>; 3]) {
    let problem = |made: Result<Transform, TransformError>| made.err().map(|e| e.problem());
    let found = [
        problem(Transform::new(source, destination)),
        problem(Transform::new_strict(source, destination)),
        problem(Transform::new_mapping(source, destination)),
    ];
    assert_eq!(
        found, wanted,
        "{source:?} to {destination:?} as stream, import, mapping"
    );
}

#[test]
fn tokens_and_tails_are_moved() {
    check("foo", "bar", "foo", Some("bar"));
    check("foo", "bar", "baz", None);
    check(
        "foo.*.bar.*.baz",
        "req.$2.$1",
        "foo.A.bar.B.baz",
        Some("req.B.A"),
    );
    check(
        "foo.*.bar.*.baz",
        "req.{{wildcard(2)}}.{{ Wildcard( 1 ) }}",
        "foo.A.bar.B.baz",
        Some("req.B.A"),
    );
    check("*", "foo.bar.$1", "foo", Some("foo.bar.foo"));
    check("*.*", "$2", "a.b", Some("b"));
    check("baz.>", "my.pre.>", "baz.1.2.3", Some("my.pre.1.2.3"));
    check("foo.bar.>", ">", "foo.bar.1.2", Some("1.2"));
    check("foo.*.>", "$1.>", "foo.a.b.c", Some("a.b.c"));
    check("baz.>", "my.>", "baz", None);
    check("", "prefix.>", "foo.bar", Some("prefix.foo.bar"));
    check("foo.*", "$JS.$x.$.$1", "foo.a", Some("$JS.$x.$.a"));
}

#[test]
fn an_empty_destination_and_everything_to_everything_keep_the_subject() {
    check("foo", "", "foo", Some("foo"));
    check("foo.*", "", "foo.a", Some("foo.a"));
    check("foo.*", "", "bar", None);
    check("", "", "a.b", Some("a.b"));
    check(">", ">", "a.b", Some("a.b"));
    check("", ">", "a..b", Some("a..b"));
}

#[test]
fn only_literal_subjects_are_rewritten() {
    for subject in ["", "foo.", "foo..a", ".foo.a", "foo.*", "foo.>"] {
        check("foo.>", "bar.>", subject, None);
    }
    check("foo.*", "bar.$1", "foo.a*", Some("bar.a*"));
    // A wildcard is a whole token in sources too.
    check("*foo", "bar", "baz", None);
}

#[test]
fn partitions_are_fnv_1a() {
    check("*", "bar.{{partition(10)}}", "foo", Some("bar.3"));
    check("*", "bar.{{partition(10)}}", "baz", Some("bar.0"));
    check("*", "bar.{{partition(10)}}", "qux", Some("bar.9"));
    check("*", "bar.{{partition(0)}}", "baz", Some("bar.0"));
    check("*.*", "bar.{{partition(10)}}", "foo.bar", Some("bar.6"));
    check("foo.baz", "qux.{{partition(10)}}", "foo.baz", Some("qux.4"));
    check(
        "test.subject",
        "result.{{Partition(5)}}",
        "test.subject",
        Some("result.0"),
    );
    check("*.*", "{{partition(10,1)}}", "foo.bar", Some("3"));
    check("*.*", "{{ partition ( 10 , 2 ) }}", "bar.foo", Some("3"));
    // Numbers below 1 stand for the first token of the subject, wildcard or not.
    check("*", "bar.{{partition(10, 0)}}", "foo", Some("bar.3"));
    check(
        "foo.*",
        "bar.{{partition(10, -1)}}.$0",
        "foo.a",
        Some("bar.3.foo"),
    );
    // A literal source hashes the whole subject, whatever tokens are named.
    check(
        "foo.baz",
        "qux.{{partition(10,5)}}",
        "foo.baz",
        Some("qux.4"),
    );
}

#[test]
fn random_numbers_come_from_the_caller_and_stay_below_their_ceiling() {
    let rule = Transform::new("foo", "bar.{{random(6)}}").expect("a valid rule");
    let mut seen = std::collections::BTreeSet::new();
    for n in 0..200_u64 {
        let random = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let out = apply(&rule, b"foo", random).expect("it applies");
        assert_eq!(apply(&rule, b"foo", random), Some(out.clone()));
        seen.insert(String::from_utf8(out).expect("text"));
    }
    assert_eq!(
        seen.into_iter().collect::<String>(),
        "bar.0bar.1bar.2bar.3bar.4bar.5"
    );
    check("*", "bar.{{random(0)}}", "qux", Some("bar.0"));
}

#[test]
fn tokens_are_split_at_delimiters() {
    for (token, expected) in [
        ("-abc-def--ghi-", "abc.def.ghi"),
        ("abc-def--ghi-", "abc.def.ghi"),
        ("abc", "abc"),
        ("--abc", ".abc"),
        ("-", ""),
        ("a---b", "a.b"),
    ] {
        check("*", "{{split(1,-)}}", token, Some(expected));
        check(
            "*",
            "x.{{Split( 1 , -)}}.y",
            token,
            Some(&format!("x.{expected}.y")),
        );
    }
    check("*", "{{split(1,)}}", "aöb", Some("a.ö.b"));
    check("*", "{{split(1,ab)}}", "1ab2aab3", Some("1.2a.3"));
}

#[test]
fn tokens_are_cut_at_positions() {
    for (function, token, expected) in [
        ("splitfromleft(1,3)", "12345", "123.45"),
        ("SplitFromRight(1,3)", "12345", "12.345"),
        ("sliceFromLeft(1,3)", "1234567890", "123.456.789.0"),
        ("SliceFromRight(1,3)", "1234567890", "1.234.567.890"),
        ("sliceFromLeft(1,3)", "123456", "123.456"),
        ("sliceFromRight(1,3)", "123456", "123.456"),
        ("left(1,3)", "1234", "123"),
        ("Right(1,3)", "1234", "234"),
    ] {
        check("*", &format!("{{{{{function}}}}}"), token, Some(expected));
    }
    // Too large, exactly the token, nothing, negative: the token stays as it is.
    for name in [
        "splitFromLeft",
        "splitFromRight",
        "sliceFromLeft",
        "sliceFromRight",
        "left",
        "right",
    ] {
        for size in [5, 4, 0, -1] {
            check(
                "*",
                &format!("{{{{{name}(1,{size})}}}}"),
                "1234",
                Some("1234"),
            );
        }
    }
    check(
        "*.*",
        "{{split(2,-)}}.{{splitfromleft(1,2)}}",
        "foo.-abc-def-",
        Some("abc.def.fo.o"),
    );
}

#[test]
fn malformed_rules_are_refused() {
    let every = |problem| [Some(problem); 3];
    check_refused("foo..", "bar", every(P::InvalidSource));
    check_refused("foo.>.a", "bar", every(P::InvalidSource));
    check_refused(
        "foo",
        "bar..a",
        [
            Some(P::InvalidDestination),
            Some(P::InvalidDestination),
            Some(P::InvalidToken),
        ],
    );
    check_refused("foo.>", ">.a", every(P::InvalidDestination));
    check_refused("foo.*", "bar.*", every(P::WildcardInDestination));
    check_refused("foo.*", "bar.$1.>", every(P::TailOnOneSide));
    check_refused("foo.>", "bar.baz", every(P::TailOnOneSide));
    check_refused("foo", &"x".repeat(MAX_RULE_BYTES + 1), every(P::TooLong));
    check_refused("foo", "foo. bar", [None, None, Some(P::InvalidToken)]);
    check_refused("a b", "foo", [None, None, Some(P::InvalidSource)]);
}

#[test]
fn wrong_functions_are_refused() {
    for (call, problem) in [
        ("unimplemented(1)", P::UnknownFunction),
        (" wildcard5) ", P::UnknownFunction),
        ("splitLeft(2,2", P::UnknownFunction),
        ("WILDCARD(1)", P::UnknownFunction),
        ("é(1)", P::UnknownFunction),
        ("wildcard()", P::NotEnoughArguments),
        ("wildcard(foo)", P::InvalidArgument),
        ("wildcard(1,2)", P::TooManyArguments),
        ("wildcard(2)", P::NoSuchWildcard),
        ("partition()", P::InvalidArgument),
        ("partition(2147483648)", P::InvalidArgument),
        ("partition(10,x)", P::InvalidArgument),
        ("partition(10,1,2)", P::NoSuchWildcard),
        ("random()", P::InvalidArgument),
        ("random(1,2)", P::NotEnoughArguments),
        ("random(2147483648)", P::InvalidArgument),
        ("split(1)", P::NotEnoughArguments),
        ("split(1,-,-)", P::TooManyArguments),
        ("split(1,- )", P::InvalidArgument),
        ("split(x,-)", P::InvalidArgument),
        ("left(1)", P::NotEnoughArguments),
        ("left(1,2,3)", P::TooManyArguments),
        ("left(1,99999999999)", P::InvalidArgument),
        ("right(2,1)", P::NoSuchWildcard),
    ] {
        let destination = format!("foo.{{{{{call}}}}}");
        let found = Transform::new("foo.*", &destination).map_err(|error| error.problem());
        assert_eq!(found.err(), Some(problem), "{destination:?}");
    }
    check_refused("foo", "bla.{{wildcard(1)}}", [Some(P::NoSuchWildcard); 3]);
    check_refused("foo", "bla.$1", [Some(P::NoSuchWildcard); 3]);
    check_refused("foo.*", "bar.$2", [Some(P::NoSuchWildcard); 3]);
}

#[test]
fn imports_must_be_reversible() {
    check_refused("foo.*", "bar.{{Wildcard(1)}}", [None; 3]);
    check_refused("foo.*.*", "bar.$2", [None, Some(P::UnusedWildcards), None]);
    check_refused("foo.*", "foo.$foo", [None, Some(P::UnusedWildcards), None]);
    check_refused(
        "foo.*",
        "bar.{{Partition(2,1)}}",
        [None, Some(P::NotReversible), None],
    );
    check_refused("foo", "bar.{{Partition(2)}}", [None; 3]);
}

#[test]
fn a_function_is_found_inside_its_token_as_the_go_server_does() {
    check("*", "{{{wildcard(1)}}", "a", Some("a"));
    check("*", "{{x{{wildcard(1)}}y}}", "a", Some("a"));
    check("*.*", "{{split(1,))}}", "a)b.c", Some("a.b"));
    check("*", "x{{wildcard(1)}}", "a", Some("x{{wildcard(1)}}"));
    check("*", "{{}}", "a", Some("{{}}"));
}

#[test]
fn reversible_rules_are_reversed() {
    for (source, destination, subject, back) in [
        (
            "foo.*.*",
            "bar.$2.{{Wildcard(1)}}",
            "foo.b.a",
            Some("foo.b.a"),
        ),
        ("*.*.*", "$2.$3.$1", "a.b.c", Some("a.b.c")),
        ("foo.*.>", "$1.x.>", "foo.a.b.c", Some("foo.a.b.c")),
        ("foo", "bar", "foo", Some("foo")),
        (">", ">", "foo", Some("foo")),
        ("foo.*.*", "bar.$1", "foo.a.b", None),
        ("foo.*", "bar.$1.$1", "foo.a", None),
        ("foo.*", "bar.{{left(1,1)}}", "foo.a", None),
    ] {
        let rule = Transform::new(source, destination).expect("a valid rule");
        let forth = apply(&rule, subject.as_bytes(), 0).expect("it applies");
        let found = rule
            .reversed()
            .and_then(|reversed| apply(&reversed, &forth, 0));
        assert_eq!(
            found.as_deref(),
            back.map(str::as_bytes),
            "{source:?} to {destination:?}"
        );
    }
}

#[test]
fn placeholders_keep_what_a_filter_matches() {
    for (filter, destination) in [
        ("foo.*.*", "foo.$1.$2"),
        ("*.a.>", "$1.a.>"),
        ("a.b", "a.b"),
    ] {
        assert_eq!(with_placeholders(filter), destination);
    }
    check(
        "foo.*.>",
        &with_placeholders("foo.*.>"),
        "foo.a.b.c",
        Some("foo.a.b.c"),
    );
}

#[test]
fn a_rule_may_be_applied_to_a_subject_it_does_not_match() {
    let rule = Transform::new("foo.*", "one.two.{{wildcard(1)}}").expect("a valid rule");
    let mut out = Vec::new();
    rule.rewrite(b"foo", 0, &mut out);
    assert_eq!(out, b"one.two.");
}

#[test]
fn errors_say_what_where_and_what_to_do() {
    let error = Transform::new("foo.*", "bar.{{wildcard(2)}}").expect_err("an invalid rule");
    assert_eq!(
        error.to_string(),
        "it refers to a wildcard that the source doesn't have: \"{{wildcard(2)}}: [2]\": \
         count the '*' tokens of the source, from 1"
    );
    assert_eq!(
        error.wire_text(),
        "invalid mapping destination: wildcard index out of range in {{wildcard(2)}}: [2]"
    );
    let error = Transform::new("foo", "bar.*").expect_err("an invalid rule");
    assert_eq!(error.wire_text(), "invalid subject");
}

/// Texts that are close to rules, made of the pieces of rules.
fn nearly_a_rule() -> impl Strategy<Value = String> {
    let pieces = [
        "{{",
        "}}",
        "(",
        ")",
        ",",
        ".",
        "*",
        ">",
        "$",
        "0",
        "1",
        "2",
        "-3",
        "99999999999999999999",
        " ",
        "\n",
        "a",
        "é",
        "wildcard",
        "Partition",
        "random",
        "split",
        "From",
        "from",
        "Left",
        "right",
        "slice",
        "{{split(1,-)}}",
        "{{sliceFromLeft(1,2)}}",
        "{{partition(7,1,2)}}",
        "$1",
        "{{random(9)}}",
        "*.*",
    ];
    vec(prop::sample::select(pieces.to_vec()), 0..14).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_rule_and_no_subject_panics(
        source in prop_oneof![nearly_a_rule(), Just("*.*".to_owned()), Just("a.*.>".to_owned())],
        destination in prop_oneof![nearly_a_rule(), any::<String>()],
        subject in prop_oneof![
            nearly_a_rule().prop_map(String::into_bytes),
            vec(any::<u8>(), 0..30),
            Just(b"a.b-c-d".to_vec()),
        ],
        random: u64,
    ) {
        let mut out = Vec::new();
        let made = [
            Transform::new(&source, &destination),
            Transform::new_strict(&source, &destination),
            Transform::new_mapping(&source, &destination),
        ];
        for rule in made {
            match rule {
                Ok(rule) => {
                    rule.apply(&subject, random, &mut out);
                    rule.rewrite(&subject, random, &mut out);
                    if let Some(reversed) = rule.reversed() {
                        reversed.rewrite(&subject, random, &mut out);
                    }
                }
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
        }
    }
}
