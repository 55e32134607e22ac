//! Requests to the system account: figures of the server and of accounts. (Orders: [`super::orders`].)

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cognate_router::{Matched, Subscription};
use cognate_subject::validate;
use cognate_wire::headers;
use cognate_wire::parse_delivered;
use serde_json::{Map, Value, json};

use super::System;
use super::encoding::encoded;
use super::orders::ORDERS;
use super::request::Request;
use crate::data::{Account, Connection, Outgoing};

/// What can be asked of all servers, or of one by its id.
const SERVER_REQUESTS: [&str; 15] = [
    "IDZ",
    "STATSZ",
    "VARZ",
    "CONNZ",
    "SUBSZ",
    "ROUTEZ",
    "GATEWAYZ",
    "LEAFZ",
    "ACCOUNTZ",
    "JSZ",
    "HEALTHZ",
    "EXPVARZ",
    "IPQUEUESZ",
    "RAFTZ",
    "PROFILEZ",
];

/// What can be asked about an account.
const ACCOUNT_REQUESTS: [&str; 7] = ["CONNZ", "SUBSZ", "LEAFZ", "JSZ", "INFO", "STATZ", "CONNS"];

/// Requests answered at a time before others get their turn.
const BATCH: usize = 64;

impl System {
    /// Listens for requests.
    pub(super) fn subscribe(&self) {
        let own = format!("$SYS.REQ.SERVER.{}", self.shared.facts.server_id);
        let of_server = SERVER_REQUESTS.iter().flat_map(|what| {
            [
                format!("$SYS.REQ.SERVER.PING.{what}"),
                format!("{own}.{what}"),
            ]
        });
        let orders = ORDERS.iter().map(|order| format!("{own}.{order}"));
        let of_account = ACCOUNT_REQUESTS
            .iter()
            .map(|what| format!("$SYS.REQ.ACCOUNT.*.{what}"));
        let others = [
            "$SYS.REQ.SERVER.PING",
            "$SYS.REQ.ACCOUNT.NSUBS",
            "$SYS.REQ.USER.*.INFO",
            "$SYS.DEBUG.SUBSCRIBERS",
        ];
        let others = others.iter().map(ToString::to_string);
        for subject in of_server.chain(orders).chain(of_account).chain(others) {
            self.listen_to(&subject, None);
        }
    }

    /// Listens for requests on `subject`.
    pub(super) fn listen_to(&self, subject: &str, queue: Option<&[u8]>) {
        let sid = self.account.next_sid();
        self.inbox
            .subscribe(&self.account, subject.as_bytes(), queue, sid.as_bytes());
    }

    /// Answers the requests in `frames`.
    pub(super) async fn serve(self: &Arc<Self>, frames: &[u8]) {
        let mut rest = frames;
        let mut requests = Vec::new();
        while let Some((request, len)) = parse_delivered(rest) {
            requests.push(Request::from(request));
            rest = rest.get(len..).unwrap_or_default();
            if requests.len() == BATCH || rest.is_empty() {
                let (system, batch) = (Arc::clone(self), std::mem::take(&mut requests));
                // Documents are made of everything the server has, which can take a while.
                let done = tokio::task::spawn_blocking(move || {
                    batch.iter().for_each(|request| system.handle(request));
                });
                // It ends early only if the runtime is shut down.
                let _ = done.await;
            }
        }
    }

    fn handle(&self, request: &Request) {
        if request.subject == self.packs_arrive_at() {
            return self.merge_pack(request);
        }
        if request.reply().is_none() && request.subject.starts_with("$SYS.REQ.SERVER.") {
            // Nothing is done for who does not want to know of it.
            return;
        }
        let Some(answer) = self.answer_to(request) else {
            return;
        };
        let Some(reply) = request.reply() else {
            return;
        };
        let encoding = request.accepted_encoding();
        match encoding.name() {
            None => self.publish(reply, &answer),
            Some(name) => {
                let mut headers = Vec::new();
                headers::write_with(&mut headers, &[], b"Content-Encoding", name.as_bytes());
                let body = encoded(answer, encoding);
                let message = Outgoing {
                    headers: &headers,
                    ..Outgoing::to(reply.as_bytes(), &body)
                };
                self.publish_message(&self.account, &message);
            }
        }
    }

