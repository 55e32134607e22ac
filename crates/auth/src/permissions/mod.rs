//! What a user may publish and subscribe to.
//!
//! Owns the compiled form of allow and deny lists and every rule about them. Invariants: all
//! entries of a [`Permissions`] are valid filters; a deny entry beats any allow entry; a
//! subscription that is allowed never delivers a subject which a deny entry matches (through
//! [`DenyFilter`] if need be). Shared between connections behind an `Arc` and never changed: a
//! reload compiles a new one. Callers: the session (publish, subscribe), the router (the deny
//! filter of a subscription), [`crate::users`] (compiling).
//!
//! State that grows with traffic lives outside, one per connection: [`PublishCache`] and
//! [`ReplyPermissions`], both bounded.
//!
//! Absent: -ERR texts (the session's), and account imports and exports.

mod cache;
mod filters;
mod list;
mod replies;

pub use cache::PublishCache;
pub use list::{Entries, SubjectList};
pub use replies::ReplyPermissions;

use cognate_subject::validate;
use filters::{FilterSet, QueueEntry};
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Permissions as configured. An empty allow list allows everything, except that
/// `responses` turns an empty publish allow list into "nothing but responses".
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PermissionsConfig {
    /// Filters for publishing.
    pub publish: SubjectRules,
    /// Filters for subscribing, each optionally followed by a space and a queue pattern.
    pub subscribe: SubjectRules,
    /// Permission to answer delivered requests.
    pub responses: Option<ResponseLimits>,
}

/// An allow list and a deny list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SubjectRules {
    /// What is allowed; empty means everything.
    pub allow: SubjectList,
    /// What is denied even if allowed.
    pub deny: SubjectList,
}

/// How often and how long a reply subject may be published to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ResponseLimits {
    /// Responses per delivered request; `None` is unlimited.
    pub max_messages: Option<u32>,
    /// Time from the delivery of the request; `None` is unlimited.
    pub expires: Option<Duration>,
}

impl Default for ResponseLimits {
    /// NATS's defaults: one response within two minutes.
    fn default() -> Self {
        ResponseLimits {
            max_messages: Some(1),
            expires: Some(Duration::from_secs(120)),
        }
    }
}

/// An entry that is no filter, named as the Go server names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PermissionError {
    /// The subject of an entry is malformed.
    Subject {
        /// Which list, e.g. `publish allow`.
        list: &'static str,
        /// The offending text.
        text: String,
    },
    /// The queue pattern of a subscribe entry is malformed.
    Queue {
        /// Which list, e.g. `subscribe deny`.
        list: &'static str,
        /// The offending text.
        text: String,
    },
}

impl fmt::Display for PermissionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PermissionError::Subject { list, text } => {
                write!(f, "{list}: subject {text:?} is not a valid subject")
            }
            PermissionError::Queue { list, text } => {
                write!(f, "{list}: queue {text:?} is not a valid queue")
            }
        }
    }
}

impl std::error::Error for PermissionError {}

/// The answer to a SUB.
#[derive(Clone, Debug)]
pub enum SubscribeVerdict {
    /// Allowed, and nothing it delivers can be denied.
    Allowed,
    /// Allowed, but wider than some deny entry: deliver only what the filter does not deny.
    AllowedWithFilter(Arc<DenyFilter>),
    /// Not allowed.
    Denied,
}

/// Permissions of a user, checked when they are made and compiled when they are first asked: most of
/// many configured users are not connected.
pub struct Permissions {
    config: PermissionsConfig,
    /// Boxed because of all who are never asked.
    lists: OnceLock<Box<Lists>>,
}

/// The lists in forms that are quick to ask.
struct Lists {
    /// `None` allows everything, an empty set nothing.
    publish_allow: Option<FilterSet>,
    publish_deny: FilterSet,
    /// `None` allows everything.
    subscribe_allow: Option<Vec<QueueEntry>>,
    subscribe_deny: Arc<DenyFilter>,
}

