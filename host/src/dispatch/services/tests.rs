use std::time::Duration;

use plugin_api::contract::outcome::Outcome;
use plugin_api::contract::requirement::Requirement;
use plugin_api::host::Services;
use plugin_api::manifest::ProviderManifest;
use plugin_api::provider::{Decision, OwnedRequest, Phase, Rendered, Reply, Request};
use plugin_api::{Context, Error, ErrorCode};
use serde_json::json;

use super::wishes::MOST;
use super::*;
use crate::manager::ProviderEntry;
use crate::plugin::driver::ProviderDriver;
use crate::pool::Pool;
use crate::pool::testing::{Engine, Fleet, fleet, idle};

/// A provider that asks for what it likes and serves nothing.
struct Asks(ProviderManifest);

impl ProviderDriver for Asks {
    fn manifest(&self) -> &ProviderManifest {
        &self.0
    }
    fn decide(&self, _: &Request<'_>) -> Result<Decision, Error> {
        Ok(Decision::Work)
    }
    fn work(&self, _: Context, _: OwnedRequest) -> futures_util::future::BoxFuture<'_, Result<Reply, Error>> {
        Box::pin(async { Err(Error::unsupported("work")) })
    }
    fn render_error(&self, _: &str, _: Phase, error: &Error) -> Rendered {
        Rendered::json(500, &json!({ "code": error.code }))
    }
    fn shutdown(&self) -> futures_util::future::BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

/// A provider that is being built, the hub it will be bound to, and what is behind both.
struct World {
    services: Arc<ComponentServices>,
    dispatcher: Dispatcher,
    boxes: Fleet,
    plain: Fleet,
}

async fn hub_of_boxes() -> Fleet {
    fleet(&[])
        .hub(|hub| {
            hub.manifest.start = Some(json!({}));
            hub.manifest.provides = "box".into();
            hub.engine = Some(Engine::default());
        })
        .set(|settings| settings.name = "boxes".into())
        .start()
        .await
}

async fn world() -> World {
    let boxes = hub_of_boxes().await;
    let plain = fleet(&["a"]).start().await;
    let dispatcher = Dispatcher::new(Arc::new(Manager::default()));
    let services = ComponentServices::new(Scope::Provider("p".into()));
    services.bind(&dispatcher);
    World {
        services,
        dispatcher,
        boxes,
        plain,
    }
}

fn bound_to(hubs: Vec<Pool>) -> Arc<ProviderEntry> {
    Arc::new(ProviderEntry::new(
        "p".into(),
        "p".into(),
        "1".into(),
        Arc::new(Asks(ProviderManifest::default())),
        hubs,
        [("sandboxed".to_owned(), "boxes".to_owned())].into(),
    ))
}

impl World {
    fn serve(&self) {
        let hubs = vec![self.plain.pool.clone(), self.boxes.pool.clone()];
        self.dispatcher.manager().add_provider(bound_to(hubs));
        self.services.in_service();
    }

    /// From now on the provider has these hubs, as after a change.
    fn bind_to(&self, hubs: Vec<Pool>) {
        self.dispatcher.manager().replace_provider(bound_to(hubs));
        self.services.rebound();
    }
}

fn wants() -> Requirement {
    Requirement {
        specification: Some(json!({ "image": "i" })),
        role: Some("sandboxed".into()),
        ..Requirement::default()
    }
}

#[tokio::test(start_paused = true)]
async fn bindings_are_known_as_soon_as_the_component_is_in_service() {
    let world = world().await;
    let services = world.services.clone();
    let asked = tokio::spawn(async move { services.bindings(&Context::background("test")).await });
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!asked.is_finished());
    world.serve();
    let bindings = asked.await.unwrap().unwrap();
    let boxes = bindings.iter().find(|binding| binding.hub == "boxes").unwrap();
    assert_eq!(
        (boxes.provides.as_str(), &boxes.roles[..]),
        ("box", &["sandboxed".to_owned()][..])
    );
}

#[tokio::test(start_paused = true)]
async fn a_component_that_is_retired_has_none() {
    let world = world().await;
    let services = world.services.clone();
    let asked = tokio::spawn(async move { services.bindings(&Context::background("test")).await });
    idle().await;
    world.services.release_all();
    assert_eq!(asked.await.unwrap().unwrap_err().code, ErrorCode::GONE);
}

#[tokio::test(start_paused = true)]
async fn what_is_to_be_kept_warm_may_be_said_before_the_hubs_are_known() {
    let world = world().await;
    world.services.warm(&wants());
    idle().await;
    assert!(world.boxes.pool.warm_status().unwrap().shelves.is_empty());
    world.serve();
    idle().await;
    let shelves = world.boxes.pool.warm_status().unwrap().shelves;
    assert_eq!((shelves.len(), shelves[0].unused, shelves[0].kept), (1, 1, true));
}

