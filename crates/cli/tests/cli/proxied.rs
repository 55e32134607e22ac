//! Reaching servers through a SOCKS5 proxy, over real sockets.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use cognate_conformance::wait;

use crate::identity::secured;
use crate::support::World;

/// A SOCKS5 proxy that knows names of its own and remembers what it was asked for.
pub(crate) struct Proxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// A proxy for which these names have these addresses; it asks for `login`, if given.
    pub(crate) fn start(names: &[(&str, SocketAddr)], login: Option<(&str, &str)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let names: HashMap<String, SocketAddr> = names
            .iter()
            .map(|(name, address)| ((*name).to_owned(), *address))
            .collect();
        let login = login.map(|(user, password)| (user.to_owned(), password.to_owned()));
        let log = asked.clone();
        // Ends with the test's process.
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (names, login, log) = (names.clone(), login.clone(), log.clone());
                // A client that breaks off is no fault of the proxy's.
                std::thread::spawn(move || serve(client, &names, login.as_ref(), &log).ok());
            }
        });
        Proxy { address, asked }
    }

    pub(crate) fn url(&self) -> String {
        format!("socks5://{}", self.address)
    }

    /// The targets so far, as `host:port`.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("nobody panics with it").clone()
    }
}

fn serve(
    mut client: TcpStream,
    names: &HashMap<String, SocketAddr>,
    login: Option<&(String, String)>,
    log: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut head = [0; 2];
    client.read_exact(&mut head)?;
    let methods = read_text(&mut client, head[1])?;
    match login {
        None => client.write_all(&[5, 0])?,
        Some(_) if !methods.contains('\x02') => return client.write_all(&[5, 0xff]),
        Some((user, password)) => {
            client.write_all(&[5, 2])?;
            client.read_exact(&mut head)?;
            let given_user = read_text(&mut client, head[1])?;
            client.read_exact(&mut head[..1])?;
            let given_password = read_text(&mut client, head[0])?;
            let is_right = given_user == *user && given_password == *password;
            client.write_all(&[1, u8::from(!is_right)])?;
            if !is_right {
                return Ok(());
            }
        }
    }
    let (target, address) = read_target(&mut client, names)?;
    log.lock().expect("nobody panics with it").push(target);
    let Some(server) = address.and_then(|address| TcpStream::connect(address).ok()) else {
        return client.write_all(&[5, 4, 0, 1, 0, 0, 0, 0, 0, 0]);
    };
    // The address of the answer is a name, which is the form of unknown length.
    client.write_all(&[5, 0, 0, 3, 2, b'm', b'e', 0, 1])?;
    let (mut back_from, mut back_to) = (server.try_clone()?, client.try_clone()?);
    std::thread::spawn(move || {
        // Whichever side ends, the other is told.
        let _ = std::io::copy(&mut back_from, &mut back_to);
        let _ = back_to.shutdown(Shutdown::Both);
    });
    let mut server = server;
    let copied = std::io::copy(&mut client, &mut server);
    server.shutdown(Shutdown::Both)?;
    copied.map(drop)
}

fn read_target(
    client: &mut TcpStream,
    names: &HashMap<String, SocketAddr>,
) -> std::io::Result<(String, Option<SocketAddr>)> {
    let mut head = [0; 4];
    client.read_exact(&mut head)?;
    let (host, known) = match head[3] {
        1 => {
            let mut ip = [0; 4];
            client.read_exact(&mut ip)?;
            (std::net::Ipv4Addr::from(ip).to_string(), None)
        }
        _ => {
            let mut len = [0];
            client.read_exact(&mut len)?;
            let name = read_text(client, len[0])?;
            (name.clone(), names.get(&name).copied())
        }
    };
    let mut port = [0; 2];
    client.read_exact(&mut port)?;
    let target = format!("{host}:{}", u16::from_be_bytes(port));
    let address = known.or_else(|| target.parse().ok());
    Ok((target, address))
}

