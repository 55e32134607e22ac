//! New options for a running server: all of them, or none.
//!
//! Everything that can fail (reading certificates, compiling users and mappings) happens before
//! anything changes. Then the options are exchanged and every connection is told to look: its
//! task re-examines its user and subscriptions.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use cognate_auth::nkey::PublicKey;
use cognate_config::Options;
use cognate_config::reload::{Change, ReloadError, diff};
use cognate_process::{error, info, warn};
use cognate_wire::{CloseReason, error_text};

use crate::builder::load_tls;
use crate::convert;
use crate::data::{Connection, Control, Totals};
use crate::operator::OperatorMode;
use crate::server::Server;
use crate::shared::Shared;

/// Why options were not taken; the running server is untouched.
#[derive(Debug)]
pub enum ReloadFailure {
    /// An option changed that needs a restart.
    NeedsRestart(ReloadError),
    /// The options cannot be used.
    Unusable(String),
}

impl fmt::Display for ReloadFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReloadFailure::NeedsRestart(error) => error.fmt(f),
            ReloadFailure::Unusable(problem) => f.write_str(problem),
        }
    }
}

impl std::error::Error for ReloadFailure {}

impl Server {
    /// Puts new options in force and returns what changed. Waits for a reload that is under way.
    ///
    /// # Errors
    /// If an option changed that cannot change live, or the new ones cannot be used. Nothing
    /// changed then.
    pub fn reload(&self, options: Options) -> Result<Vec<Change>, ReloadFailure> {
        let shared = &self.shared;
        // One after the other: what one compares with is what another has put in force whole.
        let _turn = shared.reloading.lock();
        let old = shared.options();
        let changes = diff(&old, &options).map_err(ReloadFailure::NeedsRestart)?;
        let authenticator = convert::authenticator(&options).map_err(ReloadFailure::Unusable)?;
        let proxies = convert::proxies(&options).map_err(ReloadFailure::Unusable)?;
        let operator = OperatorMode::load(&options, shared.operator().as_deref())
            .map_err(ReloadFailure::Unusable)?;
        let names = shared.accounts.all();
        let names = names.iter().map(|account| &account.name);
        let in_force = names.filter_map(|name| PublicKey::parse(name).ok());
        let (accounts, system) =
            convert::accounts(&options, operator.as_deref(), in_force.collect())
                .map_err(ReloadFailure::Unusable)?;
        let tls = load_tls(&options).map_err(ReloadFailure::Unusable)?;
        let stapled = crate::ocsp::prepare(shared, &options, tls.as_ref());
        let stapled = stapled.map_err(ReloadFailure::Unusable)?;
        let jetstream = shared.jetstream.read().clone();
        if let (Some(jetstream), Some(settings), None) = (&jetstream, &options.jetstream, &operator)
        {
            let checked = jetstream.check(settings, &accounts, system.as_deref());
            checked.map_err(|cause| {
                let what = "the JetStream limits of the accounts are more than the server has";
                ReloadFailure::Unusable(format!("{what}: {}", cause.description))
            })?;
        }
        let max_connections = options.max_connections as usize;
        let advertise_changed = old.client_advertise != options.client_advertise;
        shared.replace(options, authenticator, tls);
        crate::ocsp::watch(shared, stapled);
        if let Some(Err(problem)) = operator.as_ref().map(|operator| operator.settle()) {
            error!(shared.log, "{problem}");
        }
        shared.set_operator(operator);
        shared.set_proxies(proxies);
        shared.accounts.apply(accounts, system);
        if let (Some(jetstream), Some(settings)) = (jetstream, &shared.options().jetstream) {
            jetstream.reload(settings);
            jetstream.follow_accounts();
        }
        for line in changes.iter().flat_map(Change::log_lines) {
            info!(shared.log, "{line}");
        }
        for connection in shared.registry.living() {
            connection.request(Control::Reloaded);
        }
        if advertise_changed {
            shared.broadcast_info();
        }
        close_excess(shared, max_connections);
        close_excess_of_accounts(&shared.registry.living(), shared);
        Ok(changes)
    }
}

