//! A random configuration: accounts in a row, each of which may import from those before it, so that
//! no imports form a circle. Small alphabets, so that everything meets everything.

use std::fmt::Write as _;

use crate::common::random::Random;
use crate::subjects::{covers, overlap};

/// Names of accounts.
const ACCOUNTS: [&str; 4] = ["A", "B", "C", "D"];
/// Words of subjects.
const WORDS: [&str; 3] = ["a", "b", "c"];
/// Names of queue groups.
const QUEUES: [&str; 3] = ["q", "r", "q.x"];

/// Subjects that a user may use; `None` is everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    /// What is allowed: a filter, and a queue if it is for that one only.
    pub(crate) allow: Option<Vec<(String, Option<String>)>>,
    /// What is forbidden.
    pub(crate) deny: Vec<(String, Option<String>)>,
}

/// A user of an account.
#[derive(Clone, Debug)]
pub(crate) struct User {
    /// The name; the password is `p`.
    pub(crate) name: String,
    /// The index of the account.
    pub(crate) account: usize,
    /// What it may publish.
    pub(crate) publish: Rules,
    /// What it may subscribe to.
    pub(crate) subscribe: Rules,
    /// How many answers it may give to what it was asked, beyond its rules.
    pub(crate) responses: Option<u32>,
}

/// What an account shares.
#[derive(Clone, Debug)]
pub(crate) struct Export {
    /// Which subjects.
    pub(crate) filter: String,
    /// Whether it is a service.
    pub(crate) service: bool,
    /// For a service, whether it gives more than one answer.
    pub(crate) streamed: bool,
    /// The accounts it is for; `None` is all.
    pub(crate) to: Option<Vec<usize>>,
}

/// What an account takes of another's.
#[derive(Clone, Debug)]
pub(crate) struct Import {
    /// The exporting account.
    pub(crate) from: usize,
    /// The export that grants it.
    pub(crate) export: String,
    /// The subject there.
    pub(crate) subject: String,
    /// What it is called here, with `$n` for the wildcards of `subject` and `>` for its end.
    pub(crate) local: String,
    /// Whether it is a service.
    pub(crate) service: bool,
    /// Whether the service gives more than one answer.
    pub(crate) streamed: bool,
}

/// One account.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    /// What it shares.
    pub(crate) exports: Vec<Export>,
    /// What it takes.
    pub(crate) imports: Vec<Import>,
    /// What is published as the first is taken as the second; the wildcards stay in order.
    pub(crate) mapping: Option<(String, String)>,
}

/// A configuration.
#[derive(Clone, Debug)]
pub(crate) struct World {
    /// The accounts in a row.
    pub(crate) accounts: Vec<Account>,
    /// All users.
    pub(crate) users: Vec<User>,
}

impl World {
    /// A random configuration.
    pub(crate) fn random(random: &mut Random) -> Self {
        let accounts = 2 + random.below(ACCOUNTS.len() - 1);
        let users = (0..accounts + random.below(4)).map(|at| User {
            name: format!("u{at}"),
            account: at % accounts,
            publish: Rules::default(),
            subscribe: Rules::default(),
            responses: None,
        });
        let mut world = Self {
            accounts: vec![Account::default(); accounts],
            users: users.collect(),
        };
        world.fill(random);
        world
    }

    /// Another configuration with the same accounts and users, some of whom have moved.
    pub(crate) fn changed(&self, random: &mut Random) -> Self {
        let mut world = self.clone();
        for user in &mut world.users {
            if random.below(6) == 0 {
                user.account = random.below(world.accounts.len());
            }
        }
        for account in &mut world.accounts {
            // Some keep what they have, so that what did not change is tried too.
            if random.below(3) > 0 {
                account.mapping = None;
            }
        }
        world.fill(random);
        world
    }

    fn fill(&mut self, random: &mut Random) {
        for user in &mut self.users {
            user.publish = rules(random, false);
            user.subscribe = rules(random, true);
            user.responses = (random.below(5) == 0).then_some(2);
        }
        for at in 0..self.accounts.len() {
            let count = self.accounts.len();
            let exports = (0..random.below(4)).map(|_| export(random, at, count));
            let mut exports: Vec<Export> = exports.collect();
            // One rule for one subject.
            exports.sort_by(|a, b| (a.service, &a.filter).cmp(&(b.service, &b.filter)));
            exports.dedup_by(|a, b| a.service == b.service && a.filter == b.filter);
            let mapping = (random.below(3) == 0).then(|| mapping(random));
            let imports = self.imports(random, at);
            self.accounts[at] = Account {
                exports,
                imports,
                mapping,
            };
        }
    }

