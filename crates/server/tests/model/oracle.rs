//! Who gets what, worked out the long way: every subscription of every connection is asked, for every
//! message and in every account that it comes to.

use std::collections::BTreeMap;

use crate::subjects::{covers, original, renamed, takes};
use crate::world::{Rules, User, World, plain};

/// What stands for the name of a way back, which the server makes up.
pub(crate) const WAY: &str = "_R_.x.x";

/// A subscription in force.
#[derive(Clone, Debug)]
pub(crate) struct Sub {
    /// The client's id for it.
    pub(crate) sid: usize,
    /// What it asks for.
    pub(crate) filter: String,
    /// Its group.
    pub(crate) queue: Option<String>,
}

/// A connection: a user and what it is subscribed to.
#[derive(Clone, Debug)]
pub(crate) struct Conn {
    /// The index of the user.
    pub(crate) user: usize,
    /// What is in force.
    pub(crate) subs: Vec<Sub>,
}

/// A reply subject as a receiver sees it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reply {
    /// None.
    None,
    /// What the publisher wrote.
    Literal(String),
    /// The way back through a service import, by number.
    Way(usize),
}

impl Reply {
    /// The subject that it is, with [`WAY`] for what the server makes up.
    pub(crate) fn shown(&self) -> Option<&str> {
        match self {
            Reply::None => None,
            Reply::Literal(text) => Some(text),
            Reply::Way(_) => Some(WAY),
        }
    }
}

/// A message at a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// The index of the connection.
    pub(crate) conn: usize,
    /// The subscription.
    pub(crate) sid: usize,
    /// The subject it has there.
    pub(crate) subject: String,
    /// Where an answer goes.
    pub(crate) reply: Reply,
}

/// Everything that one message brings about.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Who gets it in any case.
    pub(crate) plain: Vec<Delivery>,
    /// Groups, of each of which one gets it.
    pub(crate) groups: Vec<Vec<Delivery>>,
    /// Whether groups are not compared, see [`is_nats_server`].
    pub(crate) unsure: bool,
    /// How many subscriptions ask for it and may not see it.
    pub(crate) withheld: usize,
    /// How many imports it went through.
    pub(crate) crossed: usize,
}

/// An export that a message went through: its account and filter. None is gone through twice.
type Crossed = (usize, String);

/// A way back, for answers.
#[derive(Clone, Debug)]
struct Way {
    /// The account that asked.
    account: usize,
    /// The account that answers.
    exporter: usize,
    /// The export that it leads through.
    export: Crossed,
    /// Where it asked for the answer.
    reply: Reply,
    /// Whether answers end it.
    single: bool,
    used: bool,
}

/// The oracle for one configuration.
pub(crate) struct Oracle<'a> {
    world: &'a World,
    conns: &'a [Conn],
    ways: Vec<Way>,
}

impl<'a> Oracle<'a> {
    /// Knows the configuration and who is subscribed to what.
    pub(crate) fn new(world: &'a World, conns: &'a [Conn]) -> Self {
        Self {
            world,
            conns,
            ways: Vec::new(),
        }
    }

    /// What a client's message brings about; `None` if it may not publish it.
    pub(crate) fn publish(&mut self, conn: usize, subject: &str, reply: Reply) -> Option<Outcome> {
        let user = &self.world.users[self.conns[conn].user];
        // Rules are about what it is after the account's mappings.
        let mapped = self.mapped(user.account, subject);
        if !may_publish(user, &mapped) {
            return None;
        }
        let mut outcome = Outcome::default();
        self.arrive(user.account, &mapped, &reply, &[], &mut outcome);
        Some(outcome)
    }

    /// What an answer brings about, of a client that may give it.
    pub(crate) fn answer(&mut self, conn: usize, reply: &Reply) -> Outcome {
        let mut outcome = Outcome::default();
        let account = self.world.users[self.conns[conn].user].account;
        self.back(account, reply, &[], &mut outcome);
        outcome
    }

    /// A message without a reply on a reply subject of an account.
    fn back(&mut self, account: usize, reply: &Reply, crossed: &[Crossed], outcome: &mut Outcome) {
        let Some(subject) = reply.shown() else {
            return;
        };
        self.arrive(account, subject, &Reply::None, crossed, outcome);
        let Reply::Way(number) = *reply else {
            return;
        };
        let way = self.ways[number].clone();
        if way.exporter != account || way.used {
            return;
        }
        self.ways[number].used = way.single;
        outcome.crossed += 1;
        let crossed = [crossed, std::slice::from_ref(&way.export)].concat();
        self.back(way.account, &way.reply, &crossed, outcome);
    }

    fn mapped(&self, account: usize, subject: &str) -> String {
        let mapping = self.world.accounts[account].mapping.as_ref();
        let mapped = mapping.and_then(|(from, to)| renamed(from, to, subject));
        mapped.unwrap_or_else(|| subject.to_owned())
    }

