//! Commands about clusters, against three nats-servers of another make: this project's server is alone.
//!
//! The servers are those of `NATS_CLUSTER_SERVER_BIN`, else Debian's `nats-server`. Where there is none
//! the test says so in a line of its own and counts as skipped.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cognate_conformance::{Server, wait};
use serde_json::Value;

use crate::proxied::Proxy;
use crate::support::{Ended, World};

/// How long servers may take to agree, on a machine that does other things as well.
const ELECTION: Duration = Duration::from_secs(60);

/// A server that can form clusters.
fn binary() -> Option<PathBuf> {
    let named = std::env::var_os("NATS_CLUSTER_SERVER_BIN").map(PathBuf::from);
    let usual = Some(PathBuf::from("/usr/sbin/nats-server"));
    named.or(usual).filter(|path| path.is_file())
}

/// Said past the test harness, which keeps what tests print that pass.
fn say_skipped() {
    let text = "\nno clusters to test: install nats-server or set NATS_CLUSTER_SERVER_BIN\n\
                0 passed, 0 failed, 1 skipped\n";
    std::io::stderr()
        .write_all(text.as_bytes())
        .expect("standard error is open");
}

/// Three servers, `n1` to `n3`.
struct Cluster {
    servers: Vec<Server>,
    world: World,
}

impl Cluster {
    fn start(binary: &Path) -> Self {
        // Every process has a loopback address of its own, so no other test takes these ports.
        let pid = std::process::id().to_be_bytes();
        let host = format!("127.{}.{}.{}", 64 + (pid[1] & 63), pid[2], pid[3]);
        let routes: Vec<String> = (0..3)
            .map(|at| format!("nats://{host}:{}", 6222 + at))
            .collect();
        let start = |at: usize| {
            let builder = Server::builder().binary(binary);
            let store = builder.dir().join("store");
            let config = format!(
                "server_name: n{}\njetstream {{ store_dir: {store:?} }}\nsystem_account: SYS\n\
                 accounts {{\n SYS: {{ users: [{{ user: sys, password: secret }}] }}\n\
                 A: {{ jetstream: enabled, users: [{{ user: ann, password: a }}] }} }}\n\
                 no_auth_user: ann\n\
                 cluster {{ name: C1, listen: \"{host}:{}\", routes: [{}] }}\n",
                at + 1,
                6222 + at,
                routes.join(", ")
            );
            builder.config(&config).start()
        };
        let mut servers: Vec<Server> = (0..3).map(start).collect();
        let world = World::with(servers.remove(0));
        let cluster = Cluster { servers, world };
        wait::until_within(ELECTION, "a meta leader that sees two others", || {
            (cluster.meta(3).code == 0).then_some(())
        });
        cluster
    }

    /// The verdict about the meta group.
    fn meta(&self, expected: u32) -> Ended {
        let expected = expected.to_string();
        let limits = ["--lag-critical", "100", "--seen-critical", "10s"];
        // While nobody leads nobody answers, and those who ask ask again.
        let patience = ["--timeout", "1s"];
        let check = ["server", "check", "meta", "--expect", &expected];
        self.world.sys(&[&check[..], &limits, &patience].concat())
    }

    /// `n2` or `n3`.
    fn other(&mut self, name: &str) -> &mut Server {
        match name {
            "n2" => &mut self.servers[0],
            _ => &mut self.servers[1],
        }
    }

    /// What a stream's leader says of it, once there is one: while nobody leads nobody answers.
    fn info(&self, stream: &str) -> Value {
        wait::until_within(ELECTION, "a stream's leader", || {
            let ended = self.world.nats(&["stream", "info", stream, "--json"]);
            let info = (ended.code == 0).then(|| ended.json())?;
            let leader = info["cluster"]["leader"].as_str()?;
            (!leader.is_empty()).then_some(info)
        })
    }

    /// Asks a leader to step down, until somebody was elected within the time that the tool gives it.
    fn steps_down(&self, run: impl Fn() -> Ended) {
        wait::until_within(ELECTION, "another leader", || {
            let ended = run();
            let is_told = ended.stderr.contains("New leader elected");
            (ended.code == 0).then(|| assert!(is_told, "{ended:?}"))
        });
    }

