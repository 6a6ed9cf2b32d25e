//! Pulling, loading, copying and deleting, and what becomes of failures.

use std::sync::Arc;
use std::time::Duration;

use crate::support::{capabilities, context, control, hub, hub_of, instance, quiet, until};
use fakes::Fault;
use fakes::ollama::{FakeModel, FakeOllama};
use plugin_api::hub::Progress;
use plugin_api::testing::TestHost;
use plugin_api::{Error, ErrorCode, Fault as Whose, Hub};
use serde_json::json;

#[tokio::test]
async fn a_pull_reports_each_step_and_ends_with_the_model_there() {
    let fake = FakeOllama::builder()
        .pullable(FakeModel::new("m").size(4_000))
        .start()
        .await
        .unwrap();
    let hub = hub();
    let instance = instance(&hub, &fake.url());
    let (result, reports) = control(&hub, &instance, "pull", json!({ "model": "m" })).await;
    assert_eq!(result.unwrap(), json!({ "model": "m", "status": "success" }));
    assert_eq!(reports.first().unwrap()["status"], "pulling manifest");
    assert_eq!(reports.last().unwrap()["status"], "success");
    assert!(
        reports
            .iter()
            .any(|report| report["completed"] == 4_000 && report["total"] == 4_000)
    );
    assert_eq!(capabilities(&hub, &instance).await[0].name, "m:latest");
}

#[tokio::test]
async fn a_pull_of_an_unknown_model_fails_though_the_answer_is_200() {
    let fake = FakeOllama::builder().start().await.unwrap();
    let hub = hub();
    let instance = instance(&hub, &fake.url());
    let (result, _) = control(&hub, &instance, "pull", json!({ "model": "bogus" })).await;
    let error = result.unwrap_err();
    assert_eq!((error.code, error.fault), (ErrorCode::NOT_FOUND, Whose::Client));
    assert!(error.message.contains("file does not exist"), "{error}");
    assert!(
        capabilities(&hub, &instance).await.is_empty(),
        "no bogus model is routed to"
    );
}

#[tokio::test]
async fn a_pull_that_breaks_off_is_no_success() {
    for (fault, code) in [
        (Fault::CutAfter(3), ErrorCode::STREAM_BROKEN),
        (Fault::EndAfter(3), ErrorCode::STREAM_BROKEN),
        (Fault::ErrorLineAfter(3), ErrorCode::UPSTREAM_ERROR),
        (Fault::InvalidJson, ErrorCode::UPSTREAM_ERROR),
        (Fault::Error500, ErrorCode::UPSTREAM_ERROR),
    ] {
        let fake = FakeOllama::builder().pullable("m").start().await.unwrap();
        fake.fail_on("/api/pull", fault.clone());
        let hub = hub();
        let instance = instance(&hub, &fake.url());
        let error = control(&hub, &instance, "pull", json!({ "model": "m" }))
            .await
            .0
            .unwrap_err();
        assert_eq!(
            (error.code, error.fault),
            (code, Whose::Instance),
            "{fault:?}: {error}"
        );
    }
}

#[tokio::test]
async fn a_pull_that_nobody_wants_any_more_ends_at_the_server() {
    let fake = FakeOllama::builder()
        .pullable("m")
        .progress_delay(Duration::from_secs(60))
        .start()
        .await
        .unwrap();
    let hub = hub();
    let (progress, mut reports) = Progress::channel();
    let arguments = json!({ "model": "m" });
    let pull = tokio::spawn(hub.clone().control(
        context(),
        "pull".into(),
        arguments,
        Some(instance(&hub, &fake.url())),
        progress,
    ));
    reports.recv().await.unwrap();
    pull.abort();
    until("the server sees us leave", async || {
        fake.requests_to("/api/pull")
            .iter()
            .all(|request| request.disconnected())
    })
    .await;
    assert!(fake.on_disk().is_empty());
}

