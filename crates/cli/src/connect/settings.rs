//! Everything needed to connect, after flags, environment, context and `--config-file` were weighed.

use std::time::Duration;

use cognate_natsconf::NatsConf;

use super::context::{ContextFile, Store};
use super::flags::ConnectFlags;
use super::secret::{Credentials, is_reference, resolve};
use crate::error::{Context, Error, Result};

const DEFAULT_URL: &str = "nats://127.0.0.1:4222";
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// Connection settings.
#[derive(Clone)]
pub(crate) struct Settings {
    /// The settings as a context has them.
    pub(crate) context: ContextFile,
    /// The name of the connection.
    pub(crate) connection_name: String,
    /// How long answers are waited for.
    pub(crate) timeout: Duration,
    /// Whether JetStream API traffic is shown.
    pub(crate) trace: bool,
    /// How often a lost connection is tried again; `None` is for ever.
    pub(crate) max_reconnects: Option<usize>,
    /// Time between two attempts.
    pub(crate) reconnect_wait: Option<Duration>,
}

impl Settings {
    /// Weighs flags against the context they choose.
    pub(crate) fn resolve(flags: &ConnectFlags) -> Result<Self> {
        let mut settings = Settings {
            context: ContextFile::default(),
            connection_name: flags
                .connection_name
                .clone()
                .unwrap_or_else(connection_name),
            timeout: flags.timeout.unwrap_or(DEFAULT_TIMEOUT),
            trace: flags.trace,
            max_reconnects: None,
            reconnect_wait: None,
        };
        match &flags.config_file {
            Some(path) => settings.apply_config(&NatsConf::from_file(path)?),
            None => settings.context = chosen_context(flags)?,
        }
        settings.context = flags.applied_to(std::mem::take(&mut settings.context));
        Ok(settings)
    }

    /// The server URLs, each with a scheme.
    pub(crate) fn servers(&self) -> Vec<String> {
        let url = Some(self.context.url.as_str())
            .filter(|url| !url.is_empty())
            .unwrap_or(DEFAULT_URL);
        let servers = url
            .split(',')
            .map(str::trim)
            .filter(|server| !server.is_empty());
        servers
            .map(|server| {
                if server.contains("://") {
                    server.to_owned()
                } else {
                    format!("nats://{server}")
                }
            })
            .collect()
    }

    /// The proof of who the user is, secrets read from where they are kept.
    pub(crate) fn credentials(&self) -> Result<Credentials> {
        let context = &self.context;
        let literal = |text: &str| {
            if is_reference(text) {
                resolve(text).map(|text| text.trim().to_owned())
            } else {
                Ok(text.to_owned())
            }
        };
        if !context.user.is_empty() {
            return Ok(match context.password.is_empty() {
                true => Credentials::Token(context.user.clone()),
                false => Credentials::User(context.user.clone(), literal(&context.password)?),
            });
        }
        if !context.creds.is_empty() {
            return Credentials::from_creds(&resolve(&context.creds)?).context(&context.creds);
        }
        if !context.nsc.is_empty() {
            return Err(resolve(&context.nsc)
                .err()
                .unwrap_or_else(|| Error::new("nsc lookups are not built in")));
        }
        if !context.nkey.is_empty() {
            return Credentials::from_seed(&resolve(&context.nkey)?).context("nkey");
        }
        if !context.user_jwt.is_empty() {
            let value = |text: &str, marker: &str| match text.starts_with(marker) {
                true => Ok(text.to_owned()),
                false => resolve(text).map(|text| text.trim().to_owned()),
            };
            let seed = match context.user_seed.as_str() {
                "" => None,
                seed => Some(value(seed, "SU").context("seed")?),
            };
            return Ok(Credentials::Jwt(
                value(&context.user_jwt, "eyJ").context("jwt")?,
                seed,
            ));
        }
        match context.token.as_str() {
            "" => Ok(self.url_credentials()),
            token => Ok(Credentials::Token(literal(token)?)),
        }
    }

    /// Those in the first URL that has any.
    fn url_credentials(&self) -> Credentials {
        let found = self
            .servers()
            .iter()
            .find_map(|url| cognate_natsconf::url_credentials(url));
        match found {
            Some((user, Some(password))) => Credentials::User(user, password),
            Some((token, None)) => Credentials::Token(token),
            None => Credentials::None,
        }
    }

