//! Measures what many accounts cost a server: how long it takes to start, how much memory it holds,
//! how long the first login to an account takes, and an update that is pushed.
//!
//! ```text
//! NATS_SERVER_BIN=… cargo run --release -p cognate-conformance --example accounts_scale [N]
//! ```
//!
//! Two set-ups: N accounts of an operator in the directory of a full resolver (10,000 without an
//! argument), and N/10 accounts in the configuration with 100 users each, each of whom has a list of
//! 50 permissions of its own. It prints one line per figure.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use cognate_conformance::jwt::{self, Key, Role};
use cognate_conformance::{Client, Server};
use serde_json::{Value, json};

/// Accounts of the operator without an argument.
const ACCOUNTS: usize = 10_000;

/// Users of each account in the configuration.
const USERS: usize = 100;

/// Permissions of each of them.
const ENTRIES: usize = 50;

/// Updates that are pushed.
const PUSHES: u32 = 20;

fn main() {
    let argument = std::env::args().nth(1);
    let accounts = argument.map_or(ACCOUNTS, |n| n.parse().expect("a number of accounts"));
    tokens(accounts);
    configured(accounts / 10);
}

/// Accounts as tokens in a directory.
fn tokens(count: usize) {
    let operator = Key::new(Role::Operator, "OP");
    let system = Key::new(Role::Account, "SYS");
    let keys: Vec<Key> = (0..count)
        .map(|n| Key::new(Role::Account, &format!("A{n}")))
        .collect();
    let builder = Server::builder();
    let dir = builder.dir().join("jwt");
    std::fs::create_dir_all(&dir).expect("a directory");
    let store = |key: &Key, nats: Value| {
        let token = jwt::encode(&operator, jwt::account(key, "name", nats));
        let file = dir.join(format!("{}.jwt", key.public()));
        std::fs::write(file, token).expect("a file");
    };
    store(&system, json!({}));
    for key in &keys {
        store(key, account());
    }
    let claims = jwt::operator(&operator, json!({"system_account": system.public()}));
    let config = format!(
        "operator: \"{}\"\nsystem_account: {}\nresolver: {{ type: full, dir: \"{}\" }}\n\
         max_closed_clients: 100",
        jwt::encode(&operator, claims),
        system.public(),
        dir.display()
    );
    let began = Instant::now();
    let server = builder.config(&config).start();
    drop(login(&server, &system));
    report(
        &format!("{count} accounts of an operator: start"),
        began.elapsed(),
    );
    memory(&server, "  memory");
    let began = Instant::now();
    for key in &keys {
        drop(login(&server, key));
    }
    let each = began.elapsed() / u32::try_from(count.max(1)).unwrap_or(u32::MAX);
    report("  first login to an account", each);
    memory(&server, "  memory after a login to each of them");
    let mut client = login(&server, &system);
    client.send("SUB inbox 1\r\n").sync();
    let began = Instant::now();
    for n in 0..PUSHES {
        let changed = json!({"limits": {"conn": 10 + n}});
        let token = jwt::encode(&operator, jwt::account(&keys[0], "name", changed));
        let push = format!(
            "PUB $SYS.REQ.CLAIMS.UPDATE inbox {}\r\n{token}\r\n",
            token.len()
        );
        let answer = client.send(push).message().payload;
        assert!(answer.contains("jwt updated"), "{answer}");
    }
    report("  an update that is pushed", began.elapsed() / PUSHES);
}

/// What an account usually has.
fn account() -> Value {
    json!({
        "exports": [{"name": "events", "subject": "events.>", "type": "stream"},
            {"name": "help", "subject": "help.*", "type": "service"}],
        "default_permissions": {"pub": {"deny": ["admin.>"]}, "sub": {}},
    })
}

fn login(server: &Server, account: &Key) -> Client {
    let user = Key::new(Role::User, "u");
    let token = jwt::encode(account, jwt::user(&user, "u", json!({})));
    let mut client = server.connect();
    let nonce = client.info()["nonce"].as_str().unwrap_or_default();
    let options = json!({"verbose": false, "pedantic": false, "jwt": token,
        "sig": user.sign(nonce)});
    client.send(format!("CONNECT {options}\r\n")).sync();
    client
}

/// Accounts in the configuration, with many users.
fn configured(count: usize) {
    let mut config = "accounts {\n".to_owned();
    for account in 0..count {
        // Writing to a String cannot fail.
        let _ = writeln!(config, "A{account} {{ users: [");
        for user in 0..USERS {
            let _ = write!(
                config,
                "{{ user: u{account}_{user}, password: p, permissions: {{ publish: ["
            );
            for entry in 0..ENTRIES {
                let _ = write!(config, "orders.{account}.{user}.{entry}.>,");
            }
            config.push_str("] } }\n");
        }
        config.push_str("] }\n");
    }
    config.push_str("}\n");
    let size = config.len() / (1 << 20);
    let began = Instant::now();
    let server = Server::with_config(&config);
    let name = format!("{count} accounts with {USERS} users, {size} MiB of configuration: start");
    report(&name, began.elapsed());
    memory(&server, "  memory");
}

fn report(what: &str, time: Duration) {
    println!("{what}: {time:.2?}");
}

/// The resident memory of the server and the processor time it took so far, where the system tells.
fn memory(server: &Server, what: &str) {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.pid())).unwrap_or_default();
    // After the name of the program, which may have spaces: user and system time, in hundredths.
    let (_, rest) = stat.rsplit_once(')').unwrap_or_default();
    let ticks = rest.split(' ').skip(12).take(2);
    let ticks: u64 = ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    let status = format!("/proc/{}/status", server.pid());
    let status = std::fs::read_to_string(status).unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let resident = resident.map_or("unknown", str::trim);
    println!(
        "{what}: {resident}, {} ms of processor time so far",
        ticks * 10
    );
}
