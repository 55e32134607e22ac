//! Monitoring over HTTP.

mod connz;
mod connz_paging;
mod http;
mod subsz;
mod varz;
