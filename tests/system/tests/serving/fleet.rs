//! A fleet as one server: lists, routing by model, residency, aliases, pulls.

use std::time::Duration;

use fakes::ollama::FakeOllama;
use serde_json::{Value, json};
use system::host::{fleet, host};

pub(crate) fn generate(model: &str) -> Value {
    json!({ "model": model, "prompt": "hi", "stream": false })
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_those_of_the_whole_fleet_even_with_every_server_down() {
    let a = FakeOllama::builder()
        .loaded_model("llama3.2")
        .start()
        .await
        .unwrap();
    let b = FakeOllama::builder().model("qwen3:0.6b").start().await.unwrap();
    let host = fleet(&[a.url(), b.url()], "").start().await;
    host.until_routable(2).await;
    a.kill().await;
    b.kill().await;
    let names = |list: &Value, key: &str| {
        let mut names: Vec<_> = list
            .as_array()
            .unwrap()
            .iter()
            .map(|model| model[key].clone())
            .collect();
        names.sort_by_key(Value::to_string);
        names
    };
    let tags = host.get("/api/tags").await.json();
    assert_eq!(names(&tags["models"], "name"), ["llama3.2:latest", "qwen3:0.6b"]);
    assert_eq!(
        names(&host.get("/api/ps").await.json()["models"], "model"),
        ["llama3.2:latest"]
    );
    assert_eq!(
        names(&host.get("/v1/models").await.json()["data"], "id"),
        ["llama3.2:latest", "qwen3:0.6b"]
    );
    assert_eq!(host.get("/v1/models/llama3.2").await.status, 200);
    assert_eq!(host.get("/v1/models/none").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_spelling_of_a_model_reaches_a_server_that_has_it() {
    let a = FakeOllama::builder().model("llama3.2").start().await.unwrap();
    let b = FakeOllama::builder().model("qwen3:0.6b").start().await.unwrap();
    let host = fleet(&[a.url(), b.url()], "").start().await;
    host.until_routable(2).await;
    for spelling in ["llama3.2", "llama3.2:latest", "Llama3.2", "library/llama3.2"] {
        let answer = host.post("/api/generate", &generate(spelling)).await;
        assert_eq!(
            answer.header("x-gleitzeit-instance"),
            a.addr().to_string(),
            "{spelling}: {}",
            answer.text()
        );
    }
    let missing = host.post("/api/generate", &generate("nobody-has-it")).await;
    assert_eq!(missing.status, 404);
    assert_eq!(missing.json()["error"], "model 'nobody-has-it' not found");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_loaded_goes_before_what_is_only_on_disk() {
    let cold = FakeOllama::builder().model("llama3.2").start().await.unwrap();
    let warm = FakeOllama::builder()
        .loaded_model("llama3.2")
        .start()
        .await
        .unwrap();
    let host = fleet(&[cold.url(), warm.url()], "strategy = \"model_affinity\"")
        .start()
        .await;
    host.until_routable(2).await;
    for _ in 0..10 {
        let answer = host.post("/api/generate", &generate("llama3.2")).await;
        assert_eq!(answer.header("x-gleitzeit-instance"), warm.addr().to_string());
    }
    assert!(cold.loaded().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_is_made_once_and_no_clients_hang_up_aborts_it() {
    let cold = FakeOllama::builder()
        .model("llama3.2")
        .load_time(Duration::from_millis(800))
        .start()
        .await
        .unwrap();
    let host = fleet(&[cold.url()], "").start().await;
    host.until_routable(1).await;
    let url = host.url_of("/api/generate");
    let waiting: Vec<_> = (0..4)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move { fakes::client::post(&url, &generate("llama3.2")).await })
        })
        .collect();
    cold.until("the load has begun", |fake| {
        !fake.requests_to("/api/generate").is_empty()
    })
    .await;
    let mut waiting = waiting.into_iter();
    // The first of them goes away while the model is being loaded.
    waiting.next().unwrap().abort();
    for answer in waiting {
        assert_eq!(answer.await.unwrap().unwrap().status, 200);
    }
    assert_eq!(cold.loads().len(), 1, "one load for all");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_is_given_back_and_nothing_else_is_touched() {
    let server = FakeOllama::builder()
        .loaded_model("llama3.2")
        .tokens(["a", "b"])
        .start()
        .await
        .unwrap();
    let host = host(&format!(
        "[hubs.fleet]\nplugin = \"ollama-hub\"\nconfig = {{ auto_discover = false }}\n\
         instances = [{{ url = \"{}\" }}]\n\
         [providers.llm]\nplugin = \"llm-provider\"\nhubs = [\"fleet\"]\n\
         config = {{ aliases = {{ \"gpt-4o\" = \"llama3.2\" }} }}\n",
        server.url()
    ))
    .start()
    .await;
    host.until_routable(1).await;
    let body =
        json!({ "model": "gpt-4o", "stream": true, "messages": [{ "role": "user", "content": "hi" }] });
    for answer in [host.post("/api/chat", &body).await.lines(), {
        let events = host.post("/v1/chat/completions", &body).await.events();
        events
            .iter()
            .filter(|event| *event != "[DONE]")
            .map(|event| serde_json::from_str(event).unwrap())
            .collect()
    }] {
        assert!(answer.len() > 2);
        assert!(
            answer.iter().all(|frame: &Value| frame["model"] == "gpt-4o"),
            "{answer:?}"
        );
    }
    let sent = server.requests_to("/api/chat")[0].json();
    assert_eq!(sent["model"], "llama3.2");
    assert_eq!(sent["messages"], body["messages"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_pass_untouched_in_both_directions() {
    let server = FakeOllama::builder()
        .loaded_model("llama3.2")
        .start()
        .await
        .unwrap();
    let host = fleet(&[server.url()], "").start().await;
    host.until_routable(1).await;
    // Odd spacing, a key twice, unknown keys: a proxy that parses and writes again would lose them.
    let body = "{ \"model\" :\"llama3.2\", \"prompt\":\"\\u0068i\",\"stream\":false ,\"x\":1, \"x\":2 }";
    let (url, headers) = (
        host.url_of("/api/generate"),
        [("content-type", "application/json")],
    );
    let http = fakes::client::send(http::Method::POST, &url, &headers, body);
    assert_eq!(http.await.unwrap().rest().await.unwrap().status, 200);
    assert_eq!(server.requests_to("/api/generate")[0].body, body.as_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_reaches_the_server_and_the_model_is_there_at_once() {
    let server = FakeOllama::builder()
        .model("llama3.2")
        .pullable("qwen3:0.6b")
        .start()
        .await
        .unwrap();
    let host = fleet(&[server.url()], "").start().await;
    host.until_routable(1).await;
    let lines = host
        .post("/api/pull", &json!({ "model": "qwen3:0.6b" }))
        .await
        .lines();
    assert_eq!(lines.last().unwrap()["status"], "success", "{lines:?}");
    assert!(lines.iter().any(|line| line["total"].is_u64()), "{lines:?}");
    host.until("it can be asked", async |host| {
        host.post("/api/generate", &generate("qwen3:0.6b")).await.status == 200
    })
    .await;
    let failed = host
        .post("/api/pull", &json!({ "model": "no-such-model" }))
        .await
        .lines();
    assert!(
        failed.last().unwrap()["error"].is_string(),
        "an error in a stream of status 200 is an error: {failed:?}"
    );
    assert_eq!(
        host.post("/api/generate", &generate("no-such-model"))
            .await
            .status,
        404
    );
}
