//! `account tls`: the certificates of the server one is connected to.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use super::certificate::Certificate;
use crate::app::App;
use crate::connect::raw::Raw;
use crate::error::{Context, Error, Result};
use crate::output::{duration, time};
use crate::say;

/// Characters of a line of PEM.
const PEM_LINE: usize = 64;

#[derive(clap::Args)]
pub(super) struct TlsArgs {
    /// Warn about certificates expiring this soon, 0 to disable
    #[arg(long, value_name = "DURATION", value_parser = duration::arg, default_value = "1w")]
    expire_warn: Duration,
    /// Not built in: refused
    #[arg(long, hide = true)]
    ocsp: bool,
    /// Hide PEM certificate blocks
    #[arg(long)]
    no_pem: bool,
}

impl TlsArgs {
    pub(super) fn run(self, app: &App) -> Result<()> {
        if self.ocsp {
            return Err(Error::new("--ocsp is not built into this tool")
                .hint("`openssl s_client -status` shows staples of tls-first listeners."));
        }
        let connection = Raw::connect(app.settings()?)?;
        let peer = connection.tls_peer().ok_or_else(|| {
            Error::new("the connection does not use TLS")
                .hint("The server offers none; tls:// in --server demands it.")
        })?;
        say!("# TLS Version: {} using {}", peer.version, peer.cipher);
        say!("# TLS Verified Chains count: 1\n\n# chain: 1");
        let mut worst = Ok(());
        for (at, der) in peer.certificates.iter().enumerate() {
            let certificate = Certificate::read(der).context("a certificate is not understood")?;
            let judged = self.describe(at + 1, &certificate);
            worst = worst.and(judged);
            if !self.no_pem {
                print_pem(der);
            }
        }
        worst
    }

    fn describe(&self, number: usize, certificate: &Certificate) -> Result<()> {
        let subject = &certificate.subject;
        say!(
            "# chain=1 cert={number} isCA={} Subject={subject:?}",
            certificate.is_ca
        );
        let expires = certificate.expires.unwrap_or(Timestamp::MAX);
        let left = Duration::try_from(expires.duration_since(Timestamp::now())).ok();
        let verdict = match left {
            None => Some("expired"),
            Some(left) if left < self.expire_warn => Some("expiring soon"),
            Some(_) => None,
        };
        if let Some(verdict) = verdict {
            say!("# {}", verdict.to_uppercase());
        }
        say!("#   Expiration: {}", time::local(expires));
        if !certificate.names.is_empty() {
            say!("#   SAN: {}", certificate.names.join(" "));
        }
        say!("#   Issuer: {:?}", certificate.issuer);
        say!("#   Serial: {}", certificate.serial);
        match verdict {
            None => Ok(()),
            Some(verdict) => Err(Error::new(format!(
                "certificate {subject:?} is {verdict}: {}",
                time::local(expires)
            ))
            .hint("Renew it, or ask for another period with --expire-warn.")),
        }
    }
}

fn print_pem(der: &[u8]) {
    let text = STANDARD.encode(der);
    say!("-----BEGIN CERTIFICATE-----");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(PEM_LINE));
        say!("{line}");
        rest = tail;
    }
    say!("-----END CERTIFICATE-----");
}
