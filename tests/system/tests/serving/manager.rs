//! The resource manager at the front door: allocations over hubs of different kinds, hubs that come and go, events.

use fakes::ollama::{FakeModel, FakeOllama};
use serde_json::{Value, json};
use system::host::{Host, host};

async fn server() -> FakeOllama {
    FakeOllama::builder()
        .loaded_model(FakeModel::new("llama3.2"))
        .start()
        .await
        .unwrap()
}

/// A port that takes connections, which is all that an echo server has to do.
async fn echo_server() -> (tokio::net::TcpListener, String) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

/// Two hubs of different kinds with one instance each, which takes one request at a time.
async fn two_kinds(model: &FakeOllama, echo: &str) -> Host {
    let host = host(&format!(
        "[host]\nhubs_at_run_time = true\n\
         [hubs.models]\nplugin = \"ollama-hub\"\nmax_concurrent = 1\nconfig = {{ auto_discover = false }}\n\
         instances = [{{ url = \"{}\" }}]\n\
         [hubs.boxes]\nplugin = \"zoo-good\"\nmax_concurrent = 1\ninstances = [{{ url = \"{echo}\" }}]\n\
         [providers.llm]\nplugin = \"llm-provider\"\nhubs = [\"models\"]\n",
        model.url()
    ))
    .plugin("zoo-good")
    .start()
    .await;
    host.until_routable(2).await;
    host
}

