//! What a key may, on whichever way it is tried.

use std::time::Duration;

use fakes::client::{self, Answer};
use fakes::ollama::FakeOllama;
use http::Method;
use serde_json::{Value, json};
use system::host::{Host, host};

const OPERATOR: &str = "operator-operator-operator";
const USER: &str = "user-user-user-user-user";

/// One server behind a host that knows an operator and a user of low class.
async fn guarded(server: &FakeOllama) -> Host {
    let config = format!(
        "[host]\nkeys = [{{ name = \"operator\", key_env = \"OPERATOR\", admin = true }},\n\
         {{ name = \"user\", key_env = \"USER_KEY\", max_priority = \"low\" }}]\n\
         [hubs.fleet]\nplugin = \"ollama-hub\"\nconfig = {{ auto_discover = false }}\nmax_concurrent = 1\n\
         instances = [{{ url = \"{}\" }}]\n[providers.llm]\nplugin = \"llm-provider\"\nhubs = [\"fleet\"]\n",
        server.url()
    );
    let host = host(&config)
        .environment("OPERATOR", OPERATOR)
        .environment("USER_KEY", USER)
        .start()
        .await;
    host.until("the instance is routable", async |host| {
        metrics(host, "/instances/0/routable").await == true
    })
    .await;
    host
}

async fn asked(url: String, key: &str, body: Value) -> Answer {
    let bearer = format!("Bearer {key}");
    let headers = [("content-type", "application/json"), ("authorization", &bearer)];
    let answer = client::send(Method::POST, &url, &headers, body.to_string());
    answer.await.unwrap().rest().await.unwrap()
}

async fn rpc(host: &Host, key: &str, method: &str, params: Value) -> Value {
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    asked(host.url_of("/rpc"), key, request).await.json()
}

/// Something in what status says of the hub.
async fn metrics(host: &Host, place: &str) -> Value {
    let status = rpc(host, OPERATOR, "manager/status", json!({})).await;
    let hub = &status["result"]["hubs"][0];
    hub.pointer(place).cloned().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_administrator_takes_a_model_out_of_memory() {
    let server = FakeOllama::builder()
        .loaded_model("llama3.2")
        .start()
        .await
        .unwrap();
    let host = guarded(&server).await;
    let stop = json!({ "model": "llama3.2", "keep_alive": 0 });
    for path in ["/api/generate", "/api/chat"] {
        let refused = asked(host.url_of(path), USER, stop.clone()).await;
        assert_eq!(refused.status, 403, "{}", refused.text());
        assert!(refused.json()["error"].is_string(), "{}", refused.text());
    }
    let refused = rpc(
        &host,
        USER,
        "llm/generate",
        json!({ "model": "llama3.2", "prompt": "", "keep_alive": 0 }),
    )
    .await;
    assert!(
        refused["error"]["code"].is_i64(),
        "a method has to say something: {refused}"
    );
    assert_eq!(server.loaded(), ["llama3.2:latest"]);

    let last = json!({ "model": "llama3.2", "prompt": "hi", "keep_alive": 0, "stream": false });
    let answer = asked(host.url_of("/api/generate"), USER, last).await;
    assert_eq!(
        answer.status,
        200,
        "a request is no administration: {}",
        answer.text()
    );

    let answer = asked(host.url_of("/api/generate"), OPERATOR, stop).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(server.loaded().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_widens_nobodys_class() {
    let server = FakeOllama::builder()
        .loaded_model("llama3.2")
        .first_token_delay(Duration::from_millis(1500))
        .start()
        .await
        .unwrap();
    let host = guarded(&server).await;
    let url = host.url_of("/rpc");
    let ask = |key: &'static str, text: &str, priority: &str| {
        let params = json!({ "model": "llama3.2", "priority": priority, "queue_timeout": 30,
                             "messages": [{ "role": "user", "content": text }] });
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "llm/chat", "params": params });
        tokio::spawn(asked(url.clone(), key, request))
    };
    let first = ask(OPERATOR, "first", "normal");
    server
        .until("the server is busy", |fake| fake.in_flight() == 1)
        .await;
    let pushing = ask(USER, "pushing", "urgent");
    host.until("it waits", async |host| {
        metrics(host, "/metrics/queue_depth").await == 1
    })
    .await;
    let patient = ask(OPERATOR, "patient", "normal");
    host.until("both wait", async |host| {
        metrics(host, "/metrics/queue_depth").await == 2
    })
    .await;
    for task in [first, pushing, patient] {
        let answer = task.await.unwrap().json();
        assert!(answer["error"].is_null(), "{answer}");
    }
    let order: Vec<String> = server
        .requests_to("/api/chat")
        .iter()
        .map(|request| {
            request.json()["messages"][0]["content"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        })
        .collect();
    assert_eq!(
        order,
        ["first", "patient", "pushing"],
        "low is all that key may be"
    );
}
