//! OCSP (RFC 6960): what the issuer of a certificate says about it.
//!
//! An [`Inquiry`] is about one certificate: it has the bytes to ask with and reads answers, of which it
//! believes only those that the issuer signed, or somebody whom the issuer let do that. [`Answer`] says
//! whether it is current at a given time. Invariant: an answer about another certificate, or with a
//! signature that does not hold, is an error and never a status.
//!
//! Called by the server, which does the asking. Absent: HTTP, clocks, files, nonces (answers are kept
//! and used again, so one made for a single question is of no use).

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use der::asn1::{Any, BitString, OctetString};
use der::{Decode, Encode};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls_pki_types::CertificateDer;
use std::fmt;
use std::time::{Duration, SystemTime};
use x509_ocsp::{
    BasicOcspResponse, CertId, CertStatus, OcspRequest, OcspResponse, OcspResponseStatus, Request,
    SingleResponse, TbsRequest, Version,
};
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::X509Certificate;

use crate::peer::{parse, sha256_hex};

/// The longest answer that is read.
pub const MAX_ANSWER: usize = 64 * 1024;

/// The extension by which a certificate demands features of TLS (RFC 7633).
const TLS_FEATURES: &str = "1.3.6.1.5.5.7.1.24";

/// The feature that is an answer of OCSP in the handshake.
const STATUS_REQUEST: u32 = 5;

/// Where to ask, among what a certificate says about access to its issuer.
const OCSP_ACCESS: &str = "1.3.6.1.5.5.7.48.1";

/// The usage that lets a certificate sign answers for its issuer.
const OCSP_SIGNING: &str = "1.3.6.1.5.5.7.3.9";

/// What is said about a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is in force.
    Good,
    /// It must not be used any more.
    Revoked,
    /// Whoever was asked does not know it.
    Unknown,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Status::Good => "good",
            Status::Revoked => "revoked",
            Status::Unknown => "unknown",
        })
    }
}

/// An answer that is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What it says.
    pub status: Status,
    /// Since when that is known to be so.
    pub this_update: SystemTime,
    /// When there will be news at the latest.
    pub next_update: Option<SystemTime>,
    /// Since when the certificate is revoked, if it is.
    pub revoked_at: Option<SystemTime>,
}

impl Answer {
    /// Whether the answer holds at `now`, by clocks that may be wrong by `skew`. One that does not say
    /// when there will be news holds for `lifetime`; without that, until further notice.
    ///
    /// # Errors
    /// Why it does not, in words for the log.
    pub fn check(
        &self,
        now: SystemTime,
        skew: Duration,
        lifetime: Option<Duration>,
    ) -> Result<(), String> {
        let ends = match (self.next_update, lifetime) {
            (Some(next), _) => Some(next),
            (None, Some(lifetime)) => self.this_update.checked_add(lifetime),
            (None, None) => None,
        };
        if ends
            .and_then(|ends| ends.checked_add(skew))
            .is_some_and(|ends| ends < now)
        {
            return Err("invalid ocsp NextUpdate, is past time".to_owned());
        }
        if self
            .this_update
            .checked_sub(skew)
            .is_none_or(|since| since > now)
        {
            return Err("invalid ocsp ThisUpdate, is future time".to_owned());
        }
        Ok(())
    }
}

/// Questions about one certificate.
#[derive(Clone)]
pub struct Inquiry {
    leaf: CertificateDer<'static>,
    issuer: CertificateDer<'static>,
    id: CertId,
    request: Vec<u8>,
    responders: Vec<String>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl fmt::Debug for Inquiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inquiry")
            .field("leaf", &self.fingerprint())
            .field("responders", &self.responders)
            .finish_non_exhaustive()
    }
}

impl Inquiry {
    /// About `leaf`, which `issuer` has issued. Signatures are checked with `algorithms`.
    ///
    /// # Errors
    /// If a certificate cannot be read.
    pub(crate) fn new(
        leaf: &CertificateDer<'_>,
        issuer: &CertificateDer<'_>,
        algorithms: WebPkiSupportedAlgorithms,
    ) -> Result<Self, String> {
        let (read, of_issuer) = (parse(leaf)?, parse(issuer)?);
        let text = |error: der::Error| format!("an OCSP request cannot be made: {error}");
        let id = cert_id(&read, &of_issuer).map_err(text)?;
        let request = OcspRequest {
            tbs_request: TbsRequest {
                version: Version::V1,
                requestor_name: None,
                request_list: vec![Request {
                    req_cert: id.clone(),
                    single_request_extensions: None,
                }],
                request_extensions: None,
            },
            optional_signature: None,
        };
        Ok(Inquiry {
            request: request.to_der().map_err(text)?,
            responders: responders(&read),
            leaf: leaf.clone().into_owned(),
            issuer: issuer.clone().into_owned(),
            id,
            algorithms,
        })
    }

