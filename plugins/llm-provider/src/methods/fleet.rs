//! Methods about models and where they are.

use futures_util::StreamExt;
use plugin_api::contract::instance::Residency;
use plugin_api::host::{Control, Selection};
use plugin_api::provider::Reply;
use plugin_api::{Context, Error};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::LlmProvider;
use crate::error::LlmError;
use crate::surface::{Fleet, results};

/// Answers `llm/list_models`.
pub(super) async fn list(provider: &LlmProvider, context: &Context) -> Result<Reply, LlmError> {
    let fleet = Fleet::look(provider, context).await?;
    let found = fleet.models(None);
    let models: Vec<Value> = found
        .values()
        .map(|listed| {
            json!({
                "name": listed.name,
                "size": listed.best.size,
                "digest": listed.best.digest,
                "capabilities": listed.best.features,
                "loaded": !listed.loaded.is_empty(),
                "instances": listed.instances,
            })
        })
        .collect();
    let distribution: Map<String, Value> = found
        .values()
        .map(|listed| (listed.name.to_owned(), json!(listed.instances)))
        .collect();
    let instances: Vec<Value> = fleet
        .views
        .iter()
        .map(|view| {
            let loaded = view
                .instance
                .capabilities
                .iter()
                .filter(|held| held.residency == Residency::Loaded);
            json!({
                "id": view.instance.id,
                "hub": view.hub,
                "endpoint": view.instance.endpoint.as_ref().map(|endpoint| &endpoint.url),
                "status": view.state,
                "routable": view.routable,
                "reason": view.reason,
                "in_flight": view.in_flight,
                "models": view.instance.capabilities.iter().map(|held| &held.name).collect::<Vec<_>>(),
                "loaded": loaded.map(|held| &held.name).collect::<Vec<_>>(),
            })
        })
        .collect();
    let capacity: Option<u32> = fleet.views.iter().map(|view| view.instance.max_concurrent).sum();
    Ok(Reply::json(&json!({
        "models": models,
        "model_distribution": distribution,
        "instances": instances,
        "total_capacity": capacity,
    })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    model: String,
    instance_ids: Option<Vec<String>>,
    tags: Option<Vec<String>>,
    count: Option<u32>,
}

/// Answers `llm/pull_model` and `llm/delete_model`.
pub(super) async fn change(
    provider: &LlmProvider,
    context: &Context,
    verb: &str,
    stream: bool,
    params: &[u8],
) -> Result<Reply, LlmError> {
    let change: Change = serde_json::from_slice(params)?;
    let selection = match (
        change.instance_ids,
        change.tags.and_then(|tags| tags.into_iter().next()),
        change.count,
    ) {
        (None, None, None) => None,
        (Some(ids), None, None) => Some(Selection::Instances(ids)),
        (None, Some(tag), None) => Some(Selection::Tag(tag)),
        (None, None, Some(count)) => Some(Selection::Count(count)),
        _ => {
            return Err(LlmError::Invalid(
                "name the instances in one way: instance_ids, tags or count".into(),
            ));
        }
    };
    let control = Control {
        verb: verb.to_owned(),
        arguments: json!({ "model": change.model }),
        selection,
        ..Control::default()
    };
    let mut items = provider.host.control(context, control).await?;
    let model = change.model;
    if stream {
        let told = items.map(move |item| {
            let value: Value = serde_json::from_slice(&item?)?;
            let out = if value.get("results").is_some() {
                outcome(&model, &value)
            } else {
                value
            };
            Ok(bytes::Bytes::from(out.to_string()))
        });
        return Ok(Reply::stream("application/json", told.boxed()));
    }
    let mut last = Value::Null;
    while let Some(item) = items.next().await {
        last = serde_json::from_slice(&item?).map_err(Error::from)?;
    }
    Ok(Reply::json(&outcome(&model, &last)))
}

fn outcome(model: &str, last: &Value) -> Value {
    let results = results(last);
    let worked: Map<String, Value> = results
        .iter()
        .map(|(id, result)| (id.clone(), result.get("error").is_none().into()))
        .collect();
    let errors: Map<String, Value> = results
        .iter()
        .filter_map(|(id, result)| Some((id.clone(), result.pointer("/error/message")?.clone())))
        .collect();
    json!({
        "success": !results.is_empty() && errors.is_empty(),
        "model": model,
        "results": worked,
        "errors": errors,
    })
}
