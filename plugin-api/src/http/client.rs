//! The client: one for each plugin component, shared by all its calls.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::crypto::ring::default_provider;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;

use super::{Call, HttpError, Method, error};
use crate::contract::instance::Endpoint;

/// A peer that cannot be reached within this is not there.
const CONNECT: Duration = Duration::from_secs(5);

/// An HTTP client with pooled connections. Cheap to share; build it once.
///
/// The half that can do TLS is built when the first `https` URL is called, because it reads the machine's
/// certificates: a hub of plain servers starts without, even on a machine that has none.
#[derive(Debug)]
pub struct Client {
    user_agent: &'static str,
    plain: reqwest::Client,
    tls: OnceLock<Result<reqwest::Client, HttpError>>,
}

impl Client {
    /// A client that introduces itself as `user_agent`.
    ///
    /// # Errors
    /// `user_agent` is not a header value.
    pub fn new(user_agent: &'static str) -> Result<Self, HttpError> {
        // Never used for a handshake: it only keeps the certificates from being read.
        let no_trust = tls_settings()?
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        Ok(Self {
            user_agent,
            plain: build(user_agent, no_trust)?,
            tls: OnceLock::new(),
        })
    }

    /// A call of `path` (with its query) on the endpoint, with the endpoint's headers and rewrites.
    ///
    /// What is wrong with the URL shows when the call is made.
    pub fn call(&self, method: Method, endpoint: &Endpoint, path: &str) -> Call {
        let url = endpoint.url_of(path);
        let client = if url.starts_with("https:") {
            self.tls()
        } else {
            Ok(&self.plain)
        };
        let request = client.map(|client| {
            let request = client.request(method.clone(), &url);
            endpoint
                .headers
                .iter()
                .fold(request, |request, (name, value)| request.header(name, value))
        });
        Call::new(&method, url, request)
    }

    fn tls(&self) -> Result<&reqwest::Client, HttpError> {
        self.tls
            .get_or_init(|| {
                let trusting = tls_settings()?
                    .with_platform_verifier()
                    .map_err(|error| HttpError::Setup(error.to_string()))?
                    .with_no_client_auth();
                build(self.user_agent, trusting)
            })
            .as_ref()
            .map_err(Clone::clone)
    }
}

/// Settings with a provider of our own, because a global one would have to be installed in each plugin's copy.
fn tls_settings() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, HttpError> {
    ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| HttpError::Setup(error.to_string()))
}

fn build(user_agent: &str, tls: ClientConfig) -> Result<reqwest::Client, HttpError> {
    reqwest::Client::builder()
        .user_agent(user_agent)
        .tls_backend_preconfigured(tls)
        .connect_timeout(CONNECT)
        .pool_max_idle_per_host(4)
        // A redirect could carry a key to someone else, and make a login page look like health.
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .map_err(|error| HttpError::Setup(error::chain(&error)))
}
