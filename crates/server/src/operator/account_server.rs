//! An account server: tokens over HTTP, one `GET` of its URL and the account's key each.
//!
//! Bounds: [`TIMEOUT`] for all of a request, [`MAX_REDIRECTS`], the size of a token. Invariant: what
//! is said of a URL has no password in it. Absent: connections that are kept, proxies, cookies.

use std::pin::{Pin, pin};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cognate_config::options::TlsOptions;
use cognate_process::text::io_error_text;
use cognate_tls::ClientTls;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper::http::uri::Scheme;
use hyper::{Request, Response, StatusCode, Uri, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::directory::MAX_TOKEN;

/// How long the server may take, the way there included.
const TIMEOUT: Duration = Duration::from_millis(1900);

/// Redirects that are followed.
const MAX_REDIRECTS: usize = 10;

/// An account server.
pub(super) struct AccountServer {
    base: String,
    tls: Option<ClientTls>,
}

/// What came of one request.
enum Got {
    Text(String),
    Moved(String),
}

impl AccountServer {
    /// The server at `base`, which ends with a slash.
    ///
    /// # Errors
    /// If the URL or the TLS options cannot be used.
    pub(super) fn new(base: &str, tls: Option<&TlsOptions>) -> Result<Self, String> {
        let unusable =
            |problem: &dyn std::fmt::Display| format!("resolver URL {}: {problem}", shown(base));
        let uri: Uri = base.parse().map_err(|error| unusable(&error))?;
        if uri.host().is_none() {
            return Err(unusable(&"it names no host"));
        }
        let load = |options: &TlsOptions| ClientTls::load(options).map_err(|e| e.to_string());
        let tls = match tls {
            Some(options) => Some(load(options)?),
            None if uri.scheme() == Some(&Scheme::HTTPS) => Some(load(&TlsOptions::default())?),
            None => None,
        };
        let base = base.to_owned();
        Ok(AccountServer { base, tls })
    }

    /// The token of an account; with an empty name, whether anybody answers.
    ///
    /// # Errors
    /// In nats-server's words, what went wrong.
    pub(super) async fn fetch(&self, account: &str) -> Result<String, String> {
        let url = format!("{}{account}", self.base);
        let problem = match tokio::time::timeout(TIMEOUT, self.follow(&url)).await {
            Ok(Ok(token)) => return Ok(token),
            Ok(Err(problem)) => problem,
            Err(_) => format!("no answer within {TIMEOUT:?}"),
        };
        Err(format!("could not fetch <{:?}>: {problem}", shown(&url)))
    }

    async fn follow(&self, url: &str) -> Result<String, String> {
        let mut url = url.to_owned();
        for _ in 0..=MAX_REDIRECTS {
            match self.get(&url).await? {
                Got::Text(text) => return Ok(text),
                Got::Moved(to) => url = resolve(&url, &to)?,
            }
        }
        Err(format!("stopped after {MAX_REDIRECTS} redirects"))
    }

    async fn get(&self, url: &str) -> Result<Got, String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let uri: Uri = url.parse().map_err(|error| text(&error))?;
        let host = uri.host().ok_or("the URL names no host")?;
        // Addresses of IPv6 stand in brackets in URLs alone.
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let secure = uri.scheme() == Some(&Scheme::HTTPS);
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let stream = TcpStream::connect((host, port)).await;
        let stream = stream.map_err(|error| io_error_text(&error))?;
        match (secure, &self.tls) {
            (false, _) => exchange(stream, &uri).await,
            (true, Some(tls)) => {
                let stream = tls.connect(host, stream).await;
                exchange(stream.map_err(|error| text(&error))?, &uri).await
            }
            (true, None) => Err("it leads to https, and the configured URL does not".to_owned()),
        }
    }
}

/// One request and its answer over a connection of its own.
async fn exchange<S>(stream: S, uri: &Uri) -> Result<Got, String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let text = |error: hyper::Error| error.to_string();
    let io = TokioIo::new(stream);
    let (mut sender, connection) = http1::handshake(io).await.map_err(text)?;
    let request = request(uri)?;
    let mut answer = pin!(async move {
        let response = sender.send_request(request).await.map_err(text)?;
        read(response).await
    });
    let mut connection = pin!(connection);
    let mut open = true;
    loop {
        tokio::select! {
            got = &mut answer => return got,
            // The answer says what that means for it.
            _ = &mut connection, if open => open = false,
        }
    }
}

fn request(uri: &Uri) -> Result<Request<String>, String> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let (login, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let mut request = Request::get(path)
        .header(header::HOST, host)
        .header(header::USER_AGENT, "nats-server")
        .header(header::CONNECTION, "close");
    if !login.is_empty() {
        let login = format!("Basic {}", STANDARD.encode(login));
        request = request.header(header::AUTHORIZATION, login);
    }
    request
        .body(String::new())
        .map_err(|error| error.to_string())
}

async fn read(response: Response<Incoming>) -> Result<Got, String> {
    let status = response.status();
    if status.is_redirection() {
        let to = response.headers().get(header::LOCATION);
        let to = to.and_then(|to| to.to_str().ok());
        return match to {
            Some(to) => Ok(Got::Moved(to.to_owned())),
            None => Err(status.to_string()),
        };
    }
    if status != StatusCode::OK {
        return Err(status.to_string());
    }
    let mut body = response.into_body();
    let mut bytes = Vec::new();
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame = frame.map_err(|error| error.to_string())?;
        if let Some(data) = frame.data_ref() {
            if (bytes.len() + data.len()) as u64 > MAX_TOKEN {
                return Err("the answer is too large for a token".to_owned());
            }
            bytes.extend_from_slice(data);
        }
    }
    String::from_utf8(bytes)
        .map(Got::Text)
        .map_err(|_| "the answer is no text".to_owned())
}

/// The URL that a redirect from `url` leads to.
fn resolve(url: &str, to: &str) -> Result<String, String> {
    if to.starts_with("http://") || to.starts_with("https://") {
        return Ok(to.to_owned());
    }
    let begin = url.find("://").map_or(0, |at| at + 3);
    let host_end = url[begin..].find('/').map_or(url.len(), |at| begin + at);
    if to.starts_with("//") {
        return Ok(format!("{}{to}", &url[..begin.saturating_sub(2)]));
    }
    if to.starts_with('/') {
        return Ok(format!("{}{to}", &url[..host_end]));
    }
    match url.rfind('/').filter(|at| *at >= host_end) {
        Some(slash) => Ok(format!("{}{to}", &url[..=slash])),
        None => Err(format!("redirect to {to:?}")),
    }
}

/// A URL without its password.
fn shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((login, host)) => {
            let user = login.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}:xxxxx@{host}{path}")
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{resolve, shown};

    #[test]
    fn redirects_lead_on_from_where_they_were_found() {
        let from = "http://a:1/jwt/v1/accounts/AX";
        for (to, expected) in [
            ("https://b/x", "https://b/x"),
            ("//b/x", "http://b/x"),
            ("/x/AX", "http://a:1/x/AX"),
            ("AX.jwt", "http://a:1/jwt/v1/accounts/AX.jwt"),
        ] {
            assert_eq!(resolve(from, to).as_deref(), Ok(expected), "{to}");
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        assert_eq!(shown("http://u:p@h:1/a"), "http://u:xxxxx@h:1/a");
        assert_eq!(shown("http://h:1/a@b"), "http://h:1/a@b");
    }
}
