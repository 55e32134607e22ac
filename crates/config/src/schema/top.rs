//! The top-level keys that this version supports (config.md §2), and those of a mapping.

use super::Reload::{Live, Restart};
use super::{Row, row};
use crate::check::{
    DestinationDraft, accounts, authorization, default_sentinel, feature_flags, http, is_advertise,
    jetstream, listen, mappings, ocsp, ocsp_cache, operators, pinned_accounts, preload, proxies,
    resolver, resolver_tls, server_metadata, store_dir, tags, tls, trusted_keys, weight,
};
use crate::options::{DEFAULT_PORT, Options, Port, WriteTimeout};
use crate::syntax::Problem;
use std::time::Duration;

/// Limits that NATS keeps in 32 signed bits.
const MAX_INT32: u32 = i32::MAX as u32;

/// The shortest `lame_duck_duration`.
const MIN_LAME_DUCK: Duration = Duration::from_secs(30);

/// Keys at the top level.
#[rustfmt::skip]
pub(crate) const TOP: &[Row<Options>] = &[
    // Addresses and names.
    row(&["listen"], "port or host:port", "0.0.0.0:4222", Restart,
        "where clients connect", listen),
    row(&["port"], "port", "4222", Restart,
        "port clients connect to; -1 picks a free one", |c, v, o| {
            let port = c.int(v).and_then(|n| c.port(v, n, Some(Port::Number(DEFAULT_PORT))));
            if let Some(port) = port { o.port = port; }
        }),
    row(&["host", "net"], "string", "0.0.0.0", Restart,
        "address clients connect to", |c, v, o| {
            if let Some(host) = c.string(v).filter(|host| !host.is_empty()) {
                o.host = host.to_owned();
            }
        }),
    row(&["client_advertise"], "host or host:port", "", Live,
        "address told to clients instead of our own", |c, v, o| {
            c.string_into(v, &mut o.client_advertise);
            if o.client_advertise.as_deref().is_some_and(|text| !is_advertise(text)) {
                c.error(Problem::new(v.span, "invalid ClientAdvertise value")
                    .expected("\"host\" or \"host:port\""));
            }
        }),
    row(&["server_name"], "string", "the server's id", Restart,
        "name of this server; without spaces", |c, v, o| {
            c.string_into(v, &mut o.server_name);
            if o.server_name.as_deref().is_some_and(|name| name.contains(' ')) {
                c.error(Problem::new(v.span, "server name cannot contain spaces"));
            }
        }),
    row(&["server_tags"], "string or strings", "", Live,
        "tags describing this server", tags),
    row(&["server_metadata"], "map of strings", "", Live,
        "names and values describing this server", server_metadata),
    row(&["feature_flags"], "map of booleans", "", Restart,
        "features to opt into or out of", feature_flags),
    // Logging.
    row(&["debug"], "boolean", "false", Live,
        "log at debug level", |c, v, o| c.bool_into(v, &mut o.debug)),
    row(&["trace"], "boolean", "false", Live,
        "trace the protocol", |c, v, o| c.bool_into(v, &mut o.trace)),
    row(&["trace_verbose"], "boolean", "false", Live,
        "trace, the system account too", |c, v, o| {
            c.bool_into(v, &mut o.trace_verbose);
            c.bool_into(v, &mut o.trace);
        }),
    row(&["trace_headers"], "boolean", "false", Live,
        "trace, but headers only", |c, v, o| {
            c.bool_into(v, &mut o.trace_headers);
            c.bool_into(v, &mut o.trace);
        }),
    row(&["max_traced_msg_len"], "integer", "0", Live,
        "longest traced payload in bytes; 0 is unlimited",
        |c, v, o| c.limit_into(v, &mut o.max_traced_msg_len)),
    row(&["logtime"], "boolean", "true", Live,
        "print a timestamp in log lines", |c, v, o| c.bool_into(v, &mut o.logtime)),
    row(&["logtime_utc"], "boolean", "false", Live,
        "log in UTC", |c, v, o| c.bool_into(v, &mut o.logtime_utc)),
    row(&["log_file", "logfile"], "path", "", Live,
        "file to log to", |c, v, o| c.string_into(v, &mut o.log_file)),
    row(&["log_size_limit", "logfile_size_limit"], "size", "0", Restart,
        "size at which the log file is rotated; 0 never",
        |c, v, o| c.limit_into(v, &mut o.log_size_limit)),
    row(&["log_max_num", "logfile_max_num"], "integer", "0", Restart,
        "log files kept, the active one included; 0 keeps all",
        |c, v, o| c.limit_into(v, &mut o.log_max_num)),
    row(&["syslog"], "boolean", "false", Live,
        "log to syslog", |c, v, o| c.bool_into(v, &mut o.syslog)),
    row(&["remote_syslog"], "URL", "", Live,
        "syslog server to log to", |c, v, o| c.string_into(v, &mut o.remote_syslog)),
    row(&["pid_file", "pidfile"], "path", "", Live,
        "file that receives the process id", |c, v, o| c.string_into(v, &mut o.pid_file)),
    row(&["ports_file_dir"], "path", "", Live,
        "directory that receives the ports file", |c, v, o| c.string_into(v, &mut o.ports_file_dir)),
    // Monitoring.
    row(&["http"], "port or host:port", "", Restart,
        "where monitoring listens", |c, v, o| http(c, v, false, o)),
    row(&["https"], "port or host:port", "", Restart,
        "where monitoring listens, with TLS", |c, v, o| http(c, v, true, o)),
    row(&["http_port", "monitor_port"], "port", "0", Restart,
        "monitoring port; 0 is none", |c, v, o| http(c, v, false, o)),
    row(&["https_port"], "port", "0", Restart,
        "monitoring port with TLS; 0 is none", |c, v, o| http(c, v, true, o)),
    row(&["http_base_path"], "path", "/", Restart,
        "prefix of the monitoring paths", |c, v, o| {
            if let Some(path) = c.string(v) { o.http_base_path = base_path(path); }
        }),
    // Limits.
    row(&["max_connections", "max_conn"], "integer", "65536", Live,
        "most client connections; 0 refuses all", |c, v, o| {
            let Some(number) = c.int(v) else { return };
            match u32::try_from(number) {
                Ok(limit) => o.max_connections = limit,
                Err(_) if number < 0 => o.max_connections = 0,
                Err(_) => o.max_connections = u32::MAX,
            }
        }),
    row(&["max_control_line"], "size", "4KB", Live,
        "longest protocol line", |c, v, o| c.count_into(v, MAX_INT32, &mut o.max_control_line)),
    row(&["max_payload"], "size", "1MB", Live,
        "largest payload with its headers",
        |c, v, o| c.count_into(v, MAX_INT32, &mut o.max_payload)),
    row(&["max_pending"], "size", "64MB", Restart,
        "most bytes waiting for one connection", |c, v, o| match c.int(v).map(u64::try_from) {
            None | Some(Ok(0)) => {}
            Some(Ok(limit)) => o.max_pending = limit,
            Some(Err(_)) => c.out_of_range(v, -1, "a size in bytes"),
        }),
    row(&["max_subscriptions", "max_subs"], "integer", "0", Restart,
        "most subscriptions of a connection; 0 is unlimited",
        |c, v, o| c.limit_into(v, &mut o.max_subscriptions)),
    row(&["max_sub_tokens", "max_subscription_tokens"], "1 to 255", "0", Restart,
        "most tokens in a subscription's subject", |c, v, o| {
            let Some(number) = c.int(v) else { return };
            match u8::try_from(number) {
                Ok(limit) if limit > 0 => o.max_sub_tokens = limit,
                _ => c.out_of_range(v, number, "1 to 255"),
            }
        }),
    row(&["max_failed_logins_per_source"], "integer", "0", Live,
        "failed logins and handshakes of an address in a minute before it is turned away",
        |c, v, o| c.limit_into(v, &mut o.max_failed_logins_per_source)),
    row(&["max_closed_clients"], "integer", "10000", Restart,
        "closed connections remembered for monitoring",
        |c, v, o| c.count_into(v, MAX_INT32, &mut o.max_closed_clients)),
    // Timers.
    row(&["ping_interval"], "duration", "2m", Live,
        "time between pings", |c, v, o| c.duration_into(v, &mut o.ping_interval)),
    row(&["ping_max"], "integer", "2", Live,
        "unanswered pings before a connection is stale",
        |c, v, o| c.count_into(v, MAX_INT32, &mut o.ping_max)),
    row(&["write_deadline"], "duration", "10s", Live,
        "how long a write may take", |c, v, o| c.duration_into(v, &mut o.write_deadline)),
    row(&["write_timeout"], "default, close or retry", "default", Restart,
        "what happens after the write deadline", |c, v, o| {
            o.write_timeout = match c.string(v) {
                Some("default") => WriteTimeout::Default,
                Some("close") => WriteTimeout::Close,
                Some("retry") => WriteTimeout::Retry,
                None => return,
                Some(_) => return c.error(
                    Problem::new(v.span, "write_timeout must be 'default', 'close' or 'retry'")),
            };
        }),
    row(&["no_fast_producer_stall"], "boolean", "false", Live,
        "drop messages instead of stalling fast producers",
        |c, v, o| c.bool_into(v, &mut o.no_fast_producer_stall)),
    row(&["lame_duck_duration"], "duration", "2m", Restart,
        "time over which lame duck mode closes connections", |c, v, o| {
            let Some(duration) = c.duration_text(v) else { return };
            if duration < MIN_LAME_DUCK {
                let shown = crate::duration::show(duration);
                return c.error(Problem::new(v.span,
                    format!("invalid lame_duck_duration of {shown}, minimum is 30 seconds")));
            }
            o.lame_duck_duration = duration;
        }),
    row(&["lame_duck_grace_period"], "duration", "10s", Restart,
        "pause before lame duck mode closes the first connection", |c, v, o| {
            if let Some(grace) = c.duration_text(v).filter(|grace| !grace.is_zero()) {
                o.lame_duck_grace_period = grace;
            }
        }),
    row(&["connect_error_reports"], "integer", "3600", Live,
        "report every n-th failed first connection attempt",
        |c, v, o| c.count_into(v, MAX_INT32, &mut o.connect_error_reports)),
    row(&["reconnect_error_reports"], "integer", "1", Live,
        "report every n-th failed reconnection attempt",
        |c, v, o| c.count_into(v, MAX_INT32, &mut o.reconnect_error_reports)),
    // Behaviour.
    row(&["disable_sublist_cache", "no_sublist_cache"], "boolean", "false", Restart,
        "do without the cache of matching subscriptions",
        |c, v, o| c.bool_into(v, &mut o.no_sublist_cache)),
    row(&["no_header_support"], "boolean", "false", Restart,
        "tell clients that headers are not supported",
        |c, v, o| c.bool_into(v, &mut o.no_header_support)),
    // Security.
    row(&["allow_non_tls"], "boolean", "false", Restart,
        "accept connections without TLS beside those with it",
        |c, v, o| c.bool_into(v, &mut o.allow_non_tls)),
    row(&["tls"], "tls block", "", Live,
        "TLS for clients and https", tls),
    row(&["authorization"], "authorization block", "", Live,
        "who may connect and what they may do",
        |c, v, o| authorization(c, v, &mut o.authorization)),
    row(&["no_auth_user"], "string", "", Restart,
        "user that connections without credentials become",
        |c, v, o| c.string_into(v, &mut o.no_auth_user)),
    row(&["no_system_account", "no_system", "no_sys_acc"], "boolean", "false", Restart,
        "do without a system account",
        |c, v, _| if let Some(none) = c.bool(v) { c.late.no_system_account = none; }),
    row(&["system_account", "system"], "string", "$SYS", Restart,
        "the account that monitors and controls the server", |c, v, _| {
            c.late.system_account = c.string(v)
                .filter(|name| !name.is_empty())
                .map(|name| (name.to_owned(), v.span));
        }),
    row(&["accounts"], "map of accounts, or array of names", "", Live,
        "accounts besides the global one", accounts),
    row(&["proxies"], "proxies block", "", Live,
        "proxies that are trusted to pass clients on", proxies),
    row(&["proxy_protocol"], "boolean", "false", Restart,
        "expect a PROXY protocol header in front of client connections",
        |c, v, o| c.bool_into(v, &mut o.proxy_protocol)),
    row(&["ocsp"], "boolean or ocsp block", "", Live,
        "OCSP stapling", ocsp),
    row(&["ocsp_cache"], "boolean or ocsp_cache block", "", Live,
        "cache of OCSP responses about peers", ocsp_cache),
    // Operator mode.
    row(&["operator", "operators", "root", "roots", "root_operator", "root_operators"],
        "file or JWT, or several", "", Restart,
        "operators whose accounts are trusted", operators),
    row(&["trusted_keys", "trusted"], "public operator key or keys", "", Restart,
        "operators whose accounts are trusted, by key", trusted_keys),
    row(&["resolver", "account_resolver", "accounts_resolver"],
        "MEMORY, URL(…) or resolver block", "", Live,
        "where JWTs of accounts come from", resolver),
    row(&["resolver_tls"], "tls block", "", Live,
        "TLS towards an account server", resolver_tls),
    row(&["resolver_preload"], "map of account JWTs by key", "", Live,
        "JWTs put into the resolver at start", preload),
    row(&["resolver_pinned_accounts"], "public account key or keys", "all", Live,
        "the only accounts that may be used", pinned_accounts),
    row(&["default_sentinel"], "user JWT", "", Live,
        "JWT of clients that send none", default_sentinel),
    row(&["mappings", "maps"], "map of subjects to destinations", "", Live,
        "subject mappings", |c, v, o| mappings(c, v, &mut o.mappings)),
    // JetStream.
    row(&["jetstream"], "enabled, disabled or jetstream block", "disabled", Restart,
        "streams, key-value and object stores", jetstream),
    row(&["store_dir", "storedir"], "path", "<tmp>/nats", Restart,
        "directory of JetStream's data; here or in the jetstream block",
        |c, v, o| store_dir(c, v, &mut o.jetstream_settings().store_dir)),
];

/// Keys of a weighted destination in `mappings`.
#[rustfmt::skip]
pub(crate) const MAP_DESTINATION: &[Row<DestinationDraft>] = &[
    row(&["destination", "dest"], "subject or transform", "", Live,
        "where messages go", |c, v, d| c.string_into(v, &mut d.subject)),
    row(&["weight"], "0 to 100, with or without %", "", Live,
        "share of the messages", weight),
    row(&["cluster"], "string", "", Live,
        "only in the cluster of this name", |c, v, d| c.string_into(v, &mut d.cluster)),
];

/// A base path with one slash in front and none behind; `.` and `..` are resolved.
fn base_path(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}
