//! The hub's own verbs, as operators and providers call them.

use std::collections::BTreeMap;
use std::sync::Arc;

use plugin_api::contract::instance::Residency;
use plugin_api::contract::reference::normalise;
use plugin_api::host::InstanceView;
use plugin_api::hub::Progress;
use plugin_api::{Error, ResourceInstance};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::api::Server;
use crate::hub::OllamaHub;

pub mod arguments;

use arguments::{Copy, Load, Model, Nothing, Pull, Show};

/// Carries out a verb that is about one instance. Dropping the future ends what it asked the server for.
pub(crate) async fn on_instance(
    hub: &OllamaHub,
    instance: &Arc<ResourceInstance>,
    verb: &str,
    arguments: Value,
    progress: &Progress,
) -> Result<Value, Error> {
    let server = Server::of(hub.client(), instance)?;
    match verb {
        "pull" => {
            let Pull { model, insecure } = read(arguments)?;
            server
                .pull(&model, insecure, |line| progress.report(line))
                .await?;
            Ok(json!({ "model": model, "status": "success" }))
        }
        "delete" => {
            let Model { model } = read(arguments)?;
            server.delete(&model).await?;
            Ok(json!({ "model": model, "status": "deleted" }))
        }
        "copy" => {
            let Copy { source, destination } = read(arguments)?;
            server.copy(&source, &destination).await?;
            Ok(json!({ "source": source, "destination": destination, "status": "copied" }))
        }
        "show" => {
            let Show { model, verbose } = read(arguments)?;
            Ok(server.show(&model, verbose).await?)
        }
        "load" => {
            let Load {
                model,
                options,
                keep_alive,
            } = read(arguments)?;
            let hint = json!({ "options": options, "keep_alive": keep_alive });
            hub.load(instance, &model, &hint).await?;
            Ok(json!({ "model": model, "status": "loaded" }))
        }
        "unload" => {
            let Model { model } = read(arguments)?;
            hub.load(instance, &model, &json!({ "keep_alive": 0 })).await?;
            Ok(json!({ "model": model, "status": "unloaded" }))
        }
        "ps" => {
            let Nothing {} = read(arguments)?;
            let running = server.ps().await?;
            let rows = running.iter().map(|model| {
                json!({
                    "model": model.name,
                    "size": model.size,
                    "size_vram": model.size_vram,
                    "context_length": model.context_length,
                    "expires_at": model.expires_at,
                })
            });
            Ok(rows.collect())
        }
        _ => Err(Error::unsupported(format!("`{verb}`"))),
    }
}

/// Carries out a verb that is about the fleet, from what the engine knows: it answers with every server down.
pub(crate) fn on_fleet(verb: &str, arguments: Value, fleet: &[InstanceView]) -> Result<Value, Error> {
    match verb {
        "models" => {
            let Nothing {} = read(arguments)?;
            Ok(distribution(fleet))
        }
        _ => Err(Error::unsupported(format!("`{verb}`"))),
    }
}

/// Each model with where it is, by name.
fn distribution(fleet: &[InstanceView]) -> Value {
    let mut models: BTreeMap<String, (Value, Vec<Value>)> = BTreeMap::new();
    for view in fleet {
        for model in &view.instance.capabilities {
            let (_, places) = models
                .entry(normalise(&model.name).into_owned())
                .or_insert_with(|| {
                    let shared =
                        json!({ "model": model.name, "size": model.size, "features": model.features });
                    (shared, Vec::new())
                });
            places.push(json!({
                "instance": view.instance.id,
                "loaded": model.residency == Residency::Loaded,
                "num_ctx": model.loaded_as.get("num_ctx"),
                "digest": model.digest,
                "routable": view.routable,
            }));
        }
    }
    let rows = models.into_values().map(|(mut model, places)| {
        model["instances"] = places.into();
        model
    });
    rows.collect()
}

fn read<T: DeserializeOwned>(arguments: Value) -> Result<T, Error> {
    let arguments = if arguments.is_null() { json!({}) } else { arguments };
    serde_json::from_value(arguments).map_err(Error::from)
}
