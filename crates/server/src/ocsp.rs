//! OCSP: answers about the server's own certificate, stapled to its handshakes; and those about
//! clients' certificates ([`peers`]).
//!
//! Whether one is stapled is for the options and the certificate to say (`ocsp`, must-staple). The
//! first answer is there before the server listens, and new ones are fetched long before the last one
//! ends. Answers are kept in the directory `ocsp` of the store, under the certificate's SHA-256, so that
//! a restart does not need the responder. Where the mode says so, a certificate that is revoked stops
//! the server, or keeps it from starting.
//!
//! Absent: reading and believing answers (`cognate_tls`).

pub(crate) mod cache;
pub(crate) mod peers;
mod responder;

use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use cognate_config::Options;
use cognate_config::options::OcspMode;
use cognate_process::text::rfc3339_nano;
use cognate_process::{error, info, warn};
use cognate_tls::{Answer, Inquiry, MAX_ANSWER, ServerTls, Status};

use crate::shared::{Shared, Stage};

/// How long a responder may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// When to ask again after an answer that does not say when there will be news.
const DAILY: Duration = Duration::from_secs(24 * 60 * 60);

/// When to ask again at the earliest.
const SOON: Duration = Duration::from_secs(2 * 60);

/// Answers for one certificate.
pub(crate) struct Stapler {
    inquiry: Inquiry,
    responders: Vec<String>,
    /// Where the last answer is kept.
    kept: Option<PathBuf>,
    stops_when_revoked: bool,
    /// The file of the certificate, for the log.
    certificate: String,
}

impl Stapler {
    /// What is to be stapled to the certificate of `tls`, and a warning; nothing if neither options
    /// nor certificate ask for it.
    ///
    /// # Errors
    /// If there should be something, and cannot be.
    pub(crate) fn new(
        options: &Options,
        tls: &ServerTls,
    ) -> Result<(Option<Stapler>, Option<String>), String> {
        let certificates = options.tls.as_ref().map(|tls| &tls.certificates);
        let certificate = certificates.and_then(|all| all.first());
        let certificate = certificate.map_or_else(String::new, |pair| pair.cert_file.clone());
        let demanded = tls.must_staple();
        let mode = options.ocsp.as_ref().map(|ocsp| ocsp.mode);
        let staples = match mode {
            Some(OcspMode::Always) => true,
            Some(OcspMode::Never) => {
                let warning = demanded.then(|| {
                    format!("Certificate at '{certificate}' has MustStaple but OCSP is disabled")
                });
                return Ok((None, warning));
            }
            None | Some(OcspMode::Auto | OcspMode::Must) => demanded,
        };
        if !staples {
            return Ok((None, None));
        }
        let inquiry = tls.inquiry()?;
        let responders = match options.ocsp.as_ref().and_then(|ocsp| ocsp.url.clone()) {
            Some(url) => vec![url],
            None => inquiry.responders().to_vec(),
        };
        let jetstream = options.jetstream.as_ref();
        let settings = jetstream.unwrap_or(&options.dormant_jetstream);
        let kept = match &settings.store_dir {
            Some(store) => {
                let directory = PathBuf::from(store).join("ocsp");
                std::fs::create_dir_all(&directory).map_err(|error| {
                    format!("could not create OCSP storage directory - {error}")
                })?;
                Some(directory.join(inquiry.fingerprint()))
            }
            None => None,
        };
        let stapler = Stapler {
            inquiry,
            responders,
            kept,
            stops_when_revoked: matches!(mode, Some(OcspMode::Always | OcspMode::Must)),
            certificate,
        };
        Ok((Some(stapler), None))
    }

    /// Staples the first answer: the one that is kept, or a new one. Waits for the responder.
    ///
    /// # Errors
    /// If there is none, or the certificate is revoked and that matters.
    pub(crate) fn begin(&self, tls: &ServerTls) -> Result<Answer, String> {
        let bad = |problem| {
            let certificate = &self.certificate;
            format!("bad OCSP status update for certificate at '{certificate}': {problem}")
        };
        let (raw, answer) = match self.read_kept() {
            Some(kept) => kept,
            None => self.fetch_waiting().map_err(bad)?,
        };
        if answer.status != Status::Good && self.stops_when_revoked {
            let (certificate, status) = (&self.certificate, answer.status);
            return Err(format!(
                "found existing OCSP status for certificate at '{certificate}': {status}"
            ));
        }
        tls.staple(raw, answer.next_update);
        Ok(answer)
    }

    fn read_kept(&self) -> Option<(Vec<u8>, Answer)> {
        let path = self.kept.as_ref()?;
        let length = std::fs::metadata(path).ok()?.len();
        if length > MAX_ANSWER as u64 {
            return None;
        }
        self.checked(std::fs::read(path).ok()?).ok()
    }

    fn keep(&self, raw: &[u8]) -> Result<(), String> {
        let Some(path) = &self.kept else {
            return Ok(());
        };
        // Whole or not at all: what is half there would be asked for again anyway.
        let unfinished = path.with_extension("new");
        std::fs::write(&unfinished, raw)
            .and_then(|()| std::fs::rename(&unfinished, path))
            .map_err(|error| format!("failed to write ocsp status: {error}"))
    }

