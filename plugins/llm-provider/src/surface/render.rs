//! Failures in the dialect of the route they happened on.

use plugin_api::provider::{Phase, Rendered};
use plugin_api::{Error, ErrorCode};
use serde_json::{Value, json};

/// Renders a failure.
pub(crate) fn render(route: &str, phase: Phase, error: &Error) -> Rendered {
    match (route.starts_with("openai-"), phase) {
        (false, Phase::Before) => Rendered::json(error.http_status(), &native(route, error)),
        (false, Phase::Streaming) => frame(format!("{}\n", native(route, error))),
        (true, Phase::Before) => Rendered::json(error.http_status(), &openai(error)),
        (true, Phase::Streaming) => frame(format!("data: {}\n\n", openai(error))),
    }
}

fn frame(text: String) -> Rendered {
    Rendered {
        status: 200,
        content_type: String::new(),
        body: text.into(),
    }
}

fn native(route: &str, error: &Error) -> Value {
    let missing = missing_model(error);
    // The embedding routes have words of their own for it, and clients look for them.
    let message = match (missing, route) {
        (Some(model), "embed" | "embeddings") => format!("model \"{model}\" not found, try pulling it first"),
        (Some(model), "copy") => format!("model \"{model}\" not found"),
        (Some(model), _) => format!("model '{model}' not found"),
        (None, _) => sentence(error),
    };
    json!({ "error": message })
}

fn openai(error: &Error) -> Value {
    let status = error.http_status();
    let kind = match status {
        400 | 413 | 422 => "invalid_request_error",
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        _ => "api_error",
    };
    let missing = missing_model(error);
    let code = match (&missing, error.code) {
        (Some(_), _) => Value::from("model_not_found"),
        (None, code) => code
            .name()
            .map_or(Value::Null, |name| Value::from(name.to_lowercase())),
    };
    let message = missing.map_or_else(|| sentence(error), |model| format!("model '{model}' not found"));
    json!({ "error": { "message": message, "type": kind, "param": null, "code": code } })
}

/// The model that no instance has.
fn missing_model(error: &Error) -> Option<String> {
    if error.code != ErrorCode::NOT_FOUND {
        return None;
    }
    let name = error.details.get("capability")?.as_str()?;
    Some(name.strip_suffix(":latest").unwrap_or(name).to_owned())
}

/// What happened, and what to do next.
fn sentence(error: &Error) -> String {
    match &error.hint {
        Some(hint) => format!("{} ({hint})", error.message),
        None => error.message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use plugin_api::Fault;

    use super::*;

    fn text(route: &str, phase: Phase, error: &Error) -> String {
        String::from_utf8(render(route, phase, error).body.to_vec()).expect("UTF-8")
    }

    fn missing() -> Error {
        Error::not_found("no instance has it").detail("capability", "m:latest")
    }

    #[test]
    fn a_missing_model_is_told_in_the_servers_own_words() {
        assert_eq!(
            text("chat", Phase::Before, &missing()),
            r#"{"error":"model 'm' not found"}"#
        );
        assert_eq!(
            text("embed", Phase::Before, &missing()),
            r#"{"error":"model \"m\" not found, try pulling it first"}"#
        );
        let openai: Value =
            serde_json::from_str(&text("openai-chat", Phase::Before, &missing())).expect("JSON");
        assert_eq!(openai["error"]["type"], "not_found_error");
        assert_eq!(openai["error"]["code"], "model_not_found");
        assert_eq!(openai["error"]["param"], Value::Null);
    }

    #[test]
    fn a_failure_in_a_stream_is_one_more_frame() {
        let error = Error::new(ErrorCode::STREAM_BROKEN, Fault::Instance, "broke");
        assert_eq!(
            text("generate", Phase::Streaming, &error),
            "{\"error\":\"broke\"}\n"
        );
        let event = text("openai-chat", Phase::Streaming, &error);
        assert!(
            event.starts_with("data: {") && event.ends_with("}\n\n"),
            "{event}"
        );
    }
}
