//! Which path is what, and what is said of a path or a method that is not.

use std::sync::Arc;

use futures_util::{FutureExt, future::BoxFuture};
use http::{HeaderName, HeaderValue, Method, StatusCode, header, uri::Authority};
use serde_json::{Value, json};

use super::{Handle, Ollama, residency::BUSY};
use crate::{
    openai,
    reply::{Call, Dialect, Refusal, Reply},
};

/// What every JSON object is sent as.
pub(super) const JSON: &str = "application/json; charset=utf-8";
const TEXT: &str = "text/plain";

impl Dialect for Handle {
    fn answer(&self, call: Call) -> BoxFuture<'_, Reply> {
        async move {
            if self.0.settings.check_host && !is_local(&call) {
                return Reply {
                    status: StatusCode::FORBIDDEN,
                    ..Reply::empty()
                };
            }
            let Some(methods) = methods(&call.path) else {
                return Reply::whole(StatusCode::NOT_FOUND, TEXT, "404 page not found");
            };
            if !methods.contains(&call.method) {
                let allowed = methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
                let reply = Reply::whole(StatusCode::METHOD_NOT_ALLOWED, TEXT, "405 method not allowed");
                return match HeaderValue::from_str(&allowed) {
                    Ok(allowed) => reply.with_header(header::ALLOW, allowed),
                    Err(_) => reply,
                };
            }
            match self.0.route(&call).await {
                Ok(reply) => reply,
                Err(refusal) => self.refusal(&call.path, refusal.status, &refusal.why),
            }
        }
        .boxed()
    }

    fn refusal(&self, path: &str, status: StatusCode, why: &str) -> Reply {
        if path.starts_with("/v1/") {
            let kind = match status {
                StatusCode::BAD_REQUEST => "invalid_request_error",
                StatusCode::NOT_FOUND => "not_found_error",
                _ => "api_error",
            };
            return object(status, &openai::error(why, kind, Value::Null));
        }
        object(status, &json!({ "error": why }))
    }

    fn busy(&self) -> &'static str {
        BUSY
    }

    fn restarted(&self) {
        self.0.residency.clear();
    }
}

impl Ollama {
    async fn route(self: &Arc<Self>, call: &Call) -> Result<Reply, Refusal> {
        match call.path.as_str() {
            "/" => Ok(Reply::whole(
                StatusCode::OK,
                "text/plain; charset=utf-8",
                "Ollama is running",
            )),
            "/api/version" => Ok(object(
                StatusCode::OK,
                &json!({ "version": self.settings.version }),
            )),
            "/api/status" => Ok(object(
                StatusCode::OK,
                &json!({"cloud": {"disabled": true, "source": "env"}}),
            )),
            "/api/tags" => Ok(self.tags()),
            "/api/ps" => Ok(object(
                StatusCode::OK,
                &json!({ "models": self.residency.listed() }),
            )),
            "/api/show" => self.show(call),
            "/api/copy" => self.copy(call),
            "/api/delete" => self.delete(call),
            "/api/pull" => self.pull(call).await,
            "/api/generate" => self.generate(call).await,
            "/api/chat" => self.chat(call).await,
            "/api/embed" => self.embed(call).await,
            "/api/embeddings" => self.embeddings(call).await,
            "/v1/chat/completions" => self.chat_completions(call).await,
            "/v1/completions" => self.completions(call).await,
            "/v1/embeddings" => self.openai_embeddings(call).await,
            "/v1/models" => Ok(self.openai_models()),
            path => self.openai_model(path.trim_start_matches("/v1/models/")),
        }
    }
}

/// The methods of a path; `None` if there is no such path.
fn methods(path: &str) -> Option<&'static [Method]> {
    Some(match path {
        "/" | "/api/version" | "/api/tags" => &[Method::GET, Method::HEAD],
        "/api/ps" | "/api/status" | "/v1/models" => &[Method::GET],
        "/api/delete" => &[Method::DELETE],
        "/api/show"
        | "/api/copy"
        | "/api/pull"
        | "/api/generate"
        | "/api/chat"
        | "/api/embed"
        | "/api/embeddings"
        | "/v1/chat/completions"
        | "/v1/completions"
        | "/v1/embeddings" => &[Method::POST],
        // One segment: a model of a namespace has its slash encoded, or is not found.
        path if path
            .strip_prefix("/v1/models/")
            .is_some_and(|model| !model.is_empty() && !model.contains('/')) =>
        {
            &[Method::GET]
        }
        _ => return None,
    })
}

/// 200 or not, one JSON object.
pub(super) fn object(status: StatusCode, value: &Value) -> Reply {
    Reply::whole(status, JSON, value.to_string())
}

/// The guard against DNS rebinding: a server on loopback answers to addresses and local names only.
fn is_local(call: &Call) -> bool {
    let host = header_text(call, &header::HOST).parse::<Authority>();
    let Ok(host) = host else { return false };
    let host = host.host().trim_matches(['[', ']']).to_ascii_lowercase();
    host.parse::<std::net::IpAddr>().is_ok_and(|ip| match ip {
        std::net::IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_unspecified(),
        std::net::IpAddr::V6(ip) => ip.is_loopback() || ip.is_unspecified(),
    }) || host == "localhost"
        || [".localhost", ".local", ".internal"]
            .iter()
            .any(|end| host.ends_with(end))
}

fn header_text<'a>(call: &'a Call, name: &HeaderName) -> &'a str {
    call.headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}
