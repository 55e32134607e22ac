//! Plays written scenes: a configuration, named connections that send, and exactly what each of
//! them receives. The scenes are text files beside the tests, so that many of them fit one page
//! and the answers of a reference server can be written into them by machine.
//!
//! ```text
//! # a comment about the file
//! == name of the case
//! -- config
//! accounts { A { users: [{user: a, password: p}] } }
//! -- script
//! a> SUB greet.* 1
//! a2> PUB greet.you reply|hello
//! a< MSG greet.you 1 reply|hello
//! *> get /varz
//! *< 200 {"connections":2, "now": "<time>"}
//! -- refused
//! what the server says before it ends
//! ```
//!
//! `a` and `a2` are two connections of user `a` with password `p`; a connection whose first line is
//! `CONNECT` logs in by that line alone. `|` stands for a line end; sizes are left out on both
//! sides (the reader has checked them). `*` is the server itself, see [`actors`]. After each step
//! the connection is brought up to date with a PING; an expectation waits for its message, and at
//! the end of a case nothing may be left over. `<~` lines that follow each other may come in any
//! order. `{name}` takes what stands there and demands the same from then on; `{*}` takes
//! anything; JSON is compared by value, see [`pattern`]. A case without a configuration goes on
//! with the server of the one before.
//!
//! With `NATS_RECORD=1` the answers of the server are written into every case of the file that has
//! none; with `NATS_RECORD=all` into all of them.
//!
//! Invariants: no wait without a deadline; a case ends with all its connections gone from the
//! server. Absent: TLS, binary payloads, payloads with `|`.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::{Server, cli};

mod actors;
mod file;
mod pattern;

use actors::Cast;
use file::{Body, Case, Line};

/// Makes the CONNECT options (JSON) of a connection from the nonce of its INFO.
pub type Login = Box<dyn Fn(&str) -> String>;

/// A file of scenes with what its tests add to it.
pub struct Scenes {
    path: PathBuf,
    variables: BTreeMap<String, String>,
    logins: BTreeMap<String, Login>,
    environment: Vec<(String, String)>,
}

/// Plays all cases of the file `tests/<name>.txt`.
#[track_caller]
pub fn play(name: &str) {
    Scenes::read(name).play();
}

impl Scenes {
    /// The scenes of `tests/<name>.txt`.
    #[must_use]
    pub fn read(name: &str) -> Self {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
        Self {
            path: tests.join(format!("{name}.txt")),
            variables: BTreeMap::new(),
            logins: BTreeMap::new(),
            environment: Vec::new(),
        }
    }

    /// Replaces `{name}` by `value` in configurations and scripts.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Sets an environment variable of the servers.
    #[must_use]
    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.environment.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Lets the connections of `name` log in by their own CONNECT.
    #[must_use]
    pub fn login(mut self, name: &str, login: Login) -> Self {
        self.logins.insert(name.to_owned(), login);
        self
    }