    /// About a certificate and its issuer, both in DER, with the algorithms that we have.
    ///
    /// # Errors
    /// If a certificate cannot be read.
    pub fn about(leaf: &[u8], issuer: &[u8]) -> Result<Self, String> {
        let algorithms =
            rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
        Self::new(
            &CertificateDer::from(leaf),
            &CertificateDer::from(issuer),
            algorithms,
        )
    }

    /// The question, to be sent to a responder.
    #[must_use]
    pub fn request(&self) -> &[u8] {
        &self.request
    }

    /// The URLs of responders that the certificate names.
    #[must_use]
    pub fn responders(&self) -> &[String] {
        &self.responders
    }

    /// SHA-256 of the certificate, in lower-case hexadecimal.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        sha256_hex(&self.leaf)
    }

    /// The certificate, in DER.
    #[must_use]
    pub fn certificate(&self) -> &[u8] {
        &self.leaf
    }

    /// Reads an answer. Whether it is current is for the caller to check ([`Answer::check`]); `now` is
    /// for whoever signed it on the issuer's behalf.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn read(&self, answer: &[u8], now: SystemTime) -> Result<Answer, String> {
        let unreadable = |error: der::Error| format!("the OCSP response cannot be read: {error}");
        let response = OcspResponse::from_der(answer).map_err(unreadable)?;
        if response.response_status != OcspResponseStatus::Successful {
            return Err(format!(
                "the OCSP responder refused: {:?}",
                response.response_status
            ));
        }
        let bytes = response.response_bytes;
        let bytes = bytes.ok_or("the OCSP response says nothing")?;
        let basic = BasicOcspResponse::from_der(bytes.response.as_bytes()).map_err(unreadable)?;
        self.check_signature(&basic, now)?;
        let about = |single: &&SingleResponse| self.is_about(&single.cert_id);
        let single = basic.tbs_response_data.responses.iter().find(about);
        let single = single.ok_or("the OCSP response is about another certificate")?;
        let (status, revoked_at) = match &single.cert_status {
            CertStatus::Good(_) => (Status::Good, None),
            CertStatus::Unknown(_) => (Status::Unknown, None),
            CertStatus::Revoked(info) => {
                let at = info.revocation_time.0.to_system_time();
                (Status::Revoked, Some(at))
            }
        };
        Ok(Answer {
            status,
            this_update: single.this_update.0.to_system_time(),
            next_update: single.next_update.map(|time| time.0.to_system_time()),
            revoked_at,
        })
    }

    /// Whether an answer's certificate is this one: the serial number, and the issuer by the digest
    /// that was asked with. Responders that answer with another digest are taken by their signature.
    fn is_about(&self, id: &CertId) -> bool {
        let same_digest = id.hash_algorithm.oid == self.id.hash_algorithm.oid;
        id.serial_number == self.id.serial_number
            && (!same_digest
                || (id.issuer_key_hash == self.id.issuer_key_hash
                    && id.issuer_name_hash == self.id.issuer_name_hash))
    }

    /// The issuer signed it, or the bearer of a certificate that the issuer made for that.
    fn check_signature(&self, basic: &BasicOcspResponse, now: SystemTime) -> Result<(), String> {
        let unreadable = |error: der::Error| format!("the OCSP response cannot be read: {error}");
        let signed = basic.tbs_response_data.to_der().map_err(unreadable)?;
        let algorithm = basic.signature_algorithm.to_der().map_err(unreadable)?;
        let verify =
            |by: &CertificateDer<'_>| self.is_signed(by, &algorithm, &signed, &basic.signature);
        if verify(&self.issuer) {
            return Ok(());
        }
        for certificate in basic.certs.iter().flatten() {
            let delegate = CertificateDer::from(certificate.to_der().map_err(unreadable)?);
            if !verify(&delegate) {
                continue;
            }
            let tbs = certificate.tbs_certificate.to_der().map_err(unreadable)?;
            let of_delegate = certificate.signature_algorithm.to_der();
            let of_delegate = of_delegate.map_err(unreadable)?;
            if !self.is_signed(&self.issuer, &of_delegate, &tbs, &certificate.signature) {
                return Err("the OCSP response is signed by a stranger".to_owned());
            }
            return may_sign(&parse(&delegate)?, now);
        }
        Err("the signature of the OCSP response does not hold".to_owned())
    }

    fn is_signed(
        &self,
        by: &CertificateDer<'_>,
        algorithm: &[u8],
        message: &[u8],
        signature: &BitString,
    ) -> bool {
        // What is compared with is what the sequence holds; such sequences are short.
        let [0x30, length @ 0..0x80, algorithm @ ..] = algorithm else {
            return false;
        };
        let (Ok(signer), Some(signature)) =
            (webpki::EndEntityCert::try_from(by), signature.as_bytes())
        else {
            return false;
        };
        usize::from(*length) == algorithm.len()
            && self
                .algorithms
                .all
                .iter()
                .filter(|known| known.signature_alg_id().as_ref() == algorithm)
                .any(|known| signer.verify_signature(*known, message, signature).is_ok())
    }
}

