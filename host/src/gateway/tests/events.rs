//! Events as they happen, over HTTP.

use std::time::Duration;

use serde_json::{Value, json};

use super::support::{ADMIN, Client, Server, USER, eventually, gateway, gateway_with_keys, settings};
use crate::config::settings::Limits;
use crate::pool::events::kind;

/// A client that follows, and is known to.
async fn follower(server: &Server, query: &str, headers: &str) -> Client {
    let mut client = server.connect().await;
    client
        .send(format!(
            "GET /events{query} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n"
        ))
        .await;
    assert!(sees(&mut client, ": following").await);
    client
}

async fn sees(client: &mut Client, text: &str) -> bool {
    client
        .until(|read| String::from_utf8_lossy(read).contains(text))
        .await
}

#[tokio::test]
async fn what_happens_is_told_with_its_kind_and_its_id() {
    let server = gateway().await;
    let mut client = follower(&server, "", "").await;
    let data = json!({ "old": "starting", "new": "healthy", "reason": null });
    server
        .seen
        .events
        .emit(kind::STATUS_CHANGED, "models", Some("gpu1"), data);
    assert!(sees(&mut client, "\n\n").await && sees(&mut client, "healthy").await);
    let text = client.take_text();
    assert!(text.contains("content-type: text/event-stream"), "{text}");
    assert!(text.contains("\nevent: status_changed\ndata: {"), "{text}");
    let id = text
        .split("\nid: ")
        .nth(1)
        .unwrap()
        .lines()
        .next()
        .unwrap()
        .to_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let event: Value = serde_json::from_str(line).unwrap();
    assert_eq!(event["id"], id.as_str());
    assert_eq!(
        (&event["hub"], &event["instance"]),
        (&json!("models"), &json!("gpu1"))
    );
}

#[tokio::test]
async fn a_follower_chooses_kinds_and_hubs() {
    let server = gateway().await;
    let mut client = follower(&server, "?kind=hub_started,hub_stopped&hub=a&hub=b", "").await;
    let emit = |kind, hub| server.seen.events.emit(kind, hub, None, Value::Null);
    emit(kind::HUB_STARTED, "c");
    emit(kind::HUB_ADDED, "a");
    emit(kind::HUB_STOPPED, "b");
    assert!(sees(&mut client, "hub_stopped").await);
    let text = client.take_text();
    assert_eq!(text.matches("event: ").count(), 1, "{text}");
}

#[tokio::test]
async fn one_that_comes_back_misses_nothing() {
    let server = gateway().await;
    let mut client = follower(&server, "", "").await;
    let emit = |hub| server.seen.events.emit(kind::HUB_STARTED, hub, None, Value::Null);
    emit("one");
    assert!(sees(&mut client, "one").await);
    let text = client.take_text();
    let id = text
        .split("\nid: ")
        .nth(1)
        .unwrap()
        .lines()
        .next()
        .unwrap()
        .to_owned();
    drop(client);
    emit("two");
    for (query, header) in [
        (String::new(), format!("last-event-id: {id}\r\n")),
        (format!("?after={id}"), String::new()),
    ] {
        let mut client = follower(&server, &query, &header).await;
        assert!(sees(&mut client, "two").await);
        assert!(!client.take_text().contains("one"));
    }
    let mut client = follower(&server, "?after=00000000-1", "").await;
    assert!(sees(&mut client, "event: lost").await, "of another life");
    assert!(sees(&mut client, "two").await, "and all that is kept");
}

#[tokio::test]
async fn silence_is_told_with_how_far_we_have_come() {
    let server = Server::start_tuned(settings(Limits::default()), Duration::from_millis(20)).await;
    let mut client = follower(&server, "?hub=a", "").await;
    server.seen.events.emit(kind::HUB_STARTED, "b", None, Value::Null);
    assert!(sees(&mut client, ": alive\nid: ").await);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let server = gateway().await;
    for (query, part) in [
        ("?kind=hub_startd", "hub_started"),
        ("?what=1", "`kind`, `hub` and `after`"),
        ("?after=yesterday", "leave it out"),
    ] {
        let response = server
            .ask_owned(format!("GET /events{query} HTTP/1.1\r\nhost: localhost\r\n\r\n"))
            .await;
        assert_eq!(response.status, 400, "{query}");
        let hint = response.json()["error"]["hint"].as_str().unwrap().to_owned();
        assert!(hint.contains(part), "{query}: {hint}");
    }
    let response = server
        .ask("POST /events HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n")
        .await;
    assert_eq!((response.status, response.header("allow")), (405, "GET"));
}

#[tokio::test]
async fn where_keys_are_configured_one_is_needed() {
    let server = gateway_with_keys().await;
    let response = server
        .ask("GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await;
    assert_eq!(response.status, 401);
    follower(&server, "", &format!("authorization: Bearer {ADMIN}\r\n")).await;
}

#[tokio::test]
async fn what_others_allocate_is_told_in_full_to_administrators_only() {
    let server = gateway_with_keys().await;
    let mut user = follower(&server, "", &format!("authorization: Bearer {USER}\r\n")).await;
    let mut admin = follower(&server, "", &format!("authorization: Bearer {ADMIN}\r\n")).await;
    for (principal, id) in [("other", "alloc-secret"), ("user", "alloc-own")] {
        let data = json!({ "principal": principal, "allocation": id, "hubs": ["models"] });
        server.seen.events.emit(kind::ALLOCATION_CREATED, "", None, data);
    }
    for client in [&mut user, &mut admin] {
        assert!(sees(client, "alloc-own").await);
    }
    let (user, admin) = (user.take_text(), admin.take_text());
    assert_eq!(user.matches("event: allocation_created").count(), 2, "{user}");
    assert!(!user.contains("alloc-secret"), "{user}");
    assert!(admin.contains("alloc-secret"), "{admin}");
}

#[tokio::test]
async fn a_follower_that_goes_away_leaves_nothing() {
    let server = gateway().await;
    let client = follower(&server, "", "").await;
    assert!(server.seen.events.is_followed());
    drop(client);
    eventually("nobody follows", || !server.seen.events.is_followed()).await;
    server.is_unharmed().await;
}

#[tokio::test]
async fn a_host_that_stops_does_not_wait_for_followers() {
    let server = gateway().await;
    let mut client = follower(&server, "", "").await;
    server.tell_to_stop();
    let rest = client.rest().await;
    assert!(
        rest.ends_with("0\r\n\r\n"),
        "it ends as a whole answer does: {rest:?}"
    );
    assert_eq!(server.stopped().await, 0);
}

#[tokio::test]
async fn a_host_that_stops_does_not_wait_until_nothing_happens() {
    let server = gateway().await;
    let mut client = follower(&server, "", "").await;
    let events = server.seen.events.clone();
    let noise = tokio::spawn(async move {
        loop {
            events.emit(kind::HUB_STARTED, "a", None, Value::Null);
            tokio::task::yield_now().await;
        }
    });
    server.tell_to_stop();
    client.rest().await;
    noise.abort();
    assert_eq!(server.stopped().await, 0);
}
