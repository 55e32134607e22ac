//! OCSP for clients' certificates (`ocsp_peer`): a client is let in only if every certificate between
//! its own and the authority that names a responder is good.
//!
//! Asked after the handshake and within its time, before anything that the client says is looked at.
//! Answers are kept ([`super::cache`]). What became of a refusal is told to the system account. Bound:
//! handshakes under way, of which each asks one responder at a time.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cognate_config::options::{OcspCacheKind, OcspCacheOptions, OcspPeerOptions};
use cognate_process::{error, warn};
use cognate_tls::{Answer, Inquiry, PeerDetail, ServerTls, Status, names_of};
use parking_lot::Mutex;

use super::cache::{Cache, CacheStats, save};
use super::responder;
use crate::shared::{Shared, Stage};
use crate::system::Event;

/// What a client hears, and the log.
pub(crate) const REFUSED: &str = "client not OCSP valid";

/// A client that was not let in.
pub(crate) struct Refused {
    /// Its certificate, in DER.
    pub peer: Vec<u8>,
    /// The certificate that is not good, and why.
    pub link: Option<(Vec<u8>, String)>,
}

/// What is known about clients' certificates.
#[derive(Default)]
pub(crate) struct Peers {
    cache: Mutex<Cache>,
}

impl Peers {
    /// What monitoring shows, if answers are kept.
    pub(crate) fn stats(&self, shared: &Shared) -> Option<CacheStats> {
        let options = shared.options();
        let checks = options.tls.as_ref().and_then(|tls| tls.ocsp_peer.as_ref());
        let keeps = cache_options(&options).kind == OcspCacheKind::Local;
        (keeps && checks.is_some_and(|peer| peer.verify)).then(|| self.cache.lock().stats())
    }

    /// Reads what an earlier run has kept.
    pub(crate) fn load(&self, shared: &Shared) {
        let options = cache_options(&shared.options());
        if options.kind == OcspCacheKind::Local
            && let Err(problem) = self.cache.lock().load(&options.local_store)
        {
            warn!(shared.log, "Unable to load OCSP peer cache: {problem}");
        }
    }

    /// Writes what is kept, if that changed.
    pub(crate) fn save(&self, shared: &Shared) {
        let options = cache_options(&shared.options());
        if options.kind != OcspCacheKind::Local {
            return;
        }
        let changed = self.cache.lock().take_unsaved(&options.local_store);
        if let Some((path, bytes)) = changed
            && let Err(problem) = save(&path, &bytes)
        {
            error!(shared.log, "Unable to save OCSP peer cache: {problem}");
        }
    }
}

fn cache_options(options: &cognate_config::Options) -> OcspCacheOptions {
    options.ocsp_cache.clone().unwrap_or_default()
}

/// Writes what is kept now and then, until the server stops.
pub(crate) async fn keep_saved(shared: Arc<Shared>) {
    let mut stage = shared.stage.subscribe();
    loop {
        let interval = cache_options(&shared.options()).save_interval;
        let stops = stage.wait_for(|stage| *stage > Stage::LameDuck);
        if tokio::time::timeout(interval, stops).await.is_ok() {
            return;
        }
        shared.peers.save(&shared);
    }
}

/// Checks the certificates that a client showed, if that is asked for.
///
/// # Errors
/// If it is not to be let in; the log and the system account know why.
pub(crate) async fn check(
    shared: &Arc<Shared>,
    tls: &ServerTls,
    peer: &PeerDetail,
) -> Result<(), &'static str> {
    let options = shared.options();
    let Some(settings) = options.tls.as_ref().and_then(|tls| tls.ocsp_peer.as_ref()) else {
        return Ok(());
    };
    if !settings.verify {
        return Ok(());
    }
    let refuse = |link| {
        let peer = peer.chain.first().cloned().unwrap_or_default();
        let event = Event::PeerRefused(Box::new(Refused { peer, link }));
        shared.events.note(shared, event);
        Err(REFUSED)
    };
    let links = match tls.links(&peer.chain) {
        Ok(links) => links,
        Err(problem) => {
            warn!(shared.log, "OCSP peer verify: {problem}");
            return refuse(None);
        }
    };
    let kept = cache_options(&options);
    for link in &links {
        if let Err(reason) = Asking::new(shared, settings, &kept, link).check().await {
            return refuse(Some((link.certificate().to_vec(), reason)));
        }
    }
    Ok(())
}

/// One certificate of a client being looked up.
struct Asking<'a> {
    shared: &'a Shared,
    settings: &'a OcspPeerOptions,
    kept: &'a OcspCacheOptions,
    link: &'a Inquiry,
    /// Whose certificate it is, for the log.
    subject: String,
    key: String,
}

impl<'a> Asking<'a> {
    fn new(
        shared: &'a Shared,
        settings: &'a OcspPeerOptions,
        kept: &'a OcspCacheOptions,
        link: &'a Inquiry,
    ) -> Self {
        Asking {
            shared,
            settings,
            kept,
            link,
            subject: shown(link.certificate()),
            key: fingerprint(link.certificate()),
        }
    }

