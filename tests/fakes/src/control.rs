//! The route by which a shell or another process commands faults: `POST /__fault`, and `GET /__requests` to see what
//! was heard. Neither is written down or fails itself.

use std::{sync::Arc, time::Duration};

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;

use crate::{
    fault::Fault,
    reply::{Call, Reply},
    server::Shared,
};

const JSON: &str = "application/json; charset=utf-8";

/// `{"fault": …}`; a null or missing fault heals.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Command {
    #[serde(default)]
    fault: Option<Fault>,
    /// Only this path fails.
    #[serde(default)]
    path: Option<String>,
    /// Only the next so many requests fail.
    #[serde(default)]
    next: Option<usize>,
    /// GET and HEAD stay healthy.
    #[serde(default)]
    spare_probes: Option<bool>,
    /// Heals by itself after this long, such as `2s`: the way back from `refuse`, which closes this route as well.
    #[serde(default, rename = "for")]
    lasting: Option<String>,
}

/// Answers a call to a control route; `None` if it is none.
pub(crate) fn answer(shared: &Arc<Shared>, call: &Call) -> Option<Reply> {
    match (&call.method, call.path.as_str()) {
        (&Method::POST, "/__fault") => Some(match command(shared, &call.body) {
            Ok(()) => Reply::whole(StatusCode::OK, JSON, "{}"),
            Err(why) => Reply::whole(StatusCode::BAD_REQUEST, JSON, json!({ "error": why }).to_string()),
        }),
        (&Method::GET, "/__requests") => Some(Reply::whole(StatusCode::OK, JSON, heard(shared))),
        _ => None,
    }
}

fn command(shared: &Arc<Shared>, body: &[u8]) -> Result<(), String> {
    let command: Command = serde_json::from_slice(body).map_err(|e| e.to_string())?;
    let lasting = command
        .lasting
        .as_deref()
        .map(humantime::parse_duration)
        .transpose()
        .map_err(|e| e.to_string())?;
    if let Some(spare) = command.spare_probes {
        shared.rules().spare_probes(spare);
    }
    match (command.fault, command.path, command.next) {
        (None, ..) if command.spare_probes.is_some() => {}
        (None, ..) => shared.heal().map_err(|e| e.to_string())?,
        (Some(fault), Some(path), _) => shared.rules().on(&path, fault),
        (Some(fault), None, Some(next)) => shared.rules().next(next, fault),
        (Some(fault), None, None) => shared.fail(fault),
    }
    if let Some(lasting) = lasting {
        tokio::spawn(heal_after(Arc::clone(shared), lasting));
    }
    Ok(())
}

async fn heal_after(shared: Arc<Shared>, lasting: Duration) {
    tokio::time::sleep(lasting).await;
    // The port is reserved, so it can be opened again; if it cannot, the fake stays dead and its users see that.
    let _ = shared.heal();
}

fn heard(shared: &Shared) -> String {
    let requests: Vec<_> = shared.heard().iter().map(|request| {
        json!({ "method": request.method.as_str(), "path": request.path, "body": request.json(), "ending": request.ending })
    }).collect();
    json!({ "in_flight": shared.in_flight(), "requests": requests }).to_string()
}
