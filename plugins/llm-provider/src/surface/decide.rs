//! Forward or work, for each route.

use plugin_api::contract::reference::normalise;
use plugin_api::contract::requirement::Requirement;
use plugin_api::provider::{BodyPlan, Decision, Forward};
use serde_json::{Value, json};

use super::peek::Peek;
use crate::config::Aliases;
use crate::error::LlmError;

/// How a route is forwarded.
struct Plan {
    relay: &'static str,
    /// Dialects of instances that understand it as it is.
    dialects: &'static [&'static str],
    /// Whether runner options of the body matter.
    options: bool,
}

const NATIVE: &[&str] = &["ollama"];
const EITHER: &[&str] = &["openai"];

fn plan(route: &str) -> Option<Plan> {
    let plan = |relay, dialects, options| {
        Some(Plan {
            relay,
            dialects,
            options,
        })
    };
    match route {
        "generate" => plan("generate", NATIVE, true),
        "chat" => plan("chat", NATIVE, true),
        "embed" | "embeddings" => plan("embed", NATIVE, true),
        "show" => plan("show", NATIVE, false),
        "openai-chat" => plan("openai-chat", EITHER, false),
        "openai-completions" => plan("openai-completions", EITHER, false),
        "openai-embeddings" => plan("openai-embeddings", EITHER, false),
        _ => None,
    }
}

/// Forward or work? Reads no more of the body than it must.
pub(crate) fn decide(aliases: &Aliases, route: &str, body: &[u8]) -> Result<Decision, LlmError> {
    let Some(plan) = plan(route) else {
        return Ok(Decision::Work);
    };
    let peek = Peek::read(body)?;
    let (asked, place) = peek.model(body)?;
    let alias = aliases.model(&asked);
    let model = alias.unwrap_or(&asked);
    if model.trim().is_empty() {
        return Err(LlmError::NoModel);
    }
    let mut requirement = Requirement {
        capability: Some(normalise(model).into_owned()),
        dialects: plan.dialects.iter().map(|&dialect| dialect.to_owned()).collect(),
        ..Requirement::default()
    };
    if plan.options {
        shape(&mut requirement, &peek);
        requirement.admin = matches!(route, "generate" | "chat") && peek.unloads(body);
    }
    let (body, rename) = match alias {
        None => (BodyPlan::Unchanged, None),
        Some(model) => {
            let with = Value::from(model).to_string();
            (
                BodyPlan::Splice {
                    start: place.start,
                    end: place.end,
                    with,
                },
                Some(asked.clone()),
            )
        }
    };
    Ok(Decision::Forward(Box::new(Forward {
        requirement,
        path: None,
        body,
        relay: Some(plan.relay.into()),
        rename,
    })))
}

