//! The ports file (`ports_file_dir`): `<program>_<pid>.ports`, which tells tools and tests where
//! a server with chosen ports can be reached.
//!
//! ```text
//! {"nats":["nats://127.0.0.1:33417"],"monitoring":["http://127.0.0.1:34591"]}
//! ```
//!
//! Invariants: keys without a listener are left out; the file appears whole (written beside and
//! renamed), so whoever waits for it never reads half of it. The server writes it once all its
//! listeners are bound and removes it at shutdown. Two servers of one process need two
//! directories, as the name tells only the process.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::interfaces::reachable;

/// Where a server can be reached, by service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ports {
    /// Clients: `nats://…`, or `tls://…` when TLS is required.
    pub nats: Vec<String>,
    /// Monitoring: `http://…` or `https://…`.
    pub monitoring: Vec<String>,
    /// Routes: `nats://…` or `tls://…`.
    pub cluster: Vec<String>,
    /// Profiling: `http://…`.
    pub profile: Vec<String>,
    /// WebSocket clients: `ws://…` or `wss://…`.
    pub websocket: Vec<String>,
}

impl Ports {
    /// The file's content.
    pub fn to_json(&self) -> String {
        let services = [
            ("nats", &self.nats),
            ("monitoring", &self.monitoring),
            ("cluster", &self.cluster),
            ("profile", &self.profile),
            ("websocket", &self.websocket),
        ];
        let members: Vec<String> = services
            .into_iter()
            .filter(|(_, urls)| !urls.is_empty())
            .map(|(key, urls)| format!("\"{key}\":{}", serde_json::json!(urls)))
            .collect();
        format!("{{{}}}", members.join(","))
    }
}

/// The URLs of a listener; one bound to all addresses has one per address of the machine.
pub fn urls(scheme: &str, bound: SocketAddr) -> Vec<String> {
    reachable(bound)
        .into_iter()
        .map(|address| url(scheme, address))
        .collect()
}

/// A ports file that was written.
#[derive(Debug)]
pub struct PortsFile {
    path: PathBuf,
}

impl PortsFile {
    /// Writes the file of this process into `directory`.
    ///
    /// # Errors
    /// What the system said; the message names the file.
    pub fn write(directory: &Path, ports: &Ports) -> io::Result<PortsFile> {
        let name = format!("{}_{}.ports", program_name(), std::process::id());
        let path = directory.join(&name);
        let draft = directory.join(format!(".{name}.tmp"));
        let written = fs::write(&draft, ports.to_json()).and_then(|()| fs::rename(&draft, &path));
        if let Err(error) = written {
            let _ = fs::remove_file(&draft);
            return Err(with_path(error, &path));
        }
        Ok(PortsFile { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it, at shutdown or when `ports_file_dir` changed.
    ///
    /// # Errors
    /// What the system said; the message names the file.
    pub fn remove(self) -> io::Result<()> {
        fs::remove_file(&self.path).map_err(|error| with_path(error, &self.path))
    }
}

/// The name the program was started by, without its directory: `nats-server`.
pub fn program_name() -> String {
    let started_as = std::env::args_os().next().unwrap_or_default();
    match Path::new(&started_as).file_name() {
        Some(name) => name.display().to_string(),
        None => "nats-server".to_owned(),
    }
}

/// Without the zone that the standard library shows for link-local addresses.
fn url(scheme: &str, address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(v4) => format!("{scheme}://{v4}"),
        SocketAddr::V6(v6) => format!("{scheme}://[{}]:{}", v6.ip(), v6.port()),
    }
}

fn with_path(error: io::Error, path: &Path) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_nats_keys_in_order_and_no_empty_ones() {
        assert_eq!(Ports::default().to_json(), "{}");
        let one = |url: &str| vec![url.to_owned()];
        let ports = Ports {
            nats: urls("tls", "127.0.0.1:4222".parse().unwrap()),
            monitoring: one("http://127.0.0.1:8222"),
            cluster: Vec::new(),
            profile: one("http://127.0.0.1:1"),
            websocket: vec!["ws://127.0.0.1:2".to_owned(), "ws://[::1]:2".to_owned()],
        };
        assert_eq!(
            ports.to_json(),
            concat!(
                r#"{"nats":["tls://127.0.0.1:4222"],"monitoring":["http://127.0.0.1:8222"],"#,
                r#""profile":["http://127.0.0.1:1"],"#,
                r#""websocket":["ws://127.0.0.1:2","ws://[::1]:2"]}"#
            )
        );
    }

    #[test]
    fn the_file_is_named_after_program_and_process_and_removed() {
        let directory = tempfile::tempdir().unwrap();
        let ports = Ports {
            nats: urls("nats", "[::1]:4222".parse().unwrap()),
            ..Ports::default()
        };
        let file = PortsFile::write(directory.path(), &ports).unwrap();
        let name = format!("{}_{}.ports", program_name(), std::process::id());
        assert_eq!(file.path(), directory.path().join(name));
        assert_eq!(
            fs::read_to_string(file.path()).unwrap(),
            r#"{"nats":["nats://[::1]:4222"]}"#
        );
        file.remove().unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_missing_directory_is_an_error_that_names_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("missing");
        let error = PortsFile::write(&missing, &Ports::default()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().contains("missing"), "{error}");
    }
}
