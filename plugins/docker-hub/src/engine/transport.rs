//! How an engine is reached: one connection a request, over a socket, TCP or TLS.
//!
//! A connection of its own means that no stream (an attached container, events) stands in the way of a request, and that
//! dropping a request ends it at the engine. It costs a third of a millisecond.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bollard::BollardRequest;
use http::header::HOST;
use http::{HeaderValue, Uri};
use hyper::Response;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

/// How long connecting may take, handshakes included.
const CONNECT: Duration = Duration::from_secs(3);

/// The way to an engine.
#[derive(Debug, Clone)]
pub(crate) enum Route {
    /// A socket of this machine.
    Unix(PathBuf),
    /// A port, without encryption.
    Tcp { host: String, port: u16 },
    /// A port, with both sides proving who they are.
    Tls {
        host: String,
        port: u16,
        name: ServerName<'static>,
        config: Arc<ClientConfig>,
    },
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Route {
    async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Route::Unix(path) => Box::new(UnixStream::connect(path).await?),
            Route::Tcp { host, port } => Box::new(tcp(host, *port).await?),
            Route::Tls {
                host,
                port,
                name,
                config,
            } => {
                let stream = tcp(host, *port).await?;
                Box::new(
                    TlsConnector::from(config.clone())
                        .connect(name.clone(), stream)
                        .await?,
                )
            }
        })
    }

    /// Sends a request over a connection of its own. Dropping the future, or later the body, closes it.
    pub(crate) async fn send(
        self: Arc<Self>,
        mut request: BollardRequest,
    ) -> Result<Response<Incoming>, bollard::errors::Error> {
        let stream = tokio::time::timeout(CONNECT, self.connect())
            .await
            .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, Unconnected(None)))?
            .map_err(|error| io::Error::new(error.kind(), Unconnected(Some(error))))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            // How it ends is seen by whoever reads the answer.
            let _ = connection.with_upgrades().await;
        });
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = path.parse::<Uri>()?;
        request
            .headers_mut()
            .insert(HOST, HeaderValue::from_static("engine"));
        url_safe_credentials(&mut request);
        Ok(sender.send_request(request).await?)
    }
}

/// The client writes credentials in the usual base 64, and engines read the other; some take what they cannot read for
/// no credentials at all.
fn url_safe_credentials(request: &mut BollardRequest) {
    for name in ["x-registry-auth", "x-registry-config"] {
        if let Some(value) = request.headers_mut().get_mut(name)
            && let Ok(text) = value.to_str()
            && let Ok(safe) = HeaderValue::from_str(&text.replace('+', "-").replace('/', "_"))
        {
            *value = safe;
            value.set_sensitive(true);
        }
    }
}

async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Marks a failure to connect, which another engine may make good, as opposed to one in the middle of an answer.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.as_ref().map_or_else(|| format!("no connection within {CONNECT:?}"), ToString::to_string))]
pub(super) struct Unconnected(#[source] Option<io::Error>);

/// What TLS says, where it was TLS that failed: on our side, or by the word of the other.
pub(super) fn distrust<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        // What an input or output error holds is not its source, but the source of that.
        let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match held {
            Some(held) => Some(held),
            None => error.source(),
        };
    }
    None
}