    fn checked(&self, raw: Vec<u8>) -> Result<(Vec<u8>, Answer), String> {
        let now = SystemTime::now();
        let answer = self.inquiry.read(&raw, now)?;
        answer.check(now, Duration::ZERO, None)?;
        Ok((raw, answer))
    }

    /// Asks the responders, one after the other.
    async fn fetch(&self) -> Result<(Vec<u8>, Answer), String> {
        if self.responders.is_empty() {
            return Err("no available ocsp servers".to_owned());
        }
        let mut problems = Vec::new();
        for url in &self.responders {
            match responder::ask(url, self.inquiry.request(), TIMEOUT).await {
                Ok(raw) => {
                    let fetched = self.checked(raw)?;
                    self.keep(&fetched.0)?;
                    return Ok(fetched);
                }
                Err(problem) => problems.push(problem),
            }
        }
        Err(format!("exhausted ocsp servers: {}", problems.join("; ")))
    }

    /// The same for callers that cannot await: on a thread with a runtime of its own.
    fn fetch_waiting(&self) -> Result<(Vec<u8>, Answer), String> {
        let run = || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| error.to_string())?;
            runtime.block_on(self.fetch())
        };
        std::thread::scope(|scope| match scope.spawn(run).join() {
            Ok(fetched) => fetched,
            Err(_) => Err("asking the responder failed".to_owned()),
        })
    }
}

/// Reads what is stapled to the certificate of options that are to be put in force.
///
/// # Errors
/// If something should be stapled and cannot be.
pub(crate) fn prepare(
    shared: &Shared,
    options: &Options,
    tls: Option<&ServerTls>,
) -> Result<Option<(Stapler, Answer)>, String> {
    let Some(tls) = tls else {
        return Ok(None);
    };
    let checks = options.tls.as_ref().and_then(|tls| tls.ocsp_peer.as_ref());
    if checks.is_some_and(|peer| peer.verify) && !tls.verifies_clients() {
        let problem = "OCSP peer verification for client connections requires TLS verify (mTLS) to \
                       be enabled";
        return Err(problem.to_owned());
    }
    let (stapler, warning) = Stapler::new(options, tls)?;
    if let Some(warning) = warning {
        warn!(shared.log, "{warning}");
    }
    let Some(stapler) = stapler else {
        return Ok(None);
    };
    let answer = stapler.begin(tls)?;
    Ok(Some((stapler, answer)))
}

/// Keeps what is stapled to the certificate in force current, until another one is or the server stops.
pub(crate) fn watch(shared: &Arc<Shared>, prepared: Option<(Stapler, Answer)>) {
    let (Some((stapler, answer)), Some(tls)) = (prepared, shared.tls()) else {
        return;
    };
    info!(shared.log, "OCSP Stapling enabled for Client connections");
    let (shared, tls) = (Arc::downgrade(shared), Arc::downgrade(&tls));
    tokio::spawn(refresh(shared, tls, stapler, answer));
}

async fn refresh(shared: Weak<Shared>, tls: Weak<ServerTls>, stapler: Stapler, first: Answer) {
    let certificate = &stapler.certificate;
    let mut pause = Duration::ZERO;
    if first.status == Status::Good {
        pause = until_next(&first);
        if let Some(shared) = shared.upgrade() {
            let next = next_text(&first);
            info!(
                shared.log,
                "Found OCSP status for Client certificate at '{certificate}': good, next update {next}, checking again in {pause:?}"
            );
        }
    }
    let mut last = first;
    loop {
        let Some(stage) = shared.upgrade().map(|shared| shared.stage.subscribe()) else {
            return;
        };
        let mut stage = stage;
        let ends = stage.wait_for(|stage| *stage > Stage::LameDuck);
        if tokio::time::timeout(pause, ends).await.is_ok() || tls.strong_count() == 0 {
            return;
        }
        let fetched = stapler.fetch().await;
        let (Some(shared), Some(tls)) = (shared.upgrade(), tls.upgrade()) else {
            return;
        };
        match fetched {
            Err(problem) => {
                pause = until_next(&last);
                error!(
                    shared.log,
                    "Bad OCSP status update for certificate '{certificate}': {problem}, trying again in {pause:?}"
                );
            }
            Ok((raw, answer)) if answer.status == Status::Good => {
                pause = until_next(&answer);
                let next = next_text(&answer);
                tls.staple(raw, answer.next_update);
                last = answer;
                info!(
                    shared.log,
                    "Received OCSP status for Client certificate '{certificate}': good, next update {next}, checking again in {pause:?}"
                );
            }
            Ok((raw, answer)) => {
                let status = answer.status;
                error!(
                    shared.log,
                    "Received OCSP status for Client certificate '{certificate}': {status}"
                );
                tls.staple(raw, answer.next_update);
                if stapler.stops_when_revoked {
                    crate::server::shut_down(&shared).await;
                }
                return;
            }
        }
    }
}

/// Half the time until there is news.
fn until_next(answer: &Answer) -> Duration {
    let Some(next) = answer.next_update else {
        return DAILY;
    };
    next.duration_since(SystemTime::now())
        .map_or(SOON, |left| left / 2)
}

fn next_text(answer: &Answer) -> String {
    let zero = "0001-01-01T00:00:00Z".to_owned();
    answer.next_update.map_or(zero, rfc3339_nano)
}
