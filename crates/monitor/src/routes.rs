//! From a request's path and query to the document that answers it.
//!
//! Invariants: any method is answered, as in nats-server; every request to a known endpoint is
//! counted in `http_req_stats` under the endpoint's own path, whatever the base path; building is
//! synchronous and may take long, so the HTTP side calls [`Routes::answer`] off the I/O threads.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::answer::Answer;
use crate::documents::accountz::Accountz;
use crate::documents::accstatz::AccStatz;
use crate::documents::connz::{Connz, ConnzRequest};
use crate::documents::jetstream::Totals;
use crate::documents::subsz::{Subsz, SubszRequest};
use crate::documents::varz::Varz;
use crate::documents::{absent, expvarz, healthz, index, jsz, metrics};
use crate::facts::Monitored;
use crate::query::{BadQuery, Query};

/// The endpoints of one monitored server.
pub(crate) struct Routes {
    source: Arc<dyn Monitored>,
    /// The base path's segments.
    base: Vec<String>,
    requests: Mutex<BTreeMap<&'static str, u64>>,
}

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// The page of links; its own path is without a `/` at the end and ends with this segment.
    Index(Option<String>),
    Varz,
    Connz,
    Subsz,
    Healthz,
    Expvarz,
    Metrics,
    Routez,
    Gatewayz,
    Leafz,
    Jsz,
    Ipqueuesz,
    Raftz,
    Accountz,
    Accstatz,
    /// Known, but nothing is served there yet.
    NotBuilt(&'static str),
}

impl Routes {
    /// The endpoints below `base_path` (`""` and `/` mean none).
    pub(crate) fn new(source: Arc<dyn Monitored>, base_path: &str) -> Self {
        let base = segments(base_path).map(str::to_owned).collect();
        Routes {
            source,
            base,
            requests: Mutex::default(),
        }
    }

    /// What is at `path`. Repeated slashes count as one.
    pub(crate) fn endpoint(&self, path: &str) -> Option<Endpoint> {
        let directory = path.ends_with('/');
        let mut rest = segments(path);
        if !self.base.iter().all(|segment| rest.next() == Some(segment)) {
            return None;
        }
        let name: Vec<&str> = rest.take(3).collect();
        if name.is_empty() {
            let last = self.base.last().filter(|_| !directory).cloned();
            return Some(Endpoint::Index(last));
        }
        if directory {
            None
        } else {
            Endpoint::named(&name)
        }
    }

    /// Counts and answers a request.
    pub(crate) fn answer(&self, endpoint: &Endpoint, query: &[u8]) -> Answer {
        *self.requests.lock().entry(endpoint.path()).or_default() += 1;
        self.uncounted(endpoint, query)
    }

    /// Answers a request that came another way than over HTTP.
    pub(crate) fn uncounted(&self, endpoint: &Endpoint, query: &[u8]) -> Answer {
        self.document(endpoint, &Query::parse(query))
            .unwrap_or_else(Answer::from)
    }

    fn document(&self, endpoint: &Endpoint, query: &Query) -> Result<Answer, BadQuery> {
        let source = self.source.as_ref();
        Ok(match endpoint {
            Endpoint::Index(last) => {
                let prefix = last
                    .as_ref()
                    .map(|last| format!("{last}/"))
                    .unwrap_or_default();
                index::answer(&source.server(), &prefix)
            }
            Endpoint::Varz => self.varz(),
            Endpoint::Connz => Answer::json(&Connz::new(source, &ConnzRequest::parse(query)?)),
            Endpoint::Subsz => Answer::json(&Subsz::new(source, &SubszRequest::parse(query)?)),
            Endpoint::Healthz => healthz::answer(source, query)?,
            Endpoint::Expvarz => expvarz::answer(&source.server()),
            Endpoint::Metrics => metrics::answer(source, &self.counted()),
            Endpoint::Routez => absent::routez(query, &source.server())?,
            Endpoint::Gatewayz => absent::gatewayz(query, &source.server())?,
            Endpoint::Leafz => absent::leafz(query, &source.server())?,
            Endpoint::Jsz => jsz::answer(source, query)?,
            Endpoint::Ipqueuesz => absent::ipqueuesz(query)?,
            Endpoint::Raftz => absent::raftz(),
            Endpoint::Accountz => Answer::json(&Accountz::new(source, query)?),
            Endpoint::Accstatz => Answer::json(&AccStatz::new(source, query)?),
            Endpoint::NotBuilt(path) => absent::not_built(path),
        })
    }

    fn varz(&self) -> Answer {
        let source = self.source.as_ref();
        let jetstream = source.jetstream();
        let jetstream = jetstream.facts().map(|facts| (facts, Totals::of(source)));
        Answer::json(&Varz::new(&source.server(), jetstream, &self.counted()))
    }

    fn counted(&self) -> BTreeMap<&'static str, u64> {
        self.requests.lock().clone()
    }
}

impl Endpoint {
    fn named(segments: &[&str]) -> Option<Self> {
        Some(match segments {
            ["varz"] => Endpoint::Varz,
            ["connz"] => Endpoint::Connz,
            ["subsz" | "subscriptionsz"] => Endpoint::Subsz,
            ["healthz"] => Endpoint::Healthz,
            ["expvarz"] | ["debug", "vars"] => Endpoint::Expvarz,
            ["metrics"] => Endpoint::Metrics,
            ["routez"] => Endpoint::Routez,
            ["gatewayz"] => Endpoint::Gatewayz,
            ["leafz"] => Endpoint::Leafz,
            ["jsz"] => Endpoint::Jsz,
            ["ipqueuesz"] => Endpoint::Ipqueuesz,
            ["raftz"] => Endpoint::Raftz,
            ["accountz"] => Endpoint::Accountz,
            ["accstatz"] => Endpoint::Accstatz,
            ["stacksz"] => Endpoint::NotBuilt("/stacksz"),
            _ => return None,
        })
    }

    /// The path under which requests are counted.
    fn path(&self) -> &'static str {
        match self {
            Endpoint::Index(_) => "/",
            Endpoint::Varz => "/varz",
            Endpoint::Connz => "/connz",
            Endpoint::Subsz => "/subsz",
            Endpoint::Healthz => "/healthz",
            Endpoint::Expvarz => "/debug/vars",
            Endpoint::Metrics => "/metrics",
            Endpoint::Routez => "/routez",
            Endpoint::Gatewayz => "/gatewayz",
            Endpoint::Leafz => "/leafz",
            Endpoint::Jsz => "/jsz",
            Endpoint::Ipqueuesz => "/ipqueuesz",
            Endpoint::Raftz => "/raftz",
            Endpoint::Accountz => "/accountz",
            Endpoint::Accstatz => "/accstatz",
            Endpoint::NotBuilt(path) => path,
        }
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}
