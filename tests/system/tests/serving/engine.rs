//! A real engine behind the host: streamed and not, time to first token, cancellation that reaches it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fakes::client;
use serde_json::{Value, json};
use system::host::{Host, host, repository};

use super::clients::python;

/// llama.cpp's server with a tiny model of random weights.
struct Engine {
    process: Child,
    url: String,
}

impl Engine {
    async fn start(python: std::path::PathBuf) -> Self {
        let mut process = Command::new(python)
            .arg(repository("tests/engine/serve.py"))
            .arg(repository("target/engine/tiny.gguf"))
            .args(["--port", "0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = process.stdout.take().unwrap();
        let url = tokio::task::spawn_blocking(move || {
            let mut lines = BufReader::new(output).lines().map_while(Result::ok);
            let url = lines.find_map(|line| {
                line.split_once("listening on ")
                    .map(|(_, url)| url.trim().to_owned())
            });
            // Whatever else it says must not fill the pipe.
            std::thread::spawn(move || lines.for_each(drop));
            url
        });
        let url = url.await.unwrap().expect("the engine says where it listens");
        Self { process, url }
    }

    /// Whether it is generating for anybody.
    async fn is_busy(&self) -> bool {
        let slots = client::get(&format!("{}/slots", self.url)).await.unwrap().json();
        slots
            .as_array()
            .into_iter()
            .flatten()
            .any(|slot| slot["is_processing"] == true)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn served(engine: &Engine) -> (Host, String) {
    let host = host(&format!(
        "[hubs.engine]\nplugin = \"openai-hub\"\ninstances = [{{ url = \"{}\" }}]\n\
         [providers.llm]\nplugin = \"llm-provider\"\nhubs = [\"engine\"]\n",
        engine.url
    ))
    .start()
    .await;
    host.until_routable(1).await;
    let models = host.get("/v1/models").await.json();
    let model = models["data"][0]["id"].as_str().unwrap().to_owned();
    (host, model)
}

fn chat(model: &str, stream: bool, tokens: u32) -> Value {
    let messages = [json!({ "role": "user", "content": "hello" })];
    json!({ "model": model, "messages": messages, "stream": stream, "max_tokens": tokens })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_engine_chats_whole_and_streamed_and_over_methods() {
    let Some(python) = python() else { return };
    let engine = Engine::start(python).await;
    let (host, model) = served(&engine).await;
    let whole = host.post("/v1/chat/completions", &chat(&model, false, 8)).await;
    assert_eq!(whole.status, 200, "{}", whole.text());
    assert!(
        whole.json()["usage"]["completion_tokens"]
            .as_u64()
            .is_some_and(|tokens| tokens > 0)
    );
    let events = host
        .post("/v1/chat/completions", &chat(&model, true, 8))
        .await
        .events();
    assert_eq!(events.last().map(String::as_str), Some("[DONE]"));
    assert!(events.len() > 3, "{events:?}");
    let params = json!({ "model": model, "prompt": "hello", "max_tokens": 8 });
    let answer = host.call("llm/generate", params).await;
    assert!(
        answer["eval_count"].as_u64().is_some_and(|tokens| tokens > 0),
        "{answer}"
    );
    // The time to the first token is counted apart from the whole.
    let metrics = host.instance(engine.url.trim_start_matches("http://")).await["metrics"].clone();
    let (first, all) = (
        metrics["first_byte"]["count"].as_u64(),
        metrics["latency"]["count"].as_u64(),
    );
    assert_eq!((first, all), (Some(3), Some(3)), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hang_up_reaches_the_real_engine() {
    let Some(python) = python() else { return };
    let engine = Engine::start(python).await;
    let (host, model) = served(&engine).await;
    let body = chat(&model, true, 16_000);
    let mut answer = client::stream(&host.url_of("/v1/chat/completions"), &body)
        .await
        .unwrap();
    answer.next().await.unwrap();
    assert!(engine.is_busy().await);
    drop(answer);
    let mut waits = 0;
    while engine.is_busy().await {
        waits += 1;
        assert!(waits < 600, "the engine goes on for nobody");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    host.until("the lease is released", async |host| host.in_flight().await == 0)
        .await;
}
