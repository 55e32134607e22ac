//! What accounts say about each other: exports to accounts that exist, imports that are granted,
//! no cycles and no duplicates.
//!
//! Owns the checks that nats-server does when it loads accounts, over options alone, so that they
//! hold for a file and for options a program has put together. Imports are taken one after the
//! other in the order of the file, and each is checked against those before it, so a cycle is
//! reported at the import that closes it. Absent: places in a file; a [`Fault`] names what it is
//! about by its index.
//!
//! Where several exports cover an import, nats-server asks one of them at random; here the import
//! is granted if any of them grants it. Where two ways without a cycle lead to one account,
//! nats-server finds a cycle or not, as its map happens to be ordered; here it is a cycle only if a
//! way leads back to the account that imports, or over an account that imports from itself.

use crate::options::{
    Access, Account, Export, Import, LatencySampling, ResponseType, ServiceExport, ServiceImport,
    StreamImport,
};
use crate::subjects::{
    covers, has_wildcard, is_filter, is_literal, overlaps, rename_error, without_placeholders,
};
use std::collections::{BTreeMap, BTreeSet};

/// What a fault is about: the n-th export or import of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Export(usize),
    Import(usize),
}

/// Something that does not fit together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Index of the account.
    pub(crate) account: usize,
    pub(crate) place: Place,
    pub(crate) message: String,
    pub(crate) hint: String,
}

/// Everything that does not fit together. Imports are only looked at when all exports are right.
pub(crate) fn faults(accounts: &[Account], has_system_account: bool) -> Vec<Fault> {
    let mut graph = Graph {
        accounts,
        by_name: accounts
            .iter()
            .enumerate()
            .map(|(at, account)| (account.name.as_str(), at))
            .collect(),
        streams: vec![Vec::new(); accounts.len()],
        services: vec![Vec::new(); accounts.len()],
    };
    let mut found = Vec::new();
    for (at, account) in accounts.iter().enumerate() {
        for (index, export) in account.exports.iter().enumerate() {
            if let Err((message, hint)) = graph.export(account, export, index, has_system_account) {
                found.push(Fault {
                    account: at,
                    place: Place::Export(index),
                    message,
                    hint,
                });
            }
        }
    }
    if !found.is_empty() {
        return found;
    }
    for (at, account) in accounts.iter().enumerate() {
        for (index, import) in account.imports.iter().enumerate() {
            let added = match import {
                Import::Stream(import) => graph.add_stream(at, import),
                Import::Service(import) => graph.add_service(at, import),
            };
            if let Err((message, hint)) = added {
                found.push(Fault {
                    account: at,
                    place: Place::Import(index),
                    message,
                    hint,
                });
            }
        }
    }
    found
}

/// A message and a hint.
type Refusal = (String, String);

/// An import that was found right, as cycles see it.
#[derive(Clone)]
struct Edge {
    /// Index of the exporting account.
    from: usize,
    /// The subject there.
    exported: String,
    /// The subject here, as a filter.
    local: String,
}

struct Graph<'a> {
    accounts: &'a [Account],
    by_name: BTreeMap<&'a str, usize>,
    /// Imported streams of each account so far.
    streams: Vec<Vec<Edge>>,
    /// Imported services of each account so far.
    services: Vec<Vec<Edge>>,
}