    fn answer_to(&self, request: &Request) -> Option<Vec<u8>> {
        let tokens: Vec<&str> = request.subject.split('.').collect();
        match *tokens.as_slice() {
            ["$SYS", "REQ", "SERVER", "PING"] => self.ping(request, "STATSZ"),
            ["$SYS", "REQ", "SERVER", "PING", what] => self.ping(request, what),
            ["$SYS", "REQ", "SERVER", _, what] => self.own(request, what),
            ["$SYS", "REQ", "CLAIMS", what] => self.claims(request, None, what),
            ["$SYS", "REQ", "ACCOUNT", account, "CLAIMS", what]
            | ["$SYS", "ACCOUNT", account, "CLAIMS", what] => {
                self.claims(request, Some(account), what)
            }
            ["$SYS", "REQ", "ACCOUNT", "NSUBS"] => self.count_subscriptions(request),
            ["$SYS", "REQ", "USER", _, "INFO"] => self.user_info(request),
            ["$SYS", "DEBUG", "SUBSCRIBERS"] => self.debug_subscribers(request),
            ["$SYS", "REQ", "ACCOUNT", ..] => {
                let rest = request.subject.strip_prefix("$SYS.REQ.ACCOUNT.")?;
                let (account, what) = rest.rsplit_once('.')?;
                self.account(request, account, what)
            }
            _ => None,
        }
    }

    /// A request to every server; those that it does not mean stay silent.
    fn ping(&self, request: &Request, what: &str) -> Option<Vec<u8>> {
        if what == "IDZ" {
            return self.document(what, &Map::new());
        }
        let options = match request.options() {
            Ok(options) => options,
            Err(problem) => return Some(self.not_understood(&problem)),
        };
        if !self.is_meant(&options) {
            return None;
        }
        match what {
            "PROFILEZ" => Some(self.no_profile(&options)),
            what => self.document(what, &options),
        }
    }

    /// A request to this server by its id.
    fn own(&self, request: &Request, what: &str) -> Option<Vec<u8>> {
        match what {
            "RELOAD" => self.reload(request),
            "KICK" => self.kick(request),
            "LDM" => self.lame_duck(request),
            what => self.ping(request, what),
        }
    }

    /// The answer to a request whose body is no JSON object.
    pub(super) fn not_understood(&self, problem: &str) -> Vec<u8> {
        self.failure(400, problem)
    }

    fn document(&self, what: &str, options: &Map<String, Value>) -> Option<Vec<u8>> {
        let facts = &self.shared.facts;
        match what {
            "IDZ" => {
                let (name, id) = (&facts.server_name, &facts.server_id);
                let host = self.shared.info().host;
                let text = format!(
                    "{{\"name\":{},\"host\":{},\"id\":{}}}",
                    json!(name),
                    json!(host),
                    json!(id)
                );
                Some(text.into_bytes())
            }
            "STATSZ" => Some(self.statsz()),
            "STATZ" => Some(self.checked("ACCSTATZ", options)),
            "PING" => None,
            what => match self.documents.document(what, options) {
                Ok(document) => Some(self.answer(&document)),
                Err(cognate_monitor::NoDocument::Unknown) => None,
                Err(cognate_monitor::NoDocument::Refused(_, reason)) => {
                    Some(self.refused(what, &reason))
                }
            },
        }
    }

    /// The answer to a request whose options are wrong.
    fn refused(&self, what: &str, reason: &str) -> Vec<u8> {
        if what == "RAFTZ" {
            // There are no groups.
            return self.answer(b"{}");
        }
        if reason.starts_with("Error decoding") {
            // Not of the type that the option has.
            return self.not_understood(reason);
        }
        self.refusal(500, reason)
    }

    fn checked(&self, what: &str, options: &Map<String, Value>) -> Vec<u8> {
        match self.documents.document(what, options) {
            Ok(document) => self.answer(&document),
            Err(cognate_monitor::NoDocument::Unknown) => self.refusal(404, "not found"),
            Err(cognate_monitor::NoDocument::Refused(_, reason)) => self.refusal(500, &reason),
        }
    }

    /// A request about one account, or with `PING` about several.
    fn account(&self, request: &Request, account: &str, what: &str) -> Option<Vec<u8>> {
        if what == "CONNS" {
            // Its own form of request: without a filter, and unanswered if it cannot be read.
            request.options().ok()?;
            return self.connections_of(account);
        }
        let mut options = match request.options() {
            Ok(options) => options,
            Err(problem) => return Some(self.not_understood(&problem)),
        };
        if !self.is_meant(&options) {
            return None;
        }
        if what == "STATZ" {
            if account != "PING" {
                options.insert("accounts".to_owned(), json!([account]));
            }
            let answer = self.document(what, &options)?;
            // Who has nothing to say stays silent, but for who asks about the unused too.
            let empty = b"\"account_statz\":[]";
            let nothing = answer.windows(empty.len()).any(|part| part == empty);
            let unused = options.get("include_unused") == Some(&Value::Bool(true));
            return (!nothing || unused).then_some(answer);
        }
        match what {
            "INFO" => Some(match self.documents.account(account) {
                Some(detail) => self.answer(&detail),
                None => self.refusal(500, &format!("Account {account} does not exist")),
            }),
            "JSZ" if self.shared.jetstream.read().is_none() => {
                Some(self.refusal(500, "jetstream not enabled"))
            }
            "JSZ" => {
                let document = self.documents.jetstream_account(account, &options);
                Some(match document {
                    Ok(document) => self.answer(&document),
                    Err(cognate_monitor::NoDocument::Unknown) => return None,
                    Err(cognate_monitor::NoDocument::Refused(_, reason)) => {
                        self.refused(what, &reason)
                    }
                })
            }
            "CONNZ" | "LEAFZ" => {
                options.insert("account".to_owned(), account.into());
                options.remove("acc");
                self.document(what, &options)
            }
            "SUBSZ" => {
                options.insert("account".to_owned(), account.into());
                options.insert("subscriptions".to_owned(), true.into());
                self.document(what, &options)
            }
            _ => None,
        }
    }

