//! Asking a responder, over HTTP or HTTPS: first with `POST`, then with `GET`.
//!
//! Bounds: the time for each of both, and the size of an answer. Over HTTPS the responder's certificate
//! is verified with the system's authorities; nobody is asked whether it was revoked. Absent:
//! redirects, proxies.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cognate_config::options::TlsOptions;
use cognate_process::text::io_error_text;
use cognate_tls::{ClientTls, MAX_ANSWER};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::client::conn::http1;
use hyper::http::uri::Scheme;
use hyper::{Request, Response, Uri, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// The answer of the responder at `url` to a request.
///
/// # Errors
/// Why there is none, in words for the log.
pub(crate) async fn ask(url: &str, request: &[u8], timeout: Duration) -> Result<Vec<u8>, String> {
    let url = url.trim_end_matches('/');
    let attempt = |method: &'static str| async move {
        match tokio::time::timeout(timeout, send(url, request, method)).await {
            Ok(result) => result,
            Err(_) => Err(format!("no answer from {url} within {timeout:?}")),
        }
    };
    let refused = match attempt("POST").await {
        Ok(answer) => return Ok(answer),
        Err(problem) => problem,
    };
    match attempt("GET").await {
        Ok(answer) => Ok(answer),
        Err(problem) if problem == refused => Err(problem),
        Err(problem) => Err(format!("{refused}; {problem}")),
    }
}

async fn send(url: &str, request: &[u8], method: &'static str) -> Result<Vec<u8>, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let full = match method {
        // Slashes and pluses would be read as something else.
        "GET" => {
            let encoded = STANDARD.encode(request);
            let encoded = encoded
                .replace('/', "%2F")
                .replace('+', "%2B")
                .replace('=', "%3D");
            format!("{url}/{encoded}")
        }
        _ => url.to_owned(),
    };
    let uri: Uri = full.parse().map_err(|error| text(&error))?;
    let (port, tls) = match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTP => (80, None),
        Some(scheme) if *scheme == Scheme::HTTPS => (443, Some(system_tls().await?)),
        _ => return Err(format!("{url} is neither an http nor an https URL")),
    };
    let host = uri.host().ok_or("the URL names no host")?;
    // Addresses of IPv6 stand in brackets in URLs alone.
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((host, uri.port_u16().unwrap_or(port))).await;
    let stream = stream.map_err(|error| format!("{url}: {}", io_error_text(&error)))?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let mut message = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, authority)
        .header(header::ACCEPT, "application/ocsp-response")
        .header(header::CONNECTION, "close");
    let mut body = Bytes::new();
    if method == "POST" {
        message = message.header(header::CONTENT_TYPE, "application/ocsp-request");
        body = Bytes::copy_from_slice(request);
    }
    let message = message
        .body(Whole(Some(body)))
        .map_err(|error| text(&error))?;
    match tls {
        None => exchange(stream, message, url).await,
        Some(tls) => {
            let stream = tls.connect(host, stream).await;
            let stream = stream.map_err(|error| format!("{url}: {}", io_error_text(&error)))?;
            exchange(stream, message, url).await
        }
    }
}

/// TLS with the authorities of the system, which are read anew each time: answers are kept, so that
/// few questions are asked.
async fn system_tls() -> Result<ClientTls, String> {
    let load = || ClientTls::load(&TlsOptions::default()).map_err(|error| error.to_string());
    let loaded = tokio::task::spawn_blocking(load).await;
    loaded.map_err(|error| error.to_string())?
}

/// One request and its answer over a connection of its own.
async fn exchange<S>(stream: S, message: Request<Whole>, url: &str) -> Result<Vec<u8>, String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let text = |error: hyper::Error| error.to_string();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(text)?;
    let mut answer = pin!(async move {
        let response = sender.send_request(message).await;
        read(response.map_err(text)?, url).await
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

async fn read(response: Response<Incoming>, url: &str) -> Result<Vec<u8>, String> {
    let status = response.status();
    if !status.is_success() {
        return Err(format!("non-ok http status from {url}: {status}"));
    }
    let mut body = response.into_body();
    let mut bytes = Vec::new();
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame = frame.map_err(|error| error.to_string())?;
        if let Some(data) = frame.data_ref() {
            if bytes.len() + data.len() > MAX_ANSWER {
                return Err(format!("the answer from {url} is too large"));
            }
            bytes.extend_from_slice(data);
        }
    }
    Ok(bytes)
}

/// A body of which all is there; nothing once it was taken.
struct Whole(Option<Bytes>);

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let taken = self.0.take().filter(|bytes| !bytes.is_empty());
        Poll::Ready(taken.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}
