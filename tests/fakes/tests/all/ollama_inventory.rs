//! What is on disk.

use std::time::{Duration, SystemTime};

use fakes::{
    client,
    ollama::{FakeModel, FakeOllama},
};
use http::Method;
use serde_json::json;

use crate::greeter;

#[tokio::test]
async fn it_says_what_and_which_version_it_is() {
    let fake = greeter().await;
    let root = client::get(&fake.url()).await.unwrap();
    assert_eq!(root.text(), "Ollama is running");
    let version = client::get(&fake.url_of("/api/version")).await.unwrap();
    assert_eq!(version.json(), json!({"version": "0.33.0"}));
    let head = client::send(Method::HEAD, &fake.url_of("/api/tags"), &[], "")
        .await
        .unwrap()
        .rest()
        .await
        .unwrap();
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[tokio::test]
async fn tags_lists_the_newest_first_with_everything_a_hub_wants_to_know() {
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let fake = FakeOllama::builder()
        .model(FakeModel::new("old").modified(long_ago))
        .model(FakeModel::new("LLaVA:7b").vision().context(8192).size(5_000))
        .start()
        .await
        .unwrap();
    let tags = client::get(&fake.url_of("/api/tags")).await.unwrap();
    assert_eq!(tags.header("content-type"), "application/json; charset=utf-8");
    let models = tags.json()["models"].clone();
    assert_eq!(models[0]["name"], "LLaVA:7b");
    assert_eq!(models[0]["model"], "LLaVA:7b");
    assert_eq!(models[0]["size"], 5_000);
    assert_eq!(models[0]["digest"].as_str().unwrap().len(), 64);
    assert_eq!(models[0]["details"]["context_length"], 8192);
    assert_eq!(
        models[0]["capabilities"],
        json!(["completion", "tools", "vision"])
    );
    assert_eq!(models[1]["name"], "old:latest");
    assert_eq!(models[1]["modified_at"], "2001-09-09T03:46:40.000000000+02:00");
}

#[tokio::test]
async fn the_same_name_is_the_same_build_unless_said_otherwise() {
    let digest = async |model: FakeModel| {
        let fake = FakeOllama::builder().model(model).start().await.unwrap();
        client::get(&fake.url_of("/api/tags")).await.unwrap().json()["models"][0]["digest"].clone()
    };
    let usual = digest("llama3.2".into()).await;
    assert_eq!(digest(FakeModel::new("Llama3.2:latest")).await, usual);
    assert_ne!(digest(FakeModel::new("llama3.2").build("older")).await, usual);
}

#[tokio::test]
async fn show_tells_the_context_length_under_the_family_s_name() {
    let fake = FakeOllama::builder()
        .model(FakeModel::new("qwen3:8b").context(40_960))
        .start()
        .await
        .unwrap();
    let shown = client::post(&fake.url_of("/api/show"), &json!({"name": "qwen3:8b"}))
        .await
        .unwrap()
        .json();
    assert_eq!(shown["model_info"]["general.architecture"], "qwen");
    assert_eq!(shown["model_info"]["qwen.context_length"], 40_960);
    assert_eq!(shown["capabilities"], json!(["completion", "tools"]));
    assert!(shown["model_info"]["tokenizer.ggml.tokens"].is_null());
    let verbose = json!({"model": "qwen3:8b", "verbose": true});
    let shown = client::post(&fake.url_of("/api/show"), &verbose)
        .await
        .unwrap()
        .json();
    assert_eq!(
        shown["model_info"]["tokenizer.ggml.tokens"]
            .as_array()
            .unwrap()
            .len(),
        256
    );
}

#[tokio::test]
async fn copy_gives_another_name_and_delete_takes_one_away() {
    let fake = greeter().await;
    let copy = json!({"source": "llama3.2", "destination": "gpt-4o"});
    let copied = client::post(&fake.url_of("/api/copy"), &copy).await.unwrap();
    assert_eq!((copied.status, copied.body.len()), (200, 0));
    assert_eq!(fake.on_disk(), ["llama3.2:latest", "gpt-4o:latest"]);

    let body = json!({"model": "llama3.2"}).to_string();
    let url = fake.url_of("/api/delete");
    let delete = || client::send(Method::DELETE, &url, &[], body.clone());
    assert_eq!(delete().await.unwrap().status, 200);
    assert_eq!(fake.on_disk(), ["gpt-4o:latest"]);
    let again = delete().await.unwrap().rest().await.unwrap();
    assert_eq!(
        (again.status, again.json()),
        (404, json!({"error": "model 'llama3.2' not found"}))
    );
}
