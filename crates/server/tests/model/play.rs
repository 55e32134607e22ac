//! Plays a world on a server and compares what every connection receives with what the oracle says.

use std::collections::BTreeMap;

use crate::common::random::Random;
use crate::host::Host;
use crate::link::{Link, Received};
use crate::oracle::{Conn, Delivery, Oracle, Outcome, Reply, Sub, WAY, may_publish, may_subscribe};
use crate::world::{World, filter, queue, subject};

/// What happened in all worlds.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    /// Messages at plain subscriptions.
    pub(crate) delivered: usize,
    /// Messages at members of groups.
    pub(crate) queued: usize,
    /// Subscriptions that would have liked to see a message and must not.
    pub(crate) withheld: usize,
    /// Imports that messages went through.
    pub(crate) crossed: usize,
    /// Answers given.
    pub(crate) answered: usize,
    /// Publishes, answers and subscriptions that were refused.
    pub(crate) refused: usize,
}

/// A published message with what the oracle makes of it.
struct Expected {
    payload: String,
    outcome: Outcome,
}

/// A world on a server with its connections.
pub(crate) struct Stage {
    seed: u64,
    world: World,
    /// The configuration before the reload.
    before: String,
    host: Host,
    conns: Vec<Conn>,
    links: Vec<Link>,
    sent: usize,
}

impl Stage {
    /// Starts a server with the world's configuration and connects users.
    pub(crate) async fn start(seed: u64, world: World, random: &mut Random) -> Self {
        let host = Host::start(&world, seed).await;
        let mut stage = Self {
            seed,
            world,
            before: String::new(),
            host,
            conns: Vec::new(),
            links: Vec::new(),
            sent: 0,
        };
        for user in 0..stage.world.users.len() {
            for _ in 0..1 + random.below(2) {
                let mut wishes = vec![("inbox.>".to_owned(), None)];
                wishes.extend((0..1 + random.below(4)).map(|_| (filter(random), queue(random))));
                let wishes = wishes.into_iter().enumerate();
                let wishes = wishes.map(|(sid, (filter, queue))| Sub { sid, filter, queue });
                let wishes: Vec<Sub> = wishes.collect();
                let link = stage.connect(user, wishes.clone()).await;
                stage.links.push(link);
                stage.conns.push(Conn {
                    user,
                    subs: Vec::new(),
                });
                stage.subscribe(stage.conns.len() - 1, wishes).await;
            }
        }
        stage
    }

    async fn connect(&self, user: usize, wishes: Vec<Sub>) -> Link {
        let io = self.host.open().await;
        let mut link = Link::greeted(io, wishes).await;
        let name = &self.world.users[user].name;
        link.send(&format!(
            "CONNECT {{\"verbose\":false,\"headers\":true,\"user\":\"{name}\",\"pass\":\"p\"}}\r\n"
        ))
        .await;
        link
    }

    /// Subscribes, and looks whether what is refused is what must be.
    async fn subscribe(&mut self, conn: usize, wishes: Vec<Sub>) {
        let user = &self.world.users[self.conns[conn].user];
        let mut refused = Vec::new();
        for sub in wishes {
            let queue = sub.queue.as_deref();
            let text = format!("SUB {} {} {}\r\n", sub.filter, queue.unwrap_or(""), sub.sid);
            self.links[conn].send(&text).await;
            if may_subscribe(user, &sub.filter, queue) {
                self.conns[conn].subs.push(sub);
            } else {
                let queue = queue.map_or(String::new(), |it| format!(" using queue \"{it}\""));
                refused.push(format!(
                    "-ERR 'Permissions Violation for Subscription to \"{}\"{queue}'",
                    sub.filter
                ));
            }
        }
        let seen = self.links[conn].until_pong(conn).await;
        let seen = seen.unwrap_or_else(|| self.fail("a connection was closed"));
        if seen.errors != refused {
            self.fail(&format!(
                "{}: subscriptions refused\n  {:?}\nbut must be\n  {refused:?}",
                user.name, seen.errors
            ));
        }
    }

