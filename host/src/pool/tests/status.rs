//! What an operator sees.

use plugin_api::contract::instance::{Endpoint, Origin};
use plugin_api::contract::outcome::Outcome;
use plugin_api::contract::probe::{Load, Probe};
use plugin_api::host::Selection;
use serde_json::json;

use crate::pool::testing::{Look, fleet, pass, served};

#[tokio::test(start_paused = true)]
async fn status_tells_everything_about_an_instance() {
    let fleet = fleet(&["a"])
        .limit(4)
        .hub(|hub| {
            hub.look(
                "a",
                Look::Well(Probe {
                    version: Some("1.2".into()),
                    load: Load {
                        memory_bytes: Some(7),
                        ..Load::default()
                    },
                    gauges: [("models_loaded".to_owned(), 2.0)].into(),
                    ..Probe::default()
                }),
            );
        })
        .start()
        .await;
    let _held = fleet.take();
    fleet.send("a", &[Outcome::Success, Outcome::ServerError]);
    let status = serde_json::to_value(fleet.status("a")).unwrap();
    for (pointer, expected) in [
        ("/id", json!("a")),
        ("/hub", json!("hub")),
        ("/url", json!("http://a")),
        ("/state", json!("healthy")),
        ("/breaker/state", json!("closed")),
        ("/routable", json!(true)),
        ("/in_flight", json!(1)),
        ("/max_concurrent", json!(4)),
        ("/origin", json!("configured")),
        ("/version", json!("1.2")),
        ("/load/memory_bytes", json!(7)),
        ("/gauges/models_loaded", json!(2.0)),
        ("/metrics/outcomes/success", json!(1)),
        ("/metrics/outcomes/server_error", json!(1)),
        ("/metrics/latency/count", json!(1)),
    ] {
        assert_eq!(status.pointer(pointer), Some(&expected), "{pointer} in {status}");
    }
}

#[tokio::test(start_paused = true)]
async fn secrets_are_shown_nowhere() {
    let fleet = fleet(&[]).start().await;
    let mut instance = served("a");
    let mut endpoint = Endpoint::new("http://user:hunter2@a");
    endpoint.headers = vec![("authorization".into(), "Bearer hunter2".into())];
    instance.endpoint = Some(endpoint);
    instance.origin = Origin::Discovered;
    fleet.hub.discovers_these(vec![instance]);
    pass(70.0).await;
    let shown = serde_json::to_string(&(fleet.pool.instances(), fleet.pool.view())).unwrap();
    assert!(
        shown.contains("http://a") && !shown.contains("hunter2"),
        "{shown}"
    );
    let lease = fleet.take();
    assert_eq!(
        lease.instance().endpoint.as_ref().unwrap().headers[0].1,
        "Bearer hunter2",
        "requests need it"
    );
}

#[tokio::test(start_paused = true)]
async fn a_hubs_metrics_are_those_of_its_instances_together() {
    let fleet = fleet(&["a", "b"]).start().await;
    fleet.send("a", &[Outcome::Success; 3]);
    fleet.send("b", &[Outcome::Success, Outcome::TimedOut]);
    fleet.pool.drain("b").unwrap();
    let metrics = fleet.pool.metrics();
    assert_eq!(metrics.hub.counted.total.outcomes.total(), 5);
    assert_eq!(metrics.hub.counted.total.latency.count(), 4);
    assert_eq!(
        (
            metrics.hub.states["healthy"],
            metrics.hub.states["draining"],
            metrics.hub.routable
        ),
        (1, 1, 1)
    );
    let hub = serde_json::to_value(&metrics.hub).unwrap();
    assert_eq!(hub["outcomes"], json!({ "success": 4, "timed_out": 1 }));
}

#[tokio::test(start_paused = true)]
async fn the_retry_budget_is_a_share_of_requests_and_a_little_besides() {
    let fleet = fleet(&["a"])
        .set(|settings| settings.retry.minimum_per_second = 2)
        .start()
        .await;
    fleet.send("a", &[Outcome::Success; 50]);
    let allowed = (0..100).filter(|_| fleet.pool.retry_allowed()).count();
    assert_eq!(allowed, 12, "a fifth of fifty, and two for the second");
    let counted = fleet.pool.metrics().hub.counted;
    assert_eq!((counted.retries, counted.retries_denied), (12, 88));
}

#[tokio::test(start_paused = true)]
async fn verbs_find_their_instances() {
    let fleet = fleet(&["a", "b", "c"])
        .set(|settings| settings.instances[2].tags = ["gpu".to_owned()].into())
        .hub(|hub| hub.holds("b", &["m"]))
        .start()
        .await;
    let select = |selection: Selection, capability: Option<&str>| {
        let chosen = fleet.pool.select(&selection, capability);
        chosen.map(|chosen| {
            chosen
                .iter()
                .map(|instance| instance.id.clone())
                .collect::<Vec<_>>()
        })
    };
    assert_eq!(select(Selection::All, None).unwrap(), ["a", "b", "c"]);
    assert_eq!(select(Selection::All, Some("M")).unwrap(), ["b"]);
    assert!(select(Selection::All, Some("n")).unwrap().is_empty());
    assert_eq!(select(Selection::Tag("gpu".into()), None).unwrap(), ["c"]);
    assert_eq!(
        select(Selection::Instances(vec!["b".into(), "a".into()]), None).unwrap(),
        ["b", "a"]
    );
    assert!(select(Selection::Instances(vec!["z".into()]), None).is_err());
    assert!(select(Selection::Tag("tpu".into()), None).is_err());
    let _busy = [fleet.take_from("a"), fleet.take_from("b")];
    assert_eq!(select(Selection::Count(1), None).unwrap(), ["c"]);
    assert_eq!(select(Selection::Count(9), None).unwrap().len(), 3);
}
