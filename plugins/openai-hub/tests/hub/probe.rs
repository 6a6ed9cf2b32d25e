//! What a probe finds.

use fakes::Fault;
use fakes::openai::FakeOpenai;
use plugin_api::contract::instance::{Capability, Residency};
use plugin_api::{Error, ErrorCode};
use serde_json::{Value, json};

use crate::{adopt, context, hub};

async fn probed(url: &str, config: Value) -> Result<Vec<Capability>, Error> {
    let hub = hub();
    let instance = adopt(&hub, url, config).unwrap();
    let probe = hub.probe(&context(), &instance).await?;
    Ok(probe.capabilities.unwrap())
}

/// A server that lists its models in these words.
async fn listing(answer: &Value) -> FakeOpenai {
    let fake = FakeOpenai::builder().start().await.unwrap();
    let body = answer.to_string();
    fake.fail_on("/v1/models", Fault::Status { code: 200, body });
    fake
}

fn names(models: &[Capability]) -> Vec<&str> {
    models.iter().map(|model| model.name.as_str()).collect()
}

#[tokio::test]
async fn listed_models_are_in_memory_and_may_try_anything() {
    let fake = FakeOpenai::builder()
        .model("Qwen/Qwen3-8B")
        .model("e5")
        .start()
        .await
        .unwrap();
    let models = probed(&fake.base_url(), json!({})).await.unwrap();
    assert_eq!(names(&models), ["Qwen/Qwen3-8B", "e5"]);
    assert!(
        models
            .iter()
            .all(|model| model.residency == Residency::Loaded && model.features.is_empty())
    );
}

#[tokio::test]
async fn each_kind_of_server_tells_its_context_in_its_own_way() {
    for (model, context) in [
        (json!({ "id": "m", "max_model_len": 8192 }), 8192),
        (
            json!({ "id": "m", "meta": { "n_ctx": 4096, "n_ctx_train": 131_072 } }),
            4096,
        ),
        (json!({ "id": "m", "meta": { "n_ctx_train": 131_072 } }), 131_072),
        (json!({ "id": "m", "context_length": 32_768 }), 32_768),
        (json!({ "id": "m", "context_window": 65_536 }), 65_536),
    ] {
        let fake = listing(&json!({ "object": "list", "data": [model] })).await;
        let models = probed(&fake.url(), json!({})).await.unwrap();
        assert_eq!(models[0].metadata["context_length"], context, "{model}");
    }
}

#[tokio::test]
async fn a_bare_list_and_a_null_one_are_lists_too() {
    let bare = listing(&json!([{ "id": "m" }])).await;
    assert_eq!(names(&probed(&bare.url(), json!({})).await.unwrap()), ["m"]);
    let none = listing(&json!({ "object": "list", "data": null })).await;
    assert!(probed(&none.url(), json!({})).await.unwrap().is_empty());
}

#[tokio::test]
async fn something_else_than_a_list_is_told_so() {
    for answer in [
        json!({ "error": "no" }),
        json!({ "data": {} }),
        json!({ "data": [{ "name": "m" }] }),
        json!({ "data": [{ "id": "" }] }),
        json!("hello"),
        json!(null),
    ] {
        let fake = listing(&answer).await;
        let error = probed(&fake.url(), json!({})).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::UPSTREAM_ERROR, "{answer}");
        assert!(error.message.contains("/v1/models"), "{error}");
    }
}

#[tokio::test]
async fn a_wrong_key_is_for_the_operator_to_mend() {
    let fake = FakeOpenai::builder()
        .model("m")
        .key("right")
        .start()
        .await
        .unwrap();
    let error = probed(&fake.base_url(), json!({})).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::CONFIGURATION);
    assert!(error.hint.unwrap().contains("key"));
}

#[tokio::test]
async fn the_right_key_opens() {
    let fake = FakeOpenai::builder()
        .model("m")
        .key("right")
        .start()
        .await
        .unwrap();
    let key = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&key, "right\n").unwrap();
    let models = probed(&fake.base_url(), json!({ "key_file": key.path() }))
        .await
        .unwrap();
    assert_eq!(names(&models), ["m"]);
}

#[tokio::test]
async fn an_api_in_another_place_is_probed_where_it_is() {
    let fake = FakeOpenai::builder()
        .prefix("/v1beta/openai")
        .model("m")
        .start()
        .await
        .unwrap();
    let models = probed(&fake.base_url(), json!({ "v1": false })).await.unwrap();
    assert_eq!(names(&models), ["m"]);
}

#[tokio::test]
async fn only_the_models_that_the_operator_named_are_offered() {
    let fake = FakeOpenai::builder().model("a").model("b").start().await.unwrap();
    let models = probed(&fake.base_url(), json!({ "models": ["b", "c"] }))
        .await
        .unwrap();
    assert_eq!(names(&models), ["b"]);
}

#[tokio::test]
async fn a_server_that_lists_nothing_needs_its_models_named() {
    let fake = FakeOpenai::builder().start().await.unwrap();
    fake.fail_on(
        "/v1/models",
        Fault::Status {
            code: 404,
            body: "{}".into(),
        },
    );
    let error = probed(&fake.base_url(), json!({})).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::CONFIGURATION);
    assert!(error.hint.unwrap().contains("name its models"));
    let models = probed(&fake.base_url(), json!({ "models": ["a"] }))
        .await
        .unwrap();
    assert_eq!(names(&models), ["a"]);
}

#[tokio::test]
async fn where_there_is_a_health_path_it_has_its_say() {
    let fake = FakeOpenai::builder().model("m").start().await.unwrap();
    let config = json!({ "health": "/health" });
    assert_eq!(probed(&fake.base_url(), config.clone()).await.unwrap().len(), 1);
    let loading = json!({ "error": { "message": "Loading model" } }).to_string();
    fake.fail_on(
        "/health",
        Fault::Status {
            code: 503,
            body: loading,
        },
    );
    let error = probed(&fake.base_url(), config).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::OVERLOADED);
    assert!(error.message.contains("Loading model"), "{error}");
}

#[tokio::test]
async fn nobody_there_is_a_failure_to_connect() {
    let fake = FakeOpenai::builder().start().await.unwrap();
    fake.fail(Fault::Refuse);
    let error = probed(&fake.base_url(), json!({})).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::CONNECTION_FAILED);
}