    fn prepare(&self) {
        for (name, replicas) in [("ALONE", "1"), ("PAIR", "2"), ("ONE", "3"), ("TWO", "3")] {
            let subjects = format!("{}.>", name.to_lowercase());
            let add = ["stream", "add", name, "--subjects", &subjects, "--defaults"];
            // A leader that has not heard yet of what the others have room for refuses. Adding again
            // what is there already is no fault.
            wait::until_within(ELECTION, "room for a stream", || {
                let ended = self
                    .world
                    .nats(&[&add[..], &["--replicas", replicas]].concat());
                (ended.code == 0).then_some(())
            });
        }
        for (stream, name) in [("ALONE", "C"), ("ONE", "C"), ("ONE", "D")] {
            let add = ["consumer", "add", stream, name, "--pull", "--defaults"];
            wait::until_within(ELECTION, "a consumer", || {
                (self.world.nats(&add).code == 0).then_some(())
            });
        }
        let publish = ["pub", "one.1", "x", "-J", "--count", "3"];
        wait::until_within(ELECTION, "messages in a stream", || {
            (self.world.nats(&publish).code == 0).then_some(())
        });
    }
}

#[test]
fn clusters_are_managed() {
    let Some(binary) = binary() else {
        return say_skipped();
    };
    let mut cluster = Cluster::start(&binary);
    cluster.prepare();
    servers_are_told_apart(&cluster);
    streams_move(&cluster);
    consumers_move(&cluster);
    the_meta_leader_steps_down(&cluster);
    a_discovered_server_is_reached_through_the_proxy(&mut cluster);
}

fn servers_are_told_apart(cluster: &Cluster) {
    let world = &cluster.world;
    let list = world.sys(&["server", "list"]).ok().stdout;
    let jetstream = world.sys(&["server", "report", "jetstream"]).ok().stdout;
    for name in ["n1", "n2", "n3"] {
        assert!(list.contains(name), "{list}");
        assert!(jetstream.contains(name), "{jetstream}");
    }
    assert!(jetstream.contains("RAFT Meta Group"), "{jetstream}");
    let routes = world.sys(&["server", "report", "routes"]).ok().stdout;
    assert!(routes.contains("n2"), "{routes}");
    let streams = ["server", "stream-check", "--csv", "--stream", "ONE"];
    wait::until_within(ELECTION, "three servers with a replica", || {
        let rows = world.sys(&streams).ok().stdout;
        let count = rows.lines().filter(|row| row.starts_with("ONE,")).count();
        (count == 3).then_some(())
    });
    let report = world.nats(&["stream", "report", "--leaders"]).ok().stdout;
    assert!(report.contains("n1") && report.contains("ONE"), "{report}");
    cluster.info("ONE");
    let info = world.nats(&["stream", "info", "ONE"]).ok().stdout;
    assert!(
        info.contains("Cluster Information") && info.contains("Replica: n"),
        "{info}"
    );
    world
        .sys(&["server", "report", "jetstream", "--sort", "nothing"])
        .fails_with("nothing");
    let missing = [
        "server",
        "check",
        "stream",
        "--stream",
        "ONE",
        "--peer-expect",
        "5",
    ];
    assert_eq!(world.nats(&missing).code, 2);
    let balance = ["server", "cluster", "balance", "1s", "-f"];
    let out = world.sys(&balance).ok().stdout;
    assert!(out.contains("Balanced"), "{out}");
}

/// Leaders are spread, unless they have to move and the servers are older than the request that says
/// where to: those refuse it.
fn check_balanced(run: impl Fn() -> Ended) {
    wait::until_within(ELECTION, "leaders to be spread", || {
        let ended = run();
        let is_refused = ended.code == 1 && ended.stderr.contains("bad request (10003)");
        let is_balanced = ended.code == 0 && ended.stdout.contains("Balanced");
        (is_refused || is_balanced).then_some(())
    });
}

