//! Which imports are granted, against a naive judge.
//!
//! Accounts import only from accounts before them, so there are no cycles, and under the same
//! subject, so there is nothing to rename: what is left is whether an export grants the import.
//! The judge knows filters only by trying every subject of a small world.

use cognate_config::{MemorySource, load};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Few enough that imports and exports meet often.
const SUBJECTS: [&str; 9] = ["a", "b", "a.b", "a.B1", "a.*", "*.b", "a.>", ">", "*.*"];
const TOKENS: [&str; 5] = ["a", "b", "c", "B1", "B2"];

#[derive(Clone, Debug)]
enum Access {
    Public,
    Accounts(Vec<usize>),
    Position(usize),
}

/// Exports by kind and subject, and imports: the kind, which account, and the subject.
#[derive(Clone, Debug, Default)]
struct Account {
    exports: BTreeMap<(bool, usize), Access>,
    imports: BTreeMap<(bool, usize, usize), ()>,
}

fn account(at: usize) -> impl Strategy<Value = Account> {
    let subject = 0..SUBJECTS.len();
    let access = prop_oneof![
        3 => Just(Access::Public),
        2 => proptest::collection::vec(0..4usize, 1..3).prop_map(Access::Accounts),
        1 => (1..3usize).prop_map(Access::Position),
    ];
    let exports = proptest::collection::btree_map((any::<bool>(), subject.clone()), access, 0..5);
    let import = (any::<bool>(), 0..at.max(1), subject);
    let imports = proptest::collection::btree_map(import, Just(()), 0..if at == 0 { 1 } else { 4 });
    (exports, imports).prop_map(move |(mut exports, mut imports)| {
        // A position that points at no `*` is refused, which is another test's.
        exports.retain(|(_, subject), access| match access {
            Access::Position(n) => SUBJECTS[*subject].split('.').nth(*n - 1) == Some("*"),
            _ => true,
        });
        imports.retain(|_, ()| at > 0);
        Account { exports, imports }
    })
}

fn name(at: usize) -> String {
    format!("B{at}")
}

fn kind(is_service: bool) -> &'static str {
    if is_service { "service" } else { "stream" }
}

fn text(accounts: &[Account]) -> String {
    let mut text = String::from("accounts {\n");
    for (at, account) in accounts.iter().enumerate() {
        let exports: String = account
            .exports
            .iter()
            .map(|((is_service, subject), access)| {
                let access = match access {
                    Access::Public => String::new(),
                    Access::Accounts(names) => {
                        let names: Vec<String> = names.iter().map(|at| name(*at)).collect();
                        format!(", accounts: [{}]", names.join(", "))
                    }
                    Access::Position(n) => format!(", account_token_position: {n}"),
                };
                format!(
                    "{{ {}: {:?}{access} }}, ",
                    kind(*is_service),
                    SUBJECTS[*subject]
                )
            })
            .collect();
        let imports: String = account
            .imports
            .keys()
            .map(|(is_service, from, subject)| {
                format!(
                    "{{ {} {{ account: {}, subject: {:?} }} }}, ",
                    kind(*is_service),
                    name(*from),
                    SUBJECTS[*subject]
                )
            })
            .collect();
        text += &format!(
            "{} {{ exports: [{exports}], imports: [{imports}] }}\n",
            name(at)
        );
    }
    text + "}\n"
}

/// Every subject of one to three tokens.
fn world() -> Vec<Vec<&'static str>> {
    let mut world: Vec<Vec<&'static str>> = vec![Vec::new()];
    let mut from = 0;
    for _ in 0..3 {
        let to = world.len();
        for at in from..to {
            for token in TOKENS {
                let mut longer = world[at].clone();
                longer.push(token);
                world.push(longer);
            }
        }
        from = to;
    }
    world.remove(0);
    world
}

fn matches(filter: &str, subject: &[&str]) -> bool {
    let tokens: Vec<&str> = filter.split('.').collect();
    match tokens.split_last() {
        Some((&">", head)) => {
            subject.len() > head.len() && head.iter().zip(subject).all(|(f, s)| *f == "*" || f == s)
        }
        _ => {
            tokens.len() == subject.len()
                && tokens.iter().zip(subject).all(|(f, s)| *f == "*" || f == s)
        }
    }
}

fn is_granted(
    exporter: &Account,
    importer: usize,
    is_service: bool,
    subject: usize,
    world: &[Vec<&str>],
) -> bool {
    let wanted = SUBJECTS[subject];
    let allows = |access: &Access| match access {
        Access::Public => true,
        Access::Accounts(names) => names.contains(&importer),
        Access::Position(n) => wanted.split('.').nth(n - 1) == Some(&name(importer)),
    };
    if let Some(access) = exporter.exports.get(&(is_service, subject)) {
        return allows(access) && !matches!(access, Access::Position(_));
    }
    let mut exports = exporter.exports.iter();
    exports.any(|((exported_service, exported), access)| {
        let mut wanted_subjects = world.iter().filter(|subject| matches(wanted, subject));
        *exported_service == is_service
            && wanted_subjects.all(|subject| matches(SUBJECTS[*exported], subject))
            && allows(access)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn imports_load_when_an_export_grants_each(
        accounts in (account(0), account(1), account(2), account(3))
    ) {
        let accounts = [accounts.0, accounts.1, accounts.2, accounts.3];
        let text = text(&accounts);
        let source = MemorySource::new().with_file("f", text.as_str());
        let refused: usize = load("f", &source).map_or_else(|error| error.errors.len(), |_| 0);
        let world = world();
        let expected = accounts
            .iter()
            .enumerate()
            .flat_map(|(at, account)| account.imports.keys().map(move |import| (at, import)))
            .filter(|(at, (is_service, from, subject))| {
                !is_granted(&accounts[*from], *at, *is_service, *subject, &world)
            })
            .count();
        prop_assert_eq!(refused, expected, "{}", text);
    }
}
