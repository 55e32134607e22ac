//! Command lines to commands, and flags over options.

use cognate_config::flags::{Command, Flags, Signal, help, help_tls, parse_args};
use cognate_config::options::{
    Authorization, CertificatePair, Credential, HttpOptions, Port, Secret, TlsOptions,
};
use cognate_config::{MemorySource, Options, load};

fn parse(line: &str) -> Result<Command, String> {
    let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    parse_args(&args).map_err(|error| format!("{}: {error}", error.exit_status()))
}

/// Compares the options that a command line makes of a configuration file.
fn check(file: &str, line: &str, expected: Result<Options, &str>) {
    let source = MemorySource::new()
        .with_file("f", file)
        .with_file("c.pem", "")
        .with_file("k.pem", "");
    let mut options = load("f", &source).expect("the file is right").options;
    options.config_file = None;
    options.config_digest = None;
    let Ok(Command::Run(flags)) = parse(line) else {
        panic!("{line:?} does not run a server")
    };
    let result = flags.apply(&mut options).map(|()| options);
    assert_eq!(
        result.as_ref().map_err(|error| error.message.as_str()),
        expected.as_ref().map_err(|message| *message),
        "{line:?} over {file:?}"
    );
}

fn text(value: &str) -> Option<String> {
    Some(value.to_owned())
}

#[test]
fn one_dash_or_two_and_values_in_either_form() {
    let expected = Command::Run(Flags {
        port: Some(Port::Number(4333)),
        host: text("127.0.0.1"),
        debug: Some(true),
        ..Flags::default()
    });
    for line in [
        "-p 4333 -a 127.0.0.1 -D",
        "--port=4333 --addr=127.0.0.1 --debug=true",
        "-port 4333 -net=127.0.0.1 -debug=T",
        "--p=0x10ed --net 127.0.0.1 -D=1",
        "-p 1 -p 4333 -a 127.0.0.1 -D --",
    ] {
        assert_eq!(parse(line), Ok(expected.clone()), "{line}");
    }
}

// tidy: long-function: a table of command lines and what each asks for
#[test]
fn everything_else_that_a_command_line_can_ask_for() {
    let signal = |signal, target: &str| {
        Ok(Command::Signal {
            signal,
            target: target.to_owned(),
        })
    };
    for (line, expected) in [
        ("-v", Ok(Command::Version)),
        ("-h", Ok(Command::Help)),
        ("--help_tls", Ok(Command::HelpTls)),
        ("version", Ok(Command::Version)),
        ("-p 1 HELP", Ok(Command::Help)),
        ("-h -v", Ok(Command::Version)),
        ("--signal reload", signal(Signal::Reload, "")),
        (
            "-sl ldm=/run/nats.pid",
            signal(Signal::LameDuck, "/run/nats.pid"),
        ),
        ("-sl=stop=12*", signal(Signal::Stop, "12*")),
        (
            "-t -c x",
            Ok(Command::TestConfig(Flags {
                config: text("x"),
                ..Flags::default()
            })),
        ),
        (
            "-t",
            Err("1: must specify [-c, --config] option to check configuration file syntax"),
        ),
        ("start", Err("1: unrecognized command: \"start\"")),
        ("-", Err("1: unrecognized command: \"-\"")),
        (
            "-sl foo",
            Err("1: unknown signal \"foo\", expected one of stop, quit, term, reopen, reload, ldm"),
        ),
        ("-sl a=b=c=d", Err("1: invalid signal parameters: [c=d]")),
        ("--frob 1", Err("0: flag provided but not defined: -frob")),
        ("-p", Err("0: flag needs an argument: -p")),
        (
            "-p x",
            Err("0: invalid value \"x\" for flag -p: parse error"),
        ),
        (
            "-p 70000",
            Err(
                "1: invalid value \"70000\" for flag -p: invalid port: write 1 to 65535, or -1 for any that is free",
            ),
        ),
        (
            "-D=maybe",
            Err("0: invalid boolean value \"maybe\" for -D: parse error"),
        ),
        ("---x", Err("0: bad flag syntax: ---x")),
        ("-=x", Err("0: bad flag syntax: -=x")),
        (
            "--profile 6060",
            Err(
                "1: the flag -profile is recognised, but this version of Cognate does not support \
                 the profiling port yet; remove the flag to start this server without it",
            ),
        ),
        (
            "--cluster nats://x:6222",
            Err(
                "1: the flag -cluster is recognised, but this version of Cognate does not \
                 support clustering yet; remove the flag to start this server without it",
            ),
        ),
        (
            "--profile 0 --no_advertise=false",
            Ok(Command::Run(Flags::default())),
        ),
        ("-js -v", Ok(Command::Version)),
    ] {
        assert_eq!(parse(line), expected.map_err(str::to_owned), "{line}");
    }
}