    async fn check(&self) -> Result<(), String> {
        let (log, subject) = (&self.shared.log, &self.subject);
        let (found, was_revoked) = self.look_up();
        let answer = match found {
            Some(answer) => answer,
            None => match self.fetch().await {
                Ok(answer) => answer,
                Err((reason, is_unreachable)) => {
                    return self.without_answer(reason, is_unreachable, was_revoked);
                }
            },
        };
        let is_good = match answer.status {
            Status::Good => true,
            Status::Unknown => self.settings.unknown_is_good,
            Status::Revoked => false,
        };
        if is_good {
            return Ok(());
        }
        let status = answer.status;
        warn!(
            log,
            "OCSP verify fail for [{subject}] with CA status [{status}]"
        );
        self.unless_warned(format!("Invalid OCSP response status: {status}"))
    }

    /// The answer that is kept, if it holds; and whether one said "revoked", holding or not.
    fn look_up(&self) -> (Option<Answer>, bool) {
        if self.kept.kind != OcspCacheKind::Local {
            return (None, false);
        }
        let mut cache = self.shared.peers.cache.lock();
        let Some(raw) = cache.get(&self.key) else {
            return (None, false);
        };
        let preserve = self.kept.preserve_revoked;
        let Ok(answer) = self.link.read(&raw, SystemTime::now()) else {
            cache.discard(&self.key, preserve);
            return (None, false);
        };
        let was_revoked = answer.status == Status::Revoked;
        if self.is_current(&answer).is_err() {
            cache.discard(&self.key, preserve);
            return (None, was_revoked);
        }
        (Some(answer), was_revoked)
    }

    fn is_current(&self, answer: &Answer) -> Result<(), String> {
        let lifetime = self.settings.cache_ttl_when_next_update_unset;
        let skew = self.settings.allowed_clockskew;
        answer.check(SystemTime::now(), skew, Some(lifetime))
    }

    /// Asks the responders. The error has the reason, and whether there was no answer at all.
    async fn fetch(&self) -> Result<Answer, (String, bool)> {
        let (log, subject) = (&self.shared.log, &self.subject);
        let timeout = match self.settings.ca_timeout {
            Duration::ZERO => Duration::from_secs(2),
            timeout => timeout,
        };
        let mut raw = Err("no available OCSP servers".to_owned());
        for url in self.link.responders() {
            raw = responder::ask(url, self.link.request(), timeout).await;
            if raw.is_ok() {
                break;
            }
        }
        let raw = raw.map_err(|problem| {
            warn!(
                log,
                "Attempt to obtain OCSP response from CA responder for [{subject}] failed: {problem}"
            );
            ("Failed OCSP response fetch".to_owned(), true)
        })?;
        let answer = self.link.read(&raw, SystemTime::now()).map_err(|problem| {
            error!(
                log,
                "Could not parse OCSP CA response for [{subject}]: {problem}"
            );
            ("Failed OCSP response parse".to_owned(), false)
        })?;
        if self.is_current(&answer).is_err() {
            warn!(
                log,
                "New OCSP CA response obtained for [{subject}] but not current"
            );
            let reason = "OCSP response not in effectivity window";
            return Err((reason.to_owned(), false));
        }
        if self.kept.kind == OcspCacheKind::Local {
            let mut cache = self.shared.peers.cache.lock();
            cache.put(self.key.clone(), subject.clone(), &raw, &answer);
        }
        Ok(answer)
    }

    fn without_answer(
        &self,
        reason: String,
        is_unreachable: bool,
        was_revoked: bool,
    ) -> Result<(), String> {
        let (log, subject) = (&self.shared.log, &self.subject);
        if is_unreachable && self.settings.allow_when_ca_unreachable && !self.settings.warn_only {
            if !was_revoked {
                warn!(
                    log,
                    "Failed to obtain OCSP CA response for [{subject}] but AllowWhenCAUnreachable set; no cached revocation so allowing"
                );
                return Ok(());
            }
            warn!(
                log,
                "Failed to obtain OCSP CA response for [{subject}] but AllowWhenCAUnreachable set; cached revocation exists so rejecting"
            );
        }
        self.unless_warned(reason)
    }

    /// A reason to refuse, unless such reasons are only to be told.
    fn unless_warned(&self, reason: String) -> Result<(), String> {
        if !self.settings.warn_only {
            return Err(reason);
        }
        let subject = &self.subject;
        warn!(
            self.shared.log,
            "OCSP verify fail for [{subject}] but WarnOnly is true so allowing"
        );
        Ok(())
    }
}

/// Whose certificate it is. Nobody vouches for this text: it must not begin a line of the log.
fn shown(certificate: &[u8]) -> String {
    let (mut subject, _) = names_of(certificate);
    subject.retain(|c| !c.is_control());
    subject
}

/// SHA-256 of a certificate, in Base64.
pub(crate) fn fingerprint(certificate: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate);
    STANDARD.encode(digest.as_ref())
}