/// Puts accounts that were pushed or deleted in force, for clients too. Those that nobody used yet
/// stay as they are.
pub(crate) fn accounts_changed(shared: &Shared, keys: &[PublicKey]) -> Result<(), String> {
    let _turn = shared.reloading.lock();
    let Some(operator) = shared.operator() else {
        return Ok(());
    };
    let always = operator.first_accounts(shared.jetstream.read().is_some());
    let mut wanted = operator.concerned(keys);
    wanted.retain(|key| always.contains(key) || is_in_force(shared, key));
    refresh(shared, &operator, wanted)?;
    let names: Vec<_> = keys.iter().map(PublicKey::to_string).collect();
    let living = shared.registry.living().into_iter();
    let concerned: Vec<_> = living
        .filter(|connection| {
            let account = connection.account();
            account.is_some_and(|account| names.contains(&account.name))
        })
        .collect();
    for connection in &concerned {
        connection.request(Control::AccountsChanged);
    }
    close_excess_of_accounts(&concerned, shared);
    Ok(())
}

fn is_in_force(shared: &Shared, key: &PublicKey) -> bool {
    shared.accounts.get(&key.to_string()).is_some()
}

/// Brings operators' accounts to what is known of them, and those that they import from in force.
/// The caller holds what keeps reloads apart. What cannot be used of one stays out of force, with a
/// line in the log, and keeps no other from it.
pub(crate) fn refresh(
    shared: &Shared,
    operator: &OperatorMode,
    wanted: BTreeSet<PublicKey>,
) -> Result<(), String> {
    let specs = operator.specs(wanted, |key| is_in_force(shared, key));
    for problem in &specs.left_out {
        warn!(shared.log, "{problem}");
    }
    let options = shared.options();
    let system = convert::system_account(&options, Some(operator));
    let mut result = Ok(());
    let mut accounts = Vec::with_capacity(specs.accounts.len());
    for spec in specs.accounts {
        let name = spec.name.clone();
        match convert::configured(&options, system.as_deref(), spec) {
            Ok(account) => accounts.push(account),
            Err(problem) => result = Err(format!("account {name}: {problem}")),
        }
    }
    let gone: Vec<_> = specs.missing.iter().map(PublicKey::to_string).collect();
    let changed = accounts.iter().map(|account| account.spec.name.clone());
    let changed: Vec<_> = changed.chain(gone.iter().cloned()).collect();
    shared.accounts.update(accounts, &gone);
    let jetstream = shared.jetstream.read().clone();
    if let Some(jetstream) = jetstream {
        jetstream.follow(&changed);
    }
    result
}

/// Closes the newest of an account's clients where its limit was lowered below their number.
/// `living` are all clients of the accounts that are looked at.
fn close_excess_of_accounts(living: &[Arc<Connection>], shared: &Shared) {
    let mut counts = BTreeMap::new();
    for connection in living {
        let Some(account) = connection.account() else {
            continue;
        };
        let Some(max) = account.spec().limits.max_connections else {
            continue;
        };
        let clients: &mut u32 = counts.entry(account.name.clone()).or_default();
        if *clients < max {
            *clients += 1;
            continue;
        }
        let text = error_text::MAX_ACCOUNT_CONNECTIONS;
        error!(shared.log, "{} - {text}", connection.label());
        let mut line = Vec::new();
        error_text::write_err(&mut line, text);
        connection.outbound.deliver(&&line[..], Totals::default());
        connection.close(CloseReason::MaxAccountConnectionsExceeded);
    }
}

/// Closes connections beyond a limit that was lowered.
fn close_excess(shared: &Shared, max: usize) {
    let living = shared.registry.living();
    let excess = living.len().saturating_sub(max);
    for connection in &living[..excess] {
        error!(
            shared.log,
            "{} - {}",
            connection.label(),
            error_text::MAX_CONNECTIONS
        );
        let mut line = Vec::new();
        error_text::write_err(&mut line, error_text::MAX_CONNECTIONS);
        connection.outbound.deliver(&&line[..], Totals::default());
        connection.close(CloseReason::MaxConnectionsExceeded);
    }
    if excess > 0 {
        info!(
            shared.log,
            "Closed {excess} connections to fall within max_connections"
        );
    }
}
