//! What the process shows of itself: its arguments.
#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// A server with these arguments, ready.
fn start(args: &[&str]) -> Child {
    let mut child = Command::new(env!("CARGO_BIN_EXE_nats-server"))
        .args(["-a", "127.0.0.1", "-p", "-1"])
        .args(args)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary was built with this test");
    let log = child.stderr.take().expect("a pipe was asked for");
    let mut lines = BufReader::new(log).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("Server is ready")));
    std::thread::spawn(move || lines.for_each(drop));
    child
}

#[test]
fn passwords_and_tokens_are_not_in_the_list_of_processes() {
    for args in [
        &["--user", "bob", "--pass", "distinctive"][..],
        &["--user=bob", "--pass=distinctive"],
        &["-auth", "distinctive"],
        &["--auth=distinctive"],
    ] {
        let mut child = start(args);
        let path = format!("/proc/{}/cmdline", child.id());
        let shown = std::fs::read(path).expect("the process lives");
        child.kill().expect("it can be killed");
        child.wait().expect("it ends");
        let shown = String::from_utf8_lossy(&shown);
        assert!(!shown.contains("distinctive"), "{shown:?}");
        // Everything else is there to be seen.
        assert!(shown.contains("127.0.0.1\0-p\0-1\0"), "{shown:?}");
        assert!(shown.contains("xxxxxxxxxxx"), "{shown:?}");
    }
}
