//! What a probe finds is what is true of the server.

use std::time::Duration;

use crate::support::{capabilities, context, control, hub, instance, loaded, refreshed, until};
use fakes::Fault;
use fakes::ollama::{FakeModel, FakeOllama};
use plugin_api::contract::instance::{InstanceSettings, Residency};
use plugin_api::{Error, ErrorCode, Hub};
use serde_json::json;

#[tokio::test]
async fn it_names_every_model_with_what_is_known_of_it() {
    let fake = FakeOllama::builder()
        .model(FakeModel::new("llama3.2").vision().context(8192).size(2_000))
        .loaded_model(
            FakeModel::new("nomic-embed-text")
                .embedding(4)
                .size(1_000)
                .vram(600),
        )
        .start()
        .await
        .unwrap();
    let hub = hub();
    let instance = instance(&hub, &fake.url());
    let probe = hub.clone().probe(context(), instance).await.unwrap();
    assert_eq!(probe.version.as_deref(), Some("0.33.0"));
    assert_eq!(probe.gauges["models_on_disk"], 2.0);
    assert_eq!(probe.gauges["models_loaded"], 1.0);
    assert_eq!(probe.gauges["loaded_vram_bytes"], 600.0);

    let models = probe.capabilities.unwrap();
    let llama = models
        .iter()
        .find(|model| model.name == "llama3.2:latest")
        .unwrap();
    assert_eq!(llama.residency, Residency::Stored);
    let features: Vec<_> = llama.features.iter().collect();
    assert_eq!(features, ["completion", "tools", "vision"]);
    assert_eq!(llama.size, Some(2_000));
    assert_eq!(llama.digest.as_ref().map(String::len), Some(64));
    assert_eq!(llama.metadata["context_length"], 8192);
    assert!(llama.metadata["modified_at"].is_string());
    assert!(llama.metadata["details"]["family"].is_string());

    let embed = models
        .iter()
        .find(|model| model.name == "nomic-embed-text:latest")
        .unwrap();
    assert_eq!(embed.residency, Residency::Loaded);
    assert_eq!(embed.loaded_as["num_ctx"], 4096);
    assert_eq!(embed.metadata["size_vram"], 600);
    assert!(embed.metadata["expires_at"].is_string());
}

#[tokio::test]
async fn residency_is_true_after_a_load_and_after_an_unload() {
    let fake = FakeOllama::builder().model("m").start().await.unwrap();
    let hub = hub();
    let instance = instance(&hub, &fake.url());
    assert!(loaded(&capabilities(&hub, &instance).await).is_empty());

    let load = json!({ "model": "m", "options": { "num_ctx": 8192 } });
    control(&hub, &instance, "load", load).await.0.unwrap();
    let models = refreshed(&hub, &instance).await;
    assert_eq!(loaded(&models), ["m:latest"]);
    assert_eq!(models[0].loaded_as["num_ctx"], 8192);

    control(&hub, &instance, "unload", json!({ "model": "m" }))
        .await
        .0
        .unwrap();
    assert!(loaded(&refreshed(&hub, &instance).await).is_empty());
}

#[tokio::test]
async fn a_refresh_asks_for_nothing_but_what_is_in_memory() {
    let fake = FakeOllama::builder().loaded_model("m").start().await.unwrap();
    let hub = hub();
    let instance = instance(&hub, &fake.url());
    capabilities(&hub, &instance).await;
    fake.forget_requests();
    assert_eq!(loaded(&refreshed(&hub, &instance).await), ["m:latest"]);
    let paths: Vec<_> = fake.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/api/ps"]);
}

#[tokio::test]
async fn a_refresh_learns_of_a_model_that_others_pulled_and_use() {
    let fake = FakeOllama::builder().model("m").start().await.unwrap();
    let hub = hub();
    let instance = instance(&hub, &fake.url());
    capabilities(&hub, &instance).await;
    fake.install("new");
    control(&hub, &instance, "load", json!({ "model": "new" }))
        .await
        .0
        .unwrap();
    assert_eq!(loaded(&refreshed(&hub, &instance).await), ["new:latest"]);
}

#[tokio::test]
async fn two_names_of_one_build_share_its_place_in_memory() {
    let fake = FakeOllama::builder().loaded_model("m").start().await.unwrap();
    let hub = hub();
    let instance = instance(&hub, &fake.url());
    let copy = json!({ "source": "m", "destination": "gpt-4" });
    control(&hub, &instance, "copy", copy).await.0.unwrap();
    let models = capabilities(&hub, &instance).await;
    let mut names = loaded(&models);
    names.sort_unstable();
    assert_eq!(names, ["gpt-4:latest", "m:latest"]);
}

