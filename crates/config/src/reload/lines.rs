//! What the log says about changes that were applied, in nats-server's words, which people search for.
//!
//! Where nats-server says nothing about a change, the line names the key and its new value. It says of
//! users and accounts that they were reloaded whether or not they changed, which is not done here.

use std::fmt;

use super::{Change, REDACTED, jetstream};

/// What the log says of the change, without its beginning.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.key, self.new.as_str()) {
            ("server_tags", _) => f.write_str("tags"),
            ("server_metadata", _) => f.write_str("metadata"),
            ("ocsp", _) => f.write_str("OCSP"),
            ("mappings" | "accounts" | "resolver" | "resolver_tls", _) => f.write_str("accounts"),
            ("no_fast_producer_stall", "true") => f.write_str("fast producers will not be stalled"),
            ("no_fast_producer_stall", _) => f.write_str("fast producers will be stalled"),
            ("pinned_certs", count) => write!(f, "{count} pinned_certs"),
            ("handshake_first", new) => write!(f, "Client TLS handshake first: {new}"),
            ("handshake_first fallback", delay) => {
                write!(f, "Client TLS handshake first fallback delay: {delay}")
            }
            (key @ ("max_memory_store" | "max_file_store"), new) => {
                let key = key.replace("memory", "mem");
                let size = new.parse().map(jetstream::friendly_size);
                write!(f, "JetStream {key} = {}", size.unwrap_or_default())
            }
            (key, REDACTED) => f.write_str(key),
            (key, new) => write!(f, "{key} = {new}"),
        }
    }
}

impl Change {
    /// The lines for the log.
    pub fn log_lines(&self) -> Vec<String> {
        let Change { key, new, .. } = self;
        match *key {
            "client_advertise" => vec![format!("Reload: client_advertise = {new}")],
            "ocsp_cache" => vec!["Reloaded OCSP peer cache".to_owned()],
            "pid_file" if new.is_empty() => Vec::new(),
            "proxies" => self.proxies(),
            _ => vec![format!("Reloaded: {self}")],
        }
    }

    /// The keys of proxies that are trusted no more, and those that are now.
    fn proxies(&self) -> Vec<String> {
        let (old, new) = (keys(&self.old), keys(&self.new));
        let without = |these: &[&str], others: &[&str]| -> Vec<String> {
            let kept = these.iter().filter(|key| !others.contains(*key));
            kept.map(|key| format!("{key:?}")).collect()
        };
        let told = [
            (without(&old, &new), "removed"),
            (without(&new, &old), "added"),
        ];
        told.into_iter()
            .filter(|(keys, _)| !keys.is_empty())
            .map(|(keys, what)| {
                let keys = keys.join(" ");
                format!("Reloaded: proxies trusted keys [{keys}] were {what}")
            })
            .collect()
    }
}

/// The elements of a list as it is shown.
fn keys(shown: &str) -> Vec<&str> {
    shown
        .trim_matches(['[', ']'])
        .split_ascii_whitespace()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(key: &'static str, old: &str, new: &str, expected: &[&str]) {
        let change = Change {
            key,
            field: "",
            old: old.to_owned(),
            new: new.to_owned(),
        };
        assert_eq!(change.log_lines(), expected, "{key}");
    }

    #[test]
    fn changes_are_told_in_the_words_of_nats_server() {
        check("debug", "false", "true", &["Reloaded: debug = true"]);
        check("server_tags", "[a]", "[b]", &["Reloaded: tags"]);
        check(
            "authorization token",
            REDACTED,
            REDACTED,
            &["Reloaded: authorization token"],
        );
        check("tls timeout", "1", "3.5", &["Reloaded: tls timeout = 3.5"]);
        check("pinned_certs", "0", "2", &["Reloaded: 2 pinned_certs"]);
        check("pid_file", "a", "", &[]);
        check("pid_file", "", "a", &["Reloaded: pid_file = a"]);
        check(
            "client_advertise",
            "",
            "h:1",
            &["Reload: client_advertise = h:1"],
        );
        check("ocsp_cache", "false", "true", &["Reloaded OCSP peer cache"]);
        check(
            "max_memory_store",
            "1",
            "2000000",
            &["Reloaded: JetStream max_mem_store = 1.91 MB"],
        );
    }

    #[test]
    fn proxies_that_come_and_go_are_told_apart() {
        let added = "Reloaded: proxies trusted keys [\"B\" \"C\"] were added";
        let removed = "Reloaded: proxies trusted keys [\"A\"] were removed";
        check("proxies", "[A]", "[A B C]", &[added]);
        check("proxies", "[A B C]", "[B C]", &[removed]);
        check("proxies", "[A]", "[B C]", &[removed, added]);
        check("proxies", "[A]", "[]", &[removed]);
        check("proxies", "[]", "[B C]", &[added]);
    }
}
