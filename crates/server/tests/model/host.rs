//! The server on which a world is played: one in this process, or the binary that `MODEL_NATS_SERVER`
//! names, over TCP.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use cognate_server::Server;
use tokio::net::TcpStream;

use crate::common::{Stream, options_from, until};
use crate::world::World;

/// A server of its own; killed when dropped.
pub(crate) struct Process {
    child: Child,
    dir: PathBuf,
    port: u16,
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Where a world is played.
pub(crate) enum Host {
    /// In this process.
    Here(Server),
    /// In another one.
    Process(Process),
}

impl Host {
    /// Starts a server with a world's configuration.
    pub(crate) async fn start(world: &World, seed: u64) -> Self {
        let Some(binary) = std::env::var_os("MODEL_NATS_SERVER") else {
            let server = Server::builder().options(options_from(&world.config()));
            return match server.no_port().start().await {
                Ok(server) => Host::Here(server),
                Err(error) => panic!("MODEL_SEED={seed}: {error}\n{}", world.config()),
            };
        };
        let name = format!("model-{}-{seed}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&dir).expect("a temporary directory");
        write(&dir, world);
        let child = Command::new(binary)
            .args(["-a", "127.0.0.1", "-p", "-1", "-c"])
            .arg(dir.join("nats.conf"))
            .arg("-l")
            .arg(dir.join("log"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("MODEL_NATS_SERVER names a binary");
        let mut host = Host::Process(Process {
            child,
            dir,
            port: 0,
        });
        let log = host.wait_for("Server is ready", world).await;
        let line = log
            .lines()
            .find(|line| line.contains("Listening for client connections on "));
        let found = line.and_then(|line| line.rsplit(':').next()?.trim().parse().ok());
        if let Host::Process(process) = &mut host {
            process.port = found.expect("the port is in the log");
        }
        host
    }

    /// A new connection.
    pub(crate) async fn open(&self) -> Box<dyn Stream> {
        match self {
            Host::Here(server) => Box::new(server.connect_in_process()),
            Host::Process(process) => {
                let stream = TcpStream::connect(("127.0.0.1", process.port)).await;
                let stream = stream.expect("the server accepts");
                stream.set_nodelay(true).expect("TCP_NODELAY");
                Box::new(stream)
            }
        }
    }

    /// Puts a world's configuration in force.
    pub(crate) async fn reload(&mut self, world: &World) {
        match self {
            Host::Here(server) => {
                let mut options = options_from(&world.config());
                options.port = server.options().port;
                if let Err(error) = server.reload(options) {
                    panic!("{error:?}\n{}", world.config());
                }
            }
            Host::Process(Process { child, dir, .. }) => {
                write(dir, world);
                let pid = child.id().to_string();
                let done = Command::new("kill").args(["-HUP", &pid]).status();
                assert!(done.is_ok_and(|status| status.success()));
                self.wait_for("Reloaded server configuration", world).await;
            }
        }
    }

    /// Waits for a line in the log of a process.
    async fn wait_for(&mut self, text: &str, world: &World) -> String {
        let Host::Process(Process { child, dir, .. }) = self else {
            return String::new();
        };
        let path = dir.join("log");
        let read = || std::fs::read_to_string(&path).unwrap_or_default();
        until(
            text,
            async || {
                if let Ok(Some(status)) = child.try_wait() {
                    panic!("{status}: {}\n{}", read(), world.config());
                }
                let log = read();
                assert!(
                    !log.contains("Failed to reload"),
                    "{log}\n{}",
                    world.config()
                );
                log
            },
            |log| log.contains(text),
        )
        .await
    }
}

fn write(dir: &std::path::Path, world: &World) {
    std::fs::write(dir.join("nats.conf"), world.config()).expect("a temporary file");
}
