//! Pull, delete and copy: routes about one server that here mean the fleet.

use bytes::Bytes;
use futures_util::StreamExt;
use plugin_api::host::Control;
use plugin_api::provider::Reply;
use plugin_api::{ByteStream, Context, Error, ErrorCode, Fault};
use serde::Deserialize;
use serde_json::{Value, json};

use super::peek::model_of;
use crate::LlmProvider;
use crate::error::LlmError;

/// `POST /api/pull`: progress of all instances as lines, `success` once all have it.
pub(super) async fn pull(provider: &LlmProvider, context: &Context, body: &[u8]) -> Result<Reply, LlmError> {
    #[derive(Deserialize)]
    struct Wish {
        #[serde(default = "yes")]
        stream: bool,
        #[serde(default)]
        insecure: bool,
    }
    fn yes() -> bool {
        true
    }
    let model = model_of(body)?;
    let wish: Wish = serde_json::from_slice(body)?;
    let mut arguments = json!({ "model": model });
    if wish.insecure {
        arguments["insecure"] = true.into();
    }
    let items = run(provider, context, "pull", arguments).await?;
    if wish.stream {
        return Ok(Reply::stream("application/x-ndjson", lines(items)));
    }
    finish(items).await?;
    Ok(Reply::json(&json!({ "status": "success" })))
}

/// `DELETE /api/delete`: from every instance that has it.
pub(super) async fn delete(
    provider: &LlmProvider,
    context: &Context,
    body: &[u8],
) -> Result<Reply, LlmError> {
    let model = model_of(body)?;
    let found = run(provider, context, "delete", json!({ "model": model })).await;
    finish(found.map_err(|error| missing(error, &model))?)
        .await
        .map_err(|error| missing(error, &model))?;
    Ok(Reply::text("application/json; charset=utf-8", Bytes::new()))
}

/// `POST /api/copy`: on every instance that has the source.
pub(super) async fn copy(provider: &LlmProvider, context: &Context, body: &[u8]) -> Result<Reply, LlmError> {
    #[derive(Deserialize)]
    struct Copy {
        source: String,
        destination: String,
    }
    if body.is_empty() {
        return Err(LlmError::NoBody);
    }
    let Copy { source, destination } = serde_json::from_slice(body)?;
    let found = run(
        provider,
        context,
        "copy",
        json!({ "source": source, "destination": destination }),
    )
    .await;
    finish(found.map_err(|error| missing(error, &source))?)
        .await
        .map_err(|error| missing(error, &source))?;
    Ok(Reply::text("application/json; charset=utf-8", Bytes::new()))
}

/// The host says that no instance has it; clients want to hear of the model.
fn missing(error: Error, model: &str) -> LlmError {
    let about_model = error.code == ErrorCode::NOT_FOUND && !error.details.contains_key("capability");
    if about_model {
        error.detail("capability", model)
    } else {
        error
    }
    .into()
}

async fn run(
    provider: &LlmProvider,
    context: &Context,
    verb: &str,
    arguments: Value,
) -> Result<ByteStream, Error> {
    let control = Control {
        verb: verb.to_owned(),
        arguments,
        ..Control::default()
    };
    provider.host.control(context, control).await
}

/// The verb's progress as a server would tell it, one line each; the last says how it went.
fn lines(items: ByteStream) -> ByteStream {
    items
        .filter_map(async |item| {
            let value: Value = match item.and_then(|bytes| Ok(serde_json::from_slice(&bytes)?)) {
                Ok(value) => value,
                Err(error) => return Some(Err(error)),
            };
            if let Some(progress) = value.get("progress") {
                // `success` of one instance would end the client's wait for the others.
                let early = progress.get("status").is_some_and(|status| status == "success");
                return (!early).then(|| Ok(line(progress)));
            }
            Some(outcome(&value).map(|()| line(&json!({ "status": "success" }))))
        })
        .boxed()
}

fn line(value: &Value) -> Bytes {
    Bytes::from(format!("{value}\n"))
}

/// Waits for a verb's end.
async fn finish(mut items: ByteStream) -> Result<(), Error> {
    let mut last = Value::Null;
    while let Some(item) = items.next().await {
        last = serde_json::from_slice(&item?)?;
    }
    outcome(&last)
}

/// Whether every instance did it. Where only some did, the error says which did not.
fn outcome(last: &Value) -> Result<(), Error> {
    let Some(results) = last.get("results").and_then(Value::as_object) else {
        return Err(Error::new(
            ErrorCode::INTERNAL_ERROR,
            Fault::Host,
            "the verb ended without a result",
        ));
    };
    let mut failed = results
        .iter()
        .filter_map(|(id, result)| Some((id, result.get("error")?)));
    let Some((id, first)) = failed.next() else {
        return Ok(());
    };
    let others = failed.count();
    let error: Error = serde_json::from_value(first.clone())
        .unwrap_or_else(|_| Error::new(ErrorCode::UPSTREAM_ERROR, Fault::Instance, first.to_string()));
    if results.len() == 1 {
        return Err(error);
    }
    let more = if others == 0 {
        String::new()
    } else {
        format!(", and {others} more failed")
    };
    Err(Error {
        message: format!("{id}: {}{more}", error.message),
        ..error
    })
}

/// The verb's whole result, for methods.
pub(crate) fn results(last: &Value) -> serde_json::Map<String, Value> {
    last.get("results")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_instance_that_failed_is_a_failure_that_names_it() {
        let error = Error::instance(ErrorCode::UPSTREAM_ERROR, "disk full");
        let last = json!({ "results": { "a": { "ok": null }, "b": { "error": error } } });
        assert_eq!(outcome(&last).unwrap_err().message, "b: disk full");
        assert!(outcome(&json!({ "results": { "a": { "ok": null } } })).is_ok());
        assert!(outcome(&json!({})).is_err());
    }

    #[test]
    fn a_body_may_call_the_model_by_its_older_key() {
        assert_eq!(model_of(br#"{"name":"m"}"#).unwrap(), "m");
        assert!(model_of(b"").is_err());
    }
}
