//! Flags, help, version, and what ends before a server starts.

use cognate_conformance::{Server, cli};

#[test]
fn the_version_begins_with_the_compatible_one() {
    for word in ["--version", "-version", "-v", "--v", "version"] {
        let done = cli::run([word]);
        assert_eq!(done.code, Some(0), "{word}");
        assert!(
            done.stdout.starts_with("nats-server: v2.14.5"),
            "{word}: {}",
            done.stdout
        );
        assert_eq!(done.stderr, "", "{word}");
    }
}

#[test]
fn help_names_every_flag() {
    for word in ["--help", "-help", "-h", "help"] {
        let done = cli::run([word]);
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{word}");
        for flag in [
            "Usage: nats-server [options]",
            "-a, --addr, --net",
            "-p, --port",
            "-n, --name",
            "--server_name",
            "-P, --pid",
            "-m, --http_port",
            "--https_port",
            "-c, --config",
            "-t",
            "--signal",
            "--client_advertise",
            "--ports_file_dir",
            "-l, --log",
            "-T, --logtime",
            "-s, --syslog",
            "-r, --remote_syslog",
            "-D, --debug",
            "-V, --trace",
            "-VV",
            "-DV",
            "-DVV",
            "--log_size_limit",
            "--max_traced_msg_len",
            "-js, --jetstream",
            "-sd, --store_dir",
            "--user",
            "--pass",
            "--auth",
            "--tls",
            "--tlscert",
            "--tlskey",
            "--tlsverify",
            "--tlscacert",
            "--routes",
            "--cluster",
            "--cluster_name",
            "--no_advertise",
            "--cluster_advertise",
            "--connect_retries",
            "--profile",
            "-h, --help",
            "-v, --version",
            "--help_tls",
        ] {
            assert!(
                done.stdout.contains(flag),
                "{word} does not mention {flag}:\n{}",
                done.stdout
            );
        }
    }
    let tls = cli::run(["--help_tls"]);
    assert_eq!(tls.code, Some(0));
    for word in ["cert_file", "verify_and_map", "cipher", "curve"] {
        assert!(
            tls.stdout.to_lowercase().contains(word),
            "{word} is missing:\n{}",
            tls.stdout
        );
    }
}

#[test]
fn wrong_flags_are_explained_with_the_usage() {
    for (args, complaint) in [
        (&["--bogus"][..], "flag provided but not defined: -bogus"),
        (&["-p", "x"], "invalid value \"x\" for flag -p: parse error"),
        (&["-p"], "flag needs an argument: -p"),
        (
            &["-D=maybe"],
            "invalid boolean value \"maybe\" for -D: parse error",
        ),
    ] {
        let done = cli::run(args);
        assert!(
            done.stderr.starts_with(complaint),
            "{args:?}: {}",
            done.stderr
        );
        assert!(
            done.stdout.contains("Usage: nats-server [options]"),
            "{args:?}"
        );
        assert_eq!(
            done.code,
            Some(0),
            "as Go's flag package with this usage function: {args:?}"
        );
    }
}

#[test]
fn wrong_words_and_combinations_end_with_1() {
    for (args, complaint) in [
        (&["foo"][..], "nats-server: unrecognized command: \"foo\"\n"),
        (
            &["-t"],
            "nats-server: must specify [-c, --config] option to check configuration file syntax\n",
        ),
        (
            &["-c", "/does/not/exist"],
            "nats-server: open /does/not/exist: no such file or directory\n",
        ),
        (
            &["-t", "-c", "/does/not/exist"],
            "nats-server: open /does/not/exist: no such file or directory\n",
        ),
        (
            &["--tls", "-p", "-1"],
            "nats-server: TLS Server certificate must be present and valid\n",
        ),
    ] {
        let done = cli::run(args);
        assert_eq!(
            (done.code, done.stderr.as_str()),
            (Some(1), complaint),
            "{args:?}"
        );
    }
}

#[test]
fn routes_need_a_cluster() {
    // A server that has no clusters says that instead.
    let done = cli::run(["--routes", "nats://127.0.0.1:1"]);
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    assert!(
        done.stderr.starts_with("nats-server: ") && done.stderr.contains("cluster"),
        "{}",
        done.stderr
    );
}

