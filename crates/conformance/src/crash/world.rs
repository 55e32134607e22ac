//! A world: one store directory, its loads, and rounds of load, kill, start and comparison. The seed
//! decides too what the files look like: plain or encrypted, from the beginning or from a later start
//! on, and which streams are compressed ([`Form`]).

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::damage::Damage;
use super::form::Form;
use super::fuse::Fuse;
use super::link::Link;
use super::load::{self, Load};
use super::rng::Rng;
use super::{Run, Stop};
use crate::{Server, cli};

/// What rounds did, for the summary line.
#[derive(Debug, Default, Clone, Copy)]
pub struct Tally {
    /// Kills with a start and a comparison after it.
    pub rounds: u64,
    /// Rounds with a damaged file.
    pub damaged: u64,
    /// Rounds after whose kill the server encrypted what it wrote.
    pub encrypted: u64,
    /// Rounds of worlds with a compressed stream.
    pub compressed: u64,
    /// Starts that were killed as well.
    pub interrupted: u64,
    /// Publishes, acks and API requests that were confirmed.
    pub confirmed: u64,
    /// Messages compared after starts.
    pub compared: u64,
    /// Messages lost under damage, all of them lying under it.
    pub lost: u64,
    /// Deliveries whose count went back: a client had seen them, the restarted server had not
    /// kept that.
    pub recounted: u64,
    /// Confirmed acks that were forgotten under damage of the consumers' own files.
    pub unacked: u64,
}

impl Tally {
    /// Adds another one.
    pub fn add(&mut self, other: Self) {
        self.rounds += other.rounds;
        self.damaged += other.damaged;
        self.encrypted += other.encrypted;
        self.compressed += other.compressed;
        self.interrupted += other.interrupted;
        self.confirmed += other.confirmed;
        self.compared += other.compared;
        self.lost += other.lost;
        self.recounted += other.recounted;
        self.unacked += other.unacked;
    }
}

/// What went wrong, with all there is to look at.
#[derive(Debug)]
pub struct Failure {
    /// The seed that decides the same again.
    pub seed: u64,
    /// The round within the world.
    pub round: u64,
    /// What was expected and found.
    pub text: String,
    /// The damage done, if any.
    pub damage: Option<String>,
    /// The store as it was left.
    pub store: PathBuf,
    /// The end of the server's log.
    pub log: String,
}

struct World {
    seed: u64,
    rng: Rng,
    store: tempfile::TempDir,
    form: Form,
    loads: Vec<Box<dyn Load>>,
    tally: Tally,
}

fn start(config: &str) -> Result<Server, String> {
    let builder = Server::builder().config(config);
    catch_unwind(AssertUnwindSafe(|| builder.start()))
        .map_err(|_| "the server does not start".to_owned())
}

/// Runs one world of `rounds`; in the last one a file is damaged if `damage` says so.
///
/// # Errors
/// What went wrong first.
pub fn run(seed: u64, rounds: u64, damage: bool) -> Result<Tally, Box<Failure>> {
    let mut rng = Rng::new(seed);
    let loads = load::choose(&mut rng);
    let form = Form::choose(&mut rng, rounds);
    let mut world = World {
        seed,
        rng,
        store: tempfile::tempdir().expect("a temporary directory"),
        form,
        loads,
        tally: Tally::default(),
    };
    let mut server = start(&world.config(0)).map_err(|text| world.failure(0, text, None, ""))?;
    let addr = server.addr();
    let form = world.form.clone();
    let ready = world.each(|load| {
        let mut link = Link::connect(addr, None)?;
        load.setup(&mut link)?;
        form.compress(&mut link, load.name())
    });
    ready.map_err(|text| world.failure(0, text, None, &server.log()))?;
    for round in 1..=rounds {
        let damaging = damage && round == rounds;
        server = world.round(server, round, damaging, round == rounds)?;
    }
    world.tally.confirmed = world.loads.iter().map(|load| load.confirmed()).sum();
    for (recounted, unacked) in world.loads.iter().map(|load| load.forgotten()) {
        world.tally.recounted += recounted;
        world.tally.unacked += unacked;
    }
    Ok(world.tally)
}

impl World {
    fn config(&self, round: u64) -> String {
        self.form.config(self.store.path(), round)
    }

    fn each(&mut self, mut act: impl FnMut(&mut dyn Load) -> Run<()>) -> Result<(), String> {
        for load in &mut self.loads {
            let name = load.name().to_owned();
            act(&mut **load).map_err(|stop| match stop {
                Stop::Gone => format!("{name}: the server closed the connection"),
                Stop::Wrong(text) => text,
            })?;
        }
        Ok(())
    }

