//! Orphans, on engines that do not get rid of them.

use std::sync::Arc;

use plugin_api::hub::Progress;
use plugin_api::{Hub, ResourceInstance};
use serde_json::{Value, json};

use crate::fake::{Answer, FakeEngine, Fixture, context, fixture};

const ORPHAN: &str = "ffffffffffff";

/// An engine with a container that a host before this one has left.
fn with_an_orphan(fake: &FakeEngine, removal: Answer) {
    let deadline = json!({
        "Id": ORPHAN, "State": "removing",
        "Labels": { "gleitzeit.machine": "m", "gleitzeit.boot": "b", "gleitzeit.process": "1", "gleitzeit.began": "1",
                    "gleitzeit.kind": "sandbox", "gleitzeit.deadline": "1" },
    });
    fake.on("GET", "/containers/json", Answer::Json(200, json!([deadline])));
    fake.on("DELETE", "/containers/ffff", removal);
}

async fn cleanup(fixture: &Fixture, engine: &Arc<ResourceInstance>) -> Value {
    let (progress, _reports) = Progress::channel();
    let verb = fixture.hub.clone().control(
        context(),
        "cleanup".to_owned(),
        json!({}),
        Some(engine.clone()),
        progress,
    );
    verb.await.unwrap()
}

async fn stuck(fixture: &Fixture, engine: &Arc<ResourceInstance>) -> f64 {
    let probe = fixture.hub.clone().probe(context(), engine.clone());
    probe.await.unwrap().gauges["containers_stuck"]
}

#[tokio::test]
async fn what_an_engine_is_for_ever_removing_is_counted_and_never_said_to_be_removed() {
    let (fixture, fake) = (fixture(), FakeEngine::new());
    let engine = fixture.engine("engine", &fake);
    let busy = json!({ "message": "removal of container ffffffffffff is already in progress" });
    with_an_orphan(&fake, Answer::Json(409, busy));
    // It may just be on its way out.
    let first = cleanup(&fixture, &engine).await;
    assert_eq!(first, json!({ "removed": [], "stuck": [] }));
    let second = cleanup(&fixture, &engine).await;
    assert_eq!(second, json!({ "removed": [], "stuck": [ORPHAN] }));
    assert_eq!(stuck(&fixture, &engine).await, 1.0);
    // It is tried again all the same.
    let tried = fake.requests("DELETE", "/containers/ffff").len();
    cleanup(&fixture, &engine).await;
    assert!(fake.requests("DELETE", "/containers/ffff").len() > tried);

    fake.on("GET", "/containers/json", Answer::Json(200, json!([])));
    assert_eq!(
        cleanup(&fixture, &engine).await,
        json!({ "removed": [], "stuck": [] })
    );
    assert_eq!(stuck(&fixture, &engine).await, 0.0);
}

#[tokio::test]
async fn what_an_engine_cannot_remove_is_counted_until_it_can() {
    let (fixture, fake) = (fixture(), FakeEngine::new());
    let engine = fixture.engine("engine", &fake);
    let failure = json!({ "message": "unable to remove filesystem: device or resource busy" });
    with_an_orphan(&fake, Answer::Json(500, failure));
    cleanup(&fixture, &engine).await;
    cleanup(&fixture, &engine).await;
    assert_eq!(stuck(&fixture, &engine).await, 1.0);
    fake.on("DELETE", "/containers/ffff", Answer::Text(204, ""));
    let removed = cleanup(&fixture, &engine).await;
    assert_eq!(removed["removed"], json!([ORPHAN]));
}