    fn imports(&self, random: &mut Random, at: usize) -> Vec<Import> {
        let mut imports: Vec<Import> = Vec::new();
        for from in 0..at {
            for export in &self.accounts[from].exports {
                let granted = export.to.as_ref().is_none_or(|to| to.contains(&at));
                if !granted || random.below(4) == 0 {
                    continue;
                }
                let subject = narrowed(random, &export.filter);
                let local = local_name(random, &subject);
                // One rule decides: exports that overlap could answer for each other.
                let others = self.accounts[from].exports.iter();
                let mut others = others.filter(|it| it.service == export.service);
                let clear =
                    others.all(|it| it.filter == export.filter || !covers(&it.filter, &subject));
                let own = imports.iter().filter(|it| it.service == export.service);
                let mut own = own.map(|it| overlap(&plain(&it.local), &plain(&local)));
                let fresh = if export.service {
                    !own.any(|overlaps| overlaps)
                } else {
                    !imports
                        .iter()
                        .any(|it| it.from == from && it.subject == subject)
                };
                if clear && fresh {
                    imports.push(Import {
                        from,
                        export: export.filter.clone(),
                        subject,
                        local,
                        service: export.service,
                        streamed: export.streamed,
                    });
                }
            }
        }
        imports
    }

    /// The configuration file.
    pub(crate) fn config(&self) -> String {
        let mut text = String::from("accounts {\n");
        for (at, account) in self.accounts.iter().enumerate() {
            let _ = writeln!(text, "  {} {{\n    users: [", ACCOUNTS[at]);
            for user in self.users.iter().filter(|user| user.account == at) {
                let _ = writeln!(text, "      {}", user.config());
            }
            text += "    ]\n    exports: [\n";
            for export in &account.exports {
                let _ = writeln!(text, "      {}", export.config());
            }
            text += "    ]\n    imports: [\n";
            for import in &account.imports {
                let _ = writeln!(text, "      {}", import.config());
            }
            text += "    ]\n";
            if let Some((from, to)) = &account.mapping {
                let _ = writeln!(text, "    mappings: {{ \"{from}\": \"{to}\" }}");
            }
            text += "  }\n";
        }
        text + "}\n"
    }
}

impl User {
    fn config(&self) -> String {
        let rules = |rules: &Rules| {
            let list = |entries: &[(String, Option<String>)]| {
                let entry = |(filter, queue): &(String, Option<String>)| match queue {
                    Some(queue) => format!("\"{filter} {queue}\""),
                    None => format!("\"{filter}\""),
                };
                entries.iter().map(entry).collect::<Vec<_>>().join(", ")
            };
            let allow = rules.allow.as_ref();
            let allow = allow.map_or(String::new(), |it| format!("allow: [{}],", list(it)));
            format!("{{ {allow} deny: [{}] }}", list(&rules.deny))
        };
        let (publish, subscribe) = (rules(&self.publish), rules(&self.subscribe));
        let responses = self.responses.map_or(String::new(), |max| {
            format!(", allow_responses: {{max: {max}, expires: \"5m\"}}")
        });
        format!(
            "{{ user: {}, password: p, permissions: {{ publish: {publish}, subscribe: {subscribe}{responses} }} }}",
            self.name
        )
    }
}

impl Export {
    fn config(&self) -> String {
        let kind = if self.service { "service" } else { "stream" };
        let to = self.to.as_ref().map_or(String::new(), |to| {
            let names: Vec<&str> = to.iter().map(|at| ACCOUNTS[*at]).collect();
            format!(", accounts: [{}]", names.join(", "))
        });
        let streamed = if self.streamed {
            ", response_type: stream"
        } else {
            ""
        };
        format!("{{ {kind}: \"{}\"{to}{streamed} }}", self.filter)
    }
}

impl Import {
    fn config(&self) -> String {
        let kind = if self.service { "service" } else { "stream" };
        let to = if self.local == numbered(&self.subject) {
            String::new()
        } else {
            format!(", to: \"{}\"", self.local)
        };
        format!(
            "{{ {kind}: {{account: {}, subject: \"{}\"}}{to} }}",
            ACCOUNTS[self.from], self.subject
        )
    }
}

/// The wildcards of a filter as `$1`, `$2`…
fn numbered(filter: &str) -> String {
    let mut count = 0;
    let word = |word: &str| match word {
        "*" => {
            count += 1;
            format!("${count}")
        }
        word => word.to_owned(),
    };
    filter.split('.').map(word).collect::<Vec<_>>().join(".")
}

