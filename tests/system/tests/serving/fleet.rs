//! A fleet as one server: lists, routing by model, residency, queueing, draining, aliases.

use std::time::Duration;

use fakes::ollama::{FakeModel, FakeOllama};
use fakes::openai::FakeOpenai;
use serde_json::{Value, json};
use system::host::{fleet, host};

fn generate(model: &str) -> Value {
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
async fn max_concurrent_holds_and_the_rest_waits_its_turn() {
    let server = FakeOllama::builder()
        .loaded_model("llama3.2")
        .token_delay(Duration::from_millis(20))
        .start()
        .await
        .unwrap();
    let host = fleet(&[server.url()], "max_concurrent = 2").start().await;
    host.until_routable(1).await;
    let url = host.url_of("/api/generate");
    let asked = (0..12).map(|_| {
        let url = url.clone();
        async move {
            fakes::client::post(&url, &generate("llama3.2"))
                .await
                .unwrap()
                .status
        }
    });
    let statuses = futures_util::future::join_all(asked).await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    assert!(server.peak_in_flight() <= 2, "{}", server.peak_in_flight());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_and_says_when_to_come_back() {
    let server = FakeOllama::builder()
        .loaded_model("llama3.2")
        .first_token_delay(Duration::from_secs(30))
        .start()
        .await
        .unwrap();
    let host = fleet(&[server.url()], "max_concurrent = 1\nqueue = { size = 1 }")
        .start()
        .await;
    host.until_routable(1).await;
    let url = host.url_of("/api/generate");
    let ask = || {
        let url = url.clone();
        tokio::spawn(async move { fakes::client::post(&url, &generate("llama3.2")).await })
    };
    let (_held, _queued) = (ask(), ask());
    server.until("one is at work", |fake| fake.in_flight() == 1).await;
    host.until("one waits", async |host| {
        host.call("manager/status", json!({})).await["hubs"][0]["metrics"]["queue_depth"] == 1
    })
    .await;
    let refused = host.post("/api/generate", &generate("llama3.2")).await;
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(
        refused
            .header("retry-after")
            .parse::<u64>()
            .is_ok_and(|seconds| seconds >= 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_server_finishes_what_it_has_and_gets_nothing_new() {
    let slow = |name: &'static str| async move {
        let builder = FakeOllama::builder().loaded_model("llama3.2").signed(name);
        builder
            .token_delay(Duration::from_millis(100))
            .start()
            .await
            .unwrap()
    };
    let (a, b) = (slow("a").await, slow("b").await);
    let host = fleet(&[a.url(), b.url()], "strategy = \"first_available\"")
        .start()
        .await;
    host.until_routable(2).await;
    let id = a.addr().to_string();
    let (url, body) = (
        host.url_of("/api/generate"),
        json!({ "model": "llama3.2", "prompt": "hi" }),
    );
    let running = tokio::spawn(async move { fakes::client::post(&url, &body).await });
    a.until("it is at work", |fake| fake.in_flight() == 1).await;
    host.call("manager/drain", json!({ "hub": "fleet", "instance": id }))
        .await;
    let next = host.post("/api/generate", &generate("llama3.2")).await;
    assert_eq!(next.header("x-gleitzeit-instance"), b.addr().to_string());
    let answer = running.await.unwrap().unwrap();
    assert!(
        answer.lines().last().is_some_and(|last| last["done"] == true),
        "{}",
        answer.text()
    );
    assert_eq!(host.instance(&id).await["routable"], false);
    host.call("manager/resume", json!({ "hub": "fleet", "instance": id }))
        .await;
    host.until("it is used again", async |host| {
        host.instance(&id).await["routable"] == true
    })
    .await;
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