#[tokio::test]
async fn preparing_loads_with_the_options_of_the_request() {
    let fake = FakeOllama::builder().model("m").start().await.unwrap();
    let hub = hub();
    let instance = instance(&hub, &fake.url());
    capabilities(&hub, &instance).await;
    let hint = json!({ "options": { "num_ctx": 8192 }, "keep_alive": "10m" });
    hub.clone()
        .prepare(context(), instance, "m:latest".into(), Some(hint))
        .await
        .unwrap();
    assert_eq!(fake.loads(), [("m:latest".to_owned(), 8192)]);
    let sent = fake.requests_to("/api/generate")[0].json();
    assert_eq!(sent["keep_alive"], "10m");
    assert_eq!(sent["prompt"], "");
}

#[tokio::test]
async fn preparing_in_any_spelling_pulls_nothing_that_is_there() {
    for spelling in ["llama3.2", "Llama3.2:latest", "library/llama3.2", "LLAMA3.2"] {
        let fake = FakeOllama::builder().model("Llama3.2").start().await.unwrap();
        let hub = hub();
        let instance = instance(&hub, &fake.url());
        hub.clone()
            .prepare(context(), instance, spelling.into(), None)
            .await
            .unwrap();
        assert!(fake.requests_to("/api/pull").is_empty(), "{spelling}");
        assert_eq!(fake.loaded().len(), 1, "{spelling}");
    }
}

#[tokio::test]
async fn preparing_pulls_what_is_absent_and_then_loads_it() {
    let fake = FakeOllama::builder().pullable("m").start().await.unwrap();
    let hub = hub();
    let instance = instance(&hub, &fake.url());
    capabilities(&hub, &instance).await;
    hub.clone()
        .prepare(context(), instance, "m:latest".into(), None)
        .await
        .unwrap();
    assert_eq!(fake.loaded(), ["m:latest"]);
}

#[tokio::test]
async fn a_model_that_was_known_and_is_gone_is_not_pulled_unasked() {
    let fake = FakeOllama::builder()
        .model("m")
        .pullable("m")
        .start()
        .await
        .unwrap();
    let hub = hub();
    let instance = instance(&hub, &fake.url());
    capabilities(&hub, &instance).await;
    control(&hub, &instance, "delete", json!({ "model": "m" }))
        .await
        .0
        .unwrap();
    let prepared = hub
        .clone()
        .prepare(context(), instance, "m:latest".into(), None)
        .await;
    assert_eq!(Error::from(prepared.unwrap_err()).code, ErrorCode::NOT_FOUND);
    assert!(fake.requests_to("/api/pull").is_empty());
}

#[tokio::test]
async fn a_model_that_only_embeds_is_loaded_by_embedding_nothing() {
    let fake = FakeOllama::builder()
        .model(FakeModel::new("e").embedding(4))
        .start()
        .await
        .unwrap();
    let hub = hub();
    let instance = instance(&hub, &fake.url());
    hub.clone()
        .prepare(context(), instance, "e".into(), None)
        .await
        .unwrap();
    assert_eq!(fake.loaded(), ["e:latest"]);
    assert!(fake.requests_to("/api/generate").is_empty());
}

#[tokio::test]
async fn a_load_that_fails_is_the_instances_fault() {
    let fake = FakeOllama::builder().model("m").start().await.unwrap();
    fake.fail_on("/api/generate", Fault::Error500);
    let hub = hub();
    let instance = instance(&hub, &fake.url());
    let prepared = hub.clone().prepare(context(), instance, "m".into(), None).await;
    let error = Error::from(prepared.unwrap_err());
    assert_eq!(
        (error.code, error.fault),
        (ErrorCode::UPSTREAM_ERROR, Whose::Instance)
    );
}

