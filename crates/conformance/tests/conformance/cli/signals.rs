//! Unix signals, and `--signal` that sends them.

use std::os::unix::process::ExitStatusExt as _;

use cognate_conformance::{Server, cli};

#[test]
fn int_and_term_stop_in_order() {
    for (signal, name) in [("INT", "interrupt"), ("TERM", "terminated")] {
        let mut server = Server::start();
        let mut client = server.quiet();
        server.signal(signal);
        assert_eq!(server.wait_exit().code(), Some(0), "{signal}");
        client.rest();
        let log = server.log();
        for line in [
            &*format!("Trapped \"{name}\" signal"),
            "Initiating Shutdown...",
            "Server Exiting..",
        ] {
            assert!(log.contains(line), "{signal}: {line} is missing in {log}");
        }
    }
}

#[test]
fn the_signal_flag_reaches_a_process_by_pid_or_pid_file() {
    for (name, line) in [
        ("reload", "Trapped \"hangup\" signal"),
        ("reopen", "Trapped \"user defined signal 1\" signal"),
        ("quit", "Server Exiting.."),
        ("term", "Server Exiting.."),
        ("ldm", "Entering lame duck mode"),
        ("stop", ""),
    ] {
        for by_file in [false, true] {
            let builder = Server::builder();
            let pid_file = builder.dir().join("server.pid").display().to_string();
            let mut server = builder.args(&["-P", &pid_file]).start();
            let target = if by_file {
                pid_file
            } else {
                server.pid().to_string()
            };
            let flag = if by_file { "--signal" } else { "-sl" };
            let done = cli::run([flag, &format!("{name}={target}")]);
            assert_eq!(
                (done.code, done.stdout.as_str(), done.stderr.as_str()),
                (Some(0), "", ""),
                "{name}={target}"
            );
            server.wait_log(line);
            match name {
                "reload" | "reopen" => {
                    server.quiet().sync();
                }
                "stop" => assert_eq!(server.wait_exit().signal(), Some(9)),
                _ => assert_eq!(server.wait_exit().code(), Some(0), "{name}"),
            }
        }
    }
}

#[test]
fn wrong_signals_are_explained() {
    let server = Server::start();
    let known = server.pid();
    for (argument, complaint) in [
        (format!("bogus={known}"), "unknown signal \"bogus\""),
        (format!("reload={known}x"), "invalid pid: "),
        ("stop=abc".to_owned(), "invalid pid: abc"),
        (
            "reload=/does/not/exist".to_owned(),
            "invalid pid: /does/not/exist",
        ),
        // Beyond what Linux gives to a process.
        ("reload=99999999".to_owned(), "no such process"),
    ] {
        let done = cli::run(["--signal", &argument]);
        assert_eq!(done.code, Some(1), "{argument}");
        assert!(
            done.stderr.starts_with("nats-server: "),
            "{argument}: {}",
            done.stderr
        );
        assert!(
            done.stderr.contains(complaint),
            "{argument}: {}",
            done.stderr
        );
    }
    server.quiet().sync();
}
