//! The manager's methods: what an operator sees and does.

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use plugin_api::Error;
use plugin_api::host::{Control, Selection};
use serde::Deserialize;
use serde_json::Value;

use crate::gateway::admit::needs_admin;
use crate::gateway::backend::{Admin, Asker};

pub(super) use crate::manager::methods::PREFIX;

/// `manager/drain`, `manager/resume`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Instance {
    /// Left out: whichever hub has the instance.
    #[serde(default)]
    hub: String,
    instance: String,
}

/// `manager/control`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Verb {
    #[serde(default)]
    hub: Option<String>,
    verb: String,
    #[serde(default)]
    arguments: Value,
    #[serde(default)]
    selection: Option<Selection>,
}

/// Methods without parameters.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Calls `manager/VERB`.
///
/// # Errors
/// No such method, parameters that do not fit, a key that may not, or the manager's own.
pub(super) async fn call(
    admin: &dyn Admin,
    asker: &Asker,
    verb: &str,
    params: &Bytes,
) -> Result<Value, Error> {
    match verb {
        "status" => read::<Nothing>(params).map(|Nothing {}| admin.status(asker)),
        "instances" => read::<Nothing>(params).map(|Nothing {}| admin.instances(asker)),
        "methods" => read::<Nothing>(params).map(|Nothing {}| admin.methods()),
        "plugins" => read::<Nothing>(params).map(|Nothing {}| admin.plugins()),
        "drain" | "resume" => {
            let Instance { hub, instance } = read(params)?;
            if !asker.admin {
                return Err(needs_admin(&format!("{PREFIX}{verb}")));
            }
            match verb {
                "drain" => admin.drain(&hub, &instance),
                _ => admin.resume(&hub, &instance),
            }
        }
        "control" => {
            let mut items = control(admin, asker, params)?;
            let mut last = Value::Null;
            while let Some(item) = items.next().await {
                last = item?;
            }
            Ok(last)
        }
        _ => admin.manage(verb.to_owned(), params.clone(), asker.clone()).await,
    }
}

/// Streams `manager/VERB`: progress for `control`, the one result for the others.
///
/// # Errors
/// As [`call`].
pub(super) async fn open(
    admin: &dyn Admin,
    asker: &Asker,
    verb: &str,
    params: &Bytes,
) -> Result<BoxStream<'static, Result<Value, Error>>, Error> {
    if verb == "control" {
        return control(admin, asker, params);
    }
    let value = call(admin, asker, verb, params).await?;
    Ok(stream::once(async { Ok(value) }).boxed())
}

fn control(
    admin: &dyn Admin,
    asker: &Asker,
    params: &Bytes,
) -> Result<BoxStream<'static, Result<Value, Error>>, Error> {
    let Verb {
        hub,
        verb,
        arguments,
        selection,
    } = read(params)?;
    if !asker.admin && !admin.reads_only(hub.as_deref(), &verb) {
        return Err(needs_admin(&format!("`{verb}`")));
    }
    let control = Control {
        hub,
        verb,
        arguments,
        selection,
    };
    Ok(admin.control(control, asker.clone()))
}

/// Parameters by name. None at all are as good as an empty object.
fn read<'de, T: Deserialize<'de>>(params: &'de [u8]) -> Result<T, Error> {
    let params = if params.is_empty() { b"{}" } else { params };
    if params.starts_with(b"[") {
        return Err(Error::invalid("parameters are given by name, in an object"));
    }
    serde_json::from_slice(params)
        .map_err(|error| Error::invalid(format!("the parameters do not fit: {error}")))
}