fn both() -> Value {
    json!({ "resources": [{ "capability": "llama3.2" }, { "kind": "echo-server" }], "timeout": 0 })
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_allocates_a_model_and_a_container_together_or_neither() {
    let (model, (_echo, echo)) = (server().await, echo_server().await);
    let host = two_kinds(&model, &echo).await;
    let given = host.call("manager/allocate", both()).await;
    assert_eq!(given["resources"][0]["hub"], "models");
    assert_eq!(given["resources"][0]["url"], model.url());
    assert_eq!(given["resources"][1]["url"], echo);
    assert_eq!(host.in_flight().await, 2);
    let id = given["allocation"].as_str().unwrap();
    let status = host.call("manager/status", json!({})).await;
    assert_eq!(status["allocations"][0]["allocation"], id);

    let refused = host.rpc("manager/allocate", both()).await;
    assert_eq!(refused["error"]["code"], -31004, "{refused}");
    host.call("manager/release", json!({ "allocation": id })).await;
    assert_eq!(host.in_flight().await, 0);

    // The container alone is taken: then nobody gets the model either.
    let params = json!({ "resources": [{ "hub": "boxes", "exclusive": true }], "ttl": "1h" });
    let alone = host.call("manager/allocate", params).await;
    let refused = host.rpc("manager/allocate", both()).await;
    assert!(
        refused["error"]["message"]
            .as_str()
            .unwrap()
            .starts_with("resource 2: "),
        "{refused}"
    );
    assert_eq!(host.in_flight().await, 1);
    let totals = host.call("manager/totals", json!({})).await;
    assert_eq!(
        totals["allocations"],
        json!({ "active": 1, "total": 2, "failed": 2, "released": 1, "expired": 0, "lost": 0 })
    );
    host.call("manager/release", json!({ "allocation": alone["allocation"] }))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_go_elsewhere_or_wait_while_an_instance_is_somebodys_own() {
    let (model, (_echo, echo)) = (server().await, echo_server().await);
    let host = two_kinds(&model, &echo).await;
    let params = json!({ "resources": [{ "hub": "models", "exclusive": true }], "ttl": "700ms" });
    let given = host.call("manager/allocate", params).await;
    let chat = json!({ "model": "llama3.2", "messages": [{ "role": "user", "content": "hi" }] });
    let instance = given["resources"][0]["instance"].as_str().unwrap();
    let reason = host.instance(instance).await["reason"].clone();
    assert!(
        reason
            .as_str()
            .unwrap()
            .starts_with("allocated exclusively by `anonymous`"),
        "{reason}"
    );
    // It waits in the queue until the allocation's time is over.
    host.call("llm/chat", chat).await;
    assert_eq!(host.call("manager/allocations", json!({})).await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_is_added_used_and_removed_while_the_host_runs() {
    let (model, (_echo, echo)) = (server().await, echo_server().await);
    let host = two_kinds(&model, &echo).await;
    let second = server().await;
    let mistaken = json!({ "hub": "more", "plugin": "ollama-hub", "settings": { "strategy": "roundrobin", "config": { "auto": 1 } } });
    let refused = host.rpc("manager/add_hub", mistaken).await;
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("round_robin") && message.contains("auto"),
        "every mistake at once: {message}"
    );

    let settings = json!({ "instances": [{ "url": second.url() }], "config": { "auto_discover": false } });
    let params = json!({ "hub": "more", "plugin": "ollama-hub", "settings": settings, "providers": ["llm"] });
    host.call("manager/add_hub", params).await;
    host.until_routable(3).await;
    let first = model.addr().to_string();
    host.call("manager/drain", json!({ "instance": first })).await;
    let chat = json!({ "model": "llama3.2", "messages": [{ "role": "user", "content": "hi" }] });
    host.call("llm/chat", chat.clone()).await;
    assert_eq!(second.requests_to("/api/chat").len(), 1);

    let refused = host.rpc("manager/remove_hub", json!({ "hub": "more" })).await;
    assert!(
        refused["error"]["message"]
            .as_str()
            .unwrap()
            .contains("is used by: llm"),
        "{refused}"
    );
    host.call("manager/remove_hub", json!({ "hub": "more", "force": true }))
        .await;
    host.call("manager/resume", json!({ "instance": first })).await;
    host.call("llm/chat", chat).await;
    assert_eq!(
        second.requests_to("/api/chat").len(),
        1,
        "nobody goes there any more"
    );
    let status = host.call("manager/status", json!({})).await;
    assert_eq!(status["hubs"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_of_the_manager_is_listed_with_its_parameters() {
    let host = host("").start().await;
    let methods = host.call("manager/methods", json!({})).await;
    let names: Vec<&str> = methods["methods"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|method| method["params"]["type"] == "object")
        .filter_map(|method| method["name"].as_str())
        .collect();
    for verb in [
        "allocate",
        "renew",
        "release",
        "allocations",
        "add_hub",
        "remove_hub",
        "scale",
        "totals",
        "optimise",
    ] {
        assert!(
            names.contains(&format!("manager/{verb}").as_str()),
            "{verb} in {names:?}"
        );
    }
    let output = host.cli(&["methods", "manager/allocate"]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("resources") && text.contains("ttl"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_followed_from_the_command_line() {
    let (model, (_echo, echo)) = (server().await, echo_server().await);
    let host = two_kinds(&model, &echo).await;
    let following = host.cli(&[
        "--json",
        "events",
        "--kind",
        "allocation_created,allocation_released",
        "--count",
        "2",
    ]);
    let allocating = async {
        // Whoever follows has to be there first, and says so nowhere: try until it has seen two.
        loop {
            let given = host.call("manager/allocate", both()).await;
            host.call("manager/release", json!({ "allocation": given["allocation"] }))
                .await;
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let output = tokio::select! {
        output = following => output,
        () = allocating => unreachable!(),
    };
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let kinds: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["kind"].clone())
        .collect();
    assert_eq!(kinds.len(), 2);
    assert_ne!(kinds[0], kinds[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_allocates_renews_and_releases() {
    let (model, (_echo, echo)) = (server().await, echo_server().await);
    let host = two_kinds(&model, &echo).await;
    let output = host
        .cli(&[
            "--json",
            "allocate",
            "echo-server,exclusive",
            "hub=models",
            "--ttl",
            "1m",
        ])
        .await;
    let given: Value = serde_json::from_slice(&output.stdout).unwrap();
    let id = given["allocation"].as_str().unwrap();
    let busy = host.cli(&["allocate", "echo-server", "--timeout", "0s"]).await;
    assert_eq!(
        busy.status.code(),
        Some(4),
        "{}",
        String::from_utf8_lossy(&busy.stderr)
    );
    assert!(host.cli(&["renew", id, "--ttl", "10m"]).await.status.success());
    let listed = host.cli(&["allocations"]).await;
    assert!(String::from_utf8_lossy(&listed.stdout).contains(id));
    assert!(host.cli(&["release", id]).await.status.success());
    assert_eq!(host.cli(&["release", id]).await.status.code(), Some(6));
    assert!(host.cli(&["totals"]).await.status.success());
    let optimised = host.cli(&["optimise"]).await;
    assert_eq!(String::from_utf8_lossy(&optimised.stdout), "nothing to do\n");
}
