//! A plain HTTP client for tests of servers: one connection per request, nothing retried, nothing hidden.
//!
//! A client that reuses connections, follows redirects or retries would blur what a test wants to see. Everything that
//! goes wrong below HTTP, including a body that breaks off, is an [`io::Error`].

use std::io;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::TcpStream, task::AbortHandle};

/// An answer, read whole.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// The body as text, with what is not UTF-8 replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null if it is not.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Each line of a newline-delimited body as JSON; null for a line that is not.
    pub fn lines(&self) -> Vec<Value> {
        self.text()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_default())
            .collect()
    }

    /// What follows each `data: ` of a body of server-sent events.
    pub fn events(&self) -> Vec<String> {
        self.text()
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .map(str::to_owned)
            .collect()
    }

    /// The text of a header; empty if it is absent or not text.
    pub fn header(&self, name: &str) -> &str {
        text(&self.headers, name)
    }
}

/// An answer whose body is still on its way. Dropping it closes the connection.
#[derive(Debug)]
pub struct Streaming {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    body: Incoming,
    _connection: Connection,
}

impl Streaming {
    /// The next bytes as they came; `None` at the end of the body.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
        while let Some(frame) = self.body.frame().await {
            if let Ok(data) = frame.map_err(io::Error::other)?.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    /// The rest of the body.
    pub async fn rest(mut self) -> io::Result<Answer> {
        let body = (&mut self.body)
            .collect()
            .await
            .map_err(io::Error::other)?
            .to_bytes();
        Ok(Answer {
            status: self.status,
            headers: self.headers.clone(),
            body,
        })
    }

    /// The text of a header; empty if it is absent or not text.
    pub fn header(&self, name: &str) -> &str {
        text(&self.headers, name)
    }
}

/// The task that drives one connection; it ends with this.
#[derive(Debug)]
struct Connection(AbortHandle);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// `GET url`.
pub async fn get(url: &str) -> io::Result<Answer> {
    send(Method::GET, url, &[], Bytes::new()).await?.rest().await
}

/// `POST url` with a JSON body.
pub async fn post(url: &str, body: &Value) -> io::Result<Answer> {
    stream(url, body).await?.rest().await
}

/// `POST url` with a JSON body; the answer is read piece by piece.
pub async fn stream(url: &str, body: &Value) -> io::Result<Streaming> {
    send(
        Method::POST,
        url,
        &[("content-type", "application/json")],
        body.to_string(),
    )
    .await
}

/// Sends any request and waits for the headers of the answer.
pub async fn send(
    method: Method,
    url: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> io::Result<Streaming> {
    let uri: Uri = url.parse().map_err(io::Error::other)?;
    let authority = uri
        .authority()
        .ok_or_else(|| io::Error::other(format!("{url} has no host")))?
        .clone();
    let address = format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80));
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket))
        .await
        .map_err(io::Error::other)?;
    // What goes wrong on the connection is told to the request as well.
    let connection = Connection(tokio::spawn(async move { drop(connection.await) }).abort_handle());

    let mut request = Request::builder()
        .method(method)
        .uri(uri.path_and_query().map_or("/", |p| p.as_str()));
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        request = request.header(header::HOST, authority.as_str());
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body.into())).map_err(io::Error::other)?;
    let response = sender.send_request(request).await.map_err(io::Error::other)?;
    let (head, body) = response.into_parts();
    Ok(Streaming {
        status: status(head.status),
        headers: head.headers,
        body,
        _connection: connection,
    })
}

fn status(status: StatusCode) -> u16 {
    status.as_u16()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}
