//! Allocations: whose they are, how long they last, what they keep.

use plugin_api::ErrorCode;
use serde_json::{Value, json};

use super::fixture::{Fleet, admin, fleet, hub, models_and_boxes, trusted, user};
use crate::pool::testing::{idle, pass};

#[tokio::test(start_paused = true)]
async fn a_model_and_a_container_together_or_neither() {
    let fleet = models_and_boxes().await;
    let both = json!([{ "kind": "llm-server" }, { "kind": "container" }]);
    let (_, instances) = Fleet::given(fleet.allocate(both.clone()).await);
    assert_eq!(instances.len(), 2);
    assert_eq!(instances[1], "engine");
    assert_eq!(fleet.in_flight(), 2);
    // There is a second model, and no second container.
    let error = fleet.allocate(both).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::RESOURCE_EXHAUSTED);
    assert!(error.message.starts_with("resource 2: "), "{error}");
    assert_eq!(error.details["resource"], 1);
    assert_eq!(fleet.in_flight(), 2, "the model was let go");
}

#[tokio::test(start_paused = true)]
async fn it_says_what_was_given_and_until_when_but_no_secrets() {
    let fleet = fleet([hub("models", "llm-server", 4, &["me:secret@gpu1"])]).await;
    let params = json!({ "resources": [{ "hub": "models" }], "ttl": "90s" });
    let allocated = fleet.call(&user("alice"), "allocate", params).await.unwrap();
    let resource = &allocated["resources"][0];
    assert_eq!(
        (&resource["hub"], &resource["kind"]),
        (&json!("models"), &json!("llm-server"))
    );
    assert_eq!(resource["url"], "http://gpu1");
    assert_eq!(allocated["expires_in_ms"], 90_000);
    assert_eq!(allocated["principal"], "alice");
    let status = fleet.manager.status(user("alice").viewer());
    assert_eq!(status["allocations"][0]["allocation"], allocated["allocation"]);
    for (who, sees) in [(user("alice"), true), (admin(), true), (user("bob"), false)] {
        let status = fleet.manager.status(who.viewer());
        let shown = &status["allocations"][0];
        let who = &who.principal;
        // That it is there everybody may know, and whose it is nobody else.
        assert_eq!(shown["principal"] == "alice", sees, "{who}");
        assert_eq!(status.to_string().contains("alice"), sees, "{who}");
        let resource = shown["resources"][0].as_object().unwrap();
        for key in ["url", "metadata"] {
            assert_eq!(resource.contains_key(key), sees, "{who}: {key}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn it_ends_by_the_clock_unless_it_is_renewed() {
    let mut fleet = models_and_boxes().await;
    let params = json!({ "resources": [{ "kind": "container" }], "ttl": 60 });
    let (id, _) = Fleet::given(fleet.call(&user("alice"), "allocate", params).await);
    pass(50.0).await;
    let renewed = fleet
        .call(&user("alice"), "renew", json!({ "allocation": id }))
        .await
        .unwrap();
    assert_eq!(
        (&renewed["expires_in_ms"], &renewed["renewals"]),
        (&json!(60_000), &json!(1))
    );
    pass(50.0).await;
    assert_eq!(fleet.in_flight(), 1, "it was renewed");
    pass(11.0).await;
    assert_eq!(fleet.in_flight(), 0);
    assert_eq!(
        fleet.happened("allocation"),
        ["allocation_created", "allocation_renewed", "allocation_expired"]
    );
    let gone = fleet
        .call(&user("alice"), "renew", json!({ "allocation": id }))
        .await
        .unwrap_err();
    assert_eq!(gone.code, ErrorCode::NOT_FOUND);
    assert_eq!(fleet.manager.allocations().tally().expired, 1);
}

#[tokio::test(start_paused = true)]
async fn it_may_be_renewed_for_less() {
    let fleet = models_and_boxes().await;
    let (id, _) = Fleet::given(fleet.allocate(json!([{ "kind": "container" }])).await);
    let params = json!({ "allocation": id, "ttl": "1s" });
    fleet.call(&user("alice"), "renew", params).await.unwrap();
    pass(1.1).await;
    assert_eq!(fleet.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn only_whoever_made_it_or_an_administrator_may_end_it() {
    let mut fleet = models_and_boxes().await;
    let (id, _) = Fleet::given(fleet.allocate(json!([{ "kind": "container" }])).await);
    let params = json!({ "allocation": id });
    for verb in ["release", "renew"] {
        let error = fleet.call(&user("bob"), verb, params.clone()).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::FORBIDDEN, "{verb}");
    }
    assert_eq!(
        fleet.call(&user("bob"), "allocations", json!({})).await.unwrap(),
        json!([])
    );
    let all = fleet.call(&admin(), "allocations", json!({})).await.unwrap();
    assert_eq!(all[0]["principal"], "alice");
    fleet.call(&admin(), "release", params.clone()).await.unwrap();
    assert_eq!(fleet.in_flight(), 0);
    let again = fleet.call(&user("alice"), "release", params).await.unwrap_err();
    assert_eq!(again.code, ErrorCode::NOT_FOUND);
    assert!(
        fleet
            .happened("allocation")
            .contains(&"allocation_released".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn all_end_with_the_host_and_none_is_made_after() {
    let fleet = models_and_boxes().await;
    Fleet::given(fleet.allocate(json!([{ "kind": "container" }])).await);
    Fleet::given(fleet.allocate(json!([{ "kind": "llm-server" }])).await);
    fleet.manager.allocations().close();
    assert_eq!(fleet.in_flight(), 0);
    assert_eq!(fleet.manager.allocations().tally().active, 0);
    let error = fleet
        .allocate(json!([{ "kind": "container" }]))
        .await
        .unwrap_err();
    assert_eq!(error.code, ErrorCode::SHUTDOWN);
    assert_eq!(fleet.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_exclusive_one_waits_for_the_others_and_keeps_them_away() {
    let fleet = fleet([hub("models", "llm-server", 4, &["gpu1"])]).await;
    let busy = fleet.request("models", "gpu1").unwrap();
    let wanted = json!([{ "instance": "gpu1", "exclusive": true }]);
    let error = fleet.allocate(wanted.clone()).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::RESOURCE_EXHAUSTED);
    assert_eq!(fleet.in_flight(), 1, "nothing is left of the attempt");

    let manager = fleet.manager.clone();
    let waiting = tokio::spawn(async move {
        let params = json!({ "resources": wanted, "timeout": "1m" }).to_string();
        manager
            .manage("allocate", params.as_bytes(), &trusted("alice"))
            .await
    });
    pass(5.0).await;
    assert!(
        fleet.request("models", "gpu1").is_none(),
        "no new work while it waits"
    );
    assert!(!waiting.is_finished());
    busy.finish(plugin_api::contract::outcome::Outcome::Success);
    let (id, _) = Fleet::given(waiting.await.unwrap());
    let status = fleet.instance("gpu1");
    assert_eq!(
        (&status["in_flight"], &status["allocated"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(status["routable"], false);
    assert_eq!(
        status["reason"],
        format!("allocated exclusively by `alice` ({id})")
    );
    let reason = |who: &str| fleet.instance_for(&user(who), "gpu1")["reason"].clone();
    assert_eq!(reason("alice"), status["reason"]);
    assert_eq!(reason("bob"), "allocated exclusively");
    assert!(fleet.request("models", "gpu1").is_none());
    fleet
        .call(&user("alice"), "release", json!({ "allocation": id }))
        .await
        .unwrap();
    assert!(fleet.request("models", "gpu1").is_some());
    assert_eq!(fleet.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_exclusive_one_that_waits_in_vain_leaves_everything_as_it_was() {
    let fleet = fleet([hub("models", "llm-server", 4, &["gpu1"])]).await;
    let busy = fleet.request("models", "gpu1").unwrap();
    let params = json!({ "resources": [{ "hub": "models", "exclusive": true }], "timeout": 2 });
    let error = fleet
        .call(&trusted("alice"), "allocate", params)
        .await
        .unwrap_err();
    assert_eq!(error.message, "resource 1: it did not become free in time");
    let status = fleet.instance("gpu1");
    assert_eq!(
        (&status["routable"], &status["in_flight"]),
        (&json!(true), &json!(1))
    );
    drop(busy);
    assert_eq!(fleet.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_exclusive_one_is_for_administrators() {
    let fleet = models_and_boxes().await;
    let params = json!({ "resources": [{ "hub": "models", "exclusive": true }], "timeout": 0 });
    let error = fleet.call(&user("bob"), "allocate", params).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::FORBIDDEN);
    assert!(error.message.contains("`exclusive`"), "{error}");
    assert_eq!(fleet.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_things_are_started_on_nobody_has_exclusively() {
    let starts = |required: Value| json!({ "type": "object", "required": required });
    let fleet = fleet([
        hub("boxes", "container", 1, &["engine"])
            .hub(|hub| hub.manifest.start = Some(starts(json!(["command"])))),
        hub("models", "llm-server", 1, &["gpu1"]).hub(|hub| hub.manifest.start = Some(starts(json!([])))),
    ])
    .await;
    for wanted in [
        json!({ "hub": "boxes", "exclusive": true }),
        json!({ "instance": "engine", "exclusive": true }),
    ] {
        let error = fleet.allocate(json!([wanted])).await.unwrap_err();
        assert!(error.message.contains("starts things on"), "{error}");
    }
    Fleet::given(
        fleet
            .allocate(json!([{ "hub": "models", "exclusive": true }]))
            .await,
    );
    Fleet::given(fleet.allocate(json!([{ "hub": "boxes" }])).await);
}

#[tokio::test(start_paused = true)]
async fn waiting_in_vain_for_a_full_instance_ends_when_it_was_said_to() {
    let fleet = models_and_boxes().await;
    let _busy = fleet.request("boxes", "engine").unwrap();
    let begun = tokio::time::Instant::now();
    let params = json!({ "resources": [{ "hub": "models" }, { "hub": "boxes" }], "timeout": 2 });
    let error = fleet.call(&user("alice"), "allocate", params).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::RESOURCE_EXHAUSTED, "{error}");
    assert!(error.message.starts_with("resource 2: not all 2"), "{error}");
    assert!(
        (2..3).contains(&begun.elapsed().as_secs()),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(fleet.in_flight(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_idle_instance_is_taken_exclusively_before_a_busy_one_is_waited_for() {
    let fleet = fleet([hub("models", "llm-server", 4, &["gpu1", "gpu2"])]).await;
    let _busy = fleet.request("models", "gpu1").unwrap();
    let (_, instances) = Fleet::given(
        fleet
            .allocate(json!([{ "hub": "models", "exclusive": true }]))
            .await,
    );
    assert_eq!(instances, ["gpu2"]);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_while_it_waits_leaves_nothing_behind() {
    let fleet = fleet([hub("models", "llm-server", 4, &["gpu1"])]).await;
    let busy = fleet.request("models", "gpu1").unwrap();
    let manager = fleet.manager.clone();
    let waiting = tokio::spawn(async move {
        let params = json!({ "resources": [{ "hub": "models", "exclusive": true }] }).to_string();
        manager
            .manage("allocate", params.as_bytes(), &trusted("alice"))
            .await
    });
    pass(1.0).await;
    assert_eq!(fleet.instance("gpu1")["routable"], false);
    waiting.abort();
    idle().await;
    assert_eq!(fleet.instance("gpu1")["routable"], true);
    drop(busy);
    assert_eq!(fleet.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_loss_of_an_instance_is_told_and_shown() {
    let mut fleet = fleet([hub("models", "llm-server", 1, &["gpu1"])
        .set(|settings| settings.health.interval = std::time::Duration::from_secs(5))])
    .await;
    let (id, _) = Fleet::given(fleet.allocate(json!([{ "hub": "models" }])).await);
    fleet.hubs[0].fails("gpu1");
    pass(60.0).await;
    assert_eq!(
        fleet.happened("allocation"),
        ["allocation_created", "allocation_lost"]
    );
    let shown = fleet
        .call(&user("alice"), "allocations", json!({}))
        .await
        .unwrap();
    let lost = shown[0]["resources"][0]["lost"].as_str().unwrap();
    assert!(lost.contains("connection refused"), "{lost}");
    assert_eq!(fleet.manager.allocations().tally().lost, 1);
    fleet
        .call(&user("alice"), "release", json!({ "allocation": id }))
        .await
        .unwrap();
    assert_eq!(fleet.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_wanted_is_chosen_by_capability_tags_and_strategy() {
    let fleet = fleet([hub("models", "llm-server", 9, &["gpu1", "gpu2"])
        .set(|settings| {
            settings.instances[1].tags = ["big".to_owned()].into();
        })
        .hub(|hub| {
            hub.holds("gpu1", &["small"]);
            hub.holds("gpu2", &["small", "large"]);
        })])
    .await;
    for (wanted, expected) in [
        (json!({ "capability": "large" }), "gpu2"),
        (json!({ "kind": "llm-server", "tags": ["big"] }), "gpu2"),
        (json!({ "hub": "models", "strategy": "first_available" }), "gpu1"),
        (json!({ "instance": "gpu1" }), "gpu1"),
    ] {
        let (_, instances) = Fleet::given(fleet.allocate(json!([wanted])).await);
        assert_eq!(instances, [expected]);
    }
    let error = fleet
        .allocate(json!([{ "capability": "none" }]))
        .await
        .unwrap_err();
    assert_eq!(error.code, ErrorCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn a_model_on_disk_is_loaded_before_it_is_handed_out() {
    let fleet = fleet([hub("models", "llm-server", 9, &["gpu1"]).hub(|hub| {
        hub.manifest.prepares.stored = true;
        hub.holds("gpu1", &["large"]);
        hub.preparing.add_permits(1);
    })])
    .await;
    let params = json!({ "resources": [{ "capability": "large" }] });
    fleet.call(&user("alice"), "allocate", params).await.unwrap();
    assert_eq!(fleet.hubs[0].calls("prepared gpu1"), 1);
}

#[tokio::test(start_paused = true)]
async fn what_makes_no_sense_is_refused_with_the_reason() {
    let fleet = models_and_boxes().await;
    let code = async |resources: Value| fleet.allocate(resources).await.unwrap_err();
    for (resources, part) in [
        (json!([]), "resources"),
        (json!([{}]), "says nothing"),
        (json!([{ "kind": "none" }]), "there are: container, llm-server"),
        (json!([{ "hub": "none" }]), "there is no hub `none`"),
        (
            json!([{ "hub": "boxes", "kind": "llm-server" }]),
            "provides `container`",
        ),
        (json!([{ "hub": "boxes", "strategy": "best" }]), "model_affinity"),
        (
            json!([{ "instance": "gpu1" }, { "instance": "gpu1", "exclusive": true }]),
            "same instance",
        ),
        (
            json!([{ "instance": "nowhere" }]),
            "there is no instance `nowhere`",
        ),
    ] {
        let error = code(resources.clone()).await;
        assert!(error.message.contains(part), "{resources}: {error}");
    }
    let params = |extra: Value| {
        let mut params = json!({ "resources": [{ "hub": "boxes" }] });
        params
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        params
    };
    for extra in [
        json!({ "ttl": 0 }),
        json!({ "ttl": "2d" }),
        json!({ "ttl": "soon" }),
        json!({ "timeout": 1e9 }),
        json!({ "priority": "huge" }),
        json!({ "exclusive": true }),
    ] {
        let error = fleet
            .call(&user("alice"), "allocate", params(extra.clone()))
            .await
            .unwrap_err();
        assert_eq!(error.code, ErrorCode::INVALID_PARAMS, "{extra}: {error}");
    }
    assert_eq!(fleet.in_flight(), 0);
    assert_eq!(fleet.manager.allocations().tally().active, 0);
}

#[tokio::test(start_paused = true)]
async fn what_starts_something_is_for_administrators() {
    let fleet = models_and_boxes().await;
    let wanted = json!([{ "hub": "boxes", "specification": { "command": ["sh"] } }]);
    let error = fleet
        .call(
            &user("alice"),
            "allocate",
            json!({ "resources": wanted, "timeout": 0 }),
        )
        .await
        .unwrap_err();
    assert_eq!(error.code, ErrorCode::FORBIDDEN);
    for verb in ["add_hub", "remove_hub", "scale"] {
        let error = fleet.call(&user("alice"), verb, json!({})).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::FORBIDDEN, "{verb}");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_may_have_any_number() {
    let fleet = fleet([hub("models", "llm-server", 1000, &["gpu1"])]).await;
    for _ in 0..crate::manager::allocation::MOST_EACH {
        Fleet::given(fleet.allocate(json!([{ "hub": "models" }])).await);
    }
    let error = fleet.allocate(json!([{ "hub": "models" }])).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::RATE_LIMIT);
    let params = json!({ "resources": [{ "hub": "models" }] });
    assert!(fleet.call(&user("bob"), "allocate", params).await.is_ok());
}
