//! Images that are fetched because a box needs them.

use std::sync::Arc;
use std::time::Duration;

use plugin_api::contract::error::Retry;
use plugin_api::testing::{Event, TestHost};
use plugin_api::{Error, ErrorCode, Hub};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::fake::{Answer, FakeEngine, Fixture, context, fixture, until};
use crate::start::{start, workload};

#[tokio::test]
async fn an_image_is_pulled_with_the_credentials_of_its_registry() {
    let host = TestHost::new().with_secret("token", "s3cr?t>");
    let config = json!({ "registries": { "registry.test": { "username": "me", "password": "token" } } });
    let fixture = Fixture::new(host, config);
    let fake = FakeEngine::new();
    fixture.engine("engine", &fake);
    fake.on(
        "GET",
        "/images/registry.test",
        Answer::Json(404, json!({ "message": "No such image" })),
    );
    fake.on(
        "POST",
        "/images/create",
        Answer::Text(
            200,
            "{\"status\":\"Pulling\"}\n{\"errorDetail\":{\"message\":\"denied\"},\"error\":\"denied\"}\n",
        ),
    );
    let workload = json!({ "command": ["/bin/run"], "image": "registry.test/box" });
    let error = fixture.hub.clone().start(context(), workload).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::UPSTREAM_ERROR);
    assert!(
        error.message.contains("denied") && !error.message.contains("s3cr"),
        "{error}"
    );
    let request = &fake.requests("POST", "/images/create")[0];
    assert!(
        request.path.contains("registry.test%2Fbox%3Alatest"),
        "{}",
        request.path
    );
    let header = &request.headers["x-registry-auth"];
    assert!(!header.contains(['+', '/']), "{header}");
}

#[tokio::test]
async fn starts_that_wait_for_a_pull_have_it_in_common() {
    let host = TestHost::new();
    let fixture = Fixture::new(host.clone(), json!({ "pull": "always" }));
    let fake = FakeEngine::new();
    fixture.engine("engine", &fake);
    let permits = Arc::new(Semaphore::new(0));
    let pulled = Answer::Held(permits.clone(), json!({ "status": "pulled" }));
    fake.on("POST", "/images/create", pulled);
    let pulls = || fake.requests("POST", "/images/create").len();
    let leased = || {
        let events = host.events().into_iter();
        events
            .filter(|event| matches!(event, Event::Leased { .. }))
            .count()
    };
    let mut starts = tokio::task::JoinSet::new();
    let mut begin = || {
        let hub = fixture.hub.clone();
        starts.spawn(async move { hub.start(context(), workload()).await });
    };
    begin();
    until("the image is being pulled", || pulls() == 1).await;
    for _ in 1..5 {
        begin();
    }
    until("the others have the engine", || leased() == 5).await;
    // From there to the image nothing is waited for.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    permits.add_permits(10);
    while starts.join_next().await.is_some() {}
    assert_eq!(pulls(), 1);
    assert_eq!(fake.requests("POST", "/containers/create").len(), 5);
    // Who comes later wants what there is then.
    start(&fixture).await;
    assert_eq!(pulls(), 2);
}

/// How long one is told to wait.
fn rest(error: &Error) -> Duration {
    match error.retry {
        Retry::After(rest) => rest,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_image_that_cannot_be_pulled_is_asked_for_less_and_less_and_what_to_do_is_said() {
    let (fixture, fake) = (fixture(), FakeEngine::new());
    fixture.engine("engine", &fake);
    let absent = Answer::Json(404, json!({ "message": "No such image" }));
    fake.on("GET", "/images/box/json", absent);
    let broken = json!({ "message": "dial tcp: lookup registry: no such host" });
    fake.on("POST", "/images/create", Answer::Json(500, broken));
    let pulls = || fake.requests("POST", "/images/create").len();

    let first = start(&fixture).await;
    assert!(first.message.contains("no such host"), "{first}");
    assert!(first.message.contains("tried again in "), "{first}");
    assert!(rest(&first) <= Duration::from_secs(10), "{first}");
    let hint = first.hint.unwrap();
    for way_out in ["pull = \"never\"", "registries", "import"] {
        assert!(hint.contains(way_out), "{hint}");
    }
    // A warm pool asks every so often, and callers with it.
    for _ in 0..5 {
        assert!(start(&fixture).await.message.contains("no such host"));
    }
    assert_eq!(pulls(), 1);

    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(11)).await;
    tokio::time::resume();
    let second = start(&fixture).await;
    assert_eq!(pulls(), 2);
    assert!(rest(&second) > Duration::from_secs(10), "{second}");

    // Once it is there, whoever brought it, there is no waiting.
    fake.on(
        "GET",
        "/images/box/json",
        Answer::Json(200, json!({ "Id": "sha256:1", "Config": {} })),
    );
    start(&fixture).await;
    assert_eq!(fake.requests("POST", "/containers/create").len(), 1);
    assert_eq!(pulls(), 2);
}
