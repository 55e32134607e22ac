//! Templates in the permissions of a scoped signing key: `{{name()}}` and its kin.
//!
//! ```text
//! {{name()}} {{subject()}}                    of the user's token
//! {{account-name()}} {{account-subject()}}    of its account
//! {{tag(key)}} {{account-tag(key)}}           every value of the tags `key:value`
//! ```
//!
//! Owns their expansion. Invariants: an entry to allow whose expansion is no subject allows
//! nothing; an entry to deny whose expansion is none refuses the user; a list of things to allow
//! of which nothing is left denies everything. An entry with several tags becomes one subject
//! for each combination of their values, [`MAX_EXPANSIONS`] in a list at most. Values may hold
//! wildcards and dots, as in the Go server: whoever signs a user's token chooses its name and
//! tags.

use crate::jwt::{Permission, UserPermissionLimits};
use cognate_subject::validate;
use std::collections::BTreeMap;
use std::fmt;

/// How many subjects a list with tags may expand to.
pub const MAX_EXPANSIONS: usize = 4096;

/// What templates stand for.
#[derive(Clone, Copy, Debug, Default)]
pub struct TemplateValues<'a> {
    /// The name in the user's token.
    pub name: &'a str,
    /// The user's public key.
    pub subject: &'a str,
    /// The user's tags.
    pub tags: &'a [String],
    /// The name in the account's token.
    pub account_name: &'a str,
    /// The account's public key.
    pub account_subject: &'a str,
    /// The account's tags.
    pub account_tags: &'a [String],
}

/// Why a template cannot be expanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateError {
    /// No such function: (entry, function).
    UnknownFunction(String, String),
    /// An entry to deny uses a tag that is not there: (entry, tag).
    NoSuchTag(String, String),
    /// An entry to deny becomes no subject.
    InvalidSubject(String),
    /// More than [`MAX_EXPANSIONS`].
    TooMany,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TemplateError::UnknownFunction(entry, function) => {
                write!(
                    f,
                    "template operation in {entry:?}: {function:?} is not defined"
                )
            }
            TemplateError::NoSuchTag(entry, tag) => {
                write!(
                    f,
                    "generated invalid subject {entry:?}: {tag:?} is not defined"
                )
            }
            TemplateError::InvalidSubject(entry) => {
                write!(f, "generated invalid subject from {entry:?}")
            }
            TemplateError::TooMany => {
                write!(f, "template expansion exceeds limit: {MAX_EXPANSIONS}")
            }
        }
    }
}

impl std::error::Error for TemplateError {}

/// Replaces all templates in the permissions.
///
/// # Errors
/// See [`TemplateError`].
pub fn expand(
    template: &UserPermissionLimits,
    values: &TemplateValues<'_>,
) -> Result<UserPermissionLimits, TemplateError> {
    let mut expanded = template.clone();
    let permissions = &mut expanded.permissions;
    for permission in [&mut permissions.subscribe, &mut permissions.publish] {
        expand_permission(permission, values)?;
    }
    Ok(expanded)
}

