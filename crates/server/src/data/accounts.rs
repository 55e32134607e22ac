//! The accounts of a server, and what is in force between them.
//!
//! [`Accounts::apply`] takes what accounts should be and brings them there: new ones appear, limits,
//! mappings and imports are replaced, and those that are not listed any more are emptied. Whether an
//! import is granted was checked before; an import of an account that does not exist is left out.
//! Invariant: the global account is always there. Imports that did not change stay in force without
//! a gap.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use cognate_auth::account_spec::{
    AccountSpec, DEFAULT_RESPONSE_THRESHOLD, ResponseType, ServiceImport, StreamImport,
    SubjectRename,
};
use cognate_router::{Mappings, Renaming, Subscription, SubscriptionSpec, Tie};
use parking_lot::{Mutex, RwLock};

use super::account::{Account, GLOBAL};
use super::connection::{Connection, Slots};
use super::passage::{Leads, Service};
use super::shadows::StreamRoute;

type Sub = Arc<Subscription<Connection>>;

/// A service import in force, with all that it was made from.
struct InForce {
    import: ServiceImport,
    export: Terms,
    to: Arc<Account>,
    sub: Sub,
}

/// What an exporter says about a service.
#[derive(Clone, PartialEq, Eq)]
struct Terms {
    response: ResponseType,
    threshold: std::time::Duration,
    latency: Option<cognate_auth::account_spec::ServiceLatency>,
    allow_trace: bool,
}

/// What an account is to be.
pub(crate) struct Configured {
    /// Its name, limits and imports.
    pub spec: Arc<AccountSpec>,
    /// Its mappings, compiled.
    pub mappings: Mappings,
}

/// The accounts of a server.
pub(crate) struct Accounts {
    by_name: RwLock<BTreeMap<String, Arc<Account>>>,
    global: Arc<Account>,
    system: RwLock<Option<String>>,
    next_id: AtomicU64,
    seed: u64,
    slots: Arc<Slots>,
    /// The service imports in force, by importing account; held while anything is changed.
    services: Mutex<ServicesInForce>,
    /// The stream imports in force, by importing account.
    streams: Mutex<HashMap<u64, StreamsInForce>>,
}

/// Service imports, by importing account.
type ServicesInForce = BTreeMap<String, Vec<InForce>>;

/// Stream imports, and which account each of them is from.
type StreamsInForce = (Vec<StreamImport>, Vec<Option<u64>>);

/// A subscription that leads to another account; `sid` is shown in monitoring.
pub(super) fn passage(to: Connection, filter: &[u8], sid: &[u8]) -> Subscription<Connection> {
    Subscription::new(SubscriptionSpec {
        destination: Arc::new(to),
        subject: filter,
        queue: None,
        sid,
        gate: None,
        tie: Some(Tie::Passage),
    })
}

impl Accounts {
    /// The global account alone. `seed` is random, `slots` the server's.
    pub(crate) fn new(seed: u64, slots: &Arc<Slots>) -> Self {
        let global = Arc::new(Account::new(0, GLOBAL, seed, slots));
        let by_name = BTreeMap::from([(GLOBAL.to_owned(), Arc::clone(&global))]);
        Accounts {
            by_name: RwLock::new(by_name),
            global,
            system: RwLock::new(None),
            next_id: AtomicU64::new(1),
            seed,
            slots: Arc::clone(slots),
            services: Mutex::default(),
            streams: Mutex::default(),
        }
    }

    /// The account of clients that belong to no other.
    pub(crate) fn global(&self) -> &Arc<Account> {
        &self.global
    }

