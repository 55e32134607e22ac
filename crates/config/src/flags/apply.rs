//! Flags over options: what was given on the command line wins.

use super::{FlagError, Flags};
use crate::check::is_advertise;
use crate::options::{CertificatePair, Credential, HttpOptions, Options, Port, Secret};

/// Replaces a value if a flag was given.
fn set<T: Clone>(slot: &mut T, flag: &Option<T>) {
    if let Some(value) = flag {
        slot.clone_from(value);
    }
}

/// Replaces an optional text if a flag was given; the empty text unsets it.
fn set_text(slot: &mut Option<String>, flag: &Option<String>) {
    if let Some(text) = flag {
        *slot = (!text.is_empty()).then(|| text.clone());
    }
}

impl Flags {
    /// Overrides the options of the file (or the defaults) by the flags. The caller validates the
    /// result with [`Options::validate`]. On an error the options may be partly changed.
    ///
    /// # Errors
    /// Flags that contradict each other or the options.
    pub fn apply(&self, options: &mut Options) -> Result<(), FlagError> {
        set_text(&mut options.server_name, &self.server_name);
        set_text(&mut options.client_advertise, &self.client_advertise);
        set_text(&mut options.pid_file, &self.pid_file);
        set_text(&mut options.ports_file_dir, &self.ports_file_dir);
        set_text(&mut options.log_file, &self.log_file);
        set_text(&mut options.remote_syslog, &self.remote_syslog);
        if let Some(host) = self.host.as_ref().filter(|host| !host.is_empty()) {
            options.host.clone_from(host);
        }
        set(&mut options.port, &self.port);
        set(&mut options.debug, &self.debug);
        set(&mut options.trace, &self.trace);
        set(&mut options.trace_verbose, &self.trace_verbose);
        set(&mut options.logtime, &self.logtime);
        set(&mut options.logtime_utc, &self.logtime_utc);
        set(&mut options.syslog, &self.syslog);
        set(&mut options.log_size_limit, &self.log_size_limit);
        set(&mut options.max_traced_msg_len, &self.max_traced_msg_len);
        if let Some(on) = self.jetstream {
            options.enable_jetstream(on);
        }
        set_text(&mut options.jetstream_settings().store_dir, &self.store_dir);
        if self
            .server_name
            .as_ref()
            .is_some_and(|name| name.contains(' '))
        {
            return Err(FlagError::plain("server name cannot contain spaces"));
        }
        if self
            .client_advertise
            .as_ref()
            .is_some_and(|at| !at.is_empty() && !is_advertise(at))
        {
            return Err(FlagError::plain(
                "--client_advertise is not \"host\" or \"host:port\"",
            ));
        }
        self.apply_monitoring(options)?;
        self.apply_credentials(options)?;
        self.apply_tls(options)
    }

    fn apply_monitoring(&self, options: &mut Options) -> Result<(), FlagError> {
        let (mut http, mut https) = match options.http.take() {
            Some(listener) if listener.tls => (None, Some(listener)),
            listener => (listener, None),
        };
        // A flag changes the port; the file's host stays.
        let host = http
            .as_ref()
            .or(https.as_ref())
            .and_then(|listener| listener.host.clone());
        let listener = |port: Option<Port>, tls| {
            port.map(|port| HttpOptions {
                host: host.clone(),
                port,
                tls,
            })
        };
        if let Some(port) = self.http_port {
            http = listener(port, false);
        }
        if let Some(port) = self.https_port {
            https = listener(port, true);
        }
        if http.is_some() && https.is_some() {
            return Err(FlagError::plain(
                "can't specify both HTTP and HTTPs ports; monitoring has one port",
            ));
        }
        options.http = http.or(https);
        Ok(())
    }

    fn apply_credentials(&self, options: &mut Options) -> Result<(), FlagError> {
        let single = self.user.is_some() || self.password.is_some();
        if !single && self.token.is_none() {
            return Ok(());
        }
        if single && self.token.is_some() {
            return Err(FlagError::plain("Cannot have a user/pass and token"));
        }
        if options.requires_login_by_list() {
            return Err(FlagError::plain(
                "--user, --pass and --auth can not be combined with the users of the \
                 configuration file; remove the flags, or the users array",
            ));
        }
        let credential = &mut options.authorization.credential;
        let (file_user, file_password) = match std::mem::take(credential) {
            Credential::UserPassword { user, password } => (Some(user), password),
            _ => (None, Secret::default()),
        };
        *credential = match &self.token {
            Some(token) => Credential::Token(token.clone()),
            None => Credential::UserPassword {
                user: self
                    .user
                    .clone()
                    .or(file_user)
                    .ok_or_else(|| FlagError::plain("--pass needs a user; add --user"))?,
                password: self.password.clone().unwrap_or(file_password),
            },
        };
        Ok(())
    }

    fn apply_tls(&self, options: &mut Options) -> Result<(), FlagError> {
        if self.tls == Some(false) {
            options.tls = None;
            return Ok(());
        }
        let given = self.tls.is_some()
            || self.tls_verify.is_some()
            || [&self.tls_cert, &self.tls_key, &self.tls_ca_cert]
                .iter()
                .any(|file| file.is_some());
        if !given {
            return Ok(());
        }
        let named = |file: &Option<String>, what: &str| {
            file.clone().filter(|path| !path.is_empty()).ok_or_else(|| {
                FlagError::plain(format!("TLS Server {what} must be present and valid"))
            })
        };
        let cert_file = named(&self.tls_cert, "certificate")?;
        let key_file = named(&self.tls_key, "private key")?;
        let mut tls = options.tls.take().unwrap_or_default();
        tls.certificates = vec![CertificatePair {
            cert_file,
            key_file,
        }];
        tls.ca_file = self.tls_ca_cert.clone().filter(|path| !path.is_empty());
        tls.verify = self.tls_verify == Some(true) || tls.verify_and_map;
        options.tls = Some(tls);
        Ok(())
    }
}
