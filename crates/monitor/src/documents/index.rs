//! `/`: a page for people, with links to the documents.

use std::fmt::Write as _;

use hyper::StatusCode;

use crate::answer::{Answer, Kind};
use crate::facts::ServerFacts;

const LINKS: [(&str, &str); 11] = [
    ("varz", "General"),
    ("connz", "Connections"),
    ("subsz", "Subscriptions"),
    ("healthz", "Health"),
    ("metrics", "Prometheus metrics"),
    ("jsz", "JetStream"),
    ("routez", "Routes"),
    ("gatewayz", "Gateways"),
    ("leafz", "Leaf nodes"),
    ("ipqueuesz", "Internal queues"),
    ("debug/vars", "Expvar"),
];

const STYLE: &str = "body{font:16px/1.6 system-ui,sans-serif;margin:2rem auto;max-width:40rem;\
                     padding:0 1rem;color-scheme:light dark}code{opacity:.6}";

/// The page. `prefix` leads from the page's own path to the documents: it is what the links
/// start with, so that they also work behind a proxy that cuts a part off the path.
pub(crate) fn answer(facts: &ServerFacts, prefix: &str) -> Answer {
    let prefix = escaped(prefix);
    let name = escaped(&facts.server_name);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <title>{name} - NATS monitoring</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <h1>{name}</h1>\n<p>Cognate v{}, compatible with nats-server v{}</p>\n<ul>\n",
        escaped(&facts.cognate_version),
        escaped(&facts.version),
    );
    for (path, title) in LINKS {
        // Writing to a String cannot fail.
        let _ = writeln!(
            page,
            "<li><a href=\"{prefix}{path}\">{title}</a> <code>/{path}</code></li>"
        );
    }
    page.push_str("</ul>\n</body>\n</html>\n");
    Answer {
        status: StatusCode::OK,
        kind: Kind::Html,
        body: page.into_bytes(),
    }
}

fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            _ => html.push(c),
        }
    }
    html
}
