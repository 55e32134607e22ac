//! What every command is given: settings, connections, JetStream.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_nats::{Client, jetstream};

use crate::connect::{self, ConnectFlags, Forwarder, Settings};
use crate::error::{Error, Result};
use crate::jsm::Jsm;

/// The tool while one command runs.
pub(crate) struct App {
    flags: ConnectFlags,
    settings: OnceLock<Settings>,
    /// The ways through a proxy that connections take.
    forwarders: Mutex<Vec<Forwarder>>,
}

impl App {
    /// The tool with these global flags.
    pub(crate) fn new(flags: ConnectFlags) -> Self {
        App {
            flags,
            settings: OnceLock::new(),
            forwarders: Mutex::default(),
        }
    }

    /// The global flags as they were given.
    pub(crate) fn flags(&self) -> &ConnectFlags {
        &self.flags
    }

    /// The connection settings, weighed the first time they are asked for: a command that needs no
    /// connection works with a broken context.
    pub(crate) fn settings(&self) -> Result<&Settings> {
        if let Some(settings) = self.settings.get() {
            return Ok(settings);
        }
        let settings = Settings::resolve(&self.flags)?;
        crate::output::table::set_scheme(&settings.context.color_scheme);
        Ok(self.settings.get_or_init(|| settings))
    }

    /// How long answers are waited for.
    pub(crate) fn timeout(&self) -> Result<Duration> {
        Ok(self.settings()?.timeout)
    }

    /// A connection to the server.
    pub(crate) async fn connect(&self) -> Result<Client> {
        let connection = connect::connect(self.settings()?).await?;
        self.forwarders().extend(connection.forwarder);
        Ok(connection.client)
    }

    fn forwarders(&self) -> std::sync::MutexGuard<'_, Vec<Forwarder>> {
        self.forwarders
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a connection of this command has TLS.
    pub(crate) fn has_tls(&self, client: &Client) -> Result<bool> {
        let settings = self.settings()?;
        let is_wanted = |server: &String| server.starts_with("tls://");
        Ok(client.server_info().tls_required
            || settings.context.tls_first
            || settings.servers().iter().any(is_wanted)
            || self.forwarders().iter().any(Forwarder::has_tls))
    }

    /// Waits until what the command wrote is beyond this process: a proxy's forwarder is in it.
    pub(crate) async fn drain(&self) {
        let forwarders = std::mem::take(&mut *self.forwarders());
        for forwarder in forwarders {
            forwarder.drain().await;
        }
    }

    /// A connection, for managing JetStream.
    pub(crate) async fn jsm(&self) -> Result<Jsm> {
        let client = self.connect().await?;
        self.jsm_on(client)
    }

    /// JetStream management on a connection there is already.
    pub(crate) fn jsm_on(&self, client: Client) -> Result<Jsm> {
        let settings = self.settings()?;
        Ok(Jsm::new(
            client,
            settings.api_prefix(),
            settings.timeout,
            settings.trace,
        ))
    }

    /// async-nats's JetStream on a connection there is already.
    #[allow(dead_code, reason = "for commands about advisories and streams")]
    pub(crate) fn jetstream_on(&self, client: Client) -> Result<jetstream::Context> {
        let settings = self.settings()?;
        let context = &settings.context;
        let mut js = match (
            context.jetstream_api_prefix.as_str(),
            context.jetstream_domain.as_str(),
        ) {
            ("", "") => jetstream::new(client),
            ("", domain) => jetstream::with_domain(client, domain),
            (prefix, _) => jetstream::with_prefix(client, prefix.trim_end_matches('.')),
        };
        js.set_timeout(settings.timeout);
        Ok(js)
    }

    /// Sends everything that still waits and ends the connection's work in order.
    pub(crate) async fn finish(&self, client: &Client) -> Result<()> {
        match tokio::time::timeout(self.timeout()?, client.flush()).await {
            Ok(flushed) => Ok(flushed?),
            Err(_) => Err(Error::new("the server did not take everything in time")),
        }
    }
}
