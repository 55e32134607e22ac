//! From options to a running server.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use cognate_config::options::{MAX_PAYLOAD_WARNING_BYTES, Options, Port};
use cognate_process::text::io_error_text;
use cognate_process::{Logger, info, warn};
use cognate_tls::ServerTls;
use tokio::net::TcpListener;

use crate::convert;
use crate::jetstream::JetStream;
use crate::listen;
use crate::operator::{self, OperatorMode};
use crate::server::Server;
use crate::shared::{COGNATE_VERSION, COMPATIBLE_VERSION, Shared, Stage};

/// Why a server did not start.
#[derive(Debug)]
pub enum StartError {
    /// The options cannot be used.
    Options(String),
    /// The client listener could not be opened.
    Listen {
        /// Where.
        place: String,
        /// Why.
        cause: std::io::Error,
    },
    /// JetStream's directory could not be used.
    JetStream {
        /// Why.
        cause: std::io::Error,
    },
    /// The monitoring listener could not be opened.
    Monitor {
        /// Where.
        place: String,
        /// Why.
        cause: std::io::Error,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Options(problem) => f.write_str(problem),
            StartError::Listen { place, cause } => {
                let cause = listen_error_text(place, cause);
                write!(f, "Error listening on port: {place}, \"{cause}\"")
            }
            StartError::JetStream { cause } => {
                let cause = io_error_text(cause);
                write!(f, "Can't start JetStream: {cause}")
            }
            StartError::Monitor { place, cause } => {
                f.write_str("Can't start monitoring: can't listen to the monitor port: ")?;
                f.write_str(&listen_error_text(place, cause))
            }
        }
    }
}

/// The words of nats-server, which tools and people search for.
fn listen_error_text(place: &str, cause: &std::io::Error) -> String {
    let text = io_error_text(cause);
    match (cause.raw_os_error(), place.rsplit_once(':')) {
        // Only the look-up of a name fails without a number from the system.
        (None, Some((host, _))) => format!("listen tcp: lookup {host}: {text}"),
        _ => format!("listen tcp {place}: bind: {text}"),
    }
}

impl std::error::Error for StartError {}

/// Configures a server before it starts.
///
/// ```no_run
/// # async fn example() -> Result<(), cognate_server::StartError> {
/// let server = cognate_server::Server::builder().host("127.0.0.1").free_port().start().await?;
/// println!("listening on {}", server.client_url().unwrap_or_default());
/// server.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
pub struct Builder {
    options: Options,
    log: Option<Logger>,
    command_line: Vec<String>,
}

impl Server {
    /// Starts to configure a server.
    pub fn builder() -> Builder {
        Builder::default()
    }
}

impl Builder {
    /// Replaces all options, for example with those of a configuration file
    /// ([`cognate_config::load`]).
    #[must_use]
    pub fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Changes single options.
    #[must_use]
    pub fn configure(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(&mut self.options);
        self
    }

    /// The host or address to listen on; all by default.
    #[must_use]
    pub fn host(self, host: &str) -> Self {
        self.configure(|options| host.clone_into(&mut options.host))
    }

    /// The port to listen on; 4222 by default.
    #[must_use]
    pub fn port(self, port: u16) -> Self {
        self.configure(|options| options.port = Port::Number(port))
    }

    /// Listens on any free port ([`Server::client_addr`] tells which).
    #[must_use]
    pub fn free_port(self) -> Self {
        self.configure(|options| options.port = Port::Random)
    }

    /// Opens no port: only [`Server::connect_in_process`] leads in.
    #[must_use]
    pub fn no_port(self) -> Self {
        self.configure(|options| options.dont_listen = true)
    }

    /// Where log lines go; nowhere by default.
    #[must_use]
    pub fn logger(mut self, log: Logger) -> Self {
        self.log = Some(log);
        self
    }

    /// The arguments of the process, for programs that are a server and nothing else; monitoring
    /// shows them with secrets hidden.
    #[must_use]
    pub fn command_line(mut self, arguments: Vec<String>) -> Self {
        self.command_line = arguments;
        self
    }