fn expand_permission(
    permission: &mut Permission,
    values: &TemplateValues<'_>,
) -> Result<(), TemplateError> {
    let restricted = !permission.allow.is_empty();
    permission.allow = expand_list(&permission.allow, OnInvalid::Drop, values)?;
    permission.deny = expand_list(&permission.deny, OnInvalid::Fail, values)?;
    let all = ">".to_owned();
    if restricted && permission.allow.is_empty() && !permission.deny.contains(&all) {
        permission.deny.push(all);
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum OnInvalid {
    Drop,
    Fail,
}

fn expand_list(
    list: &[String],
    on_invalid: OnInvalid,
    values: &TemplateValues<'_>,
) -> Result<Vec<String>, TemplateError> {
    // A list without any template is left as it is, whatever is in it.
    if list.iter().all(|entry| next_template(entry).is_none()) {
        return Ok(list.to_vec());
    }
    let mut expanded = Vec::new();
    for entry in list {
        let mut subjects = Vec::new();
        let tagged = expand_entry(entry, on_invalid, values, &mut subjects)?;
        if tagged && expanded.len() + subjects.len() > MAX_EXPANSIONS {
            return Err(TemplateError::TooMany);
        }
        for subject in subjects {
            if validate::is_valid_filter(subject.as_bytes()) {
                expanded.push(subject);
            } else if on_invalid == OnInvalid::Fail {
                return Err(TemplateError::InvalidSubject(entry.clone()));
            }
        }
    }
    Ok(expanded)
}

/// What an entry becomes, and whether it has tags.
fn expand_entry(
    entry: &str,
    on_invalid: OnInvalid,
    values: &TemplateValues<'_>,
    subjects: &mut Vec<String>,
) -> Result<bool, TemplateError> {
    let mut tagged = false;
    // Each template once, in the order of the entry, which decides the order of the subjects.
    let mut choices = Vec::<(&str, Vec<&str>)>::new();
    let mut combinations = 1usize;
    let mut rest = entry;
    while let Some((start, end)) = next_template(rest) {
        let source = &rest[start..end];
        rest = &rest[end..];
        if choices.iter().any(|(known, _)| *known == source) {
            continue;
        }
        let found = match value_of(source, values) {
            Some(Value::One(text)) => vec![text],
            Some(Value::Tag(tag, found)) => {
                tagged = true;
                match (found.is_empty(), on_invalid) {
                    (false, _) => found,
                    // No subject has a space, so this drops the entry.
                    (true, OnInvalid::Drop) => vec![" "],
                    (true, OnInvalid::Fail) => {
                        return Err(TemplateError::NoSuchTag(entry.to_owned(), tag.to_owned()));
                    }
                }
            }
            None => {
                let function = source.trim_matches(['{', '}']).trim();
                let function = function.to_owned();
                return Err(TemplateError::UnknownFunction(entry.to_owned(), function));
            }
        };
        combinations = combinations.saturating_mul(found.len());
        if combinations > MAX_EXPANSIONS {
            return Err(TemplateError::TooMany);
        }
        choices.push((source, found));
    }
    subjects.extend((0..combinations).map(|combination| combine(entry, &choices, combination)));
    Ok(tagged)
}

/// The entry with the choices that belong to a combination's number.
fn combine(entry: &str, choices: &[(&str, Vec<&str>)], combination: usize) -> String {
    let mut number = combination;
    let mut chosen = BTreeMap::new();
    for (source, values) in choices.iter().rev() {
        let value = values.get(number % values.len().max(1)).copied();
        chosen.insert(*source, value.unwrap_or_default());
        number /= values.len().max(1);
    }
    let mut subject = String::new();
    let mut rest = entry;
    while let Some((start, end)) = next_template(rest) {
        subject.push_str(&rest[..start]);
        subject.push_str(chosen.get(&rest[start..end]).copied().unwrap_or_default());
        rest = &rest[end..];
    }
    subject.push_str(rest);
    subject
}

/// Where the first `{{…}}` begins and ends. There is no `}` in it, and something.
fn next_template(text: &str) -> Option<(usize, usize)> {
    let mut from = 0;
    while let Some(start) = text.get(from..)?.find("{{").map(|at| from + at) {
        let inner = text.get(start + 2..)?;
        let end = inner.find('}')?;
        if end > 0 && inner.get(end..)?.starts_with("}}") {
            return Some((start, start + 2 + end + 2));
        }
        from = start + 1;
    }
    None
}

enum Value<'a> {
    One(&'a str),
    /// The tag's key, and its values.
    Tag(&'a str, Vec<&'a str>),
}

/// What `{{function()}}` stands for. `None` if there is no such function.
fn value_of<'a>(source: &'a str, values: &TemplateValues<'a>) -> Option<Value<'a>> {
    let function = source.strip_prefix("{{")?.strip_suffix("}}")?.trim();
    let is = |name: &str| function.eq_ignore_ascii_case(name);
    if is("name()") {
        return Some(Value::One(values.name));
    }
    if is("subject()") {
        return Some(Value::One(values.subject));
    }
    if is("account-name()") {
        return Some(Value::One(values.account_name));
    }
    if is("account-subject()") {
        return Some(Value::One(values.account_subject));
    }
    let (name, argument) = function.split_once('(')?;
    let key = argument.strip_suffix(')')?;
    let tags = if name.eq_ignore_ascii_case("tag") {
        values.tags
    } else if name.eq_ignore_ascii_case("account-tag") {
        values.account_tags
    } else {
        return None;
    };
    let prefix = format!("{}:", key.to_lowercase());
    let found = tags.iter().filter_map(|tag| tag.strip_prefix(&prefix));
    Some(Value::Tag(key, found.collect()))
}

#[cfg(test)]
mod tests {
    use super::{MAX_EXPANSIONS, TemplateError, TemplateValues, expand};
    use crate::jwt::UserPermissionLimits;

    fn tags(list: &[&str]) -> Vec<String> {
        list.iter().map(|tag| (*tag).to_owned()).collect()
    }

    /// Expands a publish allow list and deny list, and returns both.
    fn expand_lists(
        allow: &[&str],
        deny: &[&str],
    ) -> Result<(Vec<String>, Vec<String>), TemplateError> {
        let (user, account) = (
            tags(&["team:red", "team:blue", "region:eu", "odd:a b"]),
            tags(&["plan:gold"]),
        );
        let values = TemplateValues {
            name: "joe",
            subject: "UJOE",
            tags: &user,
            account_name: "shop",
            account_subject: "ASHOP",
            account_tags: &account,
        };
        let mut template = UserPermissionLimits::default();
        template.permissions.publish.allow = tags(allow);
        template.permissions.publish.deny = tags(deny);
        let publish = expand(&template, &values)?.permissions.publish;
        Ok((publish.allow, publish.deny))
    }

    #[track_caller]
    fn check(allow: &[&str], expected: &[&str]) {
        let (found, deny) = expand_lists(allow, &[]).unwrap();
        assert_eq!(found, tags(expected));
        let nothing_left = expected.is_empty() && !allow.is_empty();
        assert_eq!(deny, tags(if nothing_left { &[">"] } else { &[] }));
    }

    #[test]
    fn functions_are_replaced() {
        check(&[], &[]);
        check(&["a.b", "a b"], &["a.b", "a b"]);
        check(&["{{name()}}.>"], &["joe.>"]);
        check(&["x.{{ Subject() }}"], &["x.UJOE"]);
        check(
            &["{{account-name()}}.{{account-subject()}}"],
            &["shop.ASHOP"],
        );
        check(&["{{tag(region)}}.{{account-tag(PLAN)}}"], &["eu.gold"]);
        check(&["x.{{tag(team)}}"], &["x.red", "x.blue"]);
        check(
            &["{{tag(team)}}.{{name()}}.{{tag(region)}}.{{tag(team)}}"],
            &["red.joe.eu.red", "blue.joe.eu.blue"],
        );
        check(&["pre{{name()}}post"], &["prejoepost"]);
        check(&["{{}}.{name()}.{{name()}"], &["{{}}.{name()}.{{name()}"]);
    }

    #[test]
    fn what_allows_no_subject_is_dropped() {
        check(&["{{tag(none)}}"], &[]);
        check(&["{{tag(odd)}}"], &[]);
        check(&["{{tag(none)}}", "b"], &["b"]);
        check(&["{{name()}}", "a b"], &["joe"]);
        // An entry with a queue is no subject.
        check(&["{{name()}} q"], &[]);
    }

    #[test]
    fn what_denies_no_subject_refuses_the_user() {
        let deny = |entry| expand_lists(&[], &[entry]);
        assert_eq!(deny("x.{{name()}}").unwrap().1, tags(&["x.joe"]));
        let error = deny("{{tag(none)}}").unwrap_err();
        assert!(matches!(error, TemplateError::NoSuchTag(..)), "{error}");
        let error = deny("{{tag(odd)}}").unwrap_err();
        assert!(matches!(error, TemplateError::InvalidSubject(_)), "{error}");
    }

    #[test]
    fn unknown_functions_refuse_the_user() {
        for entry in [
            "{{user()}}",
            "{{name}}",
            "{{{name()}}",
            "{{tag(x}}",
            "{{ }}",
            "{{xtag(a)}}",
        ] {
            let error = expand_lists(&[entry], &[]).unwrap_err();
            assert!(
                matches!(error, TemplateError::UnknownFunction(..)),
                "{error}"
            );
        }
    }

    /// What nats-server makes of the same lists (`testdata/server.json`).
    #[test]
    fn lists_expand_as_in_the_go_server() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../testdata/server.json")).unwrap();
        let list = |value: &serde_json::Value| -> Vec<String> {
            let mut list: Vec<String> = serde_json::from_value(value.clone()).unwrap();
            // Of a subject that the Go server lists twice one is enough.
            list.dedup();
            list
        };
        let (user, account) = (
            tags(&[
                "team:red",
                "team:blue",
                "region:eu",
                "region:us",
                "dots:a.b",
                "wild:*",
                "spaces:a b",
                "a:b:c",
                ":empty",
            ]),
            tags(&["plan:gold"]),
        );
        let values = TemplateValues {
            name: "joe",
            subject: "USUBJECT",
            tags: &user,
            account_name: "shop",
            account_subject: "AACCOUNT",
            account_tags: &account,
        };
        for vector in vectors["templates"].as_array().unwrap() {
            let mut template = UserPermissionLimits::default();
            let publish = &mut template.permissions.publish;
            match vector["deny"] == true {
                true => publish.deny = list(&vector["list"]),
                false => publish.allow = list(&vector["list"]),
            }
            let expanded = expand(&template, &values).ok();
            let found = expanded.map(|expanded| expanded.permissions.publish);
            let found = found.map(|publish| (publish.allow, publish.deny));
            let result = &vector["result"];
            let expected =
                (!result.is_null()).then(|| (list(&result["allow"]), list(&result["deny"])));
            assert_eq!(found, expected, "{vector}");
        }
    }

    #[test]
    fn expansion_is_bounded() {
        let many: Vec<String> = (0..65).map(|i| format!("t:{i}")).collect();
        let values = TemplateValues {
            tags: &many,
            account_tags: &many,
            ..TemplateValues::default()
        };
        let mut template = UserPermissionLimits::default();
        template.permissions.publish.allow = tags(&["{{tag(t)}}.{{account-tag(t)}}"]);
        assert_eq!(expand(&template, &values), Err(TemplateError::TooMany));
        let mut template = UserPermissionLimits::default();
        template.permissions.publish.allow = (0..MAX_EXPANSIONS / 65)
            .map(|i| format!("{i}.{{{{tag(t)}}}}"))
            .collect();
        assert!(expand(&template, &values).is_ok());
        template
            .permissions
            .publish
            .allow
            .push("x.{{tag(t)}}".to_owned());
        assert_eq!(expand(&template, &values), Err(TemplateError::TooMany));
    }
}
