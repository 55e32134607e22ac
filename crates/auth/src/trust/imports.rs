//! Whether an exporter grants an import.

use super::TrustedAccount;
use crate::account_spec::{AccountSpec, Activation, ExportAccess, ServiceImport, StreamImport};
use crate::jwt::{ExportKind, Import, Issues, Signed};
use crate::nkey::PublicKey;
use cognate_subject::Filter;
use std::fmt;

/// An import as its exporter sees it.
#[derive(Clone, Copy, Debug)]
pub struct Imported<'a> {
    /// A stream or a service.
    pub kind: ExportKind,
    /// The exporting account's name.
    pub account: &'a str,
    /// The subject in the exporting account.
    pub subject: &'a Filter,
    /// The activation token, if it has one.
    pub activation: Option<&'a Activation>,
}

impl<'a> From<&'a StreamImport> for Imported<'a> {
    fn from(import: &'a StreamImport) -> Self {
        Imported {
            kind: ExportKind::Stream,
            account: &import.account,
            subject: import.rename.exported(),
            activation: import.activation.as_ref(),
        }
    }
}

impl<'a> From<&'a ServiceImport> for Imported<'a> {
    fn from(import: &'a ServiceImport) -> Self {
        Imported {
            kind: ExportKind::Service,
            account: &import.account,
            subject: import.rename.exported(),
            activation: import.activation.as_ref(),
        }
    }
}

/// A granted import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportGrant {
    /// When the activation token expires, in seconds since 1970: ask again then.
    pub expires: Option<i64>,
}

/// Why an import is not granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportDenial {
    /// Nothing is exported there.
    NotExported,
    /// It is exported to others.
    NotForThisAccount,
    /// It takes an activation token, and there is none.
    ActivationRequired,
    /// The activation token is not valid for this.
    Activation(String),
    /// The activation token was not issued by the exporter.
    ActivationIssuer,
    /// The exporter revoked the activation token.
    ActivationRevoked,
    /// The activation token expired.
    ActivationExpired,
}

impl fmt::Display for ImportDenial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImportDenial::NotExported => f.write_str("import not authorized: it is not exported"),
            ImportDenial::NotForThisAccount => {
                f.write_str("import not authorized: it is exported to other accounts")
            }
            ImportDenial::ActivationRequired => {
                f.write_str("import not authorized: it takes an activation token")
            }
            ImportDenial::Activation(problem) => {
                write!(f, "import not authorized: activation token: {problem}")
            }
            ImportDenial::ActivationIssuer => f.write_str(
                "import not authorized: the activation token was not issued by the exporter",
            ),
            ImportDenial::ActivationRevoked => {
                f.write_str("import not authorized: the activation token is revoked")
            }
            ImportDenial::ActivationExpired => {
                f.write_str("import not authorized: the activation token expired")
            }
        }
    }
}

impl std::error::Error for ImportDenial {}

const GRANTED: ImportGrant = ImportGrant { expires: None };

impl AccountSpec {
    /// Whether this account, of a configuration file, lets `importer` import that.
    ///
    /// # Errors
    /// See [`ImportDenial`]. Exports that take an activation token are never granted.
    pub fn grants(
        &self,
        importer: &str,
        import: Imported<'_>,
    ) -> Result<ImportGrant, ImportDenial> {
        match self.access(import)? {
            ExportAccess::Activation(_) => Err(ImportDenial::ActivationRequired),
            access => grant_by_name(access, importer, import.subject),
        }
    }

    /// Who may import that.
    fn access(&self, import: Imported<'_>) -> Result<&ExportAccess, ImportDenial> {
        let subject = import.subject.as_bytes();
        let access = match import.kind {
            ExportKind::Stream => self.stream_export(subject).map(|export| &export.access),
            ExportKind::Service => self.service_export(subject).map(|export| &export.access),
        };
        access.ok_or(ImportDenial::NotExported)
    }
}

fn grant_by_name(
    access: &ExportAccess,
    importer: &str,
    subject: &Filter,
) -> Result<ImportGrant, ImportDenial> {
    let granted = match access {
        ExportAccess::Public => true,
        ExportAccess::Accounts(accounts) => accounts.contains(importer),
        ExportAccess::TokenPosition(position) => {
            let mut tokens = subject.as_bytes().split(|byte| *byte == b'.');
            tokens.nth(position.get() - 1) == Some(importer.as_bytes())
        }
        ExportAccess::Activation(_) => false,
    };
    match granted {
        true => Ok(GRANTED),
        false => Err(ImportDenial::NotForThisAccount),
    }
}

impl TrustedAccount {
    /// Whether this account lets `importer` import that at `now` (seconds since 1970).
    ///
    /// # Errors
    /// See [`ImportDenial`].
    pub fn grants(
        &self,
        importer: &PublicKey,
        import: Imported<'_>,
        now: i64,
    ) -> Result<ImportGrant, ImportDenial> {
        let revocations = match self.spec.access(import)? {
            ExportAccess::Activation(revocations) => revocations,
            access => return grant_by_name(access, &importer.to_string(), import.subject),
        };
        // A token of another exporter must not count because somebody asked the wrong one.
        if import.account != self.spec.name {
            return Err(ImportDenial::NotExported);
        }
        let token = import.activation.ok_or(ImportDenial::ActivationRequired)?;
        check_claims(&token.0, importer, import)?;
        let activation = Signed::<crate::jwt::Activation>::decode(&token.0)
            .map_err(|error| ImportDenial::Activation(error.to_string()))?;
        let claims = activation.claims();
        if !self.issued(&activation) {
            return Err(ImportDenial::ActivationIssuer);
        }
        let expires = Some(claims.registered.expires).filter(|expires| *expires > 0);
        if expires.is_some_and(|expires| expires <= now) {
            return Err(ImportDenial::ActivationExpired);
        }
        let issues = claims.validate(now);
        if issues.is_blocking() {
            return Err(ImportDenial::Activation(issues.to_string()));
        }
        if revocations.is_revoked(importer, claims.registered.issued_at) {
            return Err(ImportDenial::ActivationRevoked);
        }
        Ok(ImportGrant { expires })
    }

    /// Whether the token was issued by this account's key, or in its name by a signing key.
    /// Unlike users, activation tokens of the account's own key count under strict signing, too,
    /// as in the Go server.
    fn issued(&self, activation: &Signed<crate::jwt::Activation>) -> bool {
        let named = &activation.claims().nats.issuer_account;
        match named.is_empty() {
            true => activation.issuer() == self.id,
            false => {
                *named == self.id.to_string()
                    && self.signing_keys.contains_key(&activation.issuer())
            }
        }
    }
}

/// Checks that the token is about this import by this account.
fn check_claims(
    token: &str,
    importer: &PublicKey,
    import: Imported<'_>,
) -> Result<(), ImportDenial> {
    let claim = Import {
        subject: import.subject.to_string(),
        account: import.account.to_owned(),
        token: token.to_owned(),
        kind: Some(import.kind),
        ..Import::default()
    };
    let mut issues = Issues::default();
    claim.validate(&importer.to_string(), &mut issues);
    match issues.is_blocking() {
        true => Err(ImportDenial::Activation(issues.to_string())),
        false => Ok(()),
    }
}