impl Graph<'_> {
    fn export(
        &self,
        account: &Account,
        export: &Export,
        index: usize,
        has_system_account: bool,
    ) -> Result<(), Refusal> {
        let kind = kind_of(export);
        if !is_filter(export.subject()) {
            let message = format!("subject {:?} is not a valid subject", export.subject());
            return Err((message, "remove empty tokens and white space".to_owned()));
        }
        if let Access::Accounts(names) = export.access()
            && let Some(name) = names
                .iter()
                .find(|name| !self.by_name.contains_key(name.as_str()))
        {
            return Err((
                format!("{name:?} account not defined for {kind} export"),
                self.suggestion(name),
            ));
        }
        if let Access::TokenPosition(position) = export.access() {
            let token = export.subject().split('.').nth(position.wrapping_sub(1));
            if token != Some("*") {
                let subject = export.subject();
                return Err((
                    format!("Error adding {kind} export {subject:?}: invalid subject"),
                    format!("token {position} of the subject has to be *"),
                ));
            }
        }
        match export {
            Export::Service(service) => latency(account, service, index, has_system_account),
            Export::Stream(_) => Ok(()),
        }
    }

    /// The exporting account of an import, if it grants it.
    fn grants(&self, importer: usize, import: &Import) -> Result<usize, Refusal> {
        let (name, subject) = (import.account(), import.subject());
        let is_stream = matches!(import, Import::Stream(_));
        let kind = if is_stream { "stream" } else { "service" };
        let Some(&exporter) = self.by_name.get(name) else {
            return Err((
                format!("{name:?} account not defined for {kind} import"),
                self.suggestion(name),
            ));
        };
        let refuse = |reason: &str, hint: String| {
            let message = format!("Error adding {kind} import {subject:?}: {reason}");
            Err((message, hint))
        };
        if !is_filter(subject) || !is_filter(import.to()) {
            return refuse(
                "invalid subject",
                "remove empty tokens and white space".to_owned(),
            );
        }
        let importer = self
            .accounts
            .get(importer)
            .map_or("", |account| &account.name);
        let exports = self.accounts.get(exporter).map_or(&[][..], |a| &a.exports);
        let mut exports = exports
            .iter()
            .filter(|export| matches!(export, Export::Stream(_)) == is_stream);
        let exact = exports.clone().find(|export| export.subject() == subject);
        let covering = exports.clone().filter(|e| covers(e.subject(), subject));
        let granted = match exact {
            // The position says nothing about who imports all of them.
            Some(export) => {
                !matches!(export.access(), Access::TokenPosition(_))
                    && allows(export.access(), importer, subject)
            }
            None => covering
                .clone()
                .any(|export| allows(export.access(), importer, subject)),
        };
        if granted {
            return Ok(exporter);
        }
        let hint = if exact.is_some() || covering.clone().next().is_some() {
            format!("{name:?} exports it to other accounts only")
        } else if exports.any(|export| overlaps(export.subject(), subject)) {
            format!("{name:?} exports only a part of these subjects")
        } else {
            format!("add it to the exports of {name:?}")
        };
        refuse(&format!("{kind} import not authorized"), hint)
    }

    fn add_stream(&mut self, at: usize, import: &StreamImport) -> Result<(), Refusal> {
        let exporter = self.grants(at, &Import::Stream(import.clone()))?;
        let StreamImport { subject, to, .. } = import;
        let refuse = |reason: String, hint: String| {
            Err((
                format!("Error adding stream import {subject:?}: {reason}"),
                hint,
            ))
        };
        for seen_as in [to, subject] {
            if self.stream_cycle(at, exporter, seen_as) {
                return refuse("import forms a cycle".to_owned(), cycle_hint());
            }
        }
        let mut local = to.clone();
        if has_wildcard(subject) && to != subject {
            if let Some((reason, hint)) = rename_error(subject, to) {
                let reason = format!(
                    "failed to create mapping transform for stream import subject from \
                     {subject:?} to {to:?}: {reason}"
                );
                return refuse(reason, hint);
            }
            local = without_placeholders(to);
        } else if !has_wildcard(subject) && has_wildcard(to) {
            let hint = "messages need one subject, so \"to\" can not have wildcards".to_owned();
            return refuse("invalid subject".to_owned(), hint);
        }
        let Some(edges) = self.streams.get_mut(at) else {
            return Ok(());
        };
        if edges
            .iter()
            .any(|e| e.from == exporter && e.exported == *subject)
        {
            let hint = "import it once, or a part of it".to_owned();
            return refuse("stream import already exists".to_owned(), hint);
        }
        edges.push(Edge {
            from: exporter,
            exported: subject.clone(),
            local,
        });
        Ok(())
    }

    fn add_service(&mut self, at: usize, import: &ServiceImport) -> Result<(), Refusal> {
        let exporter = self.grants(at, &Import::Service(import.clone()))?;
        let ServiceImport { subject, to, .. } = import;
        let refuse = |reason: String, hint: String| {
            Err((
                format!("Error adding service import {subject:?}: {reason}"),
                hint,
            ))
        };
        let local = if has_wildcard(subject) {
            without_placeholders(to)
        } else {
            to.clone()
        };
        if self.service_cycle(at, exporter, &local) {
            return refuse("import forms a cycle".to_owned(), cycle_hint());
        }
        if has_wildcard(subject)
            && to != subject
            && let Some((reason, hint)) = rename_error(subject, to)
        {
            let reason = format!(
                "failed to create mapping transform for service import subject from {to:?} to \
                 {subject:?}: {reason}"
            );
            return refuse(reason, hint);
        }
        let Some(edges) = self.services.get_mut(at) else {
            return Ok(());
        };
        if let Some(dup) = edges
            .iter()
            .find(|e| e.from == exporter && e.local == local)
        {
            let reason = format!(
                "duplicate service import subject {local:?}, previously used in import for \
                 account {:?}, subject {:?}",
                import.account, dup.exported
            );
            return refuse(reason, "give one of them another \"to\"".to_owned());
        }
        edges.push(Edge {
            from: exporter,
            exported: subject.clone(),
            local,
        });
        Ok(())
    }

    /// Whether a request of `importer` on `subject` that arrives in `account` can come back to it.
    fn service_cycle(&self, importer: usize, account: usize, subject: &str) -> bool {
        comes_back(importer, account, subject, |account, subject| {
            let edges = self.services.get(account).map_or(&[][..], Vec::as_slice);
            let leading = edges
                .iter()
                .filter(|edge| overlaps(subject, &edge.exported));
            leading.collect()
        })
    }

    /// Whether messages on `subject` that `importer` gets from `account` can be its own.
    fn stream_cycle(&self, importer: usize, account: usize, subject: &str) -> bool {
        comes_back(importer, account, subject, |account, subject| {
            let exports = self.accounts.get(account).map_or(&[][..], |a| &a.exports);
            let exported = exports
                .iter()
                .any(|e| matches!(e, Export::Stream(_)) && covers(e.subject(), subject));
            let edges = match self.streams.get(account) {
                Some(edges) if exported => edges.as_slice(),
                _ => &[],
            };
            let leading = edges.iter().filter(|edge| overlaps(subject, &edge.local));
            leading.collect()
        })
    }

    fn suggestion(&self, name: &str) -> String {
        let names = self.accounts.iter().map(|account| account.name.as_str());
        match crate::suggest::nearest(name, names) {
            Some(nearest) => format!("did you mean {nearest:?}?"),
            None => "describe it in \"accounts\"".to_owned(),
        }
    }
}

