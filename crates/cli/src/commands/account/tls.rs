//! `account tls`: the certificates of the server one is connected to.

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cognate_tls::{Inquiry, Status};
use jiff::Timestamp;

use super::certificate::{Certificate, root_of};
use crate::app::App;
use crate::connect::raw::Raw;
use crate::connect::tls;
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
    /// Report OCSP information, if any
    #[arg(long)]
    ocsp: bool,
    /// Hide PEM certificate blocks
    #[arg(long)]
    no_pem: bool,
}

impl TlsArgs {
    pub(super) fn run(self, app: &App) -> Result<()> {
        let connection = Raw::connect(app.settings()?)?;
        let peer = connection.tls_peer().ok_or_else(|| {
            Error::new("the connection does not use TLS")
                .hint("The server offers none; tls:// in --server demands it.")
        })?;
        say!("# TLS Version: {} using {}", peer.version, peer.cipher);
        if self.ocsp && peer.ocsp.is_empty() {
            say!("# No OCSP Response found in TLS connection\n");
        }
        say!("# TLS Verified Chains count: 1\n\n# chain: 1");
        let mut chain = peer.certificates;
        let authorities = tls::authorities(app.settings()?)?;
        let root = chain.last().and_then(|last| root_of(last, &authorities));
        chain.extend(root.map(<[u8]>::to_vec));
        let mut worst = Ok(());
        for (at, der) in chain.iter().enumerate() {
            let certificate = Certificate::read(der).context("a certificate is not understood")?;
            let judged = self.describe(at + 1, &certificate);
            worst = worst.and(judged);
            if !self.no_pem {
                print_pem(der);
            }
        }
        match self.ocsp && !peer.ocsp.is_empty() {
            true => worst.and(show_ocsp(&chain, &peer.ocsp)),
            false => worst,
        }
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
        for (kind, names) in &certificate.names {
            say!("#   SAN: {kind}: [{}]", names.join(" "));
        }
        say!("#   Issuer: {:?}", certificate.issuer);
        say!("#   Serial: {}", certificate.serial);
        say!("#   Signed-with: {}", certificate.algorithm);
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

/// What the issuer said of the server's certificate, which the server showed in the handshake.
fn show_ocsp(chain: &[Vec<u8>], staple: &[u8]) -> Result<()> {
    let [leaf, issuer, ..] = chain else {
        say!("\n# Skipping OCSP verification for solo end-entity cert chain");
        return Ok(());
    };
    let answer =
        Inquiry::about(leaf, issuer).and_then(|inquiry| inquiry.read(staple, SystemTime::now()));
    let answer = match answer {
        Ok(answer) => answer,
        Err(reason) => {
            say!("\n# OCSP response invalid: {reason}");
            return Err(Error::new(format!("the OCSP response is invalid: {reason}"))
                .hint("The server shows what the issuer did not say: look at its certificate and its clock."));
        }
    };
    let shown =
        |at: SystemTime| Timestamp::try_from(at).map_or_else(|_| String::new(), time::local);
    let next = answer.next_update.map_or_else(|| "never".to_owned(), shown);
    match answer.status {
        Status::Good => say!(
            "\n# OCSP: GOOD thisUpdate=({}) nextUpdate=({next})",
            shown(answer.this_update)
        ),
        Status::Revoked => say!(
            "\n# OCSP: REVOKED RevokedAt=({})",
            answer.revoked_at.map_or_else(String::new, shown)
        ),
        Status::Unknown => say!("\n# OCSP: BAD status=unknown"),
    }
    Ok(())
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