/// Whether `issuer` has signed `leaf`.
pub(crate) fn is_issued_by(
    leaf: &CertificateDer<'_>,
    issuer: &CertificateDer<'_>,
    algorithms: WebPkiSupportedAlgorithms,
) -> bool {
    let Ok(certificate) = x509_cert::Certificate::from_der(leaf) else {
        return false;
    };
    let (Ok(tbs), Ok(algorithm)) = (
        certificate.tbs_certificate.to_der(),
        certificate.signature_algorithm.to_der(),
    ) else {
        return false;
    };
    let Ok(inquiry) = Inquiry::new(leaf, issuer, algorithms) else {
        return false;
    };
    inquiry.is_signed(issuer, &algorithm, &tbs, &certificate.signature)
}

/// Whether a certificate demands that its bearer staples an answer.
pub(crate) fn must_staple(certificate: &X509Certificate<'_>) -> bool {
    let mut extensions = certificate.extensions().iter();
    let found = extensions.find(|extension| extension.oid.to_id_string() == TLS_FEATURES);
    found
        .and_then(|extension| Vec::<u32>::from_der(extension.value).ok())
        .is_some_and(|features| features.contains(&STATUS_REQUEST))
}

/// Whether a certificate is one of an authority.
pub(crate) fn is_authority(certificate: &X509Certificate<'_>) -> bool {
    let constraints = certificate.basic_constraints();
    constraints.is_ok_and(|found| found.is_some_and(|found| found.value.ca))
}

fn responders(certificate: &X509Certificate<'_>) -> Vec<String> {
    let mut urls = Vec::new();
    for extension in certificate.extensions() {
        let ParsedExtension::AuthorityInfoAccess(access) = extension.parsed_extension() else {
            continue;
        };
        for description in &access.accessdescs {
            if description.access_method.to_id_string() == OCSP_ACCESS
                && let GeneralName::URI(url) = &description.access_location
            {
                urls.push((*url).to_owned());
            }
        }
    }
    urls
}

/// Whether a delegate's certificate lets it sign answers, at `now`.
fn may_sign(certificate: &X509Certificate<'_>, now: SystemTime) -> Result<(), String> {
    let usage = certificate.extended_key_usage().ok().flatten();
    let signs = usage.is_some_and(|usage| {
        usage.value.ocsp_signing
            || usage
                .value
                .other
                .iter()
                .any(|other| other.to_id_string() == OCSP_SIGNING)
    });
    if !signs {
        return Err("the signer of the OCSP response may not sign such".to_owned());
    }
    let now = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let validity = certificate.validity();
    let is_valid =
        (validity.not_before.timestamp()..=validity.not_after.timestamp()).contains(&now);
    is_valid
        .then_some(())
        .ok_or_else(|| "the certificate of the OCSP response's signer is not valid".to_owned())
}

fn cert_id(leaf: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> der::Result<CertId> {
    let hash = |bytes: &[u8]| {
        let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes);
        OctetString::new(hash.as_ref())
    };
    let key = &issuer.public_key().subject_public_key.data;
    Ok(CertId {
        hash_algorithm: x509_cert::spki::AlgorithmIdentifierOwned {
            oid: der::asn1::ObjectIdentifier::new_unwrap("1.3.14.3.2.26"),
            parameters: Some(Any::null()),
        },
        issuer_name_hash: hash(leaf.issuer().as_raw())?,
        issuer_key_hash: hash(key)?,
        serial_number: x509_cert::serial_number::SerialNumber::new(leaf.raw_serial())?,
    })
}
