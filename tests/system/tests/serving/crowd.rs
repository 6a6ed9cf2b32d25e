//! More requests than servers may have at once: they wait their turn, or are refused; and servers that get none.

use std::time::Duration;

use fakes::ollama::FakeOllama;
use serde_json::json;
use system::host::fleet;

use crate::fleet::generate;

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