    /// Publishes random messages and compares; then answers some of them and compares again.
    pub(crate) async fn play(&mut self, random: &mut Random, messages: usize, totals: &mut Totals) {
        let (world, conns) = (self.world.clone(), self.conns.clone());
        let mut oracle = Oracle::new(&world, &conns);
        let mut expected = Vec::new();
        for _ in 0..messages {
            let conn = random.below(conns.len());
            let subject = subject(random);
            self.sent += 1;
            let payload = format!("m{}.", self.sent);
            let reply = match random.below(2) {
                0 => Reply::None,
                _ => Reply::Literal(format!("inbox.{}", self.sent)),
            };
            let outcome = oracle.publish(conn, &subject, reply.clone());
            self.links[conn].publish(&subject, &reply, &payload).await;
            self.links[conn].errors += usize::from(outcome.is_none());
            totals.refused += usize::from(outcome.is_none());
            let outcome = outcome.unwrap_or_default();
            expected.push(Expected { payload, outcome });
        }
        let received = self.settle().await;
        self.compare(&expected, &received, totals);

        let answers = self.answers(random, &expected, &received);
        let mut allowances = self.allowances(&received);
        let mut expected = Vec::new();
        for (conn, name, reply) in answers {
            let user = &world.users[conns[conn].user];
            let allowance = allowances.entry((conn, name.clone())).or_default();
            let free = may_publish(user, &name);
            let allowed = free || *allowance > 0;
            if !free && *allowance > 0 {
                *allowance -= 1;
            }
            self.sent += 1;
            let payload = format!("r{}.", self.sent);
            self.links[conn]
                .publish(&name, &Reply::None, &payload)
                .await;
            self.links[conn].errors += usize::from(!allowed);
            totals.refused += usize::from(!allowed);
            totals.answered += usize::from(allowed);
            let outcome = if allowed {
                oracle.answer(conn, &reply)
            } else {
                Outcome::default()
            };
            expected.push(Expected { payload, outcome });
            // The order of answers on different connections is nobody's to say.
            self.take(conn).await;
        }
        let received = self.settle().await;
        self.compare(&expected, &received, totals);
    }

    /// Who may answer how often beyond its rules, after what it has received.
    fn allowances(&self, received: &[Received]) -> BTreeMap<(usize, String), u32> {
        let mut allowances = BTreeMap::new();
        for message in received {
            let user = &self.world.users[self.conns[message.conn].user];
            if let (Some(max), Some(reply)) = (user.responses, &message.reply) {
                allowances.insert((message.conn, reply.clone()), max);
            }
        }
        allowances
    }

    /// Some of the requests received, each answered twice, with the oracle's idea of the reply.
    fn answers(
        &self,
        random: &mut Random,
        expected: &[Expected],
        received: &[Received],
    ) -> Vec<(usize, String, Reply)> {
        let mut answers = Vec::new();
        let mut taken = Vec::new();
        for message in received {
            let Some(name) = &message.reply else {
                continue;
            };
            if random.below(4) > 0 || taken.contains(name) {
                continue;
            }
            // nats-server counts a second copy of a request as an answer, this server does not.
            let user = &self.world.users[self.conns[message.conn].user];
            let same = |it: &&Received| it.conn == message.conn && it.reply.as_ref() == Some(name);
            if user.responses.is_some() && received.iter().filter(same).count() > 1 {
                continue;
            }
            let outcome = expected.iter().find(|it| it.payload == message.payload);
            let outcome = &outcome.expect("it was compared").outcome;
            let all = outcome.plain.iter().chain(outcome.groups.iter().flatten());
            let mut replies: Vec<&Reply> = all
                .filter(|it| fits(it, message))
                .map(|it| &it.reply)
                .collect();
            replies.sort_unstable();
            replies.dedup();
            // The same message by two ways under one name cannot be told apart.
            if let [reply] = replies[..] {
                taken.push(name.clone());
                answers.push((message.conn, name.clone(), reply.clone()));
                answers.push((message.conn, name.clone(), reply.clone()));
            }
        }
        answers
    }

    /// Everything that all connections have received, once everything sent is worked through.
    async fn settle(&mut self) -> Vec<Received> {
        // What one has published is on its way to the others once it has its PONG.
        for _ in 0..2 {
            for conn in 0..self.links.len() {
                self.take(conn).await;
            }
        }
        let mut received = Vec::new();
        for (conn, link) in self.links.iter_mut().enumerate() {
            received.append(&mut link.kept);
            if link.errors > 0 {
                self.fail(&format!(
                    "connection {conn}: not everything forbidden was refused"
                ));
            }
        }
        received
    }

