//! `nats server check exporter`: checks as a Prometheus endpoint.
//!
//! Every scrape runs all checks, one after the other, so what is scraped is never old. A check that
//! cannot be run is a critical outcome of its kind. With a certificate it is HTTPS.

use std::path::PathBuf;
use std::time::Duration;

use clap::{FromArgMatches, Subcommand};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::Check;
use super::exporter_config::{Entry, entries};
use super::outcome::{Outcome, exposition};
use crate::app::App;
use crate::connect;
use crate::error::{Context, Result};

/// Bytes of a request's head.
const MAX_HEAD: usize = 8 * 1024;

/// How long a request's head may take.
const HEAD_TIME: Duration = Duration::from_secs(5);

/// Prometheus exporter for server checks
#[derive(clap::Args)]
pub(super) struct ExporterArgs {
    /// Exporter configuration, YAML or JSON
    #[arg(long)]
    config: PathBuf,

    /// Port to listen on
    #[arg(long, default_value_t = 8080)]
    port: u16,

    /// Address to listen on
    #[arg(long, default_value = "0.0.0.0")]
    address: String,

    /// Key for HTTPS
    #[arg(long, value_name = "FILE", requires = "https_certificate")]
    https_key: Option<PathBuf>,

    /// Certificate for HTTPS
    #[arg(long, value_name = "FILE", requires = "https_key")]
    https_certificate: Option<PathBuf>,
}

/// A check, and the connection settings it runs with.
struct Configured {
    entry: Entry,
    check: Check,
    app: App,
}

impl ExporterArgs {
    pub(super) async fn run(&self, app: &App, namespace: &str) -> Result<()> {
        let path = self.config.display();
        let text = std::fs::read_to_string(&self.config).context(&path)?;
        let checks = entries(&text).context(&path)?;
        let checks = checks.into_iter().map(|entry| configured(app, entry));
        let checks = checks.collect::<Result<Vec<_>>>()?;
        let address = format!("{}:{}", self.address, self.port);
        let tls = self.tls()?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let listener = TcpListener::bind(&address).await.context(&address)?;
        crate::note!("Listening on {scheme}://{}/metrics", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            // One scrape at a time: two would ask the servers the same things.
            let scrape = async {
                match &tls {
                    None => answer(stream, &checks, namespace).await,
                    Some(tls) => {
                        let stream = tokio::time::timeout(HEAD_TIME, tls.accept(stream))
                            .await
                            .context("the TLS handshake took too long")??;
                        answer(stream, &checks, namespace).await
                    }
                }
            };
            if let Err(error) = scrape.await {
                crate::note!("A scrape failed: {error}");
            }
        }
    }
}

impl ExporterArgs {
    fn tls(&self) -> Result<Option<TlsAcceptor>> {
        let (Some(certificate), Some(key)) = (&self.https_certificate, &self.https_key) else {
            return Ok(None);
        };
        let config = connect::tls::server_config(certificate, key)?;
        Ok(Some(TlsAcceptor::from(config)))
    }
}

fn configured(app: &App, entry: Entry) -> Result<Configured> {
    let parser = Check::augment_subcommands(clap::Command::new("check").no_binary_name(true));
    let check = parser
        .try_get_matches_from(&entry.args)
        .and_then(|matches| Check::from_arg_matches(&matches))
        .map_err(|error| {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default().to_owned();
            crate::error::Error::new(format!("check {:?}: {line}", entry.name))
        })?;
    let mut flags = app.flags().clone();
    if entry.context.is_some() {
        flags.context.clone_from(&entry.context);
    }
    Ok(Configured {
        entry,
        check,
        app: App::new(flags),
    })
}

async fn answer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    checks: &[Configured],
    namespace: &str,
) -> Result<()> {
    let head = tokio::time::timeout(HEAD_TIME, head(&mut stream))
        .await
        .context("the request took too long")??;
    let mut words = head.split(' ');
    let (status, body) = match (words.next(), words.next()) {
        (Some("GET"), Some("/metrics")) => {
            let mut outcomes: Vec<Outcome> = Vec::new();
            for configured in checks {
                let mut outcome = configured.check.run(&configured.app).await;
                // The next scrape connects anew.
                configured.app.drain().await;
                outcome.rename(&configured.entry.name);
                outcomes.push(outcome);
            }
            ("200 OK", exposition(&outcomes, namespace))
        }
        (Some("GET"), _) => ("404 Not Found", "The metrics are at /metrics\n".to_owned()),
        _ => ("405 Method Not Allowed", String::new()),
    };
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    Ok(())
}

async fn head(stream: &mut (impl AsyncRead + Unpin)) -> Result<String> {
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    while !head.windows(4).any(|four| four == b"\r\n\r\n") && head.len() < MAX_HEAD {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            break;
        }
        head.extend_from_slice(buffer.get(..count).unwrap_or_default());
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}
