//! Fleets with servers of another dialect, and with keys.

use fakes::ollama::{FakeModel, FakeOllama};
use fakes::openai::FakeOpenai;
use serde_json::{Value, json};
use system::host::host;

#[tokio::test(flavor = "multi_thread")]
async fn methods_work_on_servers_of_either_dialect() {
    let native = FakeOllama::builder()
        .loaded_model("llama3.2")
        .tokens(["na", "tive"])
        .start()
        .await
        .unwrap();
    let other = FakeOpenai::builder()
        .model("gpt-oss")
        .tokens(["ot", "her"])
        .key("s3cret")
        .start()
        .await
        .unwrap();
    let host = host(&format!(
        "[hubs.native]\nplugin = \"ollama-hub\"\nconfig = {{ auto_discover = false }}\ninstances = [{{ url = \"{}\" }}]\n\
         [hubs.other]\nplugin = \"openai-hub\"\ninstances = [{{ url = \"{}\", config = {{ key_env = \"FAKE_KEY\" }} }}]\n\
         [providers.llm]\nplugin = \"llm-provider\"\nhubs = [\"native\", \"other\"]\n",
        native.url(),
        other.base_url()
    ))
    .environment("FAKE_KEY", "s3cret")
    .start()
    .await;
    host.until_routable(2).await;
    for (model, expected) in [("llama3.2", "native"), ("gpt-oss", "other")] {
        let chat =
            json!({ "model": model, "messages": [{ "role": "user", "content": "hi" }], "max_tokens": 7 });
        assert_eq!(host.call("llm/chat", chat.clone()).await["response"], expected);
        let prompt = json!({ "model": model, "prompt": "hi" });
        assert_eq!(host.call("llm/complete", prompt).await["text"], expected);
    }
    assert_eq!(
        native.requests_to("/api/chat")[0].json()["options"]["num_predict"],
        7,
        "under the server's own name"
    );
    let key = other.requests_to("/v1/chat/completions")[0]
        .header("authorization")
        .to_owned();
    assert_eq!(key, "Bearer s3cret");
    let streamed = json!({ "jsonrpc": "2.0", "id": 1, "method": "llm/chat", "stream": true,
        "params": { "model": "gpt-oss", "messages": [{ "role": "user", "content": "hi" }] } });
    let events = host.post("/rpc", &streamed).await.events();
    let items: Vec<Value> = events
        .iter()
        .map(|event| serde_json::from_str(event).unwrap())
        .collect();
    assert!(
        items
            .iter()
            .any(|item| item["params"]["item"]["response"] == "ot"),
        "{items:?}"
    );
    let embedding = FakeModel::new("nomic-embed-text").embedding(8);
    native.install(embedding);
    let pulled = host.call("manager/control", json!({ "verb": "ps" })).await;
    assert!(pulled.is_array() || pulled.is_object(), "{pulled}");
    host.until("the new model is known", async |host| {
        let answer = host.rpc("llm/embeddings", json!({ "text": "hi" })).await;
        answer["result"]["dimensions"] == 8
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_takes_the_server_out_and_says_so() {
    let cloud = FakeOpenai::builder()
        .model("gpt-oss")
        .key("right")
        .start()
        .await
        .unwrap();
    let host = host(&format!(
        "[hubs.cloud]\nplugin = \"openai-hub\"\ninstances = [{{ url = \"{}\", config = {{ key_env = \"FAKE_KEY\" }} }}]\n\
         [providers.llm]\nplugin = \"llm-provider\"\nhubs = [\"cloud\"]\n",
        cloud.base_url()
    ))
    .environment("FAKE_KEY", "wrong")
    .start()
    .await;
    let id = cloud.addr().to_string();
    host.until("the reason names the key", async |host| {
        let instance = host.instance(&id).await;
        instance["routable"] == false
            && instance["reason"]
                .as_str()
                .is_some_and(|reason| reason.contains("key"))
    })
    .await;
    let status = host.call("manager/status", json!({})).await.to_string();
    assert!(!status.contains("wrong"), "no secret in status");
}
