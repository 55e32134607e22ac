//! The log: its format, its first lines, its files.

use std::path::Path;

use cognate_conformance::{Server, wait};

/// `[pid] YYYY/MM/DD HH:MM:SS.uuuuuu [LVL] text` → (level, text)
fn parse(line: &str, pid: u32) -> (String, String) {
    let rest = line
        .strip_prefix(&format!("[{pid}] "))
        .unwrap_or_else(|| panic!("no [{pid}] before {line:?}"));
    let (time, rest) = rest.split_at(26);
    let shape: String = time
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    assert_eq!(shape, "0000/00/00 00:00:00.000000", "{line}");
    let rest = rest
        .strip_prefix(" [")
        .unwrap_or_else(|| panic!("no level in {line:?}"));
    let (level, text) = rest
        .split_once("] ")
        .unwrap_or_else(|| panic!("no text in {line:?}"));
    (level.to_owned(), text.to_owned())
}

#[test]
fn every_line_has_pid_time_level_and_text() {
    let server = Server::builder().args(&["-DV"]).start();
    server.quiet().send("SUB a 1\r\nPUB b 2\r\nhi\r\n").sync();
    let log = server.wait_log("Client connection closed: Client Closed");
    for line in log.lines() {
        let (level, _) = parse(line, server.pid());
        assert!(
            ["INF", "DBG", "TRC", "WRN", "ERR"].contains(&level.as_str()),
            "{line}"
        );
    }
}