fn streams_move(cluster: &Cluster) {
    let world = &cluster.world;
    cluster.info("ONE");
    cluster.steps_down(|| world.nats(&["stream", "cluster", "down", "ONE"]));
    world
        .nats(&["stream", "cluster", "down", "ALONE"])
        .fails_with("\"ALONE\"");
    check_balanced(|| world.nats(&["stream", "cluster", "balance"]));
    world
        .nats(&["stream", "cluster", "balance", "--subject", "alone.1"])
        .fails_with("no clustered streams found");
    let info = cluster.info("PAIR");
    let peer = info["cluster"]["replicas"][0]["name"]
        .as_str()
        .expect("a replica")
        .to_owned();
    let remove = ["stream", "cluster", "peer-remove", "PAIR"];
    world
        .nats(&[&remove[..], &["n9", "-f"]].concat())
        .fails_with("n9");
    let out = world.nats(&[&remove[..], &[&peer, "-f"]].concat()).ok();
    assert!(out.stderr.contains("Requested removal of peer"), "{out:?}");
    wait::until_within(ELECTION, "another replica", || {
        let info = cluster.info("PAIR");
        let name = info["cluster"]["replicas"][0]["name"].as_str()?;
        (name != peer).then_some(())
    });
}

fn consumers_move(cluster: &Cluster) {
    let world = &cluster.world;
    cluster.steps_down(|| world.nats(&["consumer", "cluster", "down", "ONE", "C"]));
    world
        .nats(&["consumer", "cluster", "down", "ALONE", "C"])
        .fails_with("ALONE");
    check_balanced(|| world.nats(&["consumer", "cluster", "balance", "ONE"]));
    world
        .nats(&["consumer", "cluster", "balance", "ALONE"])
        .fails_with("no clustered consumers found");
    wait::until_within(ELECTION, "the consumer's replicas", || {
        let ended = world.nats(&["consumer", "info", "ONE", "C"]);
        (ended.code == 0 && ended.stdout.contains("Replica: n")).then_some(())
    });
}

fn the_meta_leader_steps_down(cluster: &Cluster) {
    let world = &cluster.world;
    cluster.steps_down(|| world.sys(&["server", "cluster", "step-down"]));
    world
        .nats(&["server", "raft", "step-down", "--timeout", "500ms"])
        .fails_with("system privileges");
    world
        .sys(&["server", "raft", "peer-remove", "n9", "-f"])
        .fails_with("did not find a replica named n9");
}

/// A subscriber knows one server, loses it, and goes on with one that it was told of; the lost server
/// is then removed.
fn a_discovered_server_is_reached_through_the_proxy(cluster: &mut Cluster) {
    wait::until_within(ELECTION, "the meta leader to be settled", || {
        (cluster.meta(3).code == 0).then_some(())
    });
    let jetstream = cluster.world.sys(&["server", "request", "jsz", "--leader"]);
    let leader = jetstream.ok().json()["data"]["meta_cluster"]["leader"].clone();
    let lost = if leader == "n3" { "n2" } else { "n3" };
    let proxy = Proxy::start(&[("far.internal", cluster.other(lost).addr())], None);
    let url = proxy.url();
    let listen = [
        "sub",
        "news",
        "--count",
        "1",
        "--server",
        "far.internal",
        "--socks-proxy",
        &url,
    ];
    let mut listener = cluster.world.spawn(&listen);
    listener.wait_for("Subscribing on news");
    cluster.other(lost).signal("TERM");
    cluster.other(lost).wait_exit();
    let world = &cluster.world;
    wait::until_within(ELECTION, "a message over another server", || {
        world.nats(&["pub", "news", "hello"]).ok();
        listener.has_ended().then_some(())
    });
    assert!(listener.wait().contains("hello"));
    let asked = proxy.asked();
    assert!(
        asked
            .iter()
            .any(|target| !target.starts_with("far.internal")),
        "{asked:?}"
    );
    let ended = wait::until_within(ELECTION, "the lost server to be seen as lost", || {
        Some(cluster.meta(3)).filter(|ended| ended.code == 2)
    });
    assert!(
        ended.stdout.contains("offline") || ended.stdout.contains("not"),
        "{ended:?}"
    );
    let out = world
        .sys(&["server", "cluster", "peer-remove", lost, "-f"])
        .ok();
    assert!(out.stderr.contains(&format!("peer {lost}")), "{out:?}");
}
