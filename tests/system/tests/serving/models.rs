//! Where models are and how they come there: hubs beside each other, and pulls that take their time.

use std::time::Duration;

use fakes::ollama::FakeOllama;
use serde_json::{Value, json};
use system::host::{Host, fleet, host};

async fn chat(host: &Host, model: &str) -> (u16, Value) {
    let body = json!({ "model": model, "stream": false, "messages": [{ "role": "user", "content": "hi" }] });
    let answer = host.post("/api/chat", &body).await;
    (answer.status, answer.json())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_may_take_longer_than_any_answer_may() {
    let server = FakeOllama::builder()
        .pullable("llama3.2")
        .progress_delay(Duration::from_millis(400))
        .start()
        .await
        .unwrap();
    let settings = "acquire = true\ntimeouts = { first_byte = \"300ms\" }";
    let host = fleet(&[server.url()], settings).start().await;
    host.until_routable(1).await;
    let begun = std::time::Instant::now();
    let (status, answer) = chat(&host, "llama3.2").await;
    assert_eq!(status, 200, "{answer}");
    assert!(
        begun.elapsed() > Duration::from_millis(600),
        "it was pulled: {:?}",
        begun.elapsed()
    );
    assert_eq!(server.on_disk(), ["llama3.2:latest"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hubs_of_one_kind_serve_one_provider() {
    let server = |name: &'static str, own: &'static str| async move {
        let models = FakeOllama::builder().loaded_model(own).loaded_model("both");
        models.signed(name).start().await.unwrap()
    };
    let (first, second) = (server("first", "left").await, server("second", "right").await);
    let hub = |name: &str, url: String| {
        format!(
            "[hubs.{name}]\nplugin = \"ollama-hub\"\nconfig = {{ auto_discover = false }}\ninstances = [{{ url = \"{url}\" }}]\n"
        )
    };
    let config = format!(
        "{}{}[providers.llm]\nplugin = \"llm-provider\"\nhubs = [\"first\", \"second\"]\n",
        hub("first", first.url()),
        hub("second", second.url())
    );
    let host = host(&config).start().await;
    host.until_routable(2).await;
    for (model, server) in [("left", &first), ("right", &second), ("both", &first)] {
        let (status, answer) = chat(&host, model).await;
        assert_eq!(status, 200, "{model}: {answer}");
        let last = server
            .requests_to("/api/chat")
            .last()
            .map(|request| request.json());
        assert_eq!(
            last.unwrap_or_default()["model"],
            model,
            "hubs are in order of preference"
        );
    }
    let listed = host.get("/api/tags").await.json();
    let mut names: Vec<_> = listed["models"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|model| model["name"].as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["both:latest", "left:latest", "right:latest"],
        "one list of both hubs"
    );
    first.kill().await;
    let (status, answer) = chat(&host, "both").await;
    assert_eq!(status, 200, "the other hub has it as well: {answer}");
}