    /// One round; returns the server started in it.
    fn round(
        &mut self,
        server: Server,
        round: u64,
        damaging: bool,
        last: bool,
    ) -> Result<Server, Box<Failure>> {
        let (log, result) = self.load_and_kill(server);
        result.map_err(|text| self.failure(round, text, None, &log))?;
        while self.rng.percent(20) {
            let moment = Duration::from_micros(self.rng.below(40_000));
            interrupt(&self.config(round), moment);
            self.tally.interrupted += 1;
        }
        let damage = damaging
            .then(|| Damage::inflict(self.store.path(), &mut self.rng, self.form.is_encrypted()))
            .flatten();
        let damage = damage.as_ref();
        let server =
            start(&self.config(round)).map_err(|text| self.failure(round, text, damage, ""))?;
        let result = self.compare(server.addr(), damage, last).and_then(|lost| {
            let log = server.log();
            if log.contains("panicked") {
                return Err("the server panicked".to_owned());
            }
            let said = log.contains("[ERR]") || log.contains("[WRN]");
            if lost > 0 && !said {
                return Err(format!("{lost} messages lost under damage, in silence"));
            }
            Ok(())
        });
        result.map_err(|text| self.failure(round, text, damage, &server.log()))?;
        self.tally.rounds += 1;
        self.tally.damaged += u64::from(damage.is_some());
        self.tally.encrypted += u64::from(self.form.encrypts(round));
        self.tally.compressed += u64::from(self.form.compresses());
        Ok(server)
    }

    /// Lets all loads work until the fuse has burned down.
    fn load_and_kill(&mut self, server: Server) -> (String, Result<(), String>) {
        let addr = server.addr();
        let scale = *self.rng.pick(&[20, 200, 2000, 6000]);
        let fuse = Arc::new(Fuse::new(server, 1 + self.rng.below(scale)));
        let mut seeds: Vec<Rng> = self.loads.iter().map(|_| self.rng.fork()).collect();
        let complaints: Vec<String> = std::thread::scope(|scope| {
            let pairs = self.loads.iter_mut().zip(&mut seeds);
            let threads: Vec<_> = pairs
                .map(|(load, rng)| {
                    let fuse = &fuse;
                    scope.spawn(move || work(&mut **load, addr, fuse, rng))
                })
                .collect();
            let ends = threads.into_iter().map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|_| Some("the load panicked".to_owned()))
            });
            ends.flatten().collect()
        });
        fuse.server().kill();
        let log = fuse.server().log();
        let result = if log.contains("panicked") {
            Err(format!("the server panicked {complaints:?}"))
        } else {
            complaints.into_iter().next().map_or(Ok(()), Err)
        };
        (log, result)
    }

    fn compare(
        &mut self,
        addr: SocketAddr,
        damage: Option<&Damage>,
        last: bool,
    ) -> Result<u64, String> {
        let (mut present, mut lost) = (0, 0);
        self.each(|load| {
            let found = load.verify(&mut Link::connect(addr, None)?, damage)?;
            present += found.present;
            lost += found.lost;
            Ok(())
        })?;
        self.tally.compared += present;
        self.tally.lost += lost;
        if last {
            self.each(|load| load.settle(&mut Link::connect(addr, None)?, damage))?;
        }
        Ok(lost)
    }

    /// Keeps the store as it is and says where.
    fn failure(
        &mut self,
        round: u64,
        text: String,
        damage: Option<&Damage>,
        log: &str,
    ) -> Box<Failure> {
        self.store.disable_cleanup(true);
        let lines: Vec<&str> = log.lines().collect();
        Box::new(Failure {
            seed: self.seed,
            round,
            text,
            damage: damage.map(|damage| format!("{}: {}", damage.file.display(), damage.what)),
            store: self.store.path().to_owned(),
            log: lines[lines.len().saturating_sub(25)..].join("\n"),
        })
    }
}

/// Works until the server is gone; a complaint if that was not the fuse, or something was wrong.
fn work(load: &mut dyn Load, addr: SocketAddr, fuse: &Arc<Fuse>, rng: &mut Rng) -> Option<String> {
    let name = load.name().to_owned();
    let stop = match Link::connect(addr, Some(Arc::clone(fuse))) {
        Err(stop) => stop,
        Ok(mut link) => loop {
            if let Err(stop) = load.step(&mut link, rng) {
                break stop;
            }
        },
    };
    let complaint = match stop {
        Stop::Wrong(text) => text,
        Stop::Gone if fuse.is_blown() => return None,
        Stop::Gone => format!("{name}: the server closed the connection"),
    };
    // The others would wait for a kill that this load no longer brings nearer.
    fuse.blow();
    Some(complaint)
}

/// Starts a server and kills it after `moment`, in the middle of its recovery or shortly after.
fn interrupt(config: &str, moment: Duration) {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), config).expect("a temporary file can be written");
    let mut command = Command::new(cli::binary());
    command
        .args(["-a", "127.0.0.1", "-p", "-1", "-c"])
        .arg(file.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.spawn().expect("the binary under test can be run");
    let end = Instant::now() + moment;
    while Instant::now() < end {
        std::hint::spin_loop();
    }
    // It may have ended by itself, which the next start will tell.
    let _ = child.kill();
    let _ = child.wait();
}
