//! Hubs that come and go while the host runs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use plugin_api::contract::outcome::Outcome;
use plugin_api::{Error, ErrorCode};
use serde_json::{Map, Value, json};

use super::fixture::{Fleet, admin, fleet, hub};
use crate::config::settings::HubSettings;
use crate::manager::{HubEntry, ProviderEntry, Workshop};
use crate::plugin::driver::ProviderDriver;
use crate::pool::EventSink;
use crate::pool::testing::{idle, pass};

/// Builds fake hubs of the kind that `plugin` names; refuses what is called `broken`.
struct FakeWorkshop {
    events: EventSink,
    served: Mutex<Vec<String>>,
    dismantled: Mutex<Vec<String>>,
    published: Mutex<Vec<BTreeMap<String, Vec<String>>>>,
    rebound: Mutex<Vec<String>>,
    /// What the providers offer clashes, from now on.
    clashes: AtomicBool,
}

impl Workshop for FakeWorkshop {
    fn check(
        &self,
        name: &str,
        plugin: Option<&str>,
        settings: &Map<String, Value>,
    ) -> Result<HubSettings, Error> {
        if settings.contains_key("wrong") {
            return Err(Error::invalid("`wrong` is no key"));
        }
        Ok(HubSettings::new(name, plugin.unwrap_or("container")))
    }

    fn runtime(&self) -> tokio::runtime::Handle {
        tokio::runtime::Handle::current()
    }

    fn build(&self, settings: HubSettings) -> BoxFuture<'_, Result<HubEntry, Error>> {
        Box::pin(async move {
            match settings.plugin.as_str() {
                "broken" => return Err(Error::plugin("it cannot be built")),
                "panics" => panic!("on purpose"),
                _ => {}
            }
            let name: &'static str = settings.name.leak();
            let kind: &'static str = settings.plugin.leak();
            Ok(hub(name, kind, 1, &["new1"]).start(&self.events).0)
        })
    }

    fn serve(&self, hub: &str) {
        self.served.lock().push(hub.to_owned());
    }

    fn dismantle(&self, hub: Arc<HubEntry>) -> BoxFuture<'_, ()> {
        Box::pin(async move { self.dismantled.lock().push(hub.name.clone()) })
    }

    fn publish(&self, providers: &[Arc<ProviderEntry>]) -> Result<(), Error> {
        if self.clashes.load(Ordering::SeqCst) {
            return Err(Error::plugin("two offer the same"));
        }
        let hubs = |provider: &Arc<ProviderEntry>| {
            let names = provider.hubs.iter().map(|pool| pool.name().to_owned()).collect();
            (provider.name.clone(), names)
        };
        self.published.lock().push(providers.iter().map(hubs).collect());
        Ok(())
    }

    fn rebound(&self, providers: &[String]) {
        self.rebound.lock().extend(providers.iter().cloned());
    }
}

/// A fleet with one hub, bound to one provider that runs boxes, and a workshop.
async fn employed() -> (Fleet, Arc<FakeWorkshop>) {
    let fleet = fleet([hub("boxes", "container", 1, &["engine"])]).await;
    let workshop = Arc::new(FakeWorkshop {
        events: fleet.manager.events().clone(),
        served: Mutex::default(),
        dismantled: Mutex::default(),
        published: Mutex::default(),
        rebound: Mutex::default(),
        clashes: AtomicBool::new(false),
    });
    let shared: Arc<dyn Workshop> = workshop.clone();
    fleet.manager.allow_hub_changes(true);
    fleet.manager.employ(Arc::downgrade(&shared));
    let pool = fleet.manager.hub("boxes").unwrap().pool.clone();
    let driver: Arc<dyn ProviderDriver> = Arc::new(provider::Runner::default());
    let entry = ProviderEntry::new(
        "runner".to_owned(),
        "runner-provider".to_owned(),
        "1.0.0".to_owned(),
        driver,
        vec![pool],
        [("boxed".to_owned(), "boxes".to_owned())].into(),
    );
    fleet.manager.add_provider(Arc::new(entry));
    (fleet, workshop)
}

#[tokio::test(start_paused = true)]
async fn a_hub_is_added_and_its_instances_are_used() {
    let (mut fleet, workshop) = employed().await;
    let added = fleet
        .call(&admin(), "add_hub", json!({ "hub": "more", "plugin": "storage" }))
        .await
        .unwrap();
    assert_eq!(
        (&added["hub"], &added["kind"]),
        (&json!("more"), &json!("storage"))
    );
    idle().await;
    let (_, instances) = Fleet::given(fleet.allocate(json!([{ "kind": "storage" }])).await);
    assert_eq!(instances, ["new1"]);
    assert_eq!(fleet.happened("hub_added").len(), 1);
    assert_eq!(*workshop.served.lock(), ["more"]);
}