#[test]
fn failures_at_start_are_fatal_log_lines() {
    let server = Server::start();
    let taken = server.addr().port().to_string();
    for (args, complaint) in [
        (
            &["-a", "127.0.0.1", "-p", &taken][..],
            "Error listening on port: 127.0.0.1:",
        ),
        (
            &["-a", "127.0.0.1", "-p", "-1", "-m", &taken],
            "Can't start monitoring: ",
        ),
        (
            &["-a", "127.0.0.1", "-p", "-1", "-P", "/does/not/exist/pid"],
            "Could not write pidfile: ",
        ),
    ] {
        let done = cli::run(args);
        assert_eq!(done.code, Some(1), "{args:?}: {}", done.stderr);
        let last = done.stderr.lines().last().unwrap_or_default();
        assert!(
            last.contains("[FTL] ") && last.contains(complaint),
            "{args:?}: {last}"
        );
    }
    // Some servers find out when they read the flag, before there is a log, others when they bind.
    let done = cli::run(["-a", "127.0.0.1", "-p", "99999"]);
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    assert!(
        done.stderr.contains("99999") && done.stderr.contains("invalid port"),
        "{}",
        done.stderr
    );
    let done = cli::run(["-a", "127.0.0.1", "-p", "-1", "-l", "/does/not/exist/log"]);
    assert_eq!(done.code, Some(1));
    assert!(
        done.stderr.contains("/does/not/exist/log"),
        "{}",
        done.stderr
    );
}

#[test]
fn flags_are_written_in_many_ways() {
    for args in [
        &["-n", "berlin"][..],
        &["--n", "berlin"],
        &["-n=berlin"],
        &["--n=berlin"],
        &["-name", "berlin"],
        &["--name=berlin"],
        &["-server_name=berlin"],
        &["--server_name", "berlin"],
    ] {
        let server = Server::builder().args(args).start();
        assert_eq!(server.connect().info()["server_name"], "berlin", "{args:?}");
    }
}

#[test]
fn flags_override_the_file() {
    let server = Server::builder()
        .config("server_name: file, port: 1, http: \"127.0.0.1:1\", debug: true, client_advertise: \"file:1\"")
        .args(&["-n", "flag", "-m", "-1", "-D=false", "--client_advertise", "flag:2"])
        .start();
    let info = server.connect().info().clone();
    assert_eq!(
        (&info["server_name"], &info["host"], &info["port"]),
        (&"flag".into(), &"flag".into(), &2.into())
    );
    assert_eq!(server.get("/healthz").status, 200);
    assert!(!server.log().contains("[DBG]"), "{}", server.log());
}

#[test]
fn the_pid_file_holds_the_pid_alone() {
    let builder = Server::builder();
    let path = builder.dir().join("server.pid");
    let mut server = builder.args(&["-P", &path.display().to_string()]).start();
    let text = std::fs::read_to_string(&path).expect("the pid file is there");
    assert_eq!(text, server.pid().to_string());
    server.signal("TERM");
    server.wait_exit();
    let builder = Server::builder();
    let path = builder.dir().join("other.pid");
    let server = builder
        .config(&format!("pid_file: \"{}\"", path.display()))
        .start();
    assert_eq!(
        std::fs::read_to_string(&path).expect("written"),
        server.pid().to_string()
    );
}

#[test]
fn the_ports_file_is_named_after_the_process_and_goes_with_it() {
    let mut server = Server::monitored();
    let program = cli::binary()
        .file_name()
        .expect("a file")
        .to_string_lossy()
        .into_owned();
    let path = server
        .dir()
        .join(format!("{program}_{}.ports", server.pid()));
    let text = std::fs::read_to_string(&path).expect("the ports file is there");
    let ports: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let nats = format!("nats://127.0.0.1:{}", server.addr().port());
    let monitoring = format!("http://127.0.0.1:{}", server.monitor_addr().port());
    assert_eq!(
        ports,
        serde_json::json!({"nats": [nats], "monitoring": [monitoring]})
    );
    server.signal("INT");
    server.wait_exit();
    assert!(
        !path.exists(),
        "a server that stops in order removes its ports file"
    );
}