/// Whether a way from `account` with `subject` leads to `importer`, where `leading` tells the
/// imports that take a subject out of an account. Imports found right before form no cycle among
/// themselves, so a new cycle leads over its importer; a place that was seen is not gone over
/// again, so many ways to it cost as much as one.
fn comes_back<'a>(
    importer: usize,
    account: usize,
    subject: &'a str,
    leading: impl Fn(usize, &str) -> Vec<&'a Edge>,
) -> bool {
    let mut seen = BTreeSet::from([(account, subject)]);
    let mut next = vec![(account, subject)];
    while let Some((account, subject)) = next.pop() {
        for edge in leading(account, subject) {
            // What an account imports from itself, others can not take from it.
            if edge.from == importer || edge.from == account {
                return true;
            }
            // What goes on is at most what the import takes.
            let narrower = covers(subject, &edge.local);
            let subject = if narrower { &edge.local } else { subject };
            if seen.insert((edge.from, subject)) {
                next.push((edge.from, subject));
            }
        }
    }
    false
}

fn cycle_hint() -> String {
    "rename what is imported with \"to\" or \"prefix\", or import less".to_owned()
}

fn kind_of(export: &Export) -> &'static str {
    match export {
        Export::Stream(_) => "stream",
        Export::Service(_) => "service",
    }
}

fn allows(access: &Access, importer: &str, subject: &str) -> bool {
    match access {
        Access::Public => true,
        Access::Accounts(names) => names.iter().any(|name| name == importer),
        Access::TokenPosition(position) => {
            subject.split('.').nth(position.wrapping_sub(1)) == Some(importer)
        }
    }
}

/// `latency` of a service: measured where somebody can tell, and not through a service.
fn latency(
    account: &Account,
    service: &ServiceExport,
    index: usize,
    has_system_account: bool,
) -> Result<(), Refusal> {
    let Some(latency) = &service.latency else {
        return Ok(());
    };
    let (subject, results) = (&service.subject, &latency.subject);
    let sampling = matches!(latency.sampling, LatencySampling::Percent(0 | 101..));
    let is_service =
        |export: &Export| matches!(export, Export::Service(_)) && covers(export.subject(), results);
    let (reason, hint) = if !has_system_account {
        let message = format!(
            "Error adding service latency sampling for {subject:?}: system account not setup"
        );
        return Err((message, "remove \"no_system_account\"".to_owned()));
    } else if sampling {
        ("bad sampling percentage, should be 1-100", "use 1 to 100")
    } else if !is_literal(results) {
        ("invalid publish subject", "use a subject without wildcards")
    } else if account.exports.iter().take(index + 1).any(is_service) {
        (
            "invalid publish subject",
            "the measurements would be requests to a service",
        )
    } else if service.response_type != ResponseType::Singleton {
        (
            "bad service response type",
            "only requests with one answer can be measured",
        )
    } else {
        return Ok(());
    };
    let message = format!(
        "Error adding service latency sampling for {subject:?} on subject {results:?}: {reason}"
    );
    Err((message, hint.to_owned()))
}