impl Lists {
    fn compile(config: &PermissionsConfig) -> Result<Self, PermissionError> {
        let publish = &config.publish;
        let publish_allow = match (publish.allow.is_empty(), config.responses) {
            (true, None) => None,
            _ => Some(FilterSet::parse("publish allow", &publish.allow)?),
        };
        let subscribe = &config.subscribe;
        let subscribe_allow = match subscribe.allow.is_empty() {
            true => None,
            false => Some(QueueEntry::parse_list("subscribe allow", &subscribe.allow)?),
        };
        Ok(Lists {
            publish_allow,
            publish_deny: FilterSet::parse("publish deny", &publish.deny)?,
            subscribe_allow,
            subscribe_deny: Arc::new(DenyFilter::parse(&subscribe.deny)?),
        })
    }
}

impl Permissions {
    /// Checks the lists.
    pub fn compile(config: PermissionsConfig) -> Result<Self, PermissionError> {
        let (publish, subscribe) = (&config.publish, &config.subscribe);
        for (list, entries) in [
            ("publish allow", &publish.allow),
            ("publish deny", &publish.deny),
        ] {
            filters::check_subjects(list, entries)?;
        }
        for (list, entries) in [
            ("subscribe allow", &subscribe.allow),
            ("subscribe deny", &subscribe.deny),
        ] {
            QueueEntry::check_list(list, entries)?;
        }
        Ok(Permissions {
            config,
            lists: OnceLock::new(),
        })
    }

    fn lists(&self) -> &Lists {
        let compile = || Lists::compile(&self.config).expect("every entry was checked");
        self.lists.get_or_init(|| Box::new(compile()))
    }

    /// Permission for nothing at all.
    pub fn nothing() -> Self {
        let all = || SubjectRules {
            allow: SubjectList::default(),
            deny: [">"].into(),
        };
        let config = PermissionsConfig {
            publish: all(),
            subscribe: all(),
            responses: None,
        };
        Permissions::compile(config).expect("> is a filter")
    }

    /// The lists as configured, for monitoring and for finding what a reload changed.
    pub fn config(&self) -> &PermissionsConfig {
        &self.config
    }

    /// The limits of `allow_responses`, if set. Make a [`ReplyPermissions`] with them.
    pub fn responses(&self) -> Option<ResponseLimits> {
        self.config.responses
    }

    /// Whether the lists allow publishing to `subject`. A session asks through its
    /// [`PublishCache`], and on `false` still asks its [`ReplyPermissions`].
    pub fn can_publish(&self, subject: &[u8]) -> bool {
        let lists = self.lists();
        lists
            .publish_allow
            .as_ref()
            .is_none_or(|allow| allow.matches(subject))
            && !lists.publish_deny.matches(subject)
    }

    /// Whether any subject can be denied at all; if not, a session needs no cache.
    pub fn restricts_publish(&self) -> bool {
        let lists = self.lists();
        lists.publish_allow.is_some() || !lists.publish_deny.is_empty()
    }

    /// Whether a subscription to `filter`, in `queue` if any, is allowed.
    ///
    /// Allow: some entry covers the filter. Entries with a queue pattern speak about queue
    /// subscriptions only; where some of them cover the filter, the queue must match one of
    /// those, even if an entry without a queue covers it too. Deny: an entry without a queue
    /// always counts, one with a queue pattern only for queues it matches.
    pub fn check_subscribe(&self, filter: &[u8], queue: Option<&[u8]>) -> SubscribeVerdict {
        // An empty queue name is how a subscription without one looks in some callers' parsers.
        let queue = queue.filter(|queue| !queue.is_empty());
        let deny = &self.lists().subscribe_deny;
        if !self.allows_subscribe(filter, queue) || deny.refuses(filter, queue) {
            return SubscribeVerdict::Denied;
        }
        if deny.concerns(filter, queue) {
            return SubscribeVerdict::AllowedWithFilter(Arc::clone(deny));
        }
        SubscribeVerdict::Allowed
    }