#[tokio::test]
async fn an_old_server_is_asked_about_each_model_once() {
    let fake = FakeOllama::builder()
        .model(FakeModel::new("m").vision().context(8192))
        .start()
        .await
        .unwrap();
    let old = json!({ "models": [{ "name": "m:latest", "digest": "d1", "details": { "family": "llama" } }] });
    fake.fail_on(
        "/api/tags",
        Fault::Status {
            code: 200,
            body: old.to_string(),
        },
    );
    let hub = hub();
    let instance = instance(&hub, &fake.url());
    for _ in 0..3 {
        let models = capabilities(&hub, &instance).await;
        assert!(models[0].features.contains("vision"));
        assert_eq!(models[0].metadata["context_length"], 8192);
    }
    assert_eq!(fake.requests_to("/api/show").len(), 1);
}

#[tokio::test]
async fn a_server_without_models_says_null_and_has_none() {
    let fake = FakeOllama::builder().start().await.unwrap();
    fake.fail_on(
        "/api/tags",
        Fault::Status {
            code: 200,
            body: r#"{"models":null}"#.into(),
        },
    );
    let hub = hub();
    assert!(capabilities(&hub, &instance(&hub, &fake.url())).await.is_empty());
}

#[tokio::test]
async fn something_that_is_no_ollama_is_told_so() {
    for (path, body) in [
        ("/api/tags", "[]"),
        ("/api/tags", "{}"),
        ("/api/tags", r#"{"models":[{"size":1}]}"#),
        ("/api/tags", r#"{"models":"#),
        ("/api/version", "<html>"),
        ("/api/ps", r#"{"models":7}"#),
    ] {
        let fake = FakeOllama::builder().model("m").start().await.unwrap();
        fake.fail_on(
            path,
            Fault::Status {
                code: 200,
                body: body.into(),
            },
        );
        let hub = hub();
        let found = hub.clone().probe(context(), instance(&hub, &fake.url())).await;
        let error = Error::from(found.unwrap_err());
        assert_eq!(error.code, ErrorCode::UPSTREAM_ERROR, "{body}");
        assert!(
            error.message.contains(path) && error.message.contains("makes no sense"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn bytes_that_are_not_http_fail_the_probe() {
    let fake = FakeOllama::builder().start().await.unwrap();
    fake.fail(Fault::Garbage);
    let hub = hub();
    let error = Error::from(
        hub.clone()
            .probe(context(), instance(&hub, &fake.url()))
            .await
            .unwrap_err(),
    );
    assert_eq!(error.code, ErrorCode::STREAM_BROKEN);
}

#[tokio::test]
async fn a_hanging_server_is_left_when_the_engine_gives_up() {
    let fake = FakeOllama::builder().start().await.unwrap();
    fake.fail(Fault::HangBeforeHeaders);
    let hub = hub();
    let probe = hub.clone().probe(context(), instance(&hub, &fake.url()));
    assert!(
        tokio::time::timeout(Duration::from_millis(200), probe)
            .await
            .is_err()
    );
    until("the server sees us leave", async || fake.in_flight() == 0).await;
}

#[tokio::test]
async fn a_host_name_that_the_server_does_not_accept_is_for_the_operator() {
    let fake = FakeOllama::builder().start().await.unwrap();
    fake.fail(Fault::Status {
        code: 403,
        body: String::new(),
    });
    let hub = hub();
    let error = Error::from(
        hub.clone()
            .probe(context(), instance(&hub, &fake.url()))
            .await
            .unwrap_err(),
    );
    assert_eq!(error.code, ErrorCode::CONFIGURATION);
    assert!(error.hint.unwrap().contains("localhost"));
}

#[tokio::test]
async fn the_host_header_is_the_address_so_the_rebinding_guard_lets_us_in() {
    let fake = FakeOllama::builder()
        .checking_host()
        .model("m")
        .start()
        .await
        .unwrap();
    let hub = hub();
    assert_eq!(capabilities(&hub, &instance(&hub, &fake.url())).await.len(), 1);
}

#[tokio::test]
async fn a_key_goes_with_every_request_of_its_instance() {
    let fake = FakeOllama::builder().model("m").start().await.unwrap();
    let key = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&key, "sk-1\n").unwrap();
    let hub = hub();
    let config = json!({ "key_file": key.path() });
    let settings = InstanceSettings {
        url: fake.url(),
        config: config.as_object().unwrap().clone(),
        ..InstanceSettings::default()
    };
    let instance = hub.adopt(settings).unwrap();
    assert!(!format!("{:?}", instance.metadata).contains("sk-1"));
    hub.clone().probe(context(), instance.into()).await.unwrap();
    for request in fake.requests() {
        assert_eq!(request.header("authorization"), "Bearer sk-1", "{}", request.path);
    }
}

#[tokio::test]
async fn connections_are_used_again() {
    let fake = FakeOllama::builder().model("m").start().await.unwrap();
    let hub = hub();
    let instance = instance(&hub, &fake.url());
    capabilities(&hub, &instance).await;
    // A probe asks three things at once.
    let open = fake.connections();
    assert!(open <= 3, "{open}");
    for _ in 0..5 {
        refreshed(&hub, &instance).await;
    }
    assert_eq!(fake.connections(), open);
}
