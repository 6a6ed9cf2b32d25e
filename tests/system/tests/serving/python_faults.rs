//! Each fault of the Python system that could be met at its front door, shown not to be here.

use fakes::Fault;
use fakes::ollama::{FakeModel, FakeOllama};
use serde_json::{Value, json};
use system::host::{fleet, host};

async fn server() -> FakeOllama {
    FakeOllama::builder()
        .loaded_model(FakeModel::new("llama3.2").vision())
        .start()
        .await
        .unwrap()
}

fn chat(extra: Value) -> Value {
    let mut params = json!({ "model": "llama3.2", "messages": [{ "role": "user", "content": "hi" }] });
    let (Value::Object(params_map), Value::Object(extra)) = (&mut params, extra) else {
        panic!("objects")
    };
    params_map.extend(extra);
    params
}

/// There, every call failed with a type error, and the schemas refused every routing hint.
#[tokio::test(flavor = "multi_thread")]
async fn every_method_can_be_called_with_every_hint() {
    let server = server().await;
    let host = host(&format!(
        "[hubs.fleet]\nplugin = \"ollama-hub\"\nconfig = {{ auto_discover = false }}\n\
         instances = [{{ url = \"{}\", tags = [\"gpu\", \"big\"] }}]\n[providers.llm]\nplugin = \"llm-provider\"\n",
        server.url()
    ))
    .start()
    .await;
    host.until_routable(1).await;
    for hints in [
        json!({ "strategy": "hash_based", "affinity_key": "me" }),
        json!({ "load_balancing_strategy": "round_robin", "instance_tags": ["gpu"] }),
        json!({ "require_gpu": true, "priority": "urgent", "queue_timeout": 5 }),
        json!({ "tags": ["big"], "temperature": 0.5, "max_tokens": 9, "top_p": 0.9, "seed": 1, "stop": "x" }),
    ] {
        host.call("llm/chat", chat(hints)).await;
    }
    host.call(
        "llm/vision",
        json!({ "model": "llama3.2", "images": ["aGVsbG8="] }),
    )
    .await;
    host.call("llm/list_models", json!({})).await;
    let refused = host.rpc("llm/chat", chat(json!({ "tags": ["tpu"] }))).await;
    assert_eq!(refused["error"]["code"], -30011, "{refused}");
}

/// There, a missing parameter came back as a time-out, because the schema's text held that word.
#[tokio::test(flavor = "multi_thread")]
async fn error_codes_say_what_happened() {
    let server = server().await;
    let host = fleet(&[server.url()], "").start().await;
    host.until_routable(1).await;
    let code = async |method: &str, params: Value| host.rpc(method, params).await["error"]["code"].clone();
    assert_eq!(code("llm/chat", json!({})).await, -32602);
    assert_eq!(code("llm/nothing", json!({})).await, -32601);
    assert_eq!(code("llm/chat", chat(json!({ "model": "none" }))).await, -30011);
    server.spare_probes(true);
    server.fail(Fault::Error500);
    assert_eq!(code("llm/chat", chat(json!({}))).await, -25007);
    assert_eq!(
        code("manager/drain", json!({ "hub": "none", "instance": "x" })).await,
        -30002
    );
}

/// There, one dead instance stopped the whole provider from starting.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_server_at_start_costs_nothing() {
    let (alive, dead) = (server().await, server().await);
    dead.kill().await;
    let host = fleet(&[dead.url(), alive.url()], "").start().await;
    host.until_routable(1).await;
    host.call("llm/chat", chat(json!({}))).await;
}

/// There, the limit was sent under a name that the server ignores.
#[tokio::test(flavor = "multi_thread")]
async fn a_limit_on_tokens_arrives_under_the_servers_own_name() {
    let server = server().await;
    let host = fleet(&[server.url()], "").start().await;
    host.until_routable(1).await;
    host.call("llm/chat", chat(json!({ "max_tokens": 5 }))).await;
    let options = server.requests_to("/api/chat")[0].json()["options"].clone();
    assert_eq!(options["num_predict"], 5);
    assert!(options.get("max_tokens").is_none());
}

/// There, three attempts hit the same failing instance within a millisecond.
#[tokio::test(flavor = "multi_thread")]
async fn the_only_server_is_given_time_between_attempts() {
    let server = server().await;
    let host = fleet(&[server.url()], "").start().await;
    host.until_routable(1).await;
    server.spare_probes(true);
    // Two failures, then it is well again: three attempts in a hurry would be over before a real one recovers.
    server.fail_next(2, Fault::Error500);
    let body = json!({ "model": "llama3.2", "prompt": "hi", "stream": false });
    let answer = host.post("/api/generate", &body).await;
    assert_eq!(
        (answer.status, answer.header("x-gleitzeit-attempts")),
        (200, "3"),
        "{}",
        answer.text()
    );
}

/// There, a failed request counted two errors, and rates above 100 % were shown.
#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_counted_once() {
    let server = server().await;
    let host = fleet(&[server.url()], "retry = { attempts = 1 }").start().await;
    host.until_routable(1).await;
    server.spare_probes(true);
    server.fail_next(2, Fault::Error500);
    let body = json!({ "model": "llama3.2", "prompt": "hi", "stream": false });
    for expected in [500, 500, 200] {
        assert_eq!(host.post("/api/generate", &body).await.status, expected);
    }
    let outcomes = host.instance(&server.addr().to_string()).await["metrics"]["outcomes"].clone();
    assert_eq!(
        (&outcomes["server_error"], &outcomes["success"]),
        (&json!(2), &json!(1)),
        "{outcomes}"
    );
}

/// There, host paths given as images were read.
#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_never_a_path() {
    let server = server().await;
    let host = fleet(&[server.url()], "").start().await;
    host.until_routable(1).await;
    for image in ["/etc/passwd", "file:///etc/passwd", "http://127.0.0.1:1/x.png"] {
        let refused = host
            .rpc("llm/vision", json!({ "model": "llama3.2", "images": [image] }))
            .await;
        assert_eq!(refused["error"]["code"], -32602, "{image}: {refused}");
    }
    assert!(server.requests_to("/api/chat").is_empty());
}

/// There, an unknown strategy was an internal error, or silently another one.
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_strategy_is_refused_with_the_known_ones() {
    let server = server().await;
    let host = fleet(&[server.url()], "").start().await;
    host.until_routable(1).await;
    let refused = host.rpc("llm/chat", chat(json!({ "strategy": "best" }))).await;
    assert_eq!(refused["error"]["code"], -32602);
    assert!(refused.to_string().contains("model_affinity"), "{refused}");
}