    fn allows_subscribe(&self, filter: &[u8], queue: Option<&[u8]>) -> bool {
        let Some(entries) = &self.lists().subscribe_allow else {
            return true;
        };
        // The Go server looks the filter up as if it were a literal subject, so that an entry
        // `foo.*` lets `foo.>` through and with it `foo.a.b`. Only covering is right here.
        let covering = || {
            entries
                .iter()
                .filter(|entry| validate::covers(&entry.subject, filter))
        };
        match queue {
            Some(queue) if covering().any(|entry| entry.queue.is_some()) => {
                covering().any(|entry| entry.names_queue(queue))
            }
            _ => covering().any(|entry| entry.queue.is_none()),
        }
    }
}

impl fmt::Debug for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The compiled lists say the same once more.
        f.debug_tuple("Permissions").field(&self.config).finish()
    }
}

/// The subscribe deny list, applied to what a wildcard subscription would deliver.
pub struct DenyFilter {
    entries: Vec<QueueEntry>,
    /// The entries without a queue, the many, in a form that is quick to ask per message.
    always: FilterSet,
    /// The entries with a queue.
    by_queue: Vec<QueueEntry>,
}

impl DenyFilter {
    fn parse(list: &SubjectList) -> Result<Self, PermissionError> {
        let entries = QueueEntry::parse_list("subscribe deny", list)?;
        let by_queue = entries
            .iter()
            .filter(|entry| entry.queue.is_some())
            .cloned()
            .collect();
        let always = entries.iter().filter(|entry| entry.queue.is_none());
        let always = FilterSet::new(always.map(|entry| entry.subject.clone()).collect());
        Ok(DenyFilter {
            entries,
            always,
            by_queue,
        })
    }

    /// Whether a message on `subject` must not reach a subscription in `queue`, if any.
    pub fn denies(&self, subject: &[u8], queue: Option<&[u8]>) -> bool {
        let queue = queue.filter(|queue| !queue.is_empty());
        self.always.matches(subject)
            || queue.is_some_and(|queue| {
                let mut entries = self.by_queue.iter();
                entries.any(|entry| {
                    entry.names_queue(queue) && validate::matches(&entry.subject, subject)
                })
            })
    }

    /// Whether the whole subscription is refused. The filter's wildcard tokens are compared as
    /// if they were literals, which is the Go server's rule: a deny entry `foo.*` also refuses
    /// `foo.>`, where filtering would do.
    fn refuses(&self, filter: &[u8], queue: Option<&[u8]>) -> bool {
        self.denies(filter, queue)
    }

    /// Whether a subscription that is not refused can still see a denied subject. Only
    /// wildcards can: a literal has been compared with every entry already.
    fn concerns(&self, filter: &[u8], queue: Option<&[u8]>) -> bool {
        validate::has_wildcard(filter)
            && self
                .entries
                .iter()
                .any(|entry| entry.applies_to(queue) && validate::overlaps(&entry.subject, filter))
    }
}

impl fmt::Debug for DenyFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DenyFilter").field(&self.entries).finish()
    }
}

/// Whether a text can be an entry of a publish list.
pub fn is_valid_publish_entry(entry: &str) -> bool {
    validate::is_valid_filter(entry.as_bytes())
}

/// Whether a text can be an entry of a subscribe list: a filter, with a queue or without.
pub fn is_valid_subscribe_entry(entry: &str) -> bool {
    QueueEntry::parse("", entry).is_ok()
}

/// Whether a client may not use `reply` as the reply subject of a publish: the prefixes of
/// service imports (`_R_.`), acknowledgements (`$JS.ACK.`) and gateways (`_GR_.`) are routed
/// specially. Applies to every client, with or without permissions; the answer is
/// `-ERR 'Permissions Violation for Publish with Reply of "…"'` and the message is dropped.
pub fn is_reserved_reply(reply: &[u8]) -> bool {
    // The bare prefixes of the latter two pass, as in the Go server.
    reply.starts_with(b"_R_.")
        || (reply.len() > b"$JS.ACK.".len() && reply.starts_with(b"$JS.ACK."))
        || (reply.len() > b"_GR_.".len() && reply.starts_with(b"_GR_."))
}

/// Whether clients outside the system account may not publish to `subject` whatever their
/// permissions: the consensus traffic between servers. Answered like any publish violation.
pub fn is_reserved_publish(subject: &[u8]) -> bool {
    subject.starts_with(b"$NRG.")
}

#[cfg(test)]
mod tests;
