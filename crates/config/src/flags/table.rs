//! The flags: one table, from which parsing and help come.

use super::parse::Reading;
use crate::options::{Port, Secret};

/// A flag.
pub(super) struct Flag {
    /// All names, without dashes.
    pub(super) names: &'static [&'static str],
    pub(super) kind: Kind,
    /// Heading it is listed under.
    pub(super) group: &'static str,
    /// Its names and value as the help text shows them.
    pub(super) usage: &'static str,
    /// One line of help.
    pub(super) help: &'static str,
    /// The feature it needs, when this version lacks it.
    pub(super) missing: Option<&'static str>,
}

/// What value a flag takes, and where it goes.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Bool(fn(&mut Reading, bool)),
    Int(fn(&mut Reading, i64) -> Result<(), &'static str>),
    Text(fn(&mut Reading, &str)),
}

use Kind::{Bool, Int, Text};

const fn flag(
    group: &'static str,
    names: &'static [&'static str],
    usage: &'static str,
    help: &'static str,
    kind: Kind,
) -> Flag {
    Flag {
        names,
        kind,
        group,
        usage,
        help,
        missing: None,
    }
}

/// A flag whose feature this version lacks: its value is only looked at to see whether it is off.
const fn missing(
    group: &'static str,
    names: &'static [&'static str],
    usage: &'static str,
    help: &'static str,
    feature: &'static str,
    kind: Kind,
) -> Flag {
    Flag {
        names,
        kind,
        group,
        usage,
        help,
        missing: Some(feature),
    }
}

const NO_BOOL: Kind = Bool(|_, _| {});
const NO_INT: Kind = Int(|_, _| Ok(()));
const NO_TEXT: Kind = Text(|_, _| {});

const SERVER: &str = "Server Options";
const LOGGING: &str = "Logging Options";
const JETSTREAM: &str = "JetStream Options";
const AUTHORIZATION: &str = "Authorization Options";
const TLS: &str = "TLS Options";
const CLUSTER: &str = "Cluster Options";
const PROFILING: &str = "Profiling Options";
const COMMON: &str = "Common Options";

