//! `/subsz` and `/subscriptionsz`: figures of the interest, and the subscriptions themselves.
//!
//! Subscriptions are counted and copied in one walk, and only those on the page are copied.

use cognate_process::text::rfc3339_nano;
use cognate_subject::validate::{has_empty_token, has_wildcard, matches};
use serde::Serialize;

use super::SubscriptionDetail;
use crate::answer::Number;
use crate::facts::{Monitored, SubscriptionFacts};
use crate::query::{BadQuery, Page, Query};

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubszRequest {
    /// Whether the subscriptions are listed.
    pub subscriptions: bool,
    /// The part of the list.
    pub page: Page,
    /// Only this account.
    pub account: Option<Vec<u8>>,
    /// Only subscriptions that match this subject, which is literal.
    pub test: Option<Vec<u8>>,
}

impl SubszRequest {
    /// Reads a query.
    pub fn parse(query: &Query) -> Result<Self, BadQuery> {
        let subscriptions = query.boolean("subs")?;
        let page = query.page()?;
        let test = query.value("test");
        if let Some(subject) = test.filter(|test| has_empty_token(test) || has_wildcard(test)) {
            let subject = String::from_utf8_lossy(subject);
            return Err(BadQuery(format!(
                "invalid test subject, must be valid publish subject: {subject}"
            )));
        }
        Ok(SubszRequest {
            subscriptions,
            page,
            account: query.value("acc").map(<[u8]>::to_vec),
            test: test.map(<[u8]>::to_vec),
        })
    }

    fn wants(&self, subscription: &SubscriptionFacts<'_>) -> bool {
        let account = self.account.as_ref();
        account.is_none_or(|account| account == subscription.account.as_bytes())
            && self
                .test
                .as_ref()
                .is_none_or(|test| matches(subscription.subject.as_bytes(), test))
    }
}

/// The document.
#[derive(Debug, Serialize)]
pub(crate) struct Subsz {
    server_id: String,
    now: String,
    num_subscriptions: u64,
    num_cache: u64,
    num_inserts: u64,
    num_removes: u64,
    num_matches: u64,
    cache_hit_rate: Number,
    max_fanout: u64,
    avg_fanout: Number,
    total: usize,
    offset: usize,
    limit: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subscriptions_list: Vec<SubscriptionDetail>,
}

impl Subsz {
    /// Answers `request` from what `source` knows now.
    pub(crate) fn new(source: &dyn Monitored, request: &SubszRequest) -> Self {
        let server = source.server();
        // A name that is not text belongs to no account.
        let account = request
            .account
            .as_ref()
            .map(|name| String::from_utf8_lossy(name));
        let stats = source.subscription_stats(account.as_deref());
        let (mut total, mut page) = (0, Vec::new());
        if request.subscriptions {
            source.subscriptions(&mut |subscription| {
                if request.wants(&subscription) {
                    if request.page.contains(total) {
                        page.push(SubscriptionDetail::of_account(&subscription));
                    }
                    total += 1;
                }
            });
        }
        Subsz {
            server_id: server.server_id,
            now: rfc3339_nano(server.now),
            num_subscriptions: stats.num_subscriptions,
            num_cache: stats.num_cache,
            num_inserts: stats.num_inserts,
            num_removes: stats.num_removes,
            num_matches: stats.num_matches,
            cache_hit_rate: Number(stats.cache_hit_rate),
            max_fanout: stats.max_fanout,
            avg_fanout: Number(stats.avg_fanout),
            total,
            offset: request.page.offset,
            limit: request.page.limit,
            subscriptions_list: page,
        }
    }
}

impl SubscriptionDetail {
    /// A subscription in the list of its connection, which names no account.
    pub(crate) fn of_connection(subscription: &SubscriptionFacts<'_>) -> Self {
        SubscriptionDetail {
            subject: subscription.subject.to_owned(),
            qgroup: subscription.queue.to_owned(),
            sid: subscription.sid.to_owned(),
            msgs: subscription.msgs,
            max: subscription.max,
            cid: subscription.cid,
            ..SubscriptionDetail::default()
        }
    }

    /// A subscription in a list over accounts.
    fn of_account(subscription: &SubscriptionFacts<'_>) -> Self {
        SubscriptionDetail {
            account: subscription.account.to_owned(),
            account_tag: subscription.account_tag.to_owned(),
            ..SubscriptionDetail::of_connection(subscription)
        }
    }
}