    /// The prefix of JetStream API subjects, without the last dot: `$JS.API`.
    pub(crate) fn api_prefix(&self) -> String {
        match (
            self.context.jetstream_api_prefix.trim_end_matches('.'),
            self.context.jetstream_domain.as_str(),
        ) {
            ("", "") => "$JS.API".to_owned(),
            ("", domain) => format!("$JS.{domain}.API"),
            (prefix, _) => prefix.to_owned(),
        }
    }

    /// The prefix of JetStream advisories and metrics: `$JS.EVENT`.
    #[allow(dead_code, reason = "for commands about advisories and streams")]
    pub(crate) fn event_prefix(&self) -> String {
        match self.context.jetstream_event_prefix.trim_end_matches('.') {
            "" => "$JS.EVENT".to_owned(),
            prefix => prefix.to_owned(),
        }
    }

    fn apply_config(&mut self, config: &NatsConf) {
        let text = |path: &Option<std::path::PathBuf>| {
            path.as_ref()
                .map_or_else(String::new, |path| path.display().to_string())
        };
        self.context = ContextFile {
            url: config.hosts.join(","),
            creds: text(&config.user_cred),
            nkey: text(&config.nkey_file),
            cert: text(&config.tls_client_cert),
            key: text(&config.tls_client_key),
            ca: text(&config.tls_ca_cert),
            user_jwt: config.user_jwt.clone().unwrap_or_default(),
            ..ContextFile::default()
        };
        self.max_reconnects = config.max_reconnect;
        self.reconnect_wait = Some(config.reconnect_wait);
    }

    /// Settings of a context alone, for trying it.
    pub(crate) fn of_context(context: ContextFile, timeout: Duration) -> Self {
        Settings {
            context,
            connection_name: connection_name(),
            timeout,
            trace: false,
            max_reconnects: Some(1),
            reconnect_wait: None,
        }
    }
}

fn connection_name() -> String {
    format!("NATS CLI Version {}", env!("CARGO_PKG_VERSION"))
}

impl ConnectFlags {
    /// A context with what the flags say put in.
    pub(crate) fn applied_to(&self, mut context: ContextFile) -> ContextFile {
        let credentials = [&self.user, &self.token, &self.creds, &self.nkey, &self.jwt];
        if credentials.iter().any(|flag| flag.is_some()) {
            context.clear_credentials();
        }
        let given = [
            (&self.server, &mut context.url),
            (&self.user, &mut context.user),
            (&self.password, &mut context.password),
            (&self.token, &mut context.token),
            (&self.creds, &mut context.creds),
            (&self.nkey, &mut context.nkey),
            (&self.jwt, &mut context.user_jwt),
            (&self.seed, &mut context.user_seed),
            (&self.tlscert, &mut context.cert),
            (&self.tlskey, &mut context.key),
            (&self.tlsca, &mut context.ca),
            (&self.socks_proxy, &mut context.socks_proxy),
            (&self.js_api_prefix, &mut context.jetstream_api_prefix),
            (&self.js_event_prefix, &mut context.jetstream_event_prefix),
            (&self.js_domain, &mut context.jetstream_domain),
            (&self.inbox_prefix, &mut context.inbox_prefix),
            (&self.colors, &mut context.color_scheme),
        ];
        for (flag, setting) in given {
            if let Some(value) = flag {
                setting.clone_from(value);
            }
        }
        context.tls_first |= self.tlsfirst;
        context
    }
}

/// The context that flags choose, else the selected one, else none. A selected context that is gone
/// is no error: the server may be named by flag.
fn chosen_context(flags: &ConnectFlags) -> Result<ContextFile> {
    if flags.no_context {
        return Ok(ContextFile::default());
    }
    if let Some(name) = &flags.context {
        let path = super::secret::expand_home(name);
        if name.contains('/') && path.is_file() {
            let text = std::fs::read(&path).context(path.display())?;
            return super::context::parse(&text).context(path.display());
        }
        return Store::open()?.load(name);
    }
    let Ok(store) = Store::open() else {
        return Ok(ContextFile::default());
    };
    match store.selected().filter(|name| store.is_known(name)) {
        Some(name) => store.load(&name),
        None => Ok(ContextFile::default()),
    }
}