#[tokio::test(start_paused = true)]
async fn hubs_are_not_changed_unless_the_operator_allows_it() {
    let (fleet, workshop) = employed().await;
    fleet.manager.allow_hub_changes(false);
    for (verb, params) in [
        ("add_hub", json!({ "hub": "more", "plugin": "storage" })),
        ("remove_hub", json!({ "hub": "boxes", "force": true })),
    ] {
        let error = fleet.call(&admin(), verb, params).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::FORBIDDEN, "{verb}");
        assert!(
            format!("{error:?}").contains("hubs_at_run_time = true"),
            "{error:?}"
        );
    }
    assert_eq!(fleet.manager.hubs().len(), 1);
    assert!(workshop.served.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_name_is_taken_once_and_mistakes_change_nothing() {
    let (fleet, workshop) = employed().await;
    for (params, part) in [
        (json!({ "hub": "boxes" }), "there is a hub `boxes` already"),
        (
            json!({ "hub": "more", "settings": { "wrong": 1 } }),
            "`wrong` is no key",
        ),
        (json!({ "hub": "more", "plugin": "broken" }), "it cannot be built"),
        (
            json!({ "hub": "more", "providers": ["none"] }),
            "there is no provider `none`; there are: runner",
        ),
        (
            json!({ "hub": "more", "plugin": "storage", "providers": ["runner"] }),
            "provides `storage`, which the provider `runner` cannot use",
        ),
    ] {
        let error = fleet.call(&admin(), "add_hub", params.clone()).await.unwrap_err();
        assert!(error.message.contains(part), "{params}: {error}");
    }
    assert_eq!(fleet.manager.hubs().len(), 1);
    assert_eq!(
        *workshop.dismantled.lock(),
        ["more"],
        "what was built for nothing"
    );
    assert!(workshop.published.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_provider_may_use_a_new_hub_where_that_is_said() {
    let (fleet, workshop) = employed().await;
    let params = json!({ "hub": "more", "plugin": "container", "providers": ["runner"] });
    let added = fleet.call(&admin(), "add_hub", params).await.unwrap();
    assert_eq!(added["providers"], json!(["runner"]));
    assert_eq!(workshop.published.lock()[0]["runner"], ["boxes", "more"]);
    let provider = fleet.manager.providers()[0].clone();
    assert_eq!(
        provider.pools(Some("boxed")).unwrap()[0].name(),
        "boxes",
        "its role is taken"
    );
    assert_eq!(*workshop.rebound.lock(), ["runner"]);
}

/// What is there after nothing has changed: the one hub, its provider, and no trace of another.
fn unchanged(fleet: &Fleet, workshop: &FakeWorkshop) {
    let hubs: Vec<_> = fleet.manager.hubs().iter().map(|hub| hub.name.clone()).collect();
    assert_eq!(hubs, ["boxes"]);
    let provider = fleet.manager.providers()[0].clone();
    assert_eq!(provider.hubs.len(), 1);
    assert_eq!(provider.pools(Some("boxed")).unwrap()[0].name(), "boxes");
    assert!(workshop.rebound.lock().is_empty());
    assert!(fleet.request("boxes", "engine").is_some(), "it serves as before");
}

#[tokio::test(start_paused = true)]
async fn an_addition_whose_providers_cannot_be_published_is_undone() {
    let (mut fleet, workshop) = employed().await;
    workshop.clashes.store(true, Ordering::SeqCst);
    let params = json!({ "hub": "more", "plugin": "container", "providers": ["runner"] });
    let error = fleet.call(&admin(), "add_hub", params.clone()).await.unwrap_err();
    assert_eq!(error.message, "two offer the same");
    unchanged(&fleet, &workshop);
    assert_eq!(*workshop.dismantled.lock(), ["more"]);
    assert_eq!(
        fleet.happened("hub_"),
        ["hub_started", "hub_started", "hub_stopped"]
    );
    // Nothing of it is in the way of the next attempt.
    workshop.clashes.store(false, Ordering::SeqCst);
    fleet.call(&admin(), "add_hub", params).await.unwrap();
    assert_eq!(fleet.manager.providers()[0].hubs.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_addition_that_breaks_off_leaves_the_name_free() {
    let (fleet, workshop) = employed().await;
    let add = |plugin: &str| json!({ "hub": "more", "plugin": plugin, "providers": ["runner"] });
    let error = fleet.call(&admin(), "add_hub", add("panics")).await.unwrap_err();
    assert_eq!(
        (error.code, error.message.as_str()),
        (ErrorCode::INTERNAL_ERROR, "the addition broke off")
    );
    unchanged(&fleet, &workshop);
    fleet.call(&admin(), "add_hub", add("container")).await.unwrap();
    assert_eq!(*workshop.rebound.lock(), ["runner"]);
}

#[tokio::test(start_paused = true)]
async fn a_removal_whose_providers_cannot_be_published_does_not_happen() {
    let (mut fleet, workshop) = employed().await;
    workshop.clashes.store(true, Ordering::SeqCst);
    let params = json!({ "hub": "boxes", "force": true });
    let error = fleet
        .call(&admin(), "remove_hub", params.clone())
        .await
        .unwrap_err();
    assert_eq!(error.message, "two offer the same");
    unchanged(&fleet, &workshop);
    assert!(workshop.dismantled.lock().is_empty());
    assert_eq!(fleet.happened("hub_"), ["hub_started"]);
    workshop.clashes.store(false, Ordering::SeqCst);
    fleet.call(&admin(), "remove_hub", params).await.unwrap();
    assert!(fleet.manager.hubs().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_hub_in_use_is_not_removed_unless_forced() {
    let (fleet, workshop) = employed().await;
    let error = fleet
        .call(&admin(), "remove_hub", json!({ "hub": "boxes" }))
        .await
        .unwrap_err();
    assert_eq!(error.message, "the hub `boxes` is used by: runner");
    assert_eq!(fleet.manager.hubs().len(), 1);
    let removed = fleet
        .call(&admin(), "remove_hub", json!({ "hub": "boxes", "force": true }))
        .await
        .unwrap();
    assert_eq!(
        (&removed["cut_short"], &removed["providers"]),
        (&json!(false), &json!(["runner"]))
    );
    assert!(fleet.manager.hubs().is_empty());
    assert_eq!(*workshop.dismantled.lock(), ["boxes"]);
    let provider = fleet.manager.providers()[0].clone();
    assert!(provider.hubs.is_empty());
    assert_eq!(
        provider.pools(Some("boxed")).unwrap_err().code,
        ErrorCode::NOT_AVAILABLE
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_in_flight_ends_before_a_hub_goes() {
    let (mut fleet, _workshop) = employed().await;
    let busy = fleet.request("boxes", "engine").unwrap();
    let manager = fleet.manager.clone();
    let removing = tokio::spawn(async move {
        let params = json!({ "hub": "boxes", "force": true, "timeout": "1m" }).to_string();
        manager.manage("remove_hub", params.as_bytes(), &admin()).await
    });
    pass(5.0).await;
    assert!(!removing.is_finished());
    assert_eq!(fleet.instance("engine")["state"], "draining");
    let again = fleet
        .call(&admin(), "remove_hub", json!({ "hub": "boxes", "force": true }))
        .await
        .unwrap_err();
    assert!(
        again.message.contains("being added or removed already"),
        "{again}"
    );
    busy.finish(Outcome::Success);
    assert_eq!(removing.await.unwrap().unwrap()["cut_short"], false);
    assert_eq!(
        fleet.happened("hub_"),
        ["hub_started", "hub_stopped", "hub_removed"]
    );
}

#[tokio::test(start_paused = true)]
async fn what_does_not_end_in_time_is_cut_short_and_told() {
    let (mut fleet, _workshop) = employed().await;
    let (id, _) = Fleet::given(fleet.allocate(json!([{ "hub": "boxes" }])).await);
    let params = json!({ "hub": "boxes", "force": true, "timeout": 3 });
    let removed = fleet.call(&admin(), "remove_hub", params).await.unwrap();
    assert_eq!(removed["cut_short"], true);
    idle().await;
    let happened = fleet.happened("allocation");
    assert_eq!(happened, ["allocation_created", "allocation_lost"]);
    assert!(
        fleet
            .call(&admin(), "release", json!({ "allocation": id }))
            .await
            .is_ok()
    );
}

mod provider {
    //! A provider that runs boxes, as far as the manager looks at it.

    use futures_util::future::BoxFuture;
    use plugin_api::manifest::ProviderManifest;
    use plugin_api::provider::{Decision, OwnedRequest, Phase, Rendered, Reply, Request};
    use plugin_api::{Context, Error};

    use crate::plugin::driver::ProviderDriver;

    pub(super) struct Runner(ProviderManifest);

    impl Default for Runner {
        fn default() -> Self {
            Self(ProviderManifest {
                requires: vec!["container".to_owned()],
                roles: [("boxed".to_owned(), "container".to_owned())].into(),
                ..ProviderManifest::default()
            })
        }
    }

    impl ProviderDriver for Runner {
        fn manifest(&self) -> &ProviderManifest {
            &self.0
        }

        fn decide(&self, _: &Request<'_>) -> Result<Decision, Error> {
            Ok(Decision::Work)
        }

        fn work(&self, _: Context, _: OwnedRequest) -> BoxFuture<'_, Result<Reply, Error>> {
            Box::pin(async { Err(Error::unsupported("working")) })
        }

        fn render_error(&self, _: &str, _: Phase, error: &Error) -> Rendered {
            Rendered::json(
                error.http_status(),
                &serde_json::json!({ "error": error.message }),
            )
        }

        fn shutdown(&self) -> BoxFuture<'_, ()> {
            Box::pin(async {})
        }
    }
}
