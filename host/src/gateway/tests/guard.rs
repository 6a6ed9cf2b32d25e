//! Who may call: keys, and pages in browsers.

use super::support::{ADMIN, USER, eventually, gateway, gateway_with_keys, rpc_request};

#[tokio::test]
async fn without_a_key_nothing_is_served_and_nothing_is_told() {
    let server = gateway_with_keys().await;
    let dialect = server.ask("GET /hello HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert_eq!(
        (dialect.status, dialect.header("www-authenticate")),
        (401, "Bearer")
    );
    assert!(
        dialect.json()["fake_error"]
            .as_str()
            .unwrap()
            .contains("a key is needed")
    );
    let rpc = server.ask(&rpc_request("", "{}")).await;
    assert_eq!(
        (rpc.status, rpc.json()["error"]["code"].as_i64()),
        (401, Some(-31006))
    );
    let unknown = server
        .ask("GET /nothing HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await;
    assert_eq!(unknown.status, 401);
    assert!(server.seen.askers.lock().is_empty());
}

#[tokio::test]
async fn a_key_opens_what_it_may() {
    let server = gateway_with_keys().await;
    let ask = async |request: String| server.ask(&request).await.status;
    let get = |header: String| {
        ask(format!(
            "GET /hello HTTP/1.1\r\nhost: localhost\r\n{header}\r\n\r\n"
        ))
    };
    assert_eq!(get(format!("authorization: Bearer {USER}")).await, 200);
    assert_eq!(get(format!("x-api-key: {USER}")).await, 200);
    assert_eq!(get(format!("x-api-key: {USER}x")).await, 401);
    let delete = |key| {
        ask(format!(
            "DELETE /delete HTTP/1.1\r\nhost: localhost\r\nx-api-key: {key}\r\n\r\n"
        ))
    };
    assert_eq!(delete(USER).await, 403);
    assert_eq!(delete(ADMIN).await, 200);
    let names: Vec<String> = server
        .seen
        .askers
        .lock()
        .iter()
        .map(|asker| asker.principal.to_string())
        .collect();
    assert_eq!(names, ["user", "user", "admin"]);
}

#[tokio::test]
async fn a_key_at_its_limit_is_told_to_wait_and_others_are_not() {
    let server = gateway_with_keys().await;
    let mut busy = server.connect().await;
    busy.send(format!(
        "POST /hang HTTP/1.1\r\nhost: localhost\r\nx-api-key: {USER}\r\ncontent-length: 0\r\n\r\n"
    ))
    .await;
    eventually("it works", || server.seen.running() == 1).await;
    let get = |key| {
        server.ask_owned(format!(
            "GET /hello HTTP/1.1\r\nhost: localhost\r\nx-api-key: {key}\r\n\r\n"
        ))
    };
    let refused = get(USER).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "1"));
    assert!(refused.json()["fake_error"].as_str().unwrap().contains("`user`"));
    assert_eq!(get(ADMIN).await.status, 200);
    drop(busy);
    eventually("its slot is free", || server.in_flight() == 0).await;
    assert_eq!(get(USER).await.status, 200);
}

#[tokio::test]
async fn a_rebound_name_is_refused_unless_a_key_proves_the_caller() {
    let open = gateway().await;
    let rebound = open
        .ask("GET /hello HTTP/1.1\r\nhost: evil.example\r\n\r\n")
        .await;
    assert_eq!(rebound.status, 403);
    let nameless = open.ask("GET /hello HTTP/1.1\r\n\r\n").await;
    assert_eq!(nameless.status, 400);
    let keyed = gateway_with_keys().await;
    let named = keyed
        .ask(&format!(
            "GET /hello HTTP/1.1\r\nhost: gate.example\r\nx-api-key: {USER}\r\n\r\n"
        ))
        .await;
    assert_eq!(named.status, 200);
}

#[tokio::test]
async fn a_foreign_page_may_neither_ask_nor_call() {
    let server = gateway().await;
    for method in ["GET", "OPTIONS"] {
        let response = server
            .ask(&format!(
                "{method} /hello HTTP/1.1\r\nhost: localhost\r\norigin: https://evil.example\r\naccess-control-request-method: GET\r\n\r\n"
            ))
            .await;
        assert_eq!(response.status, 403, "{method}");
        assert_eq!(response.header("access-control-allow-origin"), "");
    }
    assert!(server.seen.askers.lock().is_empty());
}

#[tokio::test]
async fn a_local_page_may_ask_without_a_key_and_call_with_one() {
    let server = gateway_with_keys().await;
    let page = "http://localhost:3000";
    let asked = server
        .ask(&format!(
            "OPTIONS /echo HTTP/1.1\r\nhost: localhost\r\norigin: {page}\r\naccess-control-request-method: POST\r\naccess-control-request-headers: x-api-key, content-type\r\n\r\n"
        ))
        .await;
    assert_eq!(asked.status, 204);
    assert_eq!(asked.header("access-control-allow-origin"), page);
    assert_eq!(asked.header("access-control-allow-methods"), "POST");
    assert_eq!(
        asked.header("access-control-allow-headers"),
        "x-api-key, content-type"
    );
    let called = server
        .ask(&format!(
            "GET /hello HTTP/1.1\r\nhost: localhost\r\norigin: {page}\r\nx-api-key: {USER}\r\n\r\n"
        ))
        .await;
    assert_eq!(
        (called.status, called.header("access-control-allow-origin")),
        (200, page)
    );
    // A page has to be able to read why it was refused, too.
    let refused = server
        .ask(&format!(
            "GET /hello HTTP/1.1\r\nhost: localhost\r\norigin: {page}\r\n\r\n"
        ))
        .await;
    assert_eq!(
        (refused.status, refused.header("access-control-allow-origin")),
        (401, page)
    );
}

#[tokio::test]
async fn listening_beyond_this_machine_needs_keys_or_a_word() {
    use std::sync::Arc;

    use super::fake::{Fake, Seen};
    use crate::gateway::Gateway;

    let fake = Fake(Arc::<Seen>::default());
    let mut settings = super::support::settings(crate::config::settings::Limits::default());
    settings.listen = ([0, 0, 0, 0], 0).into();
    let refused = Gateway::bind(&settings, fake.clone(), Arc::new(fake.clone())).await;
    let error = refused.err().unwrap();
    assert!(error.hint.unwrap().contains("allow_anonymous"));
    settings.allow_anonymous = true;
    // Bound and dropped at once: nothing is served beyond this machine.
    assert!(
        Gateway::bind(&settings, fake.clone(), Arc::new(fake))
            .await
            .is_ok()
    );
}
