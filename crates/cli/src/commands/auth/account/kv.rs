//! `nats auth account exports kv` and `imports kv`: a bucket for the programs of another account.
//!
//! A bucket is used over five subjects, each an export of its own. What belongs to JetStream's API is
//! imported below a prefix, which programs there are told as their API prefix; answers come to an inbox
//! of the bucket's name, so they must be told that as well.

use cognate_auth::jwt::{Export, ExportKind, Import};

use super::exports::kind_text;
use super::imports::source_key;
use super::shared::Entry;
use crate::commands::auth::select::OperatorFlag;
use crate::commands::shared::buckets::check_bucket;
use crate::error::{Error, Result};
use crate::say;

#[derive(clap::Args)]
pub(super) struct ExportArgs {
    /// The bucket to export
    bucket: String,
    /// Account to act on
    account: Option<String>,
    #[command(flatten)]
    operator: OperatorFlag,
}

#[derive(clap::Args)]
pub(super) struct ImportArgs {
    /// The bucket to import
    bucket: String,
    /// The prefix to mount the bucket on
    prefix: String,
    /// The account to import from, by public key or name
    source: String,
    /// Account to import into
    account: Option<String>,
    #[command(flatten)]
    operator: OperatorFlag,
}

/// One of the subjects that a bucket is used over.
struct Part {
    kind: ExportKind,
    subject: String,
    /// What it is called below the prefix; nothing where its name stays.
    below: Option<String>,
}

fn parts(bucket: &str) -> [Part; 5] {
    let stream = format!("KV_{bucket}");
    let api = |call: String| Part {
        kind: ExportKind::Service,
        subject: format!("$JS.API.{call}"),
        below: Some(call),
    };
    let keys = format!("$KV.{bucket}.>");
    [
        api(format!("STREAM.INFO.{stream}")),
        api(format!("DIRECT.GET.{stream}.{keys}")),
        api(format!("CONSUMER.CREATE.{stream}.>")),
        Part {
            kind: ExportKind::Service,
            subject: keys.clone(),
            below: Some(keys),
        },
        Part {
            kind: ExportKind::Stream,
            subject: format!("_INBOX.{stream}.>"),
            below: None,
        },
    ]
}

impl ExportArgs {
    pub(super) fn run(self) -> Result<()> {
        check_bucket(&self.bucket)?;
        let (chosen, mut account) = self.operator.account(self.account.as_deref())?;
        for part in parts(&self.bucket) {
            check_free::<Export>(&account.claims.nats.exports, &part.subject)?;
            let kind = kind_text(Some(part.kind));
            say!("Exporting {kind} Subject: {}", part.subject);
            account.claims.nats.exports.push(Export {
                name: format!("KV_{}", self.bucket),
                description: format!("Export for KV Bucket {}", self.bucket),
                subject: part.subject,
                kind: Some(part.kind),
                ..Export::default()
            });
        }
        chosen.save_account(&mut account)
    }
}

impl ImportArgs {
    pub(super) fn run(self) -> Result<()> {
        check_bucket(&self.bucket)?;
        let (chosen, mut account) = self.operator.account(self.account.as_deref())?;
        let source = source_key(&chosen, self.source)?;
        for part in parts(&self.bucket) {
            let local = match part.below {
                Some(below) => format!("{}.{below}", self.prefix),
                None => part.subject.clone(),
            };
            check_free::<Import>(&account.claims.nats.imports, &local)?;
            let kind = kind_text(Some(part.kind));
            say!("Importing {kind} Subject: {local}");
            account.claims.nats.imports.push(Import {
                name: format!("KV_{}", self.bucket),
                subject: part.subject,
                account: source.clone(),
                local_subject: local,
                kind: Some(part.kind),
                ..Import::default()
            });
        }
        chosen.save_account(&mut account)?;
        say!(
            "\nUse the bucket with --js-api-prefix {} and --inbox-prefix _INBOX.KV_{}",
            self.prefix,
            self.bucket
        );
        Ok(())
    }
}

fn check_free<T: Entry>(entries: &[T], subject: &str) -> Result<()> {
    match entries.iter().any(|entry| entry.subject() == subject) {
        true => Err(Error::new(format!("{subject} is {}ed already", T::NOUN))
            .hint(format!("`nats auth account {}s rm` removes it.", T::NOUN))),
        false => Ok(()),
    }
}
