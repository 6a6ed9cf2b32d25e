//! Opening a connection: name, address, TCP, TLS.

use std::io;
use std::sync::{Arc, OnceLock};

use hyper_util::rt::TokioIo;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, crypto};
use tokio_util::either::Either;

use super::connection::{Connection, Io};
use super::target::Target;

/// Opens a connection. The caller limits the time.
pub(super) async fn connect(target: &Target) -> io::Result<Connection> {
    let stream = TcpStream::connect((target.host.as_str(), target.port)).await?;
    stream.set_nodelay(true)?;
    let io: Io = if target.tls {
        let name = ServerName::try_from(target.host.clone()).map_err(|_| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a name a certificate could carry",
            )
        })?;
        Either::Right(connector()?.connect(name, stream).await?)
    } else {
        Either::Left(stream)
    };
    Connection::handshake(TokioIo::new(io))
        .await
        .map_err(io::Error::other)
}

/// TLS with the machine's own trust store, set up at the first use.
fn connector() -> io::Result<TlsConnector> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(config.clone().into());
    }
    let config = ClientConfig::builder_with_provider(crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_platform_verifier())
        .map_err(io::Error::other)?
        .with_no_client_auth();
    Ok(CONFIG.get_or_init(|| Arc::new(config)).clone().into())
}