    /// How many connections an account has, if it has any.
    fn connections_of(&self, account: &str) -> Option<Vec<u8>> {
        let is_used = self.shared.accounts.get(account)?.clients() > 0;
        is_used.then(|| self.account_connections(account))?
    }

    /// Whether the options of a request to all servers leave this one in.
    pub(super) fn is_meant(&self, options: &Map<String, Value>) -> bool {
        let text = |name: &str| {
            options
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let exact = options.get("exact_match") == Some(&Value::Bool(true));
        let fits = |wanted: &str, own: &str| {
            wanted.is_empty()
                || if exact {
                    own == wanted
                } else {
                    own.contains(wanted)
                }
        };
        let info = self.shared.info();
        let tags = &self.shared.options().server_tags;
        let wanted_tags = options.get("tags").and_then(Value::as_array);
        fits(text("server_name"), &self.shared.facts.server_name)
            && fits(text("host"), &info.host)
            && fits(text("cluster"), "")
            && (text("domain").is_empty() || text("domain") == info.domain)
            && wanted_tags.into_iter().flatten().all(|tag| {
                let tag = tag.as_str().unwrap_or_default();
                tags.iter().any(|own| own.eq_ignore_ascii_case(tag))
            })
    }

    /// The answer to an order that was not carried out.
    pub(super) fn failure(&self, code: u16, description: &str) -> Vec<u8> {
        let error = json!({"code": code, "description": description});
        let server = self.server_info();
        format!("{{\"server\":{server},\"error\":{error}}}").into_bytes()
    }

    /// How many subscriptions of an account a subject reaches.
    fn count_subscriptions(&self, request: &Request) -> Option<Vec<u8>> {
        let options = request.options().ok()?;
        let text = |name: &str| {
            options
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let account = self.shared.accounts.get(text("acc"))?;
        let queue = match text("queue") {
            "" => None,
            // Bytes, as Go writes them in JSON.
            queue => Some(STANDARD.decode(queue).ok()?),
        };
        Some(
            count(&account, text("subject"), queue.as_deref())
                .to_string()
                .into_bytes(),
        )
    }

    /// The same for the account that asks, as text.
    fn debug_subscribers(&self, request: &Request) -> Option<Vec<u8>> {
        let account = match request.asker() {
            Some(info) => {
                // Of several accounts on the way, the last one.
                let asker = info.get("svc").or(info.get("acc"))?;
                self.shared.accounts.get(asker.as_str()?)?
            }
            None => Arc::clone(&self.account),
        };
        let body = String::from_utf8_lossy(&request.body);
        let mut words = body.split_ascii_whitespace();
        let subject = words.next().unwrap_or_default();
        let number = count(&account, subject, words.next().map(str::as_bytes));
        Some(number.to_string().into_bytes())
    }
}

/// How many clients' subscriptions in `account` a subject reaches, or lie within a filter; with
/// `queue`, members of that group.
fn count(account: &Account, subject: &str, queue: Option<&[u8]>) -> usize {
    if subject.is_empty() {
        return 0;
    }
    let is_counted = |sub: &Subscription<Connection>| {
        let destination = sub.destination();
        let is_client = destination.leads().is_none() && !destination.is_internal();
        is_client && queue.is_none_or(|name| sub.queue() == Some(name))
    };
    if validate::has_wildcard(subject.as_bytes()) {
        let mut count = 0;
        account.interest().for_each(|sub| {
            let within = validate::covers(subject.as_bytes(), sub.subject());
            count += usize::from(within && is_counted(sub));
        });
        return count;
    }
    let mut matched = Matched::default();
    account.interest().collect(subject.as_bytes(), &mut matched);
    let members = matched.groups().iter().flat_map(|group| group.members());
    let all = matched.plain().iter().chain(matched.tied()).chain(members);
    all.filter(|sub| is_counted(sub)).count()
}