    /// Reads what has come to a connection by now.
    async fn take(&mut self, conn: usize) {
        let seen = self.links[conn].until_pong(conn).await;
        let seen = seen.unwrap_or_else(|| self.fail("a connection was closed"));
        let link = &mut self.links[conn];
        link.kept.extend(seen.messages);
        match link.errors.checked_sub(seen.errors.len()) {
            Some(left) => link.errors = left,
            None => self.fail(&format!("connection {conn}: refused: {:?}", seen.errors)),
        }
    }

    fn compare(&self, expected: &[Expected], received: &[Received], totals: &mut Totals) {
        let mut by_payload: BTreeMap<&str, Vec<&Received>> = BTreeMap::new();
        for message in received {
            by_payload
                .entry(&message.payload)
                .or_default()
                .push(message);
        }
        for Expected { payload, outcome } in expected {
            let mut left = by_payload.remove(payload.as_str()).unwrap_or_default();
            totals.withheld += outcome.withheld;
            totals.crossed += outcome.crossed;
            for delivery in &outcome.plain {
                let Some(at) = left.iter().position(|it| fits(delivery, it)) else {
                    self.fail(&format!(
                        "{payload} was withheld from {delivery:?}\n{outcome:#?}"
                    ));
                };
                left.swap_remove(at);
                totals.delivered += 1;
            }
            totals.queued += left.len();
            if !outcome.unsure && !assigned(&outcome.groups, &left) {
                self.fail(&format!(
                    "{payload}: of each group one must have it\n{outcome:#?}\nand have\n{left:#?}"
                ));
            }
        }
        if let Some((payload, messages)) = by_payload.into_iter().next() {
            self.fail(&format!("{payload} must not be there: {messages:#?}"));
        }
    }

    /// Puts another configuration in force. Connections that the server closes come again.
    pub(crate) async fn reload(&mut self, world: World, random: &mut Random) {
        self.host.reload(&world).await;
        self.before = self.world.config();
        self.world = world;
        for conn in 0..self.links.len() {
            let user = self.conns[conn].user;
            let wishes = self.links[conn].wishes.clone();
            // Twice, because the first PONG may be on its way before the client looks at its user.
            let mut open = true;
            for _ in 0..2 {
                open &= self.links[conn].until_pong(conn).await.is_some();
            }
            if open && random.below(3) > 0 {
                let it = &self.world.users[user];
                self.conns[conn]
                    .subs
                    .retain(|sub| may_subscribe(it, &sub.filter, sub.queue.as_deref()));
                continue;
            }
            if open {
                // What a group gives to somebody who is just leaving is lost.
                for sub in &wishes {
                    self.links[conn]
                        .send(&format!("UNSUB {}\r\n", sub.sid))
                        .await;
                }
                self.links[conn].until_pong(conn).await;
            }
            self.links[conn] = self.connect(user, wishes.clone()).await;
            self.conns[conn].subs.clear();
            self.subscribe(conn, wishes).await;
        }
    }

    /// Ends the server.
    pub(crate) async fn end(self) {
        if let Host::Here(server) = self.host {
            server.shutdown().await;
        }
    }

    #[track_caller]
    fn fail(&self, what: &str) -> ! {
        let users = &self.world.users;
        for (at, conn) in self.conns.iter().enumerate() {
            eprintln!(
                "connection {at}, {}: {:?}",
                users[conn.user].name, conn.subs
            );
        }
        let Self { seed, before, .. } = self;
        panic!(
            "MODEL_SEED={seed}\n{before}\n{}\n{what}",
            self.world.config()
        );
    }
}

/// Whether a message is what a delivery predicts. Names of ways back are the server's to choose, and
/// may be part of others where a stream of everything is imported.
fn fits(delivery: &Delivery, message: &Received) -> bool {
    let shown = |name: &str| match name.split_once("_R_.") {
        Some((before, _)) => format!("{before}{WAY}"),
        None => name.to_owned(),
    };
    delivery.conn == message.conn
        && delivery.sid == message.sid
        && delivery.subject == shown(&message.subject)
        && delivery.reply.shown() == message.reply.as_deref().map(shown).as_deref()
}

/// Whether the messages can be shared out so that each group has exactly one.
fn assigned(groups: &[Vec<Delivery>], messages: &[&Received]) -> bool {
    let Some((group, rest)) = groups.split_first() else {
        return messages.is_empty();
    };
    (0..messages.len()).any(|at| {
        let mut left = messages.to_vec();
        let message = left.swap_remove(at);
        group.iter().any(|delivery| fits(delivery, message)) && assigned(rest, &left)
    })
}