#[test]
fn the_first_lines_say_what_starts() {
    let server = Server::builder()
        .monitored()
        .config("max_payload: 1000")
        .start();
    let log = server.wait_log("Server is ready");
    let texts: Vec<(String, String)> = log.lines().map(|line| parse(line, server.pid())).collect();
    assert_eq!(texts[0].1, "Starting nats-server");
    let id = server.connect().info()["server_id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let conf = server.dir().join("server.conf");
    let expected = [
        "  Version:  2.14.5".to_owned(),
        format!("  Name:     {id}"),
        format!("  ID:       {id}"),
        format!("Using configuration file: {} (sha256:", conf.display()),
        format!(
            "Starting http monitor on 127.0.0.1:{}",
            server.monitor_addr().port()
        ),
        format!(
            "Listening for client connections on 127.0.0.1:{}",
            server.addr().port()
        ),
        "Server is ready".to_owned(),
    ];
    let mut from = 0;
    for start in expected {
        let at = texts[from..]
            .iter()
            .position(|(level, text)| level == "INF" && text.starts_with(&start));
        from += at.unwrap_or_else(|| panic!("{start:?} is missing or out of order in\n{log}")) + 1;
    }
}

#[test]
fn ipv6_addresses_are_in_brackets() {
    let server = Server::builder()
        .without_port_flag()
        .config("listen: \"[::1]:-1\", http: \"[::1]:-1\"")
        .start();
    let log = server.wait_log("Server is ready");
    for said in [
        format!("Starting http monitor on {}", server.monitor_addr()),
        format!("Listening for client connections on {}", server.addr()),
    ] {
        assert!(log.contains(&said), "{said:?} is missing in\n{log}");
    }
}

#[test]
fn plain_passwords_are_warned_about() {
    let warning = "[WRN] Plaintext passwords detected, use nkeys or bcrypt";
    let server = Server::builder()
        .config("authorization { user: a, password: b }")
        .start();
    server.wait_log(warning);
    let server = Server::builder()
        .config("authorization { user: a, password: \"$2a$04$YjhkwsSPLNdi3/ZgNats1euaCfdHSKVbk.8x6/03X5W7N2poQcloC\" }")
        .start();
    assert!(!server.wait_log("Server is ready").contains(warning));
}

#[test]
fn tracing_shows_operations_as_they_pass() {
    let server = Server::builder().args(&["-DV"]).start();
    let mut client = server.connect();
    client.send(
        "CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB a q 1\r\nPUB a r 2\r\nhi\r\n\
         HPUB a 12 14\r\nNATS/1.0\r\n\r\nhi\r\nUNSUB 1 9\r\n",
    );
    client.message();
    client.message();
    client.sync();
    let (port, cid) = (client.local_addr().port(), client.cid());
    drop(client);
    let log = server.wait_log("Client connection closed: Client Closed");
    let who = format!("127.0.0.1:{port} - cid:{cid} - ");
    let mut rest = log.as_str();
    for (level, text) in [
        ("DBG", "Client connection created"),
        ("TRC", "<<- [CONNECT {\"verbose\":false,\"headers\":true}]"),
        ("TRC", "<<- [SUB a q 1]"),
        ("TRC", "<<- [PUB a r 2]"),
        ("TRC", "<<- MSG_PAYLOAD: [\"hi\"]"),
        ("TRC", "->> [MSG a 1 r 2]"),
        ("TRC", "<<- [HPUB a 12 14]"),
        ("TRC", "->> [HMSG a 1 12 14]"),
        ("TRC", "<<- [UNSUB 1 9]"),
        ("TRC", "<<- [PING]"),
        ("TRC", "->> [PONG]"),
        ("DBG", "Client connection closed: Client Closed"),
    ] {
        // A client with an account name may be described further between cid and text.
        let at = rest
            .lines()
            .position(|line| line.contains(&format!("[{level}] {who}")) && line.ends_with(text));
        let at = at.unwrap_or_else(|| panic!("{text:?} is missing or out of order in\n{log}"));
        let skipped: usize = rest.lines().take(at + 1).map(|line| line.len() + 1).sum();
        rest = rest.get(skipped..).unwrap_or_default();
    }
}

#[test]
fn time_can_be_left_out() {
    let server = Server::builder().args(&["-T=false"]).start();
    let log = server.wait_log("Server is ready");
    assert!(
        log.starts_with(&format!("[{}] [INF] Starting nats-server\n", server.pid())),
        "{log}"
    );
}

#[test]
fn the_level_follows_the_flags() {
    for (args, config, debug, trace) in [
        (&[][..], "max_payload: 1000", false, false),
        (&["-D"], "max_payload: 1000", true, false),
        (&["-V"], "max_payload: 1000", false, true),
        (&["-DV"], "max_payload: 1000", true, true),
        (&["--debug", "--trace"], "max_payload: 1000", true, true),
        (&[], "debug: true, trace: true", true, true),
        (&["-D=false"], "debug: true, trace: true", false, true),
        (&["-V=false"], "debug: true, trace: true", true, false),
    ] {
        let mut server = Server::builder().config(config).args(args).start();
        server.quiet().sync();
        server.signal("TERM");
        server.wait_exit();
        let log = server.log();
        assert_eq!(log.contains("[DBG]"), debug, "{args:?} {config}: {log}");
        assert_eq!(log.contains("[TRC]"), trace, "{args:?} {config}: {log}");
    }
}

#[test]
fn traced_payloads_can_be_cut_or_left_out() {
    let script = "CONNECT {\"verbose\":false,\"headers\":true}\r\nPUB a 10\r\nhelloworld\r\n\
                  PUB a 5\r\nhello\r\nHPUB a 18 21\r\nNATS/1.0\r\nA: b\r\n\r\nend\r\n";
    let traced = |config: &str| {
        let server = Server::builder().config(config).start();
        server.connect().send(script).sync();
        let log = server.wait_log("<<- [PING]");
        let payloads = log
            .lines()
            .filter_map(|line| line.split_once("<<- MSG_PAYLOAD: "));
        payloads
            .map(|(_, payload)| payload.to_owned())
            .collect::<Vec<_>>()
    };
    let cut = traced("trace: true, max_traced_msg_len: 5");
    assert_eq!(cut[..2], ["[\"hello...\"]", "[\"hello\"]"]);
    assert_eq!(traced("trace_headers: true"), ["[\"NATS/1.0\\r\\nA: b\"]"]);
}

#[test]
fn the_log_can_go_to_a_remote_syslog() {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket
        .set_read_timeout(Some(wait::DEADLINE))
        .expect("a non-zero timeout");
    let url = format!("udp://{}", socket.local_addr().expect("a bound socket"));
    let server = Server::builder().args(&["-r", &url]).start();
    let mut datagram = [0; 2048];
    for text in ["Starting nats-server", "  Version:  2.14.5"] {
        let length = socket.recv(&mut datagram).expect("a line of the log");
        let line = String::from_utf8_lossy(&datagram[..length]).into_owned();
        let expected = format!("[{}]: {text}", server.pid());
        assert!(
            line.starts_with('<') && line.trim_end().ends_with(&expected),
            "{line}"
        );
    }
    assert_eq!(server.log(), "", "standard error stays empty");
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn a_log_file_takes_everything() {
    for by_flag in [true, false] {
        let builder = Server::builder();
        let path = builder.dir().join("server.log");
        let shown = path.display().to_string();
        let server = if by_flag {
            builder.args(&["-l", &shown]).start()
        } else {
            builder.config(&format!("log_file: \"{shown}\"")).start()
        };
        wait::until("the log file", || {
            read(&path).contains("Server is ready").then_some(())
        });
        assert_eq!(server.log(), "", "standard error stays empty");
    }
}

#[test]
fn a_moved_log_file_is_opened_again_on_usr1() {
    let builder = Server::builder();
    let (path, moved) = (
        builder.dir().join("server.log"),
        builder.dir().join("moved.log"),
    );
    let server = builder.args(&["-l", &path.display().to_string()]).start();
    wait::until("the log file", || {
        read(&path).contains("Server is ready").then_some(())
    });
    std::fs::rename(&path, &moved).expect("the file can be moved");
    server.signal("USR1");
    wait::until("the new log file", || {
        read(&path).contains("File log re-opened").then_some(())
    });
    server.connect().send("FOO\r\n").rest();
    wait::until("new lines in it", || {
        read(&path).contains("parser ERROR").then_some(())
    });
    assert!(!read(&moved).contains("parser ERROR"));
}

#[test]
fn a_log_file_over_its_limit_is_rotated() {
    let builder = Server::builder();
    let path = builder.dir().join("server.log");
    let server = builder
        .config(&format!(
            "log_file: \"{}\", log_size_limit: 3000, log_max_num: 3",
            path.display()
        ))
        .start();
    let old_files = || {
        let entries = std::fs::read_dir(server.dir())
            .expect("a directory")
            .flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names
            .filter(|name| name.starts_with("server.log."))
            .collect::<Vec<_>>()
    };
    for _ in 0..80 {
        server.connect().send("FOO\r\n").rest();
    }
    let kept = wait::until("rotation", || {
        Some(old_files()).filter(|files| files.len() == 2)
    });
    for name in kept {
        let shape: String = name
            .chars()
            .map(|c| if c.is_ascii_digit() { '0' } else { c })
            .collect();
        assert_eq!(shape, "server.log.0000.00.00.00.00.00.000000000");
    }
    assert!(read(&path).contains("Rotated log, backup saved as"));
    assert!(read(&path).len() < 4000);
}