    /// Plays every case, and fails with all that differ.
    ///
    /// # Panics
    /// When a case differs, or the file cannot be read.
    #[track_caller]
    pub fn play(self) {
        let text = std::fs::read_to_string(&self.path)
            .unwrap_or_else(|error| panic!("{}: {error}", self.path.display()));
        let mut file = file::parse(&text);
        let record = std::env::var("NATS_RECORD").unwrap_or_default();
        let mut failures = Vec::new();
        let mut server = None;
        let mut config: Option<String> = None;
        for case in &mut file.cases {
            if let (Body::Script(_), Some((_, text))) = (&case.body, case.configs.first()) {
                config = Some(text.clone());
            }
            let recording = record == "all" || (!record.is_empty() && !case.has_answers());
            eprintln!("== {}", case.name);
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                self.play_case(case, config.as_deref(), &mut server, recording)
            }));
            match outcome {
                Ok(Ok(())) => {}
                Ok(Err(difference)) => failures.push(format!("== {}\n{difference}", case.name)),
                Err(_) => {
                    server = None;
                    failures.push(format!("== {}\nended by the panic above", case.name));
                }
            }
        }
        if !record.is_empty() {
            std::fs::write(&self.path, file::print(&file)).expect("a writable file");
        }
        assert!(
            failures.is_empty(),
            "{} of {} cases differ:\n{}",
            failures.len(),
            file.cases.len(),
            failures.join("\n")
        );
    }

    fn play_case(
        &self,
        case: &mut Case,
        config: Option<&str>,
        server: &mut Option<Server>,
        recording: bool,
    ) -> Result<(), String> {
        if let Body::Refused(lines) = &mut case.body {
            return self.refused(&case.configs, lines, recording);
        }
        // After a panic the server is gone, and the next case starts it again.
        if !case.configs.is_empty() || server.is_none() {
            *server = None;
            let config = config.ok_or("the first case needs a config")?;
            let plain = Server::builder().monitored();
            let variables = self.environment.iter();
            let builder = variables.fold(plain, |server, (key, value)| server.env(key, value));
            let config = self.fill_in(config, builder.dir());
            *server = Some(builder.config(&config).start());
        }
        let server = server.as_mut().ok_or("no server")?;
        let Body::Script(lines) = &mut case.body else {
            return Ok(());
        };
        let dir = server.dir().to_owned();
        let configs = case
            .configs
            .iter()
            .map(|(name, text)| (name.clone(), self.fill_in(text, &dir)))
            .collect();
        let mut cast = Cast::new(server, configs, &self.variables, &self.logins);
        if recording {
            *lines = record(&mut cast, lines)?;
        } else {
            perform(&mut cast, lines)?;
        }
        cast.leave();
        Ok(())
    }

    fn fill_in(&self, text: &str, dir: &Path) -> String {
        let dir = dir.display().to_string();
        let own = [("dir", dir.as_str())];
        let given = self.variables.iter().map(|(k, v)| (k.as_str(), v.as_str()));
        own.into_iter()
            .chain(given)
            .fold(text.to_owned(), |text, (name, value)| {
                text.replace(&format!("{{{name}}}"), value)
            })
    }

    fn refused(
        &self,
        configs: &[(String, String)],
        lines: &mut Vec<String>,
        recording: bool,
    ) -> Result<(), String> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("server.conf");
        let (_, config) = configs.first().ok_or("nothing to refuse")?;
        std::fs::write(&path, self.fill_in(config, dir.path())).expect("a writable file");
        let config = path.to_str().ok_or("a UTF-8 path")?;
        let done = cli::run(["-a", "127.0.0.1", "-p", "-1", "-c", config]);
        let said = done.stderr.replace(config, "server.conf");
        if recording {
            *lines = said.lines().filter_map(message).collect();
        }
        if done.code == Some(0) {
            return Err("the server does not refuse it".to_owned());
        }
        let missing = lines.iter().find(|line| !said.contains(line.as_str()));
        missing.map_or(Ok(()), |line| Err(format!("no {line:?} in {said}")))
    }
}

/// What is said, without the program's name, the place in the file and the form of the log;
/// `None` for what the log says in passing.
fn message(line: &str) -> Option<String> {
    if let Some((_, said)) = line.split_once("[FTL] ") {
        return Some(said.to_owned());
    }
    line.strip_prefix("nats-server: ")
        .map(|said| without_place(said).to_owned())
}

/// A complaint about the configuration without the place that it is about.
fn without_place(said: &str) -> &str {
    let place = |c: char| c.is_ascii_digit() || c == ':';
    let said = said
        .split_once("server.conf:")
        .map_or(said, |(_, rest)| rest.trim_start_matches(place));
    said.trim()
}

/// Plays a script whose answers are known.
fn perform(cast: &mut Cast<'_>, lines: &[Line]) -> Result<(), String> {
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        at += 1;
        eprintln!("{}", file::print_line(line));
        let differs = |why: String| format!("{}\n{why}", file::print_line(line));
        match line {
            Line::Note(_) => {}
            Line::Send { who, text } => cast.send(who, text).map_err(differs)?,
            Line::Expect { who, text, .. } if !line.any_order() => {
                cast.expect(who, text).map_err(differs)?;
            }
            Line::Expect { who, .. } => {
                let group: Vec<&str> = lines[at - 1..]
                    .iter()
                    .map_while(|line| line.unordered(who))
                    .collect();
                at += group.len() - 1;
                cast.expect_all(who, &group).map_err(differs)?;
            }
        }
    }
    cast.nothing_left()
}

/// Plays a script and puts what is received after each step.
fn record(cast: &mut Cast<'_>, lines: &[Line]) -> Result<Vec<Line>, String> {
    let mut recorded = Vec::new();
    for line in lines {
        match line {
            Line::Expect { .. } => {}
            Line::Note(_) => recorded.push(line.clone()),
            Line::Send { who, text } => {
                recorded.push(line.clone());
                cast.send(who, text)?;
                recorded.extend(cast.received());
            }
        }
    }
    Ok(recorded)
}
