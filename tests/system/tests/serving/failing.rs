//! Servers that die, refuse, hang and break off: what a client sees of it.

use std::time::Duration;

use fakes::ollama::FakeOllama;
use fakes::{Fault, client};
use futures_util::future::join_all;
use serde_json::{Value, json};
use system::host::fleet;

fn chat(text: &str) -> Value {
    json!({ "model": "llama3.2", "messages": [{ "role": "user", "content": text }] })
}

async fn fake(name: &str) -> FakeOllama {
    FakeOllama::builder()
        .loaded_model("llama3.2")
        .signed(name)
        .start()
        .await
        .unwrap()
}

/// A stream as a client sees it: its lines, or nothing where the connection itself failed.
async fn stream(url: String, body: Value) -> Vec<Value> {
    match client::stream(&url, &body).await {
        Ok(answer) => answer
            .rest()
            .await
            .map(|answer| answer.lines())
            .unwrap_or_default(),
        Err(_) => Vec::new(),
    }
}

fn is_complete(lines: &[Value]) -> bool {
    lines.last().is_some_and(|last| last["done"] == true)
}

fn ends_with_an_error(lines: &[Value]) -> bool {
    lines.last().is_some_and(|last| last["error"].is_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_one_of_two_loses_no_request_that_had_not_begun_to_stream() {
    let slow = |name: &'static str| async move {
        let delays = (Duration::from_millis(400), Duration::from_millis(50));
        let words: Vec<String> = (0..30).map(|word| format!("w{word} ")).collect();
        FakeOllama::builder()
            .loaded_model("llama3.2")
            .signed(name)
            .tokens(words)
            .first_token_delay(delays.0)
            .token_delay(delays.1)
            .start()
            .await
            .unwrap()
    };
    let (a, b) = (slow("a").await, slow("b").await);
    let host = fleet(&[a.url(), b.url()], "strategy = \"least_loaded\"")
        .start()
        .await;
    host.until_routable(2).await;
    let url = host.url_of("/api/chat");
    // Half of them are streaming when the server dies, the other half has just been sent.
    let early: Vec<_> = (0..16)
        .map(|i| tokio::spawn(stream(url.clone(), chat(&format!("early {i}")))))
        .collect();
    a.until("it streams to half of them", |fake| fake.in_flight() >= 6)
        .await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    let late: Vec<_> = (0..16)
        .map(|i| tokio::spawn(stream(url.clone(), chat(&format!("late {i}")))))
        .collect();
    a.until("late ones reach it", |fake| fake.in_flight() >= 12).await;
    a.kill().await;
    let early: Vec<Vec<Value>> = join_all(early).await.into_iter().map(Result::unwrap).collect();
    let late: Vec<Vec<Value>> = join_all(late).await.into_iter().map(Result::unwrap).collect();
    for lines in early.iter().chain(&late) {
        assert!(
            is_complete(lines) || ends_with_an_error(lines),
            "neither complete nor an explicit error: {lines:?}"
        );
        let begun = lines.iter().any(|line| {
            line["message"]["content"]
                .as_str()
                .is_some_and(|text| !text.is_empty())
        });
        assert!(
            is_complete(lines) || begun,
            "lost before it had begun to stream: {lines:?}"
        );
    }
    assert!(
        early.iter().any(|lines| ends_with_an_error(lines)),
        "some streams of the dead server had begun"
    );
    assert!(
        late.iter().all(|lines| is_complete(lines)),
        "none of the late ones had begun"
    );
    host.until("every lease is released", async |host| {
        host.in_flight().await == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_one_server_that_answers_503_to_everything_60_of_60_succeed() {
    let (sick, well) = (fake("sick").await, fake("well").await);
    sick.spare_probes(true);
    sick.fail(Fault::Busy);
    let host = fleet(&[sick.url(), well.url()], "strategy = \"least_loaded\"")
        .start()
        .await;
    host.until_routable(2).await;
    let url = host.url_of("/api/chat");
    let clients = (0..8).map(|client| {
        let url = url.clone();
        async move {
            let share = if client < 4 { 8 } else { 7 };
            let mut complete = 0;
            for request in 0..share {
                complete += usize::from(is_complete(
                    &stream(url.clone(), chat(&format!("{client}.{request}"))).await,
                ));
            }
            complete
        }
    });
    let complete: usize = join_all(clients).await.into_iter().sum();
    assert_eq!(complete, 60);
    assert!(
        !sick.requests_to("/api/chat").is_empty(),
        "the sick one was tried"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_after_accepting_delays_only_what_was_sent_to_it() {
    let (hung, well) = (fake("hung").await, fake("well").await);
    hung.spare_probes(true);
    hung.fail(Fault::HangBeforeHeaders);
    let settings = "strategy = \"least_loaded\"\ntimeouts = { first_byte = \"2s\" }";
    let host = fleet(&[hung.url(), well.url()], settings).start().await;
    host.until_routable(2).await;
    let url = host.url_of("/api/chat");
    let stuck = tokio::spawn(stream(url.clone(), chat("first")));
    hung.until("one request hangs", |fake| fake.in_flight() == 1)
        .await;
    for request in 0..20 {
        let answer = host.post("/api/chat", &chat(&format!("{request}"))).await;
        assert!(is_complete(&answer.lines()));
        assert_eq!(
            answer.header("x-gleitzeit-attempts"),
            "1",
            "the loaded one is not asked"
        );
    }
    assert!(
        is_complete(&stuck.await.unwrap()),
        "what hung was answered by the other"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_before_anything_was_said_is_made_good_elsewhere() {
    for fault in [
        Fault::Error500,
        Fault::Garbage,
        Fault::InvalidJson,
        Fault::CutAfter(0),
        Fault::EndAfter(0),
        Fault::ErrorLineAfter(0),
        Fault::TooManyRequests(1),
        Fault::Refuse,
    ] {
        let (sick, well) = (fake("sick").await, fake("well").await);
        let host = fleet(&[sick.url(), well.url()], "strategy = \"first_available\"")
            .start()
            .await;
        host.until_routable(2).await;
        sick.spare_probes(true);
        sick.fail(fault.clone());
        let answer = host.post("/api/chat", &chat("hi")).await;
        assert!(is_complete(&answer.lines()), "{fault:?}: {}", answer.text());
        assert_eq!(answer.header("x-gleitzeit-attempts"), "2", "{fault:?}");
        assert_eq!(
            answer.header("x-gleitzeit-instance"),
            well.addr().to_string(),
            "{fault:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_in_the_middle_of_a_stream_is_an_explicit_error_in_the_clients_dialect() {
    for fault in [Fault::CutAfter(2), Fault::EndAfter(2)] {
        let sick = fake("sick").await;
        let host = fleet(&[sick.url()], "").start().await;
        host.until_routable(1).await;
        sick.spare_probes(true);
        sick.fail(fault.clone());
        let native = host.post("/api/chat", &chat("hi")).await;
        assert_eq!(native.status, 200);
        assert!(
            ends_with_an_error(&native.lines()),
            "{fault:?}: {}",
            native.text()
        );
        let body =
            json!({ "model": "llama3.2", "stream": true, "messages": [{ "role": "user", "content": "hi" }] });
        let events = host.post("/v1/chat/completions", &body).await.events();
        let last: Value = serde_json::from_str(events.last().unwrap()).unwrap();
        assert!(last["error"]["message"].is_string(), "{fault:?}: {events:?}");
        host.until("every lease is released", async |host| {
            host.in_flight().await == 0
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_eight_megabytes_passes() {
    let big = fake("big").await;
    let host = fleet(&[big.url()], "").start().await;
    host.until_routable(1).await;
    big.spare_probes(true);
    big.fail(Fault::HugeLine);
    let answer = host.post("/api/chat", &chat("hi")).await;
    assert!(answer.body.len() > 8 << 20, "{}", answer.body.len());
    assert!(is_complete(&answer.lines()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_stops_the_work_at_the_server() {
    let slow = FakeOllama::builder()
        .loaded_model("llama3.2")
        .tokens((0..1000).map(|word| format!("w{word} ")).collect::<Vec<_>>())
        .token_delay(Duration::from_millis(20))
        .start()
        .await
        .unwrap();
    let host = fleet(&[slow.url()], "").start().await;
    host.until_routable(1).await;
    let mut answer = client::stream(&host.url_of("/api/chat"), &chat("hi"))
        .await
        .unwrap();
    answer.next().await.unwrap();
    drop(answer);
    slow.until("the request is given up", |fake| {
        fake.requests_to("/api/chat")
            .iter()
            .any(|request| request.disconnected())
    })
    .await;
    host.until("the lease is released", async |host| host.in_flight().await == 0)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clients_mistake_is_passed_on_once_and_opens_no_breaker() {
    let server = fake("a").await;
    let host = fleet(&[server.url()], "").start().await;
    host.until_routable(1).await;
    for _ in 0..20 {
        let body = json!({ "model": "llama3.2", "messages": [], "think": "sideways" });
        let answer = host.post("/api/chat", &body).await;
        assert_eq!(
            (answer.status, answer.header("x-gleitzeit-attempts")),
            (400, "1"),
            "{}",
            answer.text()
        );
    }
    let instance = host.instance(&server.addr().to_string()).await;
    assert_eq!(instance["breaker"]["state"], "closed");
    assert_eq!(instance["routable"], true);
}
