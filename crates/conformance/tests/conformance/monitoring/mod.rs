//! Monitoring over HTTP, one file per document, with what every request has in common in `http`.

mod connz;
mod connz_paging;
mod http;
mod subsz;
mod varz;
