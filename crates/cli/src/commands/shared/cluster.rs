//! What a leader's stepping down looks like from outside: asked for, waited for, told.

use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::jsm::ClusterInfo;
use crate::note;

/// Time between two looks at who leads.
const LOOK: Duration = Duration::from_millis(500);

/// Looks before giving up.
const LOOKS: u32 = 10;

/// The group of something that has peers; an error for what lives on one server alone.
pub(crate) fn group<'a>(what: &str, cluster: Option<&'a ClusterInfo>) -> Result<&'a ClusterInfo> {
    cluster
        .filter(|cluster| !cluster.replicas.is_empty())
        .ok_or_else(|| {
            Error::new(format!("{what} is not clustered"))
                .hint("Leaders and peers are for what has more than one replica.")
        })
}

/// The leader who is to stand down.
pub(crate) fn leader(what: &str, group: &ClusterInfo, force: bool) -> Result<String> {
    match group.leader.as_str() {
        "" if force => Ok("<unknown>".to_owned()),
        "" => Err(Error::new(format!("{what} has no current leader"))
            .hint("--force asks for an election nevertheless.")),
        leader => Ok(leader.to_owned()),
    }
}

/// Waits until somebody else leads; `look` says who does.
pub(crate) async fn wait_for_leader(
    what: &str,
    before: &str,
    mut look: impl AsyncFnMut() -> Result<String>,
) -> Result<()> {
    let started = Instant::now();
    for _ in 0..LOOKS {
        tokio::time::sleep(LOOK).await;
        match look().await {
            Ok(leader) if leader.is_empty() => note!("No leader elected"),
            Ok(leader) if leader != before => {
                note!("New leader elected {leader:?}");
                return Ok(());
            }
            Ok(_) => {}
            Err(error) => note!("Failed to retrieve the state: {error}"),
        }
    }
    let waited = crate::output::duration::human(started.elapsed());
    Err(Error::new(format!(
        "{what} did not elect a new leader within {waited}"
    )))
}
