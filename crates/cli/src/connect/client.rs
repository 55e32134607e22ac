//! The connection that commands use: async-nats, set up from [`Settings`].

use std::time::Duration;

use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, ServerAddr};

use super::forward::Forwarder;
use super::secret::{Credentials, expand_home};
use super::settings::Settings;
use crate::commands::shared::random;
use crate::error::{Context, Error, Result};

/// Messages that may wait in one subscription before it counts as slow.
const SUBSCRIPTION_CAPACITY: usize = 512 * 1024;

/// How long connecting may take at least: `--timeout` is about answers, and may be short.
const MIN_CONNECT: Duration = Duration::from_secs(2);

/// Letters of the name by which a forwarder knows its client: nobody guesses so many.
const KEY_LETTERS: usize = 22;

/// A connection, and the way through the proxy that it takes, if it takes one.
pub(crate) struct Connection {
    /// The connection.
    pub(crate) client: Client,
    /// The way, to be drained when the command has ended.
    pub(crate) forwarder: Option<Forwarder>,
}

/// Connects, or says why not.
pub(crate) async fn connect(settings: &Settings) -> Result<Connection> {
    let servers = settings.servers();
    let connected = |result: Result<Client, async_nats::ConnectError>| {
        result.map_err(|error| explain(&error, &servers))
    };
    let options = options(settings)?;
    if settings.context.socks_proxy.is_empty() {
        let addresses = servers.iter().map(|server| address(server));
        let addresses = addresses.collect::<Result<Vec<_>>>()?;
        let options = with_tls(options, settings)?
            .name(&settings.connection_name)
            .event_callback(|event| async move { report(&event) });
        return Ok(Connection {
            client: connected(options.connect(addresses).await)?,
            forwarder: None,
        });
    }
    let key = random::password(KEY_LETTERS)?;
    let forwarder = Forwarder::start(settings, key.clone()).await?;
    let options = options.name(key).event_callback(|event| async move {
        // The forwarder has told why, better than a connection that ended early can.
        if !matches!(&event, Event::ClientError(error) if error.to_string().contains("INFO")) {
            report(&event);
        }
    });
    Ok(Connection {
        client: connected(options.connect(address(&forwarder.url())?).await)?,
        forwarder: Some(forwarder),
    })
}

fn address(server: &str) -> Result<ServerAddr> {
    server
        .parse()
        .context(format!("invalid server URL {:?}", redact(server)))
}

/// What holds for every connection, however the server is reached.
fn options(settings: &Settings) -> Result<ConnectOptions> {
    let context = &settings.context;
    let mut options = ConnectOptions::new()
        .connection_timeout(settings.timeout.max(MIN_CONNECT))
        .request_timeout(Some(settings.timeout))
        .subscription_capacity(SUBSCRIPTION_CAPACITY)
        .retain_servers_order();
    options = match settings.credentials()? {
        Credentials::None => options,
        Credentials::User(user, password) => options.user_and_password(user, password),
        Credentials::Token(token) => options.token(token),
        Credentials::Nkey(seed) => options.nkey(seed),
        Credentials::Jwt(jwt, seed) => with_jwt(options, jwt, seed)?,
    };
    if !context.inbox_prefix.is_empty() {
        options = options.custom_inbox_prefix(&context.inbox_prefix);
    }
    if let Some(wait) = settings.reconnect_wait {
        // The first attempts, which are also those of the first connection, are not delayed.
        let delay = move |attempts| if attempts <= 1 { Duration::ZERO } else { wait };
        options = options.reconnect_delay_callback(delay);
    }
    if let Some(max) = settings.max_reconnects {
        options = options.max_reconnects(max);
    }
    Ok(options)
}

/// TLS that async-nats makes itself.
fn with_tls(mut options: ConnectOptions, settings: &Settings) -> Result<ConnectOptions> {
    let context = &settings.context;
    if !context.ca.is_empty() {
        options = options.add_root_certificates(readable(&context.ca)?);
    }
    match (context.cert.as_str(), context.key.as_str()) {
        ("", "") => {}
        ("", _) | (_, "") => {
            return Err(Error::new(
                "--tlscert and --tlskey belong together: give both",
            ));
        }
        (cert, key) => options = options.add_client_certificate(readable(cert)?, readable(key)?),
    }
    if context.tls_first {
        options = options.tls_first().require_tls(true);
    }
    Ok(options)
}

/// Signs the server's nonce with the user's seed; a bearer JWT needs no signature.
fn with_jwt(options: ConnectOptions, jwt: String, seed: Option<String>) -> Result<ConnectOptions> {
    let Some(seed) = seed else {
        return Ok(options.jwt(jwt, |_| async { Ok(Vec::new()) }));
    };
    let key = cognate_auth::nkey::KeyPair::from_seed(&seed).context("the user's seed")?;
    let key = std::sync::Arc::new(key);
    Ok(options.jwt(jwt, move |nonce| {
        let key = key.clone();
        async move { Ok(key.sign(&nonce).to_vec()) }
    }))
}

fn readable(path: &str) -> Result<std::path::PathBuf> {
    let path = expand_home(path);
    std::fs::File::open(&path).context(path.display())?;
    Ok(path)
}

/// Tells the user what happens to the connection while a command runs.
fn report(event: &Event) {
    match event {
        Event::Disconnected => crate::note!("Disconnected from the server, reconnecting"),
        Event::ServerError(error) => crate::note!("The server says: {error}"),
        Event::ClientError(error) => crate::note!("Connection: {error}"),
        Event::LameDuckMode => crate::note!("The server is going away; reconnecting to another"),
        Event::SlowConsumer(_) => {
            crate::note!("Messages are dropped: they come faster than they are handled")
        }
        _ => {}
    }
}

/// Why there is no connection, and what to do about it.
fn explain(error: &async_nats::ConnectError, servers: &[String]) -> Error {
    let shown = servers
        .iter()
        .map(|server| redact(server))
        .collect::<Vec<_>>()
        .join(", ");
    let detail = Error::from(std::io::Error::other(error.to_string()));
    match error.kind() {
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
            Error::new(format!("{shown} refused the login: Authorization Violation"))
                .hint("Check --user and --password, --creds, --nkey or --token, or the context in use (`nats context info`).")
        }
        ConnectErrorKind::TimedOut => Error::new(format!("no answer from {shown} in time"))
            .hint("Is the address right? --timeout waits longer."),
        kind if kind == ConnectErrorKind::Tls || speaks_of_tls(detail.message()) => Error::new(format!("TLS with {shown} failed: {}", detail.message()))
            .hint("--tlsca names the authority of the server's certificate, --tlsfirst starts with TLS."),
        _ => Error::new(format!("could not connect to {shown}: {}", detail.message()))
            .hint("Is a server running there? Name another with --server, NATS_URL or --context."),
    }
}

/// Whether a failure to read or write is one of TLS, which async-nats does not tell apart.
fn speaks_of_tls(text: &str) -> bool {
    [
        "certificate",
        "Certificate",
        "handshake",
        "received fatal alert",
    ]
    .iter()
    .any(|word| text.contains(word))
}

/// A URL without the password in it.
pub(crate) fn redact(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("nats", url));
    match rest.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://***@{host}"),
        None => format!("{scheme}://{rest}"),
    }
}