    /// Starts the server on the current tokio runtime. When this returns, clients can connect.
    pub async fn start(self) -> Result<Server, StartError> {
        let Builder {
            options,
            log,
            command_line,
        } = self;
        let log = log.unwrap_or_else(Logger::null);
        let shared = Shared::new(options, log, command_line).map_err(StartError::Options)?;
        let shared = Arc::new(shared);
        announce(&shared);
        let options = shared.options();
        let stapled = crate::ocsp::prepare(&shared, &options, shared.tls().as_deref());
        let stapled = stapled.map_err(StartError::Options)?;
        shared.peers.load(&shared);
        operator::begin(&shared)
            .await
            .map_err(StartError::Options)?;
        start_jetstream(&shared)?;
        crate::system::start(&shared);
        crate::monitoring::start(&shared).await?;
        match open_client_listener(&shared).await {
            Ok(None) => {}
            Ok(Some(listener)) => {
                let listening = shared.registry.listeners.enter();
                let accepting = listen::accept_clients(Arc::clone(&shared), listener, listening);
                tokio::spawn(accepting);
            }
            Err(error) => {
                let jetstream = shared.jetstream.write().take();
                if let Some(jetstream) = jetstream {
                    jetstream.stop().await;
                }
                // Monitoring listens already; whoever tries again finds its port free.
                shared.stage.send_replace(Stage::Stopped);
                shared.registry.listeners.closed().await;
                return Err(error);
            }
        }
        crate::ocsp::watch(&shared, stapled);
        tokio::spawn(crate::ocsp::peers::keep_saved(Arc::clone(&shared)));
        info!(shared.log, "Server is ready");
        Ok(Server { shared })
    }
}

/// Checks that options can be used, certificates included, without starting anything.
///
/// # Errors
/// What is wrong, in words for the user.
pub fn check(options: &Options) -> Result<(), String> {
    convert::authenticator(options)?;
    convert::proxies(options)?;
    convert::callout(options)?;
    let operator = OperatorMode::load(options, None)?;
    convert::accounts(options, operator.as_deref(), BTreeSet::new())?;
    load_tls(options)?;
    Ok(())
}

/// Reads the certificates, if TLS is configured.
pub(crate) fn load_tls(options: &Options) -> Result<Option<ServerTls>, String> {
    let Some(tls) = &options.tls else {
        return Ok(None);
    };
    ServerTls::load(tls)
        .map(Some)
        .map_err(|error| error.to_string())
}

/// The first lines of the log.
fn announce(shared: &Shared) {
    let log = &shared.log;
    let options = shared.options();
    info!(log, "Starting nats-server");
    info!(log, "  Version:  {COMPATIBLE_VERSION}");
    info!(log, "  Cognate:  {COGNATE_VERSION}");
    info!(log, "  Name:     {}", shared.facts.server_name);
    info!(log, "  ID:       {}", shared.facts.server_id);
    if let Some(file) = &options.config_file {
        let digest = options.config_digest.as_deref().unwrap_or("");
        info!(log, "Using configuration file: {file} ({digest})");
    }
    if shared.authenticator().has_plaintext_secrets() {
        warn!(log, "Plaintext passwords detected, use nkeys or bcrypt");
    }
    if let Some(operator) = shared.operator() {
        for problem in operator.problems() {
            warn!(log, "{problem}");
        }
    }
    if options.max_payload > MAX_PAYLOAD_WARNING_BYTES {
        warn!(
            log,
            "Maximum payloads over {} are generally discouraged and could lead to poor performance",
            MAX_PAYLOAD_WARNING_BYTES
        );
    }
}

/// Recovers streams and serves them from now on, if that is configured.
fn start_jetstream(shared: &Arc<Shared>) -> Result<(), StartError> {
    let Some(options) = shared.options().jetstream.clone() else {
        return Ok(());
    };
    let jetstream =
        JetStream::start(shared, &options).map_err(|cause| StartError::JetStream { cause })?;
    *shared.jetstream.write() = Some(jetstream);
    Ok(())
}

async fn open_client_listener(shared: &Shared) -> Result<Option<TcpListener>, StartError> {
    let options = shared.options();
    if options.dont_listen {
        return Ok(None);
    }
    let place = listen::place(&options.host, options.port.to_bind());
    let failed = |cause| StartError::Listen {
        place: place.clone(),
        cause,
    };
    let listener = listen::bind(&options.host, options.port.to_bind())
        .await
        .map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let _ = shared.facts.client_addr.set(address);
    info!(
        shared.log,
        "Listening for client connections on {}",
        listen::place(&options.host, address.port())
    );
    if options.tls.is_some() {
        info!(shared.log, "TLS required for client connections");
    }
    Ok(Some(listener))
}
