//! Health, readiness and metrics.

use super::support::{ADMIN, USER, gateway, gateway_with_keys, rpc_request};

const METRICS: &str = "GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n";

#[tokio::test]
async fn probes_need_neither_key_nor_name() {
    let server = gateway_with_keys().await;
    for path in ["/healthz", "/readyz"] {
        let response = server
            .ask(&format!("GET {path} HTTP/1.1\r\nhost: lb.example\r\n\r\n"))
            .await;
        assert_eq!(response.status, 200, "{response:?}");
    }
}

#[tokio::test]
async fn readiness_says_what_is_missing() {
    let server = gateway().await;
    server
        .seen
        .unready
        .lock()
        .push("plugin `x` is still starting".into());
    let response = server
        .ask("GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await;
    assert_eq!(response.status, 503);
    assert_eq!(response.json()["reasons"][0], "plugin `x` is still starting");
    let mut client = server.connect().await;
    client
        .send("HEAD /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .await;
    let head = client.rest().await;
    assert!(
        head.starts_with("HTTP/1.1 503 ") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
    let alive = server
        .ask("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await;
    assert_eq!(alive.status, 200);
}

#[tokio::test]
async fn metrics_count_by_route_and_status() {
    let server = gateway().await;
    for request in [
        "GET /hello HTTP/1.1\r\nhost: localhost\r\n\r\n",
        "GET /hello HTTP/1.1\r\nhost: localhost\r\n\r\n",
        "GET /echo HTTP/1.1\r\nhost: localhost\r\n\r\n",
        "GET /invented-1 HTTP/1.1\r\nhost: localhost\r\n\r\n",
        "GET /invented-2 HTTP/1.1\r\nhost: localhost\r\n\r\n",
        &rpc_request("", "[]"),
    ] {
        server.ask(request).await;
    }
    let scrape = server.ask(METRICS).await;
    assert!(
        scrape
            .header("content-type")
            .starts_with("application/openmetrics-text")
    );
    for line in [
        "gleitzeit_requests_total{provider=\"fake\",route=\"hello\",status=\"200\"} 2",
        "gleitzeit_requests_total{provider=\"fake\",route=\"echo\",status=\"405\"} 1",
        "gleitzeit_requests_total{provider=\"gateway\",route=\"unknown\",status=\"404\"} 2",
        "gleitzeit_requests_total{provider=\"gateway\",route=\"rpc\",status=\"400\"} 1",
        "gleitzeit_request_seconds_count{provider=\"fake\",route=\"hello\"} 2",
        "gleitzeit_overhead_seconds_count{provider=\"fake\",route=\"hello\"} 2",
        "gleitzeit_in_flight 0",
        "gleitzeit_connections_accepted_total 7",
        "fake_instances 3",
        "# EOF",
    ] {
        assert!(
            scrape.body.lines().any(|found| found == line),
            "no {line} in\n{}",
            scrape.body
        );
    }
}

#[tokio::test]
async fn metrics_need_no_key_on_loopback() {
    assert_eq!(gateway_with_keys().await.ask(METRICS).await.status, 200);
}

#[tokio::test]
async fn no_key_shows_up_in_metrics() {
    let server = gateway_with_keys().await;
    for key in [USER, ADMIN, "a-wrong-key-0123456789"] {
        server
            .ask(&format!(
                "GET /{key} HTTP/1.1\r\nhost: localhost\r\nx-api-key: {key}\r\n\r\n"
            ))
            .await;
    }
    let scrape = server.ask(METRICS).await.body;
    assert!(!scrape.contains("key-0123456789"), "{scrape}");
}