#[test]
fn flags_win_over_the_file() {
    let file = "port: 1\nhost: h\nhttp: \"mon:8222\"\ndebug: true\ntrace: true\nlogtime: false\n";
    check(
        file,
        "-p -1 -a 127.0.0.1 -m 9222 -D=false -VV -T=true -n me -P p -l l --log_size_limit 9",
        Ok(Options {
            host: "127.0.0.1".into(),
            port: Port::Random,
            http: Some(HttpOptions {
                host: text("mon"),
                port: Port::Number(9222),
                tls: false,
            }),
            trace: true,
            trace_verbose: true,
            server_name: text("me"),
            pid_file: text("p"),
            log_file: text("l"),
            log_size_limit: 9,
            ..Options::default()
        }),
    );
    check("http: 8222", "-m 0", Ok(Options::default()));
    check(
        "http: 8222",
        "-ms 8443",
        Err("can't specify both HTTP and HTTPs ports; monitoring has one port"),
    );
    check("server_name: x", "-n=", Ok(Options::default()));
    let spaced = ["-n", "a b"].map(str::to_owned);
    let Ok(Command::Run(flags)) = parse_args(&spaced) else {
        panic!("the flags are right")
    };
    let error = flags
        .apply(&mut Options::default())
        .expect_err("a name has no spaces");
    assert_eq!(error.message, "server name cannot contain spaces");
}

#[test]
fn credentials() {
    let credential = |file: &str, credential| {
        Ok(Options {
            authorization: Authorization {
                credential,
                is_configured: !file.is_empty(),
                ..Authorization::default()
            },
            ..Options::default()
        })
    };
    let user = |user: &str, password: &str| Credential::UserPassword {
        user: user.to_owned(),
        password: Secret::new(password),
    };
    let file = "authorization { user: u, password: p }";
    check("", "--user a --pass b", credential("", user("a", "b")));
    check(file, "--pass b", credential(file, user("u", "b")));
    check(file, "--user a", credential(file, user("a", "p")));
    check(
        file,
        "--auth t",
        credential(file, Credential::Token(Secret::new("t"))),
    );
    check(
        "",
        "--auth t --user a",
        Err("Cannot have a user/pass and token"),
    );
    check("", "--pass b", Err("--pass needs a user; add --user"));
    check(
        "authorization { users: [ {user: a} ] }",
        "--auth t",
        Err(
            "--user, --pass and --auth can not be combined with the users of the configuration \
             file; remove the flags, or the users array",
        ),
    );
}

#[test]
fn tls() {
    let tls = |ca_file, verify| {
        Ok(Options {
            tls: Some(TlsOptions {
                certificates: vec![CertificatePair {
                    cert_file: "c".into(),
                    key_file: "k".into(),
                }],
                ca_file,
                verify,
                ..TlsOptions::default()
            }),
            ..Options::default()
        })
    };
    let file = "tls { cert_file: c.pem, key_file: k.pem, min_version: \"1.2\" }";
    check("", "--tls --tlscert c --tlskey k", tls(None, false));
    check(
        file,
        "--tlscert c --tlskey=k --tlsverify --tlscacert a",
        tls(text("a"), true),
    );
    check(file, "--tls=false --tlscert c", Ok(Options::default()));
    check(
        "",
        "--tls --tlskey k",
        Err("TLS Server certificate must be present and valid"),
    );
    check(
        "",
        "--tlscert c",
        Err("TLS Server private key must be present and valid"),
    );
}

#[test]
fn help_lists_every_flag_and_secrets_do_not_print() {
    let help = help();
    for flag in [
        "-a, --addr, --net",
        "-p, --port",
        "-ms, --https_port",
        "-sl, --signal",
        "-DVV",
        "--logtime_utc",
        "-js, --jetstream",
        "-sd, --store_dir",
        "--import-store",
        "--cluster_listen",
        "--profile",
        "--help_tls",
        "--tlscacert",
        "--connect_retries",
        "--max_traced_msg_len",
    ] {
        assert!(help.contains(flag), "{flag} is not in the help text");
    }
    assert!(help.starts_with("\nUsage: nats-server [options]\n"));
    assert!(help_tls().contains("TLS_AES_128_GCM_SHA256"));
    let Ok(command) = parse("--pass hunter2 --auth hunter2") else {
        panic!("flags are right")
    };
    assert!(!format!("{command:?}").contains("hunter2"));
}

#[test]
fn a_store_is_imported_instead_of_running() {
    let flags = Flags {
        store_dir: text("new"),
        ..Flags::default()
    };
    for line in ["--import-store old -sd new", "-sd new -import_store=old"] {
        let expected = Command::ImportStore {
            directory: "old".to_owned(),
            flags: flags.clone(),
        };
        assert_eq!(parse(line), Ok(expected), "{line}");
    }
    let refused = parse("--import-store=");
    let text = "1: --import-store needs the directory of the store to import";
    assert_eq!(refused, Err(text.to_owned()));
}
