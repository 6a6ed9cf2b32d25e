//! Whatever bytes come in: a clear answer, a bounded cost, nothing left behind, nobody else harmed.

use std::time::Duration;

use super::support::{Server, gateway, gateway_with, rpc_request};
use crate::config::settings::Limits;

/// Sends bytes that are no request and reads all there is to read.
async fn answer_to(server: &Server, bytes: impl AsRef<[u8]>) -> String {
    let mut client = server.connect().await;
    client.pour(bytes).await;
    client.rest().await
}

/// Sends them and expects to be told, in JSON, with this status.
async fn is_refused(server: &Server, bytes: impl AsRef<[u8]>, status: u16) {
    let answer = answer_to(server, bytes).await;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer: {answer:?}"));
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
    let body: serde_json::Value =
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"));
    let message = body["error"]["message"].as_str().or(body["fake_error"].as_str());
    assert!(message.is_some_and(|message| message.len() > 10), "{body}");
}

#[tokio::test]
async fn bytes_that_are_no_http_are_told_so() {
    let server = gateway().await;
    for garbage in [
        b"GET /hello\r\n\r\n".as_slice(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\0\0\0\0\r\n\r\n",
        b"GET /a\0b HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nho st: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: local\0host\r\n\r\n",
        b"GET / HTTP/9.9\r\nhost: localhost\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ] {
        is_refused(&server, garbage, 400).await;
    }
    // A client that is sure of HTTP/2 gets no HTTP/1 answer it could misread.
    assert_eq!(answer_to(&server, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await, "");
    server.is_unharmed().await;
}

#[tokio::test]
async fn heads_that_are_too_large_are_told_so() {
    let server = gateway().await;
    let request = |headers: String| format!("GET /hello HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n");
    let many = |count: usize| (0..count).map(|n| format!("x-{n}: 1\r\n")).collect::<String>();
    is_refused(&server, request(many(10_000)), 431).await;
    is_refused(&server, request(many(101)), 431).await;
    is_refused(&server, request(format!("x: {}\r\n", "y".repeat(70_000))), 431).await;
    is_refused(
        &server,
        format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "z".repeat(65_600)),
        431,
    )
    .await;
    let long = format!(
        "GET /{} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        "z".repeat(60_000)
    );
    is_refused(&server, long, 404).await;
    server.is_unharmed().await;
}

#[tokio::test]
async fn other_limits_on_heads_hold_as_well() {
    let server = gateway_with(Limits {
        header_count: 10,
        header_bytes: 1024,
        ..Limits::default()
    })
    .await;
    let many = (0..11).map(|n| format!("x-{n}: 1\r\n")).collect::<String>();
    is_refused(
        &server,
        format!("GET /hello HTTP/1.1\r\nhost: localhost\r\n{many}\r\n"),
        431,
    )
    .await;
    let large = "y".repeat(1100);
    is_refused(
        &server,
        format!("GET /hello HTTP/1.1\r\nhost: localhost\r\nx: {large}\r\n\r\n"),
        431,
    )
    .await;
    server.is_unharmed().await;
}

#[tokio::test]
async fn a_hundred_megabytes_are_refused_before_they_are_read() {
    let server = gateway().await;
    let mut client = server.connect().await;
    client
        .send("POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-length: 104857600\r\n\r\n")
        .await;
    // Nothing of the body has been sent: the answer cannot have waited for it.
    let response = client.response().await;
    assert_eq!((response.status, response.header("connection")), (413, "close"));
    assert!(
        response.json()["fake_error"]
            .as_str()
            .unwrap()
            .contains("33554432")
    );
    drop(client);
    server.is_unharmed().await;
}

#[tokio::test]
async fn a_client_that_sends_it_all_before_it_listens_still_hears_why() {
    let server = gateway_with(Limits {
        body_bytes: 1000,
        ..Limits::default()
    })
    .await;
    let body = vec![b'x'; 600 << 10];
    let head = format!(
        "POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    is_refused(&server, [head.as_bytes(), &body].concat(), 413).await;
    server.is_unharmed().await;
}

#[tokio::test]
async fn a_client_that_asks_first_is_refused_without_a_body() {
    let server = gateway().await;
    let mut client = server.connect().await;
    client
        .send("POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-length: 104857600\r\nexpect: 100-continue\r\n\r\n")
        .await;
    assert_eq!(client.response().await.status, 413);
    let mut client = server.connect().await;
    client
        .send("POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n")
        .await;
    assert_eq!(client.response().await.status, 100);
    client.send("hi").await;
    assert_eq!(client.response().await.body, "2 bytes");
    drop(client);
    server.is_unharmed().await;
}

#[tokio::test]
async fn chunks_without_end_are_cut_at_the_limit() {
    let server = gateway_with(Limits {
        body_bytes: 1 << 20,
        ..Limits::default()
    })
    .await;
    let mut client = server.connect().await;
    client
        .send("POST /echo HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n")
        .await;
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let before = server.received();
    client.pour(chunk.repeat(1600)).await;
    assert!(client.rest().await.starts_with("HTTP/1.1 413 "));
    // A hundred megabytes were on offer.
    assert!(server.received() - before < 8 << 20);
    drop(client);
    server.is_unharmed().await;
}

#[tokio::test]
async fn a_body_that_never_ends_is_given_up() {
    let server = gateway_with(Limits {
        body_idle_timeout: Duration::from_millis(50),
        ..Limits::default()
    })
    .await;
    is_refused(
        &server,
        "POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\nabc",
        408,
    )
    .await;
    is_refused(
        &server,
        "POST /rpc HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n",
        408,
    )
    .await;
    server.is_unharmed().await;
}

#[tokio::test]
async fn a_body_that_drips_is_given_up() {
    let server = gateway_with(Limits {
        body_timeout: Duration::from_millis(200),
        ..Limits::default()
    })
    .await;
    let mut client = server.connect().await;
    client
        .send("POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000\r\n\r\n")
        .await;
    let pause = Duration::from_millis(5);
    while tokio::time::timeout(pause, client.until(|read| !read.is_empty()))
        .await
        .is_err()
    {
        client.pour("x").await;
    }
    assert!(client.rest().await.starts_with("HTTP/1.1 408 "));
    drop(client);
    server.is_unharmed().await;
}

#[tokio::test]
async fn a_head_that_drips_is_given_up_and_told_so() {
    let server = gateway_with(Limits {
        header_timeout: Duration::from_millis(500),
        ..Limits::default()
    })
    .await;
    let mut client = server.connect().await;
    client.send("GET /hello HTTP/1.1\r\nhost: localhost\r\n").await;
    while server.slow_heads() == 0 {
        client.pour("x: y\r\n").await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(client.rest().await.starts_with("HTTP/1.1 408 "));
    drop(client);
    // Also on a connection that has been of use before.
    let mut client = server.connect().await;
    client
        .send("GET /hello HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await;
    client.response().await;
    client.send("GET /he").await;
    assert_eq!(client.response().await.status, 408);
    drop(client);
    server.is_unharmed().await;
}

#[tokio::test]
async fn lengths_that_are_lies_are_refused() {
    let server = gateway().await;
    for (headers, status) in [
        ("content-length: 99999999999999999999999", 400),
        ("content-length: -1", 400),
        ("content-length: 1x", 400),
        ("content-length: 2\r\ncontent-length: 3", 400),
        ("content-length: 18446744073709551614", 431),
        ("content-length: 9223372036854775807", 413),
        ("transfer-encoding: gzip, chunked", 501),
        ("transfer-encoding: gzip", 400),
    ] {
        is_refused(
            &server,
            format!("POST /echo HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n\r\nab"),
            status,
        )
        .await;
    }
    server.is_unharmed().await;
}

#[tokio::test]
async fn a_length_beside_chunks_smuggles_nothing() {
    let server = gateway().await;
    let smuggled = "GET /delete HTTP/1.1\r\nhost: localhost\r\n\r\n";
    for pair in [
        "content-length: 6\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 6",
    ] {
        let request = format!("POST /echo HTTP/1.1\r\nhost: localhost\r\n{pair}\r\n\r\n0\r\n\r\n{smuggled}");
        let answer = answer_to(&server, request).await;
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
    }
    server.is_unharmed().await;
}

#[tokio::test]
async fn chunks_that_are_none_are_refused() {
    let server = gateway().await;
    for body in [
        "zz\r\n",
        "5\r\nabc",
        "ffffffffffffffffff\r\n",
        "-1\r\n\r\n",
        "5 x\r\nabcde\r\n",
    ] {
        let mut client = server.connect().await;
        let head = "POST /echo HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n";
        client.pour([head, body].concat()).await;
        // The client closes its side: what has not ended by now never will.
        tokio::io::AsyncWriteExt::shutdown(&mut client.stream)
            .await
            .unwrap();
        let answer = client.rest().await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 400 "),
            "{body:?}: {answer}"
        );
    }
    server.is_unharmed().await;
}

#[tokio::test]
async fn json_that_is_none_is_told_where() {
    let server = gateway().await;
    let post = |body: Vec<u8>| {
        let head = format!(
            "POST /rpc HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        [head.into_bytes(), body].concat()
    };
    for body in [
        b"{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": }".to_vec(),
        b"\xff\xfe{}".to_vec(),
        b"\0\0\0".to_vec(),
        b"[".repeat(200_000),
        b"{\"a\":".repeat(100_000),
        b"{\"jsonrpc\":\"2.0\",\"id\":1e999999,\"method\":\"fake/null\",}".to_vec(),
    ] {
        is_refused(&server, post(body), 400).await;
    }
    server.is_unharmed().await;
}

#[tokio::test]
async fn odd_targets_are_answered() {
    let server = gateway().await;
    for (line, status) in [
        ("OPTIONS * HTTP/1.1", 404),
        ("CONNECT localhost:80 HTTP/1.1", 404),
        ("GET http://localhost/hello HTTP/1.1", 200),
        ("GET http://evil.example/hello HTTP/1.1", 403),
        ("GET /hello/../../etc/passwd HTTP/1.1", 404),
        ("GET /%00%ff HTTP/1.1", 404),
        ("BREW /hello HTTP/1.1", 405),
        ("GET // HTTP/1.1", 404),
        ("GET /hello?%zz=[]{}|^ HTTP/1.1", 200),
    ] {
        let answer = answer_to(
            &server,
            format!("{line}\r\nhost: localhost\r\nconnection: close\r\n\r\n"),
        )
        .await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{line}: {answer}"
        );
    }
    server.is_unharmed().await;
}

#[tokio::test]
async fn clients_that_break_off_anywhere_leave_nothing() {
    let server = gateway().await;
    let request = rpc_request("", r#"{"jsonrpc":"2.0","id":1,"method":"fake/hang"}"#);
    for end in 0..=request.len() {
        let mut client = server.connect().await;
        client.send(&request[..end]).await;
    }
    server.is_unharmed().await;
}
