//! Help texts, made from the tables.

use super::table::FLAGS;
use crate::check::offered_cipher_suites;
use crate::options::CurvePreference;
use std::fmt::Write as _;

/// Column at which the explanations of flags begin.
const HELP_COLUMN: usize = 40;

/// What `--help` prints, without a newline at the end.
#[must_use]
pub fn help() -> String {
    let mut text = "\nUsage: nats-server [options]\n".to_owned();
    let mut group = "";
    for flag in FLAGS {
        if flag.group != group {
            group = flag.group;
            let _ = write!(text, "\n{group}:\n");
        }
        // Flags without a short form line up with the long names of the others.
        let indent = if flag.usage.starts_with("--") { 8 } else { 4 };
        let usage = format!("{:indent$}{}", "", flag.usage);
        let note = if flag.missing.is_some() {
            " (not supported yet)"
        } else {
            ""
        };
        let explanation = flag.help.replace('\n', &format!("\n{:HELP_COLUMN$} ", ""));
        let _ = writeln!(text, "{usage:HELP_COLUMN$} {explanation}{note}");
    }
    text
}

/// What `--help_tls` prints, without a newline at the end.
#[must_use]
pub fn help_tls() -> String {
    let mut text = r#"
TLS is configured by the tls block of a configuration file, for example:

    tls {
        cert_file: "./certs/server.pem"
        key_file:  "./certs/server-key.pem"
        ca_file:   "./certs/ca.pem"

        # require client certificates, and find the user by them
        verify:         true
        verify_and_map: true

        min_version:       "1.2"
        cipher_suites:     [ "TLS_AES_256_GCM_SHA384", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384" ]
        curve_preferences: [ "X25519", "CurveP256" ]
    }

or, in short, by the flags --tls, --tlscert, --tlskey, --tlsverify and --tlscacert.

Cipher suites offered:
"#
    .to_owned();
    for suite in offered_cipher_suites() {
        let _ = writeln!(text, "    {suite}");
    }
    text.push_str("\nKey exchange groups offered:\n");
    for (name, _) in CurvePreference::ALL {
        let _ = writeln!(text, "    {name}");
    }
    text
}
