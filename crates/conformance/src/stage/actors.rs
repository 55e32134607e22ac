//! The connections of a scene, and the server as one of the cast.
//!
//! A connection is opened by its first step. The server `*` understands:
//!
//! | step | answer |
//! |---|---|
//! | `get /path` | status and body; asked again until the answer is the one wanted |
//! | `reload name` | `reloaded`, or `failed:` and what the log says |
//! | `log text` | none: waits until the log has it |
//! | `closed name` | why the server closed that connection |
//! | `signal NAME` | none |
//!
//! A connection understands `(close)` besides protocol lines, and `(raw)` as its first step: no
//! CONNECT at all. A connection that the server ends receives `(closed)`.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::Login;
use super::file::Line;
use super::pattern::{self, Names};
use crate::{Client, Message, Server, wait};

/// How long a recording lets the server think, as it cannot know what to wait for.
const RECORDING_PAUSE: Duration = Duration::from_millis(40);

/// What a connection with a password adds to its CONNECT.
const CONNECT: &str = r#""verbose":false,"pedantic":false,"headers":true,"no_responders":true"#;

/// One connection, or the server.
#[derive(Default)]
struct Actor {
    client: Option<Client>,
    cid: u64,
    queue: VecDeque<String>,
    ended: bool,
}

/// Everybody in a scene.
pub(super) struct Cast<'a> {
    server: &'a Server,
    configs: Vec<(String, String)>,
    logins: &'a BTreeMap<String, Login>,
    names: Names,
    /// Whether the server was told to end.
    ending: bool,
    /// The path asked for last, if that was the last order.
    fetched: Option<String>,
    /// In order of appearance.
    actors: Vec<(String, Actor)>,
}

impl<'a> Cast<'a> {
    pub(super) fn new(
        server: &'a Server,
        configs: Vec<(String, String)>,
        variables: &Names,
        logins: &'a BTreeMap<String, Login>,
    ) -> Self {
        // Not by a connection, which would be an event too.
        let varz = server.json("/varz");
        let id = varz["server_id"].as_str().unwrap_or_default().to_owned();
        let mut names = variables.clone();
        names.insert("server".to_owned(), id);
        let mut cast = Self {
            server,
            configs,
            logins,
            names,
            ending: false,
            fetched: None,
            actors: Vec::new(),
        };
        server.until_empty();
        cast.actors.push(("*".to_owned(), Actor::default()));
        cast
    }

    /// Does one step.
    pub(super) fn send(&mut self, who: &str, text: &str) -> Result<(), String> {
        let text = pattern::fill_in(text, &self.names);
        if who == "*" {
            let said = self.order(&text)?;
            self.actor("*").queue.extend(said);
            return Ok(());
        }
        if !self.actors.iter().any(|(name, _)| name == who) {
            let by_itself = text == "(raw)" || text.starts_with("CONNECT ");
            let actor = self.open(who, by_itself);
            self.names
                .insert(format!("{who}.cid"), actor.cid.to_string());
            self.actors.push((who.to_owned(), actor));
        }
        if text == "(close)" {
            let actor = self.actor(who);
            actor.client = None;
            let cid = actor.cid;
            self.server.close_reason(cid);
            return Ok(());
        }
        if text.is_empty() || text == "(raw)" {
            return Ok(());
        }
        let actor = self.actor(who);
        let client = actor.client.as_mut().ok_or("not connected")?;
        // The server may have closed it; what it said before is what counts.
        let _ = client.try_send(wire(&text));
        actor.update();
        Ok(())
    }

    /// The next thing that `who` receives must fit `text`.
    pub(super) fn expect(&mut self, who: &str, text: &str) -> Result<(), String> {
        let seen = self.next(who);
        let outcome = pattern::matches(text, &seen, &mut self.names);
        match (&outcome, self.fetched.clone()) {
            (Err(_), Some(path)) if who == "*" => self.expect_later(&path, text),
            _ => outcome,
        }
    }

    /// What monitoring says may be a moment behind: asks again until it fits.
    fn expect_later(&mut self, path: &str, text: &str) -> Result<(), String> {
        let end = Instant::now() + wait::DEADLINE;
        loop {
            wait::a_moment();
            let seen = self.fetch(path);
            let outcome = pattern::matches(text, &seen, &mut self.names);
            if outcome.is_ok() || Instant::now() > end {
                return outcome;
            }
        }
    }

    fn fetch(&self, path: &str) -> String {
        let response = self.server.get(path);
        let body = serde_json::from_str::<serde_json::Value>(&response.body)
            .map_or(response.body, |json| json.to_string());
        let line = body.trim_end().replace('\n', "|");
        format!("{} {line}", response.status)
    }

    /// The next things that `who` receives must be these, in any order.
    pub(super) fn expect_all(&mut self, who: &str, texts: &[&str]) -> Result<(), String> {
        let mut seen: Vec<String> = texts.iter().map(|_| self.next(who)).collect();
        for text in texts {
            let at = seen.iter().position(|seen| {
                let mut names = self.names.clone();
                let fits = pattern::matches(text, seen, &mut names).is_ok();
                if fits {
                    self.names = names;
                }
                fits
            });
            let at = at.ok_or_else(|| format!("    wanted {text}\n    among  {seen:?}"))?;
            seen.remove(at);
        }
        Ok(())
    }

    /// Nobody has received more than was expected.
    pub(super) fn nothing_left(&mut self) -> Result<(), String> {
        for (name, actor) in &mut self.actors {
            actor.update();
            if let Some(more) = actor.queue.pop_front() {
                return Err(format!("{name} received more: {more}"));
            }
        }
        Ok(())
    }

