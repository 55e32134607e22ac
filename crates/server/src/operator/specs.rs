//! What accounts in force are, with the imports that they are granted, and who depends on whom.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use cognate_auth::account_spec::{AccountSpec, WithheldImports};
use cognate_auth::nkey::{Kind, PublicKey};
use cognate_auth::trust::{Imported, TrustedAccount};
use jiff::Timestamp;

use super::OperatorMode;

/// Who imports what from whom, of the accounts in force.
#[derive(Default)]
pub(super) struct Imports {
    /// Importing accounts, by the account that they name.
    importers: HashMap<PublicKey, BTreeSet<PublicKey>>,
    /// When activation tokens expire, in seconds since 1970, and whose they are.
    expiring: BTreeSet<(i64, PublicKey)>,
    /// What was left out, so that the log has it once.
    reported: HashSet<String>,
}

/// Reports of imports that are left out which are remembered.
const MAX_REPORTED: usize = 10_000;

/// Accounts as they are to be.
#[derive(Default)]
pub(crate) struct Specs {
    /// Those that are there.
    pub accounts: Vec<AccountSpec>,
    /// Those that are not known (any more).
    pub missing: Vec<PublicKey>,
    /// What is left out, for the log.
    pub left_out: Vec<String>,
}

impl OperatorMode {
    /// The accounts that are in force as soon as the server starts: the system's, and those whose
    /// streams are on the disk.
    pub(crate) fn first_accounts(&self, jetstream: bool) -> BTreeSet<PublicKey> {
        let mut first: BTreeSet<_> = self.trust.system_account().into_iter().collect();
        if jetstream {
            first.extend(self.book.read().with_jetstream());
        }
        first
    }

    /// What the accounts `wanted` are, and those that they import from unless `in_force` has them.
    pub(crate) fn specs(
        &self,
        wanted: BTreeSet<PublicKey>,
        in_force: impl Fn(&PublicKey) -> bool,
    ) -> Specs {
        let now = Timestamp::now().as_second();
        let mut specs = Specs::default();
        let mut seen = wanted.clone();
        let mut waiting: Vec<PublicKey> = wanted.into_iter().collect();
        while let Some(key) = waiting.pop() {
            let Some(account) = self.decoded(&key) else {
                specs.missing.push(key);
                continue;
            };
            specs
                .accounts
                .push(self.granted(&account, now, &mut specs.left_out));
            for exporter in exporters(&account) {
                if !in_force(&exporter)
                    && self.book.read().contains(&exporter)
                    && seen.insert(exporter)
                {
                    waiting.push(exporter);
                }
            }
        }
        let mut imports = self.imports.lock();
        if imports.reported.len() > MAX_REPORTED {
            imports.reported.clear();
        }
        let reported = &mut imports.reported;
        specs.left_out.retain(|text| reported.insert(text.clone()));
        specs
    }

    /// An account with the imports that it is granted.
    fn granted(
        &self,
        account: &Arc<TrustedAccount>,
        now: i64,
        left_out: &mut Vec<String>,
    ) -> AccountSpec {
        let id = account.id;
        let mut ends = Vec::new();
        let mut granted = |import: Imported<'_>| {
            let exporter = PublicKey::parse(import.account).ok();
            let exporter = exporter.and_then(|key| self.decoded(&key));
            let denial = match exporter.map(|exporter| exporter.grants(&id, import, now)) {
                Some(Ok(grant)) => {
                    ends.extend(grant.expires);
                    return true;
                }
                Some(Err(denial)) => denial.to_string(),
                None => "the account is not known".to_owned(),
            };
            let (account, subject) = (import.account, import.subject);
            left_out.push(format!(
                "Account {id}: the import of {subject:?} from {account} is left out: {denial}"
            ));
            false
        };
        let mut spec = account.spec.clone();
        let withheld = WithheldImports {
            streams: spec
                .stream_imports
                .extract_if(.., |import| !granted(Imported::from(&*import)))
                .collect(),
            services: spec
                .service_imports
                .extract_if(.., |import| !granted(Imported::from(&*import)))
                .collect(),
        };
        spec.withheld = withheld;
        let mut imports = self.imports.lock();
        imports
            .expiring
            .extend(ends.into_iter().map(|end| (end, id)));
        for exporter in exporters(account) {
            imports.importers.entry(exporter).or_default().insert(id);
        }
        spec
    }

    /// The claims of an account, read now if they were not needed before. May wait for a disk.
    fn decoded(&self, key: &PublicKey) -> Option<Arc<TrustedAccount>> {
        if let Some(account) = self.account(key) {
            return Some(account);
        }
        let token = self.token(&key.to_string())?;
        let now = Timestamp::now().as_second();
        let account = self.trust.accept_account(&token, Some(key), now).ok()?;
        let account = Arc::new(account);
        self.book.write().keep(key, &account);
        Some(account)
    }

    /// The accounts that name these as those they import from, and these themselves.
    pub(crate) fn concerned(&self, changed: &[PublicKey]) -> BTreeSet<PublicKey> {
        let imports = self.imports.lock();
        let importers = changed.iter().filter_map(|key| imports.importers.get(key));
        importers.flatten().chain(changed).copied().collect()
    }

    /// Accounts one of whose activation tokens expired by `now`, each once.
    pub(super) fn expired_activations(&self, now: i64) -> Vec<PublicKey> {
        let mut imports = self.imports.lock();
        let mut expired = Vec::new();
        while let Some(&(end, account)) = imports.expiring.first() {
            if end > now {
                break;
            }
            imports.expiring.pop_first();
            expired.push(account);
        }
        expired
    }

    /// Accounts that `key` imports from and that are not known.
    pub(super) fn unknown_exporters(&self, key: &PublicKey) -> Vec<PublicKey> {
        let Some(account) = self.decoded(key) else {
            return Vec::new();
        };
        let mut unknown = exporters(&account);
        let book = self.book.read();
        unknown.retain(|key| !book.contains(key));
        unknown.into_iter().collect()
    }
}

/// The accounts that an account imports from.
fn exporters(account: &TrustedAccount) -> BTreeSet<PublicKey> {
    let spec = &account.spec;
    let streams = spec.stream_imports.iter().map(|import| &import.account);
    let services = spec.service_imports.iter().map(|import| &import.account);
    let keys = streams
        .chain(services)
        .filter_map(|name| PublicKey::parse(name).ok());
    keys.filter(|key| key.kind() == Kind::Account && *key != account.id)
        .collect()
}
