//! Authentication, permissions and TLS.

mod credentials;
mod nkeys;
mod permissions;
mod proxy_protocol;
mod secrets;
mod tls;
mod tls_clients;
mod tls_refusals;

use crate::support::{Case, Closed, End, Open, check};
use cognate_conformance::Server;

const VIOLATION: &str = "-ERR 'Authorization Violation'\r\n";

/// Each row is a CONNECT (JSON without the options every client sends), and whether it gets in.
#[track_caller]
fn check_logins(server: &Server, rows: &[(&str, bool)]) {
    let scripts: Vec<(String, bool)> = rows
        .iter()
        .map(|(json, enters)| {
            let comma = if json.is_empty() { "" } else { "," };
            let script =
                format!("CONNECT {{\"verbose\":false,\"pedantic\":false{comma}{json}}}\r\n");
            (script, *enters)
        })
        .collect();
    let outcome = |enters: bool| -> (&str, End) {
        if enters {
            ("", Open)
        } else {
            (VIOLATION, Closed)
        }
    };
    let cases: Vec<Case<'_>> = scripts
        .iter()
        .map(|(script, enters)| {
            let (answer, end) = outcome(*enters);
            (script.as_str(), script.as_bytes(), answer, end)
        })
        .collect();
    check(server, "", &cases);
}