    /// What everybody received, to be written down.
    pub(super) fn received(&mut self) -> Vec<Line> {
        std::thread::sleep(RECORDING_PAUSE);
        let mut lines = Vec::new();
        for (name, actor) in &mut self.actors {
            actor.update();
            let messages = actor.queue.iter().all(|seen| seen.contains("MSG "));
            let any_order = messages && actor.queue.len() > 1;
            for seen in actor.queue.drain(..) {
                lines.push(Line::Expect {
                    who: name.clone(),
                    text: pattern::record(&seen, &mut self.names),
                    any_order,
                });
            }
        }
        lines
    }

    /// Closes all connections and waits until the server has noticed.
    pub(super) fn leave(mut self) {
        self.actors.clear();
        if !self.ending {
            self.server.until_empty();
        }
    }

    fn actor(&mut self, who: &str) -> &mut Actor {
        let found = self.actors.iter_mut().find(|(name, _)| name == who);
        let (_, actor) = found.unwrap_or_else(|| panic!("{who} has not appeared yet"));
        actor
    }

    fn next(&mut self, who: &str) -> String {
        let actor = self.actor(who);
        actor.update();
        wait::until(&format!("something for {who}"), || {
            if actor.queue.is_empty() {
                actor.update();
            }
            actor.queue.pop_front()
        })
    }

    /// Connects `who`; `by_itself` says that its first line is its CONNECT.
    fn open(&self, who: &str, by_itself: bool) -> Actor {
        let mut client = self.server.connect();
        let user = who.trim_end_matches(|c: char| c.is_ascii_digit());
        let cid = client.cid();
        let mut actor = Actor {
            cid,
            ..Actor::default()
        };
        if !by_itself {
            let nonce = client.info()["nonce"].as_str().unwrap_or_default();
            let options = match self.logins.get(user) {
                Some(login) => login(nonce),
                None => format!(r#"{{{CONNECT},"user":"{user}","pass":"p"}}"#),
            };
            client.send(format!("CONNECT {options}\r\n"));
        }
        actor.client = Some(client);
        if !by_itself {
            actor.update();
        }
        actor
    }

    fn order(&mut self, text: &str) -> Result<Option<String>, String> {
        let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
        self.fetched = None;
        match verb {
            "get" => {
                self.fetched = Some(rest.to_owned());
                Ok(Some(self.fetch(rest)))
            }
            "reload" => {
                let config = self.configs.iter().find(|(name, _)| name == rest);
                let (_, config) = config.ok_or_else(|| format!("no configuration {rest}"))?;
                let log = self.server.reload(config);
                let failure = log
                    .lines()
                    .find_map(|line| line.split_once("Failed to reload server configuration: "));
                // Some servers go on with an excerpt of the file, its line ends escaped.
                let first = failure.and_then(|(_, why)| why.split("\\n").next());
                let said = first.map(|why| format!("failed: {}", super::without_place(why)));
                Ok(Some(said.unwrap_or_else(|| "reloaded".to_owned())))
            }
            "log" => {
                self.server.wait_log(rest);
                Ok(None)
            }
            "closed" => {
                let cid = self.actor(rest).cid;
                Ok(Some(self.server.close_reason(cid)))
            }
            "signal" => {
                self.server.signal(rest);
                self.ending = rest == "TERM";
                Ok(None)
            }
            _ => Err(format!("the server does not know {verb}")),
        }
    }
}

impl Actor {
    /// Takes everything that the server sent before it answers a PING.
    fn update(&mut self) {
        let Some(client) = self.client.as_mut().filter(|_| !self.ended) else {
            return;
        };
        // A server that has closed the connection does not read this; its last words are read.
        let _ = client.try_send("PING\r\n");
        loop {
            match client.line_or_end() {
                None => {
                    self.ended = true;
                    self.queue.push_back("(closed)".to_owned());
                    return;
                }
                Some(line) if line == "PONG" => return,
                Some(line) if line.starts_with("MSG ") || line.starts_with("HMSG ") => {
                    self.queue.push_back(shown(&client.message_of(&line)));
                }
                Some(line) => self.queue.push_back(line),
            }
        }
    }
}

/// A message without its sizes, on one line.
fn shown(message: &Message) -> String {
    let verb = if message.headers.is_some() {
        "HMSG"
    } else {
        "MSG"
    };
    // Some servers write a second space where they have an empty reply; clients don't see it.
    let reply = message.reply.as_deref().filter(|reply| !reply.is_empty());
    let reply = reply.map(|reply| format!(" {reply}"));
    format!(
        "{verb} {} {}{}|{}{}",
        message.subject,
        message.sid,
        reply.unwrap_or_default(),
        message.headers.as_deref().unwrap_or_default(),
        message.payload
    )
    .replace("\r\n", "|")
}

/// The bytes of a step: `|` becomes a line end, and publishes get their sizes.
fn wire(text: &str) -> String {
    let (head, body) = text.split_once('|').unwrap_or((text, ""));
    let body = body.replace('|', "\r\n");
    if head.starts_with("PUB ") {
        return format!("{head} {}\r\n{body}\r\n", body.len());
    }
    if head.starts_with("HPUB ") {
        let headers = body.find("\r\n\r\n").map_or(body.len(), |at| at + 4);
        return format!("{head} {headers} {}\r\n{body}\r\n", body.len());
    }
    format!("{}\r\n", text.replace('|', "\r\n"))
}
