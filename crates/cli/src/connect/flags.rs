//! The flags that every command takes to say which server it talks to, and how.

use std::path::PathBuf;
use std::time::Duration;

use crate::output::duration;

/// Global flags, with the environment variables that stand in for them.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct ConnectFlags {
    /// NATS server URLs, separated by commas
    #[arg(short, long, global = true, env = "NATS_URL", value_name = "URL", hide_env_values = true, help_heading = GLOBAL)]
    pub(crate) server: Option<String>,

    /// Username, or token where there is no password
    #[arg(long, global = true, env = "NATS_USER", value_name = "USER", hide_env_values = true, help_heading = GLOBAL)]
    pub(crate) user: Option<String>,

    /// Password
    #[arg(long, global = true, env = "NATS_PASSWORD", value_name = "PASSWORD", hide_env_values = true, help_heading = GLOBAL)]
    pub(crate) password: Option<String>,

    /// Token
    #[arg(long, global = true, env = "NATS_TOKEN", value_name = "TOKEN", hide_env_values = true, help_heading = GLOBAL)]
    pub(crate) token: Option<String>,

    /// Name the connection has on the server
    #[arg(long, global = true, value_name = "NAME", help_heading = GLOBAL)]
    pub(crate) connection_name: Option<String>,

    /// User credentials file
    #[arg(long, global = true, env = "NATS_CREDS", value_name = "FILE", hide_env_values = true, help_heading = GLOBAL)]
    pub(crate) creds: Option<String>,

    /// User nkey seed file
    #[arg(long, global = true, env = "NATS_NKEY", value_name = "FILE", hide_env_values = true, help_heading = GLOBAL)]
    pub(crate) nkey: Option<String>,

    /// User JWT, or a file with one
    #[arg(long, global = true, env = "NATS_JWT", value_name = "JWT", hide_env_values = true, help_heading = GLOBAL)]
    pub(crate) jwt: Option<String>,

    /// User seed that belongs to --jwt, or a file with one
    #[arg(long, global = true, env = "NATS_SEED", value_name = "SEED", hide_env_values = true, help_heading = GLOBAL)]
    pub(crate) seed: Option<String>,

    /// TLS public certificate
    #[arg(long, global = true, env = "NATS_CERT", value_name = "FILE", hide_env_values = true, help_heading = GLOBAL)]
    pub(crate) tlscert: Option<String>,

    /// TLS private key
    #[arg(long, global = true, env = "NATS_KEY", value_name = "FILE", hide_env_values = true, help_heading = GLOBAL)]
    pub(crate) tlskey: Option<String>,

    /// TLS certificate authorities
    #[arg(long, global = true, env = "NATS_CA", value_name = "FILE", hide_env_values = true, help_heading = GLOBAL)]
    pub(crate) tlsca: Option<String>,

    /// Perform the TLS handshake before expecting the server's greeting
    #[arg(long, alias = "tls-first", global = true, help_heading = GLOBAL)]
    pub(crate) tlsfirst: bool,

    /// Time to wait for responses
    #[arg(long, global = true, env = "NATS_TIMEOUT", value_name = "DURATION", value_parser = duration::arg, hide_env_values = true, help_heading = GLOBAL)]
    pub(crate) timeout: Option<Duration>,

    /// SOCKS5 proxy to connect through: socks5://[user:password@]host[:port]
    #[arg(long, global = true, env = "NATS_SOCKS_PROXY", value_name = "PROXY", hide_env_values = true, help_heading = GLOBAL)]
    pub(crate) socks_proxy: Option<String>,

    /// Subject prefix for access to the JetStream API
    #[arg(long, global = true, value_name = "PREFIX", help_heading = GLOBAL)]
    pub(crate) js_api_prefix: Option<String>,

    /// Subject prefix for access to JetStream advisories
    #[arg(long, global = true, value_name = "PREFIX", help_heading = GLOBAL)]
    pub(crate) js_event_prefix: Option<String>,

    /// JetStream domain to access
    #[arg(long, alias = "domain", global = true, value_name = "DOMAIN", help_heading = GLOBAL)]
    pub(crate) js_domain: Option<String>,

    /// Prefix of the inboxes that replies are sent to
    #[arg(long, global = true, value_name = "PREFIX", help_heading = GLOBAL)]
    pub(crate) inbox_prefix: Option<String>,

    /// Color scheme for tables
    #[arg(long, global = true, env = "NATS_COLOR", value_name = "SCHEME", hide_env_values = true, help_heading = GLOBAL,
          value_parser = ["yellow", "blue", "cyan", "green", "magenta", "red", "rounded", "double"])]
    pub(crate) colors: Option<String>,

    /// Configuration context
    #[arg(long, global = true, env = "NATS_CONTEXT", value_name = "NAME", hide_env_values = true, help_heading = GLOBAL)]
    pub(crate) context: Option<String>,

    /// Ignore the selected context
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub(crate) no_context: bool,

    /// Connection settings (NatsConf) from a YAML, JSON or TOML file, in place of a context
    #[arg(long, global = true, value_name = "FILE", help_heading = GLOBAL)]
    pub(crate) config_file: Option<PathBuf>,

    /// Show JetStream API traffic
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub(crate) trace: bool,
}

const GLOBAL: &str = "Global flags";