/// Every flag, in the order of the help text.
#[rustfmt::skip]
pub(super) const FLAGS: &[Flag] = &[
    flag(SERVER, &["a", "addr", "net"], "-a, --addr, --net <host>",
        "Address to listen on for clients (default: 0.0.0.0)",
        Text(|r, v| r.flags.host = Some(v.to_owned()))),
    flag(SERVER, &["p", "port"], "-p, --port <port>",
        "Port to listen on for clients, -1 for any free one (default: 4222)",
        Int(|r, v| {
            r.flags.port = Some(port(v)?.unwrap_or(Port::Number(crate::options::DEFAULT_PORT)));
            Ok(())
        })),
    flag(SERVER, &["n", "name", "server_name"], "-n, --name, --server_name <name>",
        "Name of this server (default: its id)",
        Text(|r, v| r.flags.server_name = Some(v.to_owned()))),
    flag(SERVER, &["P", "pid"], "-P, --pid <file>",
        "Write the process id to this file",
        Text(|r, v| r.flags.pid_file = Some(v.to_owned()))),
    flag(SERVER, &["m", "http_port"], "-m, --http_port <port>",
        "Port for monitoring over HTTP",
        Int(|r, v| { r.flags.http_port = Some(port(v)?); Ok(()) })),
    flag(SERVER, &["ms", "https_port"], "-ms, --https_port <port>",
        "Port for monitoring over HTTPS",
        Int(|r, v| { r.flags.https_port = Some(port(v)?); Ok(()) })),
    flag(SERVER, &["c", "config"], "-c, --config <file>",
        "Read this configuration file",
        Text(|r, v| r.flags.config = Some(v.to_owned()).filter(|path| !path.is_empty()))),
    flag(SERVER, &["t"], "-t",
        "Check the configuration file and exit",
        Bool(|r, v| r.test = v)),
    flag(SERVER, &["sl", "signal"], "-sl, --signal <signal>[=<pid>]",
        "Signal a running server: ldm, stop, quit, term, reopen or reload;\n\
         <pid> is a process id, the path of a pid file, or digits and *",
        Text(|r, v| r.signal = Some(v.to_owned()))),
    flag(SERVER, &["client_advertise"], "--client_advertise <host[:port]>",
        "Address told to clients instead of our own",
        Text(|r, v| r.flags.client_advertise = Some(v.to_owned()))),
    flag(SERVER, &["ports_file_dir"], "--ports_file_dir <dir>",
        "Write the ports in use to <dir>/<executable>_<pid>.ports",
        Text(|r, v| r.flags.ports_file_dir = Some(v.to_owned()))),

    flag(LOGGING, &["l", "log"], "-l, --log <file>",
        "Log to this file",
        Text(|r, v| r.flags.log_file = Some(v.to_owned()))),
    flag(LOGGING, &["T", "logtime"], "-T, --logtime",
        "Print the time in log lines (default: true)",
        Bool(|r, v| r.flags.logtime = Some(v))),
    flag(LOGGING, &["logtime_utc"], "--logtime_utc",
        "Print that time in UTC",
        Bool(|r, v| r.flags.logtime_utc = Some(v))),
    flag(LOGGING, &["s", "syslog"], "-s, --syslog",
        "Log to syslog",
        Bool(|r, v| r.flags.syslog = Some(v))),
    flag(LOGGING, &["r", "remote_syslog"], "-r, --remote_syslog <addr>",
        "Log to this syslog server, such as udp://localhost:514",
        Text(|r, v| r.flags.remote_syslog = Some(v.to_owned()))),
    flag(LOGGING, &["D", "debug"], "-D, --debug",
        "Log at debug level",
        Bool(|r, v| r.flags.debug = Some(v))),
    flag(LOGGING, &["V", "trace"], "-V, --trace",
        "Trace the protocol",
        Bool(|r, v| r.flags.trace = Some(v))),
    flag(LOGGING, &["VV"], "-VV",
        "Trace the protocol, the system account's too",
        Bool(|r, v| { r.flags.trace = Some(v); r.flags.trace_verbose = Some(v); })),
    flag(LOGGING, &["DV"], "-DV",
        "Debug and trace",
        Bool(|r, v| { r.flags.debug = Some(v); r.flags.trace = Some(v); })),
    flag(LOGGING, &["DVV"], "-DVV",
        "Debug and trace, the system account's too",
        Bool(|r, v| {
            r.flags.debug = Some(v);
            r.flags.trace = Some(v);
            r.flags.trace_verbose = Some(v);
        })),
    flag(LOGGING, &["log_size_limit"], "--log_size_limit <bytes>",
        "Size at which the log file is rotated (default: never)",
        Int(|r, v| { r.flags.log_size_limit = Some(u64::try_from(v).unwrap_or(0)); Ok(()) })),
    flag(LOGGING, &["max_traced_msg_len"], "--max_traced_msg_len <bytes>",
        "Longest payload shown in traces (default: unlimited)",
        Int(|r, v| { r.flags.max_traced_msg_len = Some(usize::try_from(v).unwrap_or(0)); Ok(()) })),

    flag(JETSTREAM, &["js", "jetstream"], "-js, --jetstream",
        "Enable JetStream; --jetstream=false disables the file's",
        Bool(|r, v| r.flags.jetstream = Some(v))),
    flag(JETSTREAM, &["sd", "store_dir"], "-sd, --store_dir <dir>",
        "Directory of JetStream's data (default: nats in the one for temporary files)",
        Text(|r, v| r.flags.store_dir = Some(v.to_owned()))),
    flag(JETSTREAM, &["import-store", "import_store"], "--import-store <dir>",
        "Take the streams of a stopped Go server's store into --store_dir, say what\n\
         was taken, and exit; 2 is the status if something was damaged or left out",
        Text(|r, v| r.import = Some(v.to_owned()))),

    flag(AUTHORIZATION, &["user"], "--user <user>",
        "User that clients must be",
        Text(|r, v| r.flags.user = Some(v.to_owned()).filter(|user| !user.is_empty()))),
    flag(AUTHORIZATION, &["pass"], "--pass <password>",
        "Password of that user",
        Text(|r, v| r.flags.password = (!v.is_empty()).then(|| Secret::new(v)))),
    flag(AUTHORIZATION, &["auth"], "--auth <token>",
        "Token that clients need",
        Text(|r, v| r.flags.token = (!v.is_empty()).then(|| Secret::new(v)))),

    flag(TLS, &["tls"], "--tls",
        "Use TLS; --tls=false ignores the file's tls block",
        Bool(|r, v| r.flags.tls = Some(v))),
    flag(TLS, &["tlscert"], "--tlscert <file>",
        "Certificate of the server",
        Text(|r, v| r.flags.tls_cert = Some(v.to_owned()))),
    flag(TLS, &["tlskey"], "--tlskey <file>",
        "Private key of that certificate",
        Text(|r, v| r.flags.tls_key = Some(v.to_owned()))),
    flag(TLS, &["tlsverify"], "--tlsverify",
        "Use TLS, and require and verify client certificates",
        Bool(|r, v| r.flags.tls_verify = Some(v))),
    flag(TLS, &["tlscacert"], "--tlscacert <file>",
        "Authorities of client certificates",
        Text(|r, v| r.flags.tls_ca_cert = Some(v.to_owned()))),

    missing(CLUSTER, &["routes"], "--routes <url, url>",
        "Servers to connect to", "clustering", NO_TEXT),
    missing(CLUSTER, &["cluster"], "--cluster <url>",
        "Where other servers connect", "clustering", NO_TEXT),
    missing(CLUSTER, &["cluster_name"], "--cluster_name <name>",
        "Name of the cluster", "clustering", NO_TEXT),
    missing(CLUSTER, &["no_advertise"], "--no_advertise=<bool>",
        "Do not tell clients about other servers", "clustering", NO_BOOL),
    missing(CLUSTER, &["cluster_advertise"], "--cluster_advertise <host:port>",
        "Address told to other servers", "clustering", NO_TEXT),
    missing(CLUSTER, &["connect_retries"], "--connect_retries <number>",
        "Attempts to connect to servers learnt of", "clustering", NO_INT),
    missing(CLUSTER, &["cluster_listen"], "--cluster_listen <url>",
        "Where other servers connect", "clustering", NO_TEXT),

    missing(PROFILING, &["profile"], "--profile <port>",
        "Port for profiling over HTTP", "the profiling port", NO_INT),

    flag(COMMON, &["h", "help"], "-h, --help",
        "Show this text", Bool(|r, v| r.help = v)),
    flag(COMMON, &["v", "version"], "-v, --version",
        "Show the version", Bool(|r, v| r.version = v)),
    flag(COMMON, &["help_tls"], "--help_tls",
        "Show how TLS is configured", Bool(|r, v| r.help_tls = v)),
];

/// A port; 0 is none.
fn port(number: i64) -> Result<Option<Port>, &'static str> {
    match u16::try_from(number) {
        Ok(0) => Ok(None),
        Ok(number) => Ok(Some(Port::Number(number))),
        Err(_) if number == -1 => Ok(Some(Port::Random)),
        Err(_) => Err("invalid port: write 1 to 65535, or -1 for any that is free"),
    }
}
