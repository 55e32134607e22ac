//! The pid file and the ports file of this process.

use std::path::Path;

use cognate_config::Options;
use cognate_process::error;
use cognate_process::pid_file::PidFile;
use cognate_process::ports_file::{Ports, PortsFile, urls};
use cognate_server::Server;

/// The files that tell others about this process. The pid file stays after the end, as scripts
/// written for nats-server expect; the ports file goes.
pub(crate) struct Files {
    ports: Option<PortsFile>,
}

impl Files {
    /// Writes what the options ask for. A ports file that cannot be written is reported and goes
    /// no further.
    ///
    /// # Errors
    /// Why the pid file cannot be written: scripts would look after the wrong process.
    pub(crate) fn write(options: &Options, server: &Server) -> Result<Self, String> {
        write_pid(options)?;
        Ok(Files {
            ports: write_ports(options, server),
        })
    }

    /// Writes again what changed with a reload.
    pub(crate) fn update(&mut self, old: &Options, new: &Options, server: &Server) {
        if old.pid_file != new.pid_file
            && let Err(problem) = write_pid(new)
        {
            error!(server.logger(), "{problem}");
        }
        if old.ports_file_dir != new.ports_file_dir {
            self.remove();
            self.ports = write_ports(new, server);
        }
    }

    /// Removes the ports file.
    pub(crate) fn remove(&mut self) {
        if let Some(ports) = self.ports.take() {
            // It may be gone already, which is what is wanted.
            let _ = ports.remove();
        }
    }
}

fn write_pid(options: &Options) -> Result<(), String> {
    let Some(path) = &options.pid_file else {
        return Ok(());
    };
    let written = PidFile::write(Path::new(path));
    written
        .map(|_| ())
        .map_err(|problem| format!("Could not write pidfile: {problem}"))
}

fn write_ports(options: &Options, server: &Server) -> Option<PortsFile> {
    let directory = options.ports_file_dir.as_ref()?;
    let https = options.http.as_ref().is_some_and(|http| http.tls);
    let clients = if options.tls.is_some() { "tls" } else { "nats" };
    let monitors = if https { "https" } else { "http" };
    let ports = Ports {
        nats: server
            .client_addr()
            .map(|addr| urls(clients, addr))
            .unwrap_or_default(),
        monitoring: server
            .monitor_addr()
            .map(|addr| urls(monitors, addr))
            .unwrap_or_default(),
        ..Ports::default()
    };
    match PortsFile::write(Path::new(directory), &ports) {
        Ok(file) => Some(file),
        Err(problem) => {
            error!(server.logger(), "Error writing ports file: {problem}");
            None
        }
    }
}