/// An explicit context length makes any server that has the model loaded otherwise load it again: prefer one that
/// need not, and load it so where it is not loaded at all.
fn shape(requirement: &mut Requirement, peek: &Peek<'_>) {
    let options = peek.runner_options();
    if let Some(context) = options.get("num_ctx").and_then(Value::as_i64) {
        requirement.prefer.insert("num_ctx".into(), context);
    }
    let keep_alive = peek.keep_alive();
    if !options.is_empty() || keep_alive.is_some() {
        let mut hint = json!({ "options": options });
        if let Some(keep_alive) = keep_alive {
            hint["keep_alive"] = keep_alive;
        }
        requirement.prepare = Some(hint);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    fn aliases() -> Aliases {
        let aliases = [("gpt-4o".to_owned(), "llama3.2:3b".to_owned())].into();
        Aliases::new(&Config {
            aliases,
            ..Config::default()
        })
    }

    fn forward(route: &str, body: &str) -> Forward {
        match decide(&aliases(), route, body.as_bytes()) {
            Ok(Decision::Forward(forward)) => *forward,
            other => panic!("expected a forward, got {other:?}"),
        }
    }

    #[test]
    fn a_request_goes_untouched_to_an_instance_that_speaks_its_dialect() {
        let forward = forward("chat", r#"{"model":"Llama3.2","messages":[]}"#);
        assert_eq!(forward.requirement.capability.as_deref(), Some("llama3.2:latest"));
        assert_eq!(forward.requirement.dialects, ["ollama"]);
        assert_eq!(forward.body, BodyPlan::Unchanged);
        assert_eq!(forward.rename, None);
    }

    #[test]
    fn an_alias_changes_only_the_models_own_bytes() {
        let body = r#"{ "x" : "gpt-4o", "model" : "gpt-4o" , "messages" : [] }"#;
        let forward = forward("openai-chat", body);
        let BodyPlan::Splice { start, end, with } = forward.body else {
            panic!("expected a splice")
        };
        assert_eq!(&body[start..end], "\"gpt-4o\"");
        assert!(start > 20, "the first one is not the model");
        assert_eq!(with, "\"llama3.2:3b\"");
        assert_eq!(forward.rename.as_deref(), Some("gpt-4o"));
    }

    #[test]
    fn an_explicit_context_length_shapes_choice_and_load() {
        let forward = forward(
            "generate",
            r#"{"model":"m","prompt":"p","options":{"num_ctx":8192,"temperature":0}}"#,
        );
        assert_eq!(forward.requirement.prefer, [("num_ctx".to_owned(), 8192)].into());
        assert_eq!(
            forward.requirement.prepare,
            Some(json!({ "options": { "num_ctx": 8192 } }))
        );
    }

    #[test]
    fn taking_a_model_out_of_memory_is_an_administrators_matter_and_a_request_is_not() {
        let unloading = [
            ("generate", r#"{"model":"m","keep_alive":0}"#),
            ("generate", r#"{"model":"m","prompt":"","keep_alive":"0s"}"#),
            ("generate", r#"{"model":"m","prompt":null,"keep_alive":0}"#),
            ("chat", r#"{"model":"m","messages":[],"keep_alive":0}"#),
            ("chat", r#"{"model":"m","keep_alive":0}"#),
        ];
        for (route, body) in unloading {
            assert!(forward(route, body).requirement.admin, "{route} {body}");
        }
        let ordinary = [
            ("generate", r#"{"model":"m","prompt":"hi","keep_alive":0}"#),
            (
                "chat",
                r#"{"model":"m","messages":[{"role":"user","content":""}],"keep_alive":0}"#,
            ),
            ("generate", r#"{"model":"m","prompt":""}"#),
            ("generate", r#"{"model":"m","keep_alive":"5m"}"#),
            ("embed", r#"{"model":"m","input":"x","keep_alive":0}"#),
        ];
        for (route, body) in ordinary {
            assert!(!forward(route, body).requirement.admin, "{route} {body}");
        }
    }

    #[test]
    fn bodies_without_a_model_are_refused_in_words() {
        let refused = |body: &str| {
            decide(&aliases(), "chat", body.as_bytes())
                .unwrap_err()
                .to_string()
        };
        assert_eq!(refused(""), "missing request body");
        assert_eq!(refused("{}"), "model is required");
        assert_eq!(refused(r#"{"model":7}"#), "model must be a string");
        assert!(refused("{\"model\":").contains("line 1 column"));
        assert!(refused("[1,2]").contains("invalid"));
    }

    #[test]
    fn the_older_key_counts_where_the_newer_is_empty_as_the_stock_client_sends_them() {
        for body in [
            r#"{"model":"","name":"llama3.2"}"#,
            r#"{"name":"","model":"llama3.2"}"#,
            r#"{"name":"llama3.2"}"#,
        ] {
            assert_eq!(
                forward("show", body).requirement.capability.as_deref(),
                Some("llama3.2:latest"),
                "{body}"
            );
        }
    }

    #[test]
    fn lists_are_answered_here() {
        assert_eq!(decide(&aliases(), "tags", b"").unwrap(), Decision::Work);
    }

    #[test]
    fn no_body_can_make_it_panic() {
        for body in [
            "\u{0}",
            "\"\"",
            "{\"model\":\"\\ud800\"}",
            "{\"model\":\"a\",\"options\":[]}",
            "{\"model\":\"a\",\"model\":\"b\"}",
        ] {
            let _ = decide(&aliases(), "chat", body.as_bytes());
        }
        let _ = decide(&aliases(), "chat", &[0xff, 0xfe]);
        let _ = decide(&aliases(), "chat", "[".repeat(200_000).as_bytes());
    }
}
