//! Errors of an instance whose bodies cannot be passed on: it is the request that was wrong, not the instance.

use fakes::Fault;
use fakes::ollama::FakeOllama;
use serde_json::json;
use system::host::{Host, fleet};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// More mistakes than the breaker lets an instance make.
async fn assert_client_errors(host: &Host, id: &str) {
    let body = json!({ "model": "llama3.2", "messages": [], "stream": false });
    for _ in 0..8 {
        let answer = host.post("/api/chat", &body).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert!(answer.text().len() < 1000, "it is said in few words");
        let said = answer.json()["error"].as_str().unwrap_or_default().to_owned();
        assert!(said.contains("400") && said.contains("its explanation"), "{said}");
    }
    let instance = host.instance(id).await;
    assert_eq!(instance["routable"], true, "{instance}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_error_with_a_very_long_body_stays_a_client_error() {
    let server = FakeOllama::builder()
        .loaded_model("llama3.2")
        .start()
        .await
        .unwrap();
    let host = fleet(&[server.url()], "").start().await;
    host.until_routable(1).await;
    let long = json!({ "error": "x".repeat(2 << 20) }).to_string();
    server.fail_on(
        "/api/chat",
        Fault::Status {
            code: 400,
            body: long,
        },
    );
    let id = server.url().replace("http://", "");
    assert_client_errors(&host, &id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_error_whose_body_never_comes_stays_a_client_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = vec![0; 4096];
                while let Ok(read @ 1..) = socket.read(&mut head).await {
                    let asked = String::from_utf8_lossy(&head[..read]).into_owned();
                    if asked.starts_with("POST /api/chat") {
                        let half = "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{";
                        socket.write_all(half.as_bytes()).await.unwrap();
                        std::future::pending::<()>().await;
                    }
                    let model =
                        r#"{"models":[{"name":"llama3.2:latest","model":"llama3.2:latest","size":1}]}"#;
                    let body = match asked.split(' ').nth(1) {
                        Some("/api/version") => r#"{"version":"0.33.0"}"#,
                        Some("/api/tags" | "/api/ps") => model,
                        _ => "{}",
                    };
                    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                    socket.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    let host = fleet(&[format!("http://{address}")], "timeouts = { idle = \"200ms\" }")
        .start()
        .await;
    host.until_routable(1).await;
    assert_client_errors(&host, &address.to_string()).await;
    serving.abort();
}