    /// The account of a name.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<Account>> {
        self.by_name.read().get(name).cloned()
    }

    /// The system account, if there is one.
    pub(crate) fn system(&self) -> Option<Arc<Account>> {
        self.get(self.system.read().as_deref()?)
    }

    /// All accounts, by name.
    pub(crate) fn all(&self) -> Vec<Arc<Account>> {
        self.by_name.read().values().cloned().collect()
    }

    /// The account of a user; the global one for users without.
    pub(crate) fn of_user(&self, name: Option<&str>) -> Option<Arc<Account>> {
        name.map_or_else(|| Some(Arc::clone(&self.global)), |name| self.get(name))
    }

    /// Brings the accounts to what `configured` says. Returns those that are gone.
    pub(crate) fn apply(
        &self,
        configured: Vec<Configured>,
        system: Option<String>,
    ) -> Vec<Arc<Account>> {
        let mut services = self.services.lock();
        *self.system.write() = system;
        let mut specs = Vec::with_capacity(configured.len());
        for Configured { spec, mappings } in configured {
            let account = self.ensure(&spec.name);
            account.set_spec(Arc::clone(&spec));
            account.set_mappings(mappings);
            specs.push(spec);
        }
        let names: HashSet<&String> = specs.iter().map(|spec| &spec.name).collect();
        let listed = |name: &String| name == GLOBAL || names.contains(name);
        let gone: Vec<_> = {
            let mut by_name = self.by_name.write();
            let gone = by_name.extract_if(.., |name, _| !listed(name));
            gone.map(|(_, account)| account).collect()
        };
        self.import(&specs, &mut services);
        self.empty(&gone, &mut services);
        gone
    }

    /// Brings some accounts to what `configured` says, and ends those that are `gone`; all others stay
    /// as they are. Who imports from an account that appears, goes or exports other things must be
    /// among them.
    pub(crate) fn update(&self, configured: Vec<Configured>, gone: &[String]) {
        let mut services = self.services.lock();
        let mut specs = Vec::with_capacity(configured.len());
        for Configured { spec, mappings } in configured {
            let account = self.ensure(&spec.name);
            account.set_spec(Arc::clone(&spec));
            account.set_mappings(mappings);
            specs.push(spec);
        }
        let gone: Vec<_> = {
            let mut by_name = self.by_name.write();
            gone.iter()
                .filter(|name| *name != GLOBAL)
                .filter_map(|name| by_name.remove(name))
                .collect()
        };
        self.import(&specs, &mut services);
        self.empty(&gone, &mut services);
    }

    /// Puts the imports of these accounts in force.
    fn import(&self, specs: &[Arc<AccountSpec>], services: &mut ServicesInForce) {
        for spec in specs {
            if let Some(account) = self.get(&spec.name) {
                self.import_streams(&account, spec);
                let old = services.remove(&spec.name).unwrap_or_default();
                services.insert(spec.name.clone(), self.import_services(&account, spec, old));
            }
        }
    }

    /// Ends what leads out of accounts that are gone.
    fn empty(&self, gone: &[Arc<Account>], services: &mut ServicesInForce) {
        for account in gone {
            self.streams.lock().remove(&account.id);
            account.shadows.replace(Vec::new(), Vec::new);
            account.answers.clear();
            for InForce { sub, .. } in services.remove(&account.name).unwrap_or_default() {
                account.unsubscribe(&sub);
            }
        }
    }

    fn ensure(&self, name: &str) -> Arc<Account> {
        let mut by_name = self.by_name.write();
        let account = by_name.entry(name.to_owned()).or_insert_with(|| {
            let id = self.next_id.fetch_add(1, Relaxed);
            let seed = self.seed ^ id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            Arc::new(Account::new(id, name, seed, &self.slots))
        });
        Arc::clone(account)
    }

    /// Puts stream imports in force, unless they are: shadows that change places for a moment would
    /// deliver twice.
    fn import_streams(&self, account: &Arc<Account>, spec: &AccountSpec) {
        let exporters = spec.stream_imports.iter();
        let exporters = exporters.map(|import| Some(self.get(&import.account)?.id));
        let wanted = (spec.stream_imports.clone(), exporters.collect());
        let mut streams = self.streams.lock();
        let current = streams.entry(account.id).or_default();
        if *current == wanted {
            return;
        }
        *current = wanted;
        let routes = spec.stream_imports.iter().filter_map(|import| {
            Some(StreamRoute {
                from: self.get(&import.account)?,
                renaming: Arc::new(renaming(&import.rename)),
                traced: import.allow_trace,
            })
        });
        account.shadows.replace(routes.collect(), || {
            let mut living = Vec::new();
            account
                .interest()
                .for_each(|sub| living.push(Arc::clone(sub)));
            living
        });
    }

    /// Puts service imports in force; what is the same as before stays.
    fn import_services(
        &self,
        account: &Arc<Account>,
        spec: &AccountSpec,
        mut old: Vec<InForce>,
    ) -> Vec<InForce> {
        let mut new = Vec::with_capacity(spec.service_imports.len());
        for import in &spec.service_imports {
            let Some(to) = self.get(&import.account) else {
                continue;
            };
            let export = terms(&to.spec(), import);
            let same = |kept: &InForce| {
                kept.import == *import && kept.export == export && Arc::ptr_eq(&kept.to, &to)
            };
            if let Some(at) = old.iter().position(same) {
                new.push(old.swap_remove(at));
                continue;
            }
            let service = Service {
                to: Arc::clone(&to),
                renaming: renaming(&import.rename),
                share: import.share,
                to_system: self.system.read().as_deref() == Some(&to.name),
                response: export.response,
                threshold: export.threshold,
                latency: export.latency.clone(),
                allow_trace: export.allow_trace,
            };
            let connection = Connection::passage(Leads::Service(Arc::new(service)), &self.slots);
            let sid = account.next_sid();
            let local = import.rename.local().as_bytes();
            let sub = Arc::new(passage(connection, local, sid.as_bytes()));
            account.insert(&sub);
            new.push(InForce {
                import: import.clone(),
                export,
                to,
                sub,
            });
        }
        for InForce { sub, .. } in old {
            account.unsubscribe(&sub);
        }
        new
    }

    /// Takes everything apart that leads from one account to another: they hold each other.
    pub(crate) fn dissolve(&self) {
        for account in self.all() {
            account.shadows.replace(Vec::new(), Vec::new);
            account.answers.clear();
            let services = self.services.lock().remove(&account.name);
            for InForce { sub, .. } in services.into_iter().flatten() {
                account.unsubscribe(&sub);
            }
        }
    }
}

fn renaming(rename: &SubjectRename) -> Renaming {
    Renaming::new(
        rename.exported().as_bytes(),
        rename.local().as_bytes(),
        rename.to_local().cloned(),
        rename.to_exported().cloned(),
    )
}

/// What the exporter says about the service behind an import.
fn terms(exporter: &AccountSpec, import: &ServiceImport) -> Terms {
    let export = exporter.service_export(import.rename.exported().as_bytes());
    Terms {
        response: export.map_or(ResponseType::Singleton, |export| export.response_type),
        threshold: export.map_or(DEFAULT_RESPONSE_THRESHOLD, |export| {
            export.response_threshold
        }),
        latency: export.and_then(|export| export.latency.clone()),
        allow_trace: export.is_some_and(|export| export.allow_trace),
    }
}