#[tokio::test(start_paused = true)]
async fn of_too_many_wishes_to_keep_something_warm_the_oldest_gives_way() {
    let world = world().await;
    world.serve();
    let kind = |number: usize| Requirement {
        specification: Some(json!({ "image": number })),
        ..wants()
    };
    for number in [0, 0].into_iter().chain(0..MOST) {
        world.services.warm(&kind(number));
    }
    let is_kept = |kinds: std::ops::Range<usize>| {
        let wishes = world.services.wishes.lock();
        kinds
            .map(|number| {
                let wish = world.boxes.pool.warm(&kind(number)).unwrap();
                wishes
                    .iter()
                    .any(|known| known.kept.as_ref().is_some_and(|kept| kept.same(&wish)))
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(is_kept(0..MOST), vec![true; MOST], "the same counts once");
    world.services.warm(&kind(MOST));
    assert_eq!(world.services.wishes.lock().len(), MOST);
    assert_eq!(is_kept(0..2), [false, true]);
    assert_eq!(is_kept(MOST..MOST + 1), [true]);
}

#[tokio::test(start_paused = true)]
async fn without_a_role_the_first_hub_that_starts_resources_is_meant() {
    let world = world().await;
    world.serve();
    let anywhere = Requirement {
        role: None,
        ..wants()
    };
    world.services.warm(&anywhere);
    idle().await;
    assert_eq!(world.boxes.pool.warm_status().unwrap().total, 1);
    let grant = world
        .services
        .lease(&Context::background("test"), &anywhere)
        .await
        .unwrap();
    assert_eq!((grant.hub.as_str(), grant.uses), ("boxes", 1));
}

#[tokio::test(start_paused = true)]
async fn a_grant_tells_how_often_the_resource_has_been_used() {
    let world = world().await;
    world.serve();
    for uses in 1..4 {
        let context = Context::background("test");
        let grant = world.services.lease(&context, &wants()).await.unwrap();
        assert_eq!(grant.uses, uses);
        world.services.release(grant.lease, Outcome::Success);
        idle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_retired_component_holds_nothing() {
    let world = world().await;
    world.serve();
    world
        .services
        .lease(&Context::background("test"), &wants())
        .await
        .unwrap();
    world.services.release_all();
    idle().await;
    let status = world.boxes.pool.warm_status().unwrap();
    assert_eq!(status.discarded["failed"], 1, "nobody knows what is left in it");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_kept_warm_for_a_retired_component() {
    let world = world().await;
    let total = || world.boxes.pool.warm_status().unwrap().total;
    world.serve();
    world.services.warm(&wants());
    world.services.warm(&wants());
    tokio::time::sleep(Duration::from_secs(1_000)).await;
    assert_eq!(total(), 1);
    world.services.release_all();
    tokio::time::sleep(Duration::from_secs(1_000)).await;
    assert_eq!(total(), 0);
    world.services.warm(&wants());
    tokio::time::sleep(Duration::from_secs(1_000)).await;
    assert_eq!(total(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_comes_back_is_as_warm_as_it_was() {
    let world = world().await;
    world.services.warm(&wants());
    world.serve();
    idle().await;
    world.boxes.pool.shutdown(tokio::time::Instant::now()).await;
    let again = hub_of_boxes().await;
    world.bind_to(vec![again.pool.clone()]);
    idle().await;
    let status = again.pool.warm_status().unwrap();
    assert_eq!((status.total, status.shelves[0].kept), (1, true));
}

#[tokio::test(start_paused = true)]
async fn what_no_hub_can_do_yet_is_kept_warm_by_the_first_that_can() {
    let world = world().await;
    world.serve();
    world.bind_to(vec![world.plain.pool.clone()]);
    world.services.warm(&wants());
    idle().await;
    assert_eq!(world.boxes.pool.warm_status().unwrap().total, 0);
    world.bind_to(vec![world.plain.pool.clone(), world.boxes.pool.clone()]);
    idle().await;
    assert_eq!(world.boxes.pool.warm_status().unwrap().total, 1);
}

#[tokio::test(start_paused = true)]
async fn being_bound_to_one_more_hub_disturbs_nothing() {
    let world = world().await;
    world.services.warm(&wants());
    world.serve();
    idle().await;
    world.bind_to(vec![world.boxes.pool.clone(), world.plain.pool.clone()]);
    idle().await;
    let status = world.boxes.pool.warm_status().unwrap();
    assert_eq!(
        (status.total, status.starts.count(), status.shelves[0].kept),
        (1, 1, true)
    );
}