fn read_text(client: &mut TcpStream, len: u8) -> std::io::Result<String> {
    let mut bytes = vec![0; usize::from(len)];
    client.read_exact(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[test]
fn names_are_left_to_the_proxy() {
    let world = World::new();
    let proxy = Proxy::start(
        &[("server.internal", world.addr())],
        Some(("joe", "s:cret")),
    );
    let through = proxy.url().replace("//", "//joe:s%3Acret@");
    let run_at = |server: &str, args: &[&str], proxy: &str| {
        let flags = ["--server", server, "--socks-proxy", proxy];
        world.nats(&[args, &flags].concat())
    };
    let run = |args: &[&str], proxy: &str| run_at("server.internal:99", args, proxy);
    run(
        &["stream", "add", "S", "--subjects", "a.>", "--defaults"],
        &through,
    )
    .ok();
    // What was written last arrives, although nobody waits for an answer.
    let body = "x".repeat(100_000);
    run(&["pub", "a.1", &body, "--count", "9"], &through).ok();
    let state = wait::until("nine messages", || {
        let info = run(&["stream", "info", "S", "--json"], &through)
            .ok()
            .json();
        (info["state"]["messages"] == 9).then(|| info["state"].clone())
    });
    assert!(
        state["bytes"].as_u64().is_some_and(|bytes| bytes > 900_000),
        "{state}"
    );
    run(&["rtt"], &through).ok();
    run(
        &["bench", "pub", "b", "--msgs", "10", "--no-progress"],
        &through,
    )
    .ok();
    assert!(
        proxy
            .asked()
            .iter()
            .all(|target| target == "server.internal:99")
    );
    for command in [&["rtt"][..], &["pub", "b", "x"]] {
        run(command, &proxy.url()).fails_with("it wants a user and a password");
        let wrong = through.replace("joe", "ann");
        run(command, &wrong).fails_with("it refused user and password");
        run(command, "http://127.0.0.1:1").fails_with("is no SOCKS5 proxy");
        run(command, "socks5://127.0.0.1:1").fails_with("SOCKS proxy socks5://127.0.0.1:1");
        run_at("nats://other:4222", command, &through)
            .fails_with("no connection to other:4222: the host cannot be reached");
    }
}

#[test]
fn a_proxy_is_named_by_environment_and_context() {
    let world =
        World::configured(r#"authorization { users: [{user: "ann", password: "secret"}] }"#);
    let proxy = Proxy::start(&[], None);
    let mut command = world.command(&["pub", "a", "b", "--user", "ann", "--password", "secret"]);
    let output = command
        .env("NATS_SOCKS_PROXY", proxy.url())
        .output()
        .expect("nats can be run");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(proxy.asked(), [world.addr().to_string()]);
    let secret_proxy = proxy.url().replace("//", "//me:hidden@");
    let login = ["--user", "ann", "--password", "secret"];
    let add = [
        "context",
        "add",
        "far",
        "--select",
        "--socks-proxy",
        &secret_proxy,
    ];
    let shown = world.nats(&[&add[..], &login].concat()).ok().stdout;
    assert!(
        shown.contains("SOCKS5 Proxy: socks5://***@") && !shown.contains("hidden"),
        "{shown}"
    );
    world.nats(&["pub", "a", "b"]).ok();
    world.nats(&["context", "validate", "--connect"]).ok();
    assert_eq!(proxy.asked().len(), 3);
    world
        .nats(&["pub", "a", "b", "--user", "ann", "--password", "wrong"])
        .fails_with("refused the login");
}

#[test]
fn the_way_is_found_again_through_the_proxy() {
    let (mut first, second) = (World::new(), World::new());
    let names = [
        ("one.internal", first.addr()),
        ("two.internal", second.addr()),
    ];
    let proxy = Proxy::start(&names, None);
    let servers = "nats://one.internal,nats://two.internal";
    let url = proxy.url();
    let listen = [
        "sub",
        "a",
        "--count",
        "1",
        "--server",
        servers,
        "--socks-proxy",
        &url,
    ];
    let mut listener = first.spawn(&listen);
    listener.wait_for("Subscribing on a");
    first.kill_server();
    wait::until("a message over the other server", || {
        second.nats(&["pub", "a", "hello"]).ok();
        listener.has_ended().then_some(())
    });
    assert!(listener.wait().contains("hello"));
    let asked = proxy.asked();
    assert_eq!(asked.first().map(String::as_str), Some("one.internal:4222"));
    assert!(asked.contains(&"two.internal:4222".to_owned()), "{asked:?}");
}

#[test]
fn certificates_are_checked_for_the_server_not_the_proxy() {
    for (extra, first) in [("", false), ("handshake_first: true", true)] {
        let (world, flags, _files) = secured(extra);
        let proxy = Proxy::start(&[("other.internal", world.addr())], None);
        let mut flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let url = proxy.url();
        flags.extend(["--socks-proxy", &url]);
        if first {
            flags.push("--tlsfirst");
        }
        let run = |args: &[&str]| world.nats(&[args, &flags].concat());
        run(&["pub", "a", "b"]).ok();
        run(&["rtt"]).ok();
        let info = run(&["account", "info"]).ok().stdout;
        assert!(info.contains("TLS Connection: yes"), "{info}");
        for command in [&["pub", "a", "b"][..], &["rtt"]] {
            let other = ["--server", "tls://other.internal:4222"];
            run(&[command, &other].concat()).fails_with("certificate");
        }
    }
}
