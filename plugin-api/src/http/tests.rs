//! Against a server of a few lines, so that every way to answer badly is at hand.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{Access, AccessError, BaseUrl, BaseUrlError, Call, Client, HttpError, Method};
use crate::contract::instance::Endpoint;
use crate::{Error, ErrorCode, Fault};

/// A server that answers each connection with these bytes, then closes it; it hangs after the last if told to.
async fn server(answer: impl Into<Vec<u8>>, hang: bool) -> (Endpoint, tokio::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::new(format!("http://{}", listener.local_addr().unwrap()));
    let answer = answer.into();
    let (heard, hear) = tokio::sync::mpsc::channel(8);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let read = socket.read(&mut request).await.unwrap();
            let _ = heard.try_send(String::from_utf8_lossy(&request[..read]).into_owned());
            let _ = socket.write_all(&answer).await;
            if hang {
                std::future::pending::<()>().await;
            }
        }
    });
    (endpoint, hear)
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn get(endpoint: &Endpoint) -> Call {
    Client::new("test/1")
        .unwrap()
        .call(Method::GET, endpoint, "/v1/models?a=b")
}

#[tokio::test]
async fn json_comes_back_typed() {
    let (endpoint, _) = server(ok(r#"{"a": 1}"#), false).await;
    assert_eq!(get(&endpoint).json::<Value>().await.unwrap(), json!({"a": 1}));
}

#[tokio::test]
async fn the_endpoints_headers_and_rewrites_go_with_every_call() {
    let (mut endpoint, mut heard) = server(ok("{}"), false).await;
    endpoint.headers = vec![("authorization".into(), "Bearer k".into())];
    endpoint.rewrites = vec![("/v1".into(), "/api".into())];
    get(&endpoint).json::<Value>().await.unwrap();
    let request = heard.recv().await.unwrap();
    assert!(
        request.starts_with("GET /api/models?a=b HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(request.contains("authorization: Bearer k\r\n"), "{request}");
    assert!(request.contains("user-agent: test/1\r\n"), "{request}");
}

#[tokio::test]
async fn a_body_is_sent_as_json() {
    let (endpoint, mut heard) = server(ok("{}"), false).await;
    let call = Client::new("test/1").unwrap().call(Method::POST, &endpoint, "/");
    call.body(&json!({"model": "m"})).bytes().await.unwrap();
    let request = heard.recv().await.unwrap();
    assert!(
        request.contains("content-type: application/json\r\n"),
        "{request}"
    );
    assert!(request.ends_with(r#"{"model":"m"}"#), "{request}");
}

#[tokio::test]
async fn nobody_there_is_a_failure_to_connect() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::new(format!("http://{}", listener.local_addr().unwrap()));
    drop(listener);
    let error = Error::from(get(&endpoint).bytes().await.unwrap_err());
    assert_eq!(
        (error.code, error.fault),
        (ErrorCode::CONNECTION_FAILED, Fault::Instance)
    );
}

#[tokio::test]
async fn silence_ends_at_the_limit() {
    let (endpoint, _) = server("", true).await;
    let limit = Duration::from_millis(20);
    let error = get(&endpoint).within(limit).bytes().await.unwrap_err();
    assert!(
        matches!(&error, HttpError::TimedOut { url, .. } if url.starts_with(&endpoint.url)),
        "{error}"
    );
}

#[tokio::test]
async fn an_error_status_carries_what_the_server_said() {
    for (body, said) in [
        (r#"{"error":"model 'x' not found"}"#, "model 'x' not found"),
        (r#"{"error":{"message":"no such model"}}"#, "no such model"),
        ("upstream\nfailed", "upstream failed"),
    ] {
        let answer = format!(
            "HTTP/1.1 404 Not Found\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let (endpoint, _) = server(answer, false).await;
        let error = get(&endpoint).bytes().await.unwrap_err();
        assert_eq!(error.status(), Some(404));
        assert!(
            error.to_string().ends_with(&format!("answered 404: {said}")),
            "{error}"
        );
    }
}

#[tokio::test]
async fn refused_credentials_are_for_the_operator_to_mend() {
    let (endpoint, _) = server("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n", false).await;
    let error = Error::from(get(&endpoint).bytes().await.unwrap_err());
    assert_eq!(error.code, ErrorCode::CONFIGURATION);
    assert!(error.hint.unwrap().contains("key"));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let moved = "HTTP/1.1 302 Found\r\nlocation: /login\r\ncontent-length: 0\r\n\r\n";
    let (endpoint, _) = server(moved, false).await;
    assert_eq!(get(&endpoint).bytes().await.unwrap_err().status(), Some(302));
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(100_000));
    let (endpoint, _) = server(endless, true).await;
    let error = get(&endpoint).at_most(1000).bytes().await.unwrap_err();
    assert!(
        matches!(error, HttpError::TooLarge { limit: 1000, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn something_else_than_json_is_nonsense_with_an_excerpt() {
    let (endpoint, _) = server(ok("<html>Welcome</html>"), false).await;
    let error = get(&endpoint).json::<Value>().await.unwrap_err();
    assert!(error.to_string().ends_with("<html>Welcome</html>"), "{error}");
}

#[tokio::test]
async fn lines_come_one_by_one_and_the_last_needs_no_end() {
    let (endpoint, _) = server("HTTP/1.1 200 OK\r\n\r\n{\"a\":1}\n\n{\"a\":2}\n{\"a\":3}", false).await;
    let mut lines = get(&endpoint).lines().await.unwrap();
    let mut seen = Vec::new();
    while let Some(line) = lines.next().await.unwrap() {
        seen.push(String::from_utf8(line.to_vec()).unwrap());
    }
    assert_eq!(seen, [r#"{"a":1}"#, r#"{"a":2}"#, r#"{"a":3}"#]);
}

#[tokio::test]
async fn a_line_without_end_is_cut_off() {
    let (endpoint, _) = server(format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(100_000)), true).await;
    let mut lines = get(&endpoint).at_most(1000).lines().await.unwrap();
    assert!(matches!(lines.next().await, Err(HttpError::TooLarge { .. })));
}

#[tokio::test]
async fn a_stream_that_pauses_too_long_is_over() {
    let (endpoint, _) = server("HTTP/1.1 200 OK\r\n\r\n{}\n", true).await;
    let mut lines = get(&endpoint)
        .within(Duration::from_millis(20))
        .lines()
        .await
        .unwrap();
    assert_eq!(lines.next().await.unwrap().unwrap(), "{}");
    assert!(matches!(lines.next().await, Err(HttpError::TimedOut { .. })));
}

#[tokio::test]
async fn a_stream_that_breaks_off_says_so() {
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{}\n";
    let (endpoint, _) = server(cut, false).await;
    let mut lines = get(&endpoint).lines().await.unwrap();
    assert_eq!(lines.next().await.unwrap().unwrap(), "{}");
    assert!(matches!(lines.next().await, Err(HttpError::Broken { .. })));
}

#[test]
fn a_base_url_has_one_spelling() {
    for (written, one) in [
        ("http://GPU1:8000/", "http://gpu1:8000"),
        (" http://gpu1:8000// ", "http://gpu1:8000"),
        ("https://host/openai/v1/", "https://host/openai/v1"),
        ("http://gpu1:80", "http://gpu1:80"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ] {
        assert_eq!(BaseUrl::parse(written).unwrap().to_string(), one, "{written}");
    }
}

#[test]
fn a_default_port_is_for_plain_servers_that_name_none() {
    let port = |text| BaseUrl::parse(text).unwrap().or_port(11434).port();
    assert_eq!(port("http://gpu1"), 11434);
    assert_eq!(port("http://gpu1:80"), 80);
    assert_eq!(port("https://gpu1"), 443);
    assert_eq!(port("http://[::1]"), 11434);
}

#[test]
fn what_is_no_base_url_is_refused_with_the_reason() {
    let refused = |text| BaseUrl::parse(text).unwrap_err();
    for text in ["", "gpu1", "gpu1:8000", "ftp://gpu1", "http://", "/v1"] {
        assert!(matches!(refused(text), BaseUrlError::NotHttp(_)), "{text}");
    }
    assert_eq!(refused("http://me:secret@gpu1"), BaseUrlError::Credentials);
    assert!(matches!(refused("http://gpu1/?a=b"), BaseUrlError::Extra(_)));
}

#[test]
fn a_key_comes_from_a_file_that_others_cannot_read() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "sk-1").unwrap();
    let access = Access {
        key_file: Some(file.path().to_owned()),
        ..Access::default()
    };
    assert_eq!(
        access.to_headers().unwrap(),
        [("authorization".to_owned(), "Bearer sk-1".to_owned())]
    );
    file.as_file()
        .set_permissions(std::fs::Permissions::from_mode(0o644))
        .unwrap();
    assert!(matches!(access.to_headers(), Err(AccessError::Exposed(_))));
}

#[test]
fn a_key_that_cannot_be_had_is_named_and_never_shown() {
    let absent = Access {
        key_env: Some("GLEITZEIT_TEST_NOT_SET".into()),
        ..Access::default()
    };
    assert_eq!(
        absent.to_headers(),
        Err(AccessError::Unset("GLEITZEIT_TEST_NOT_SET".into()))
    );
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "sk-1\nsk-2").unwrap();
    let two_lines = Access {
        key_file: Some(file.path().to_owned()),
        ..Access::default()
    };
    let error = two_lines.to_headers().unwrap_err();
    assert!(matches!(error, AccessError::Unusable(_)));
    assert!(!error.to_string().contains("sk-1"));
}

#[test]
fn a_header_is_checked_when_it_is_read() {
    let access = |name: &str, value: &str| Access {
        headers: [(name.to_owned(), value.to_owned())].into(),
        ..Access::default()
    };
    assert_eq!(
        access("X-Team", "search").to_headers().unwrap(),
        [("x-team".to_owned(), "search".to_owned())]
    );
    assert!(access("x team", "search").to_headers().is_err());
    assert!(access("x-team", "a\r\nb: c").to_headers().is_err());
}

/// A server whose first connection answers once and dies of the second request, without a word.
async fn forgetful() -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::new(format!("http://{}", listener.local_addr().unwrap()));
    tokio::spawn(async move {
        for answers in [1, 1] {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            for _ in 0..answers {
                let _ = socket.read(&mut request).await.unwrap();
                socket.write_all(ok("{}").as_bytes()).await.unwrap();
            }
            let _ = socket.read(&mut request).await.unwrap();
        }
    });
    endpoint
}

#[tokio::test]
async fn a_question_is_asked_again_where_only_the_idle_connection_had_died() {
    let endpoint = forgetful().await;
    let client = Client::new("test/1").unwrap();
    for _ in 0..2 {
        client.call(Method::GET, &endpoint, "/").bytes().await.unwrap();
    }
}

#[tokio::test]
async fn what_changes_something_is_never_sent_twice() {
    let endpoint = forgetful().await;
    let client = Client::new("test/1").unwrap();
    client.call(Method::GET, &endpoint, "/").bytes().await.unwrap();
    let error = client
        .call(Method::POST, &endpoint, "/")
        .bytes()
        .await
        .unwrap_err();
    assert!(matches!(error, HttpError::Broken { .. }), "{error}");
}