    /// A message in an account, under its final subject. What came through a service import is no
    /// part of a stream that is exported.
    fn arrive(
        &mut self,
        account: usize,
        subject: &str,
        reply: &Reply,
        crossed: &[Crossed],
        outcome: &mut Outcome,
    ) {
        let mut groups = BTreeMap::new();
        self.offer(account, (subject, subject), reply, &mut groups, outcome);
        for (importer, it) in self.world.accounts.iter().enumerate() {
            for import in it
                .imports
                .iter()
                .filter(|it| crossed.is_empty() && !it.service && it.from == account)
            {
                if let Some(local) = renamed(&import.subject, &import.local, subject) {
                    outcome.crossed += 1;
                    self.offer(importer, (&local, subject), reply, &mut groups, outcome);
                }
            }
        }
        outcome.groups.extend(groups.into_values());
        for import in &self.world.accounts[account].imports {
            if !import.service || !takes(&plain(&import.local), subject) {
                continue;
            }
            let export = (import.from, import.export.clone());
            if crossed.contains(&export) {
                continue;
            }
            let Some(target) = original(&import.subject, &import.local, subject) else {
                continue;
            };
            outcome.crossed += 1;
            let reply = match reply {
                Reply::None => Reply::None,
                reply => {
                    self.ways.push(Way {
                        account,
                        exporter: import.from,
                        export: export.clone(),
                        reply: reply.clone(),
                        single: !import.streamed,
                        used: false,
                    });
                    Reply::Way(self.ways.len() - 1)
                }
            };
            let target = self.mapped(import.from, &target);
            let crossed = [crossed, &[export]].concat();
            self.arrive(import.from, &target, &reply, &crossed, outcome);
        }
    }

    /// Asks every subscription of an account about a message, by its subject there and the one it
    /// was published under.
    fn offer(
        &self,
        account: usize,
        (subject, published): (&str, &str),
        reply: &Reply,
        groups: &mut BTreeMap<String, Vec<Delivery>>,
        outcome: &mut Outcome,
    ) {
        for (at, conn) in self.conns.iter().enumerate() {
            let user = &self.world.users[conn.user];
            if user.account != account {
                continue;
            }
            for sub in conn.subs.iter().filter(|sub| takes(&sub.filter, subject)) {
                let queue = sub.queue.as_deref();
                let is_denied = denied(&user.subscribe, subject, queue);
                // nats-server asks the rules about groups by the exporter's name, if at all.
                outcome.unsure |= is_nats_server()
                    && queue.is_some()
                    && is_denied != denied(&user.subscribe, published, queue);
                if is_denied {
                    outcome.withheld += 1;
                    continue;
                }
                let delivery = Delivery {
                    conn: at,
                    sid: sub.sid,
                    subject: subject.to_owned(),
                    reply: reply.clone(),
                };
                match &sub.queue {
                    Some(queue) => groups.entry(queue.clone()).or_default().push(delivery),
                    None => outcome.plain.push(delivery),
                }
            }
        }
    }
}

/// Whether a user's rules alone let it publish.
pub(crate) fn may_publish(user: &User, subject: &str) -> bool {
    let rules = &user.publish;
    let allowed = match &rules.allow {
        Some(allow) => allow.iter().any(|(filter, _)| takes(filter, subject)),
        // Who may answer may do nothing else, unless rules say so.
        None => user.responses.is_none(),
    };
    allowed && !rules.deny.iter().any(|(filter, _)| takes(filter, subject))
}

/// Whether a user may subscribe.
pub(crate) fn may_subscribe(user: &User, filter: &str, queue: Option<&str>) -> bool {
    let rules = &user.subscribe;
    let allowed = rules.allow.as_ref().is_none_or(|allow| {
        let about = |it: &&(String, Option<String>)| allows(&it.0, filter);
        let plain = allow.iter().filter(about).any(|(_, q)| q.is_none());
        let mut of_queues = allow.iter().filter(about).filter_map(|(_, q)| q.as_deref());
        match queue {
            // Where queues are named for a subject, they decide.
            Some(queue) if of_queues.clone().next().is_some() => {
                of_queues.any(|pattern| takes(pattern, queue))
            }
            _ => plain,
        }
    });
    // A wildcard as a word like any other: `*` forbids `>` too.
    allowed && !denied(rules, filter, queue)
}

/// Whether an entry allows a filter. nats-server takes wildcards as words like any others, so that
/// `*` allows `>`, which is more than `*` says; this server does not.
fn allows(entry: &str, filter: &str) -> bool {
    if is_nats_server() {
        takes(entry, filter)
    } else {
        covers(entry, filter)
    }
}

/// Whether the oracle is held against nats-server 2.14.5, with the two places where that shows more
/// than its rules say.
fn is_nats_server() -> bool {
    std::env::var_os("MODEL_NATS_SERVER").is_some()
}

/// Whether a message must not be shown to a subscription.
fn denied(rules: &Rules, subject: &str, queue: Option<&str>) -> bool {
    rules.deny.iter().any(|(filter, pattern)| {
        let about = match (pattern, queue) {
            (None, _) => true,
            (Some(pattern), Some(queue)) => takes(pattern, queue),
            (Some(_), None) => false,
        };
        about && takes(filter, subject)
    })
}
