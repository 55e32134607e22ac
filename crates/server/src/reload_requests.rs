//! Requests to reload the configuration that come over NATS.
//!
//! The library does not know where its options came from, so whoever started the server is asked:
//! the `nats-server` binary reads its file again. Nobody who listens means that there is nothing to
//! reload.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::mpsc;

/// How long a reload may take before whoever asked is told that it goes on.
const PATIENCE: Duration = Duration::from_secs(30);

/// Requests that wait at most.
const WAITING: usize = 16;

/// A request to read the configuration again.
pub struct ReloadRequest(std::sync::mpsc::SyncSender<Result<(), String>>);

impl ReloadRequest {
    /// Says what came of it.
    pub fn answer(self, result: Result<(), String>) {
        // Whoever asked may have lost patience.
        let _ = self.0.send(result);
    }
}

/// Where requests to reload go.
#[derive(Default)]
pub(crate) struct ReloadRequests {
    listener: Mutex<Option<mpsc::Sender<ReloadRequest>>>,
}

impl ReloadRequests {
    /// Takes over all requests from now on.
    pub(crate) fn listen(&self) -> mpsc::Receiver<ReloadRequest> {
        let (sender, receiver) = mpsc::channel(WAITING);
        *self.listener.lock() = Some(sender);
        receiver
    }

    /// Asks for a reload and waits for what comes of it; called on a thread that may block.
    pub(crate) fn ask(&self) -> Result<(), String> {
        let listener = self.listener.lock().clone();
        let Some(listener) = listener else {
            return Err("this server was not started from a configuration file".to_owned());
        };
        let (sender, answer) = std::sync::mpsc::sync_channel(1);
        listener
            .try_send(ReloadRequest(sender))
            .map_err(|_| "too many reloads wait already".to_owned())?;
        answer
            .recv_timeout(PATIENCE)
            .map_err(|_| "the reload has not ended yet".to_owned())?
    }
}