/// A name with `$n` as a filter.
pub(crate) fn plain(local: &str) -> String {
    let word = |word: &str| {
        if word.starts_with('$') {
            "*".to_owned()
        } else {
            word.to_owned()
        }
    };
    local.split('.').map(word).collect::<Vec<_>>().join(".")
}

/// A random word.
fn word(random: &mut Random) -> &'static str {
    WORDS[random.below(WORDS.len())]
}

/// A random subject.
pub(crate) fn subject(random: &mut Random) -> String {
    let words = (0..1 + random.below(3)).map(|_| word(random));
    words.collect::<Vec<_>>().join(".")
}

/// A random filter, often with wildcards.
pub(crate) fn filter(random: &mut Random) -> String {
    let count = 1 + random.below(3);
    let mut words: Vec<&str> = (0..count)
        .map(|_| match random.below(3) {
            0 => "*",
            _ => word(random),
        })
        .collect();
    if random.below(4) == 0 {
        words[count - 1] = ">";
    }
    words.join(".")
}

/// A random queue group, or none.
pub(crate) fn queue(random: &mut Random) -> Option<String> {
    (random.below(3) == 0).then(|| QUEUES[random.below(QUEUES.len())].to_owned())
}

fn rules(random: &mut Random, with_queues: bool) -> Rules {
    let entry = |random: &mut Random| {
        let queue = (with_queues && random.below(4) == 0)
            .then(|| ["q", "r", "q.*", ">", "*"][random.below(5)].to_owned());
        (filter(random), queue)
    };
    let allow = (random.below(3) == 0).then(|| {
        let mut allow: Vec<_> = (0..2 + random.below(4)).map(|_| entry(random)).collect();
        // Whoever may answer and listen for answers makes worlds in which more happens.
        if random.below(2) == 0 {
            allow.push((["inbox.>", "_R_.>"][random.below(2)].to_owned(), None));
        }
        allow
    });
    let deny = match random.below(3) {
        0 => (0..1 + random.below(3)).map(|_| entry(random)).collect(),
        _ => Vec::new(),
    };
    Rules { allow, deny }
}

fn export(random: &mut Random, own: usize, accounts: usize) -> Export {
    let service = random.below(2) == 0;
    let to = (random.below(3) == 0).then(|| {
        (0..accounts)
            .filter(|at| *at != own && random.below(2) == 0)
            .collect::<Vec<_>>()
    });
    Export {
        filter: filter(random),
        service,
        streamed: service && random.below(3) == 0,
        // An empty list would be everybody.
        to: to.filter(|to| !to.is_empty()),
    }
}

/// The filter itself or something narrower.
fn narrowed(random: &mut Random, filter: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word_of in filter.split('.') {
        let keep = random.below(3) > 0;
        match word_of {
            ">" if !keep => words.extend((0..1 + random.below(2)).map(|_| word(random).to_owned())),
            "*" if !keep => words.push(word(random).to_owned()),
            other => words.push(other.to_owned()),
        }
    }
    words.join(".")
}

/// What an imported subject is called.
fn local_name(random: &mut Random, subject: &str) -> String {
    let numbered = numbered(subject);
    match random.below(3) {
        0 => numbered,
        1 => format!("{}.{numbered}", word(random)),
        _ => {
            let mut words: Vec<&str> = numbered.split('.').collect();
            let wild: Vec<usize> = (0..words.len())
                .filter(|at| words[*at].starts_with('$'))
                .collect();
            if let [first, .., last] = wild[..]
                && random.below(2) == 0
            {
                words.swap(first, last);
            }
            for place in &mut words {
                if !place.starts_with('$') && *place != ">" {
                    *place = word(random);
                }
            }
            words.join(".")
        }
    }
}

/// A mapping whose first word is fixed, so that it never touches inboxes.
fn mapping(random: &mut Random) -> (String, String) {
    let mut from = vec![word(random)];
    for _ in 0..random.below(3) {
        from.push(if random.below(2) == 0 {
            "*"
        } else {
            word(random)
        });
    }
    let wild = from.iter().filter(|word| **word == "*").count();
    let mut to = vec![word(random).to_owned()];
    to.extend((0..wild).map(|at| format!("${}", at + 1)));
    if random.below(2) == 0 {
        to.push(word(random).to_owned());
    }
    (from.join("."), to.join("."))
}
