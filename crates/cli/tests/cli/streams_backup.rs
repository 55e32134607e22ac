//! Streams as files, and back: whole, or not at all.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use crate::support::World;

fn filled(bodies: usize, size: usize) -> World {
    let world = World::new();
    let add = ["stream", "add", "S", "--subjects", "s.>", "--defaults"];
    world.nats(&add).ok();
    world
        .nats(&["consumer", "add", "S", "C", "--pull", "--defaults"])
        .ok();
    let (count, size) = (bodies.to_string(), size.to_string());
    let body = format!("{{{{Random {size} {size}}}}}");
    let publish = ["pub", "s.{{Count}}", &body, "--count", &count, "-J"];
    world.nats(&publish).ok();
    world
}

fn messages(world: &World) -> serde_json::Value {
    world.nats(&["stream", "info", "S", "-j"]).ok().json()["state"]["messages"].take()
}

#[test]
fn a_stream_comes_back_with_its_consumers() {
    let world = filled(5, 10);
    let out = world.nats(&["stream", "backup", "S", "bk"]).ok().stdout;
    assert!(
        out.starts_with("Starting backup of Stream \"S\" with "),
        "{out}"
    );
    assert!(out.contains("compressed data in"), "{out}");
    let files = |folder: &Path| {
        let entries = std::fs::read_dir(folder).expect("a folder");
        let name = |entry: std::io::Result<std::fs::DirEntry>| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("text")
        };
        let mut names: Vec<String> = entries.map(name).collect();
        names.sort();
        names
    };
    assert_eq!(
        files(&world.dir().join("bk")),
        ["backup.json", "stream.tar.s2"]
    );
    world
        .nats(&["stream", "restore", "bk"])
        .fails_with("Stream \"S\" already exists");
    world.nats(&["stream", "rm", "S", "-f"]).ok();
    let out = world.nats(&["stream", "restore", "bk"]).ok().stdout;
    assert!(out.contains("Restored stream \"S\" in "), "{out}");
    assert_eq!(messages(&world), 5);
    assert_eq!(world.nats(&["con", "ls", "S", "-n"]).ok().stdout, "C\n");
    // Without consumers, with another configuration.
    world
        .nats(&["stream", "backup", "S", "bk", "--no-consumers"])
        .ok();
    world.nats(&["stream", "rm", "S", "-f"]).ok();
    world.file(
        "s.json",
        br#"{"name": "S", "subjects": ["s.>"], "storage": "file", "max_msgs": 50}"#,
    );
    world
        .nats(&["stream", "restore", "bk", "--config", "s.json"])
        .ok();
    assert_eq!(world.nats(&["con", "ls", "S", "-n"]).ok().stdout, "");
    world.file("t.json", br#"{"name": "T"}"#);
    world.nats(&["stream", "rm", "S", "-f"]).ok();
    world
        .nats(&["stream", "restore", "bk", "--config", "t.json"])
        .fails_with("may not be changed");
}

#[test]
fn what_is_no_backup_is_refused() {
    let world = filled(1, 10);
    world
        .nats(&["stream", "backup", "NOPE", "bk"])
        .fails_with("not found");
    assert!(!world.dir().join("bk/stream.tar.s2.partial").exists());
    world
        .nats(&["stream", "restore", "nowhere"])
        .fails_with("not a whole backup");
    std::fs::create_dir_all(world.dir().join("bk")).expect("a folder");
    world
        .nats(&["stream", "restore", "bk"])
        .fails_with("backup.json");
    // A snapshot that was cut off, and one that never was one: nothing comes of either.
    world.nats(&["stream", "backup", "S", "bk"]).ok();
    world.nats(&["stream", "rm", "S", "-f"]).ok();
    let data = world.dir().join("bk/stream.tar.s2");
    let whole = std::fs::read(&data).expect("it can be read");
    for broken in [&whole[..whole.len() / 2], b"not a snapshot"] {
        std::fs::write(&data, broken).expect("it can be written");
        world
            .nats(&["stream", "restore", "bk"])
            .fails_with("restore failed");
        world.nats(&["stream", "info", "S"]).fails_with("not found");
    }
    std::fs::write(&data, whole).expect("it can be written");
    world.nats(&["stream", "restore", "bk"]).ok();
    assert_eq!(messages(&world), 1);
}

/// A restore that is interrupted leaves no stream, and the next one does the whole.
#[test]
fn an_interrupted_restore_leaves_nothing() {
    let world = filled(400, 60_000);
    world
        .nats(&["stream", "backup", "S", "bk", "--no-progress"])
        .ok();
    world.nats(&["stream", "rm", "S", "-f"]).ok();
    // The restore is stopped on its way: however quick the machine is, it does not end by itself.
    let dam = Dam::start(world.addr(), 1 << 20);
    let through = ["--server", &dam.url()];
    let restore = ["stream", "restore", "bk", "--trace"];
    let mut restore = world.spawn(&[&restore[..], &through].concat());
    restore.wait_for("Sent ");
    dam.wait_until_full();
    restore.press_ctrl_c();
    dam.open();
    let out = restore.interrupted();
    assert!(out.contains("restore failed: interrupted"), "{out}");
    assert!(out.contains("run the command again"), "{out}");
    world.nats(&["stream", "info", "S"]).fails_with("not found");
    world.nats(&["stream", "restore", "bk"]).ok();
    assert_eq!(messages(&world), 400);
}

/// A way to a server that is closed once so much went there, until it is opened.
struct Dam {
    address: SocketAddr,
    gate: Arc<(Mutex<Gate>, Condvar)>,
}

#[derive(Default)]
struct Gate {
    is_full: bool,
    is_open: bool,
}

impl Dam {
    /// A way for one connection to `server`.
    fn start(server: SocketAddr, limit: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let gate = Arc::<(Mutex<Gate>, Condvar)>::default();
        let dam = Dam {
            address,
            gate: gate.clone(),
        };
        // Both end with their connection.
        std::thread::spawn(move || {
            let (client, _) = listener.accept().expect("nats connects");
            let server = TcpStream::connect(server).expect("the server listens");
            let (mut from, mut to) = (server.try_clone(), client.try_clone());
            std::thread::spawn(move || {
                let ends = (from.as_mut().expect("a socket"), to.as_mut().expect("one"));
                std::io::copy(ends.0, ends.1).ok();
                ends.1.shutdown(std::net::Shutdown::Both).ok();
            });
            flow(client, server, limit, &gate).ok();
        });
        dam
    }

    fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// Waits until nothing goes through any more.
    fn wait_until_full(&self) {
        let gate = self.gate.0.lock().expect("nobody panics with it");
        let full = self.gate.1.wait_while(gate, |gate| !gate.is_full);
        drop(full.expect("nobody panics with it"));
    }

    fn open(&self) {
        self.gate.0.lock().expect("nobody panics with it").is_open = true;
        self.gate.1.notify_all();
    }
}

fn flow(
    mut from: TcpStream,
    mut to: TcpStream,
    limit: usize,
    gate: &(Mutex<Gate>, Condvar),
) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    let mut total = 0;
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            return to.shutdown(std::net::Shutdown::Both);
        }
        total += count;
        if total > limit {
            let mut state = gate.0.lock().expect("nobody panics with it");
            state.is_full = true;
            gate.1.notify_all();
            let opened = gate.1.wait_while(state, |gate| !gate.is_open);
            drop(opened.expect("nobody panics with it"));
        }
        to.write_all(&buffer[..count])?;
    }
}
