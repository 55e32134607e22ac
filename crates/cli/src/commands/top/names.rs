//! Names of addresses, asked of the system's resolver by a thread of their own: an answer may take long.
//!
//! Every address is asked about once. Absent: names for addresses that are no IP addresses.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::time::Duration;

/// Addresses that are asked about; more stay addresses.
const MAX_NAMES: usize = 4096;

/// The names that are known.
#[derive(Default)]
pub(super) struct Names {
    shared: Arc<Shared>,
    questions: Option<mpsc::Sender<IpAddr>>,
}

#[derive(Default)]
struct Shared {
    /// `None` is an address without an answer, so far or for ever.
    known: Mutex<Known>,
    answered: Condvar,
}

#[derive(Default)]
struct Known {
    names: HashMap<IpAddr, Option<String>>,
    waiting: usize,
}

impl Names {
    /// Asks for the name of an address, unless that was done before.
    pub(super) fn ask(&mut self, address: &str) {
        let Ok(address) = address.parse::<IpAddr>() else {
            return;
        };
        let mut known = lock(&self.shared.known);
        if known.names.len() >= MAX_NAMES || known.names.contains_key(&address) {
            return;
        }
        known.names.insert(address, None);
        known.waiting += 1;
        drop(known);
        let shared = &self.shared;
        let questions = self.questions.get_or_insert_with(|| start(shared.clone()));
        // The thread ends with the process only.
        let _ = questions.send(address);
    }

    /// The name of an address, if it is known.
    pub(super) fn of(&self, address: &str) -> Option<String> {
        let address = address.parse().ok()?;
        lock(&self.shared.known).names.get(&address)?.clone()
    }

    /// Waits until all that was asked is answered, or the time is over.
    pub(super) fn wait(&self, timeout: Duration) {
        let known = lock(&self.shared.known);
        let waited = self
            .shared
            .answered
            .wait_timeout_while(known, timeout, |known| known.waiting > 0);
        drop(waited);
    }
}

fn start(shared: Arc<Shared>) -> mpsc::Sender<IpAddr> {
    let (sender, questions) = mpsc::channel();
    std::thread::spawn(move || {
        for address in questions {
            let name = dns_lookup::lookup_addr(&address).ok();
            let mut known = lock(&shared.known);
            // Without a name the resolver answers with the address.
            let name = name.filter(|name| name.parse::<IpAddr>().is_err());
            known.names.insert(address, name);
            known.waiting = known.waiting.saturating_sub(1);
            shared.answered.notify_all();
        }
    });
    sender
}

fn lock(known: &Mutex<Known>) -> std::sync::MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_asked_about_once() {
        let mut names = Names::default();
        for address in ["127.0.0.1", "127.0.0.1", "::1", "no address"] {
            names.ask(address);
        }
        names.wait(Duration::from_secs(30));
        let known = lock(&names.shared.known);
        assert_eq!((known.names.len(), known.waiting), (2, 0));
        drop(known);
        assert_eq!(names.of("no address"), None);
        assert_eq!(names.of("192.0.2.1"), None);
    }
}