#[tokio::test]
async fn delete_copy_and_show_do_what_they_say() {
    let fake = FakeOllama::builder().model("m").start().await.unwrap();
    let hub = hub();
    let instance = instance(&hub, &fake.url());
    let copy = json!({ "source": "m", "destination": "n" });
    control(&hub, &instance, "copy", copy).await.0.unwrap();
    let shown = control(&hub, &instance, "show", json!({ "model": "n" }))
        .await
        .0
        .unwrap();
    assert!(shown["model_info"].is_object());
    control(&hub, &instance, "delete", json!({ "model": "m" }))
        .await
        .0
        .unwrap();
    assert_eq!(fake.on_disk(), ["n:latest"]);
}

#[tokio::test]
async fn a_verb_on_a_model_that_is_not_there_says_so() {
    let fake = FakeOllama::builder().start().await.unwrap();
    let hub = hub();
    let instance = instance(&hub, &fake.url());
    for (verb, arguments) in [
        ("delete", json!({ "model": "x" })),
        ("show", json!({ "model": "x" })),
        ("load", json!({ "model": "x" })),
        ("unload", json!({ "model": "x" })),
        ("copy", json!({ "source": "x", "destination": "y" })),
    ] {
        let error = control(&hub, &instance, verb, arguments).await.0.unwrap_err();
        assert_eq!(
            (error.code, error.fault),
            (ErrorCode::NOT_FOUND, Whose::Client),
            "{verb}: {error}"
        );
        assert_eq!(error.details["model"], "x");
    }
}

#[tokio::test]
async fn bad_arguments_and_unknown_verbs_are_the_callers_mistake() {
    let fake = FakeOllama::builder().start().await.unwrap();
    let hub = hub();
    let instance = instance(&hub, &fake.url());
    for (verb, arguments, code) in [
        ("pull", json!({}), ErrorCode::INVALID_PARAMS),
        ("pull", json!({ "model": 7 }), ErrorCode::INVALID_PARAMS),
        (
            "pull",
            json!({ "model": "m", "fast": true }),
            ErrorCode::INVALID_PARAMS,
        ),
        ("delete", json!([]), ErrorCode::INVALID_PARAMS),
        ("dance", json!({}), ErrorCode::METHOD_NOT_SUPPORTED),
    ] {
        let error = control(&hub, &instance, verb, arguments).await.0.unwrap_err();
        assert_eq!((error.code, error.fault), (code, Whose::Client), "{verb}");
    }
    assert!(fake.requests().is_empty());
}

#[tokio::test]
async fn ps_says_what_is_in_memory_now() {
    let fake = FakeOllama::builder()
        .model("n")
        .loaded_model("m")
        .start()
        .await
        .unwrap();
    let hub = hub();
    let running = control(&hub, &instance(&hub, &fake.url()), "ps", json!({}))
        .await
        .0
        .unwrap();
    assert_eq!(running[0]["model"], "m:latest");
    assert_eq!(running[0]["context_length"], 4096);
    assert_eq!(running.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_distribution_of_models_is_known_with_every_server_down() {
    let host = TestHost::new();
    let hub = hub_of(&host, quiet());
    let mut instances = Vec::new();
    for names in [vec!["m", "n"], vec!["M"]] {
        let builder = names
            .into_iter()
            .fold(FakeOllama::builder(), |fake, name| fake.loaded_model(name));
        let fake = builder.start().await.unwrap();
        let mut instance = (*instance(&hub, &fake.url())).clone();
        instance.capabilities = capabilities(&hub, &Arc::new(instance.clone())).await;
        instances.push(instance);
    }
    host.set_instances("ollama", instances);
    let (progress, _) = Progress::channel();
    let call = hub
        .clone()
        .control(context(), "models".into(), json!({}), None, progress);
    let models = call.await.unwrap();
    assert_eq!(models[0]["model"], "m:latest");
    let places = |row: usize| models[row]["instances"].as_array().unwrap().len();
    assert_eq!((places(0), places(1)), (2, 1), "{models}");
    assert_eq!(models[0]["instances"][0]["loaded"], true);
}
