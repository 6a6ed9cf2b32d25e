//! What a request is for: a provider's route, or one of the few things the gateway serves itself.

use http::request::Parts;
use http::{Method, Response, StatusCode};
use plugin_api::{Error, ErrorCode, Fault};

use super::answer::Content;
use super::backend::{Backend, Found, Route};
use super::{failure, rpc};

/// What the gateway serves itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Own {
    /// `POST /rpc`
    Rpc,
    /// `GET /healthz`
    Health,
    /// `GET /readyz`
    Ready,
    /// `GET /metrics`
    Metrics,
    /// `GET /events`
    Events,
}

impl Own {
    fn at(path: &str) -> Option<Self> {
        match path {
            "/rpc" => Some(Own::Rpc),
            "/healthz" => Some(Own::Health),
            "/readyz" => Some(Own::Ready),
            "/metrics" => Some(Own::Metrics),
            "/events" => Some(Own::Events),
            _ => None,
        }
    }

    fn methods(self) -> &'static [&'static str] {
        match self {
            Own::Rpc => &["POST"],
            Own::Events => &["GET"],
            Own::Health | Own::Ready | Own::Metrics => &["GET", "HEAD"],
        }
    }

    /// Its label in metrics.
    fn label(self) -> &'static str {
        match self {
            Own::Rpc => "rpc",
            Own::Health => "healthz",
            Own::Ready => "readyz",
            Own::Metrics => "metrics",
            Own::Events => "events",
        }
    }
}

/// What a request is for.
pub(super) enum Target<R> {
    Own(Own),
    Route(R),
    /// The path is right, the method is not.
    WrongOwn(Own),
    WrongRoute(R),
    Nothing,
}

impl<R: Route> Target<R> {
    pub(super) fn of<B: Backend<Route = R>>(backend: &B, parts: &Parts) -> Self {
        let path = parts.uri.path();
        if let Some(own) = Own::at(path) {
            let fits = own.methods().contains(&parts.method.as_str());
            return if fits {
                Target::Own(own)
            } else {
                Target::WrongOwn(own)
            };
        }
        match backend.find(&parts.method, path) {
            Found::Route(route) => Target::Route(route),
            Found::WrongMethod(route) => Target::WrongRoute(route),
            Found::Nothing => Target::Nothing,
        }
    }

    /// Provider and route, for metrics. What nobody serves is one label, however many names clients invent.
    pub(super) fn labels(&self) -> (&str, &str) {
        match self {
            Target::Route(route) | Target::WrongRoute(route) => (route.provider(), route.id()),
            Target::Own(own) | Target::WrongOwn(own) => ("gateway", own.label()),
            Target::Nothing => ("gateway", "unknown"),
        }
    }

    /// Whether it needs an administrator's key where keys are configured.
    pub(super) fn admin(&self) -> bool {
        matches!(self, Target::Route(route) if route.admin())
    }

    /// A failure before the answer has begun, in the dialect of whatever the request was for.
    pub(super) fn refuse<B: Backend<Route = R>>(
        &self,
        backend: &B,
        error: &Error,
    ) -> Response<Content<B::Body>> {
        let mut response = match self {
            Target::Route(route) | Target::WrongRoute(route) => backend
                .render(route, error)
                .map(|body| Content::Backend { body, share: None }),
            Target::Own(Own::Rpc) | Target::WrongOwn(Own::Rpc) => rpc::refusal(error),
            Target::Own(_) | Target::WrongOwn(_) | Target::Nothing => failure::response(error),
        };
        failure::explain(error, response.headers_mut());
        if response.status() == StatusCode::METHOD_NOT_ALLOWED {
            match self {
                Target::WrongRoute(route) => failure::allow(route.methods(), response.headers_mut()),
                Target::WrongOwn(own) => failure::allow(own.methods(), response.headers_mut()),
                _ => {}
            }
        }
        response
    }

    /// Why there is nothing to do, where there is not.
    ///
    /// # Errors
    /// Wrong path or wrong method.
    pub(super) fn check(&self, method: &Method, path: &str) -> Result<(), Error> {
        let refusal = |code, message| Error::new(code, Fault::Client, message);
        match self {
            Target::Own(_) | Target::Route(_) => Ok(()),
            Target::WrongOwn(_) | Target::WrongRoute(_) => Err(refusal(
                ErrorCode::METHOD_NOT_SUPPORTED,
                format!("{path} does not answer {method}"),
            )
            .status(405)
            .hint("the `allow` header names the methods it answers")),
            Target::Nothing => Err(refusal(
                ErrorCode::NOT_FOUND,
                format!("nothing is served at {method} {path}"),
            )
            .hint(
                "`gleitzeit methods` lists what is served; JSON-RPC is at POST /rpc, events at GET /events, health at GET /readyz",
            )),
        }
    }
}
