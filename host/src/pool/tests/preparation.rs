//! Loading and fetching what a request needs.

use std::sync::Arc;

use plugin_api::contract::requirement::{Requirement, Strategy};
use plugin_api::manifest::Prepares;
use plugin_api::{Context, Error, ErrorCode};

use crate::pool::testing::{Fleet, Plan, fleet, idle, needs, pass};
use crate::pool::{Lease, Preparation, Refusal};

fn preparing(ids: &[&str]) -> Plan {
    fleet(ids)
        .hub(|hub| {
            hub.manifest.prepares = Prepares {
                stored: true,
                absent: true,
            }
        })
        .set(|settings| settings.strategy = Strategy::ModelAffinity)
}

type Ended = tokio::task::JoinHandle<Result<(), Error>>;

fn prepare(fleet: &Fleet, lease: &Arc<Lease>) -> Ended {
    let (pool, lease) = (fleet.pool.clone(), lease.clone());
    tokio::spawn(async move {
        pool.prepare(&lease, &needs("m"), Context::background("test"))
            .await
    })
}

fn take(fleet: &Fleet) -> Arc<Lease> {
    Arc::new(fleet.try_take(&needs("m")).unwrap())
}

#[tokio::test(start_paused = true)]
async fn only_what_has_to_be_done_is_asked_for() {
    let fleet = preparing(&["a"])
        .hub(|hub| hub.holds("a", &["*loaded", "stored"]))
        .start()
        .await;
    let preparation = |model: &str| fleet.try_take(&needs(model)).unwrap().preparation();
    assert_eq!(
        (preparation("loaded"), preparation("stored")),
        (None, Some(Preparation::Stored))
    );
    assert_eq!(fleet.take().preparation(), None);
}

#[tokio::test(start_paused = true)]
async fn a_model_is_loaded_once_for_all_who_wait() {
    let fleet = preparing(&["a"]).hub(|hub| hub.holds("a", &["m"])).start().await;
    let leases: Vec<_> = (0..10).map(|_| take(&fleet)).collect();
    let waiters: Vec<_> = leases.iter().map(|lease| prepare(&fleet, lease)).collect();
    idle().await;
    fleet.hub.preparing.add_permits(1);
    for waiter in waiters {
        waiter.await.unwrap().unwrap();
    }
    assert_eq!(fleet.hub.calls("prepare "), 1);
    assert_eq!(take(&fleet).preparation(), None, "it counts as loaded");
    assert_eq!(fleet.pool.metrics().hub.counted.preparations, 1);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_cancels_nothing() {
    let fleet = preparing(&["a"]).hub(|hub| hub.holds("a", &["m"])).start().await;
    let lease = take(&fleet);
    let waiter = prepare(&fleet, &lease);
    idle().await;
    waiter.abort();
    drop(lease);
    pass(5.0).await;
    fleet.hub.preparing.add_permits(1);
    idle().await;
    assert_eq!(fleet.hub.calls("prepared a"), 1);
    assert_eq!(take(&fleet).preparation(), None);
}

#[tokio::test(start_paused = true)]
async fn a_lease_taken_before_the_load_ended_finds_it_done() {
    let fleet = preparing(&["a"]).hub(|hub| hub.holds("a", &["m"])).start().await;
    let (early, late) = (take(&fleet), take(&fleet));
    fleet.hub.preparing.add_permits(1);
    prepare(&fleet, &early).await.unwrap().unwrap();
    prepare(&fleet, &late).await.unwrap().unwrap();
    assert_eq!(fleet.hub.calls("prepare "), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failed_load_is_told_to_all_and_tried_anew_by_the_next() {
    let fleet = preparing(&["a"])
        .hub(|hub| {
            hub.holds("a", &["m"]);
            hub.prepares(Err(Error::instance(ErrorCode::UPSTREAM_ERROR, "out of memory")));
        })
        .start()
        .await;
    let leases = [take(&fleet), take(&fleet)];
    let waiters = leases.each_ref().map(|lease| prepare(&fleet, lease));
    idle().await;
    fleet.hub.preparing.add_permits(1);
    for waiter in waiters {
        assert_eq!(waiter.await.unwrap().unwrap_err().message, "out of memory");
    }
    fleet.hub.prepares(Ok(()));
    fleet.hub.preparing.add_permits(1);
    prepare(&fleet, &leases[0]).await.unwrap().unwrap();
    assert_eq!(fleet.hub.calls("prepare "), 2);
}

#[tokio::test(start_paused = true)]
async fn a_load_that_never_ends_is_given_up_after_the_time_to_the_first_byte() {
    let fleet = preparing(&["a"]).hub(|hub| hub.holds("a", &["m"])).start().await;
    let lease = take(&fleet);
    let error = prepare(&fleet, &lease).await.unwrap().unwrap_err();
    assert_eq!(error.code, ErrorCode::TIMEOUT);
    assert_eq!(take(&fleet).preparation(), Some(Preparation::Stored));
}

#[tokio::test(start_paused = true)]
async fn requests_join_a_load_under_way_instead_of_loading_elsewhere() {
    let fleet = preparing(&["a", "b", "c"])
        .hub(|hub| ["a", "b", "c"].iter().for_each(|id| hub.holds(id, &["m"])))
        .start()
        .await;
    let first = take(&fleet);
    let _loading = prepare(&fleet, &first);
    idle().await;
    for _ in 0..5 {
        assert_eq!(take(&fleet).instance().id, first.instance().id);
    }
}

#[tokio::test(start_paused = true)]
async fn what_nobody_has_is_fetched_only_if_the_operator_allows() {
    let strict = preparing(&["a"]).start().await;
    assert!(matches!(
        strict.try_take(&needs("m")),
        Err(Refusal::Unknown { .. })
    ));

    let free = preparing(&["a", "b"])
        .set(|settings| settings.acquire = true)
        .start()
        .await;
    let first = take(&free);
    assert_eq!(first.preparation(), Some(Preparation::Absent));
    let fetching = prepare(&free, &first);
    idle().await;
    let second = take(&free);
    assert_eq!(second.instance().id, first.instance().id, "one fetch, not two");
    let joined = prepare(&free, &second);
    idle().await;
    free.hub.preparing.add_permits(1);
    fetching.await.unwrap().unwrap();
    joined.await.unwrap().unwrap();
    assert_eq!(free.hub.calls("prepare "), 1);
    assert_eq!(free.status(&first.instance().id).capabilities[0].name, "m:latest");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_fetched_while_a_holder_is_full_or_resting() {
    use std::time::Duration;

    use plugin_api::contract::outcome::Outcome;

    let fleet = preparing(&["holder", "other"])
        .set(|settings| settings.acquire = true)
        .limit(1)
        .hub(|hub| hub.holds("holder", &["*m"]))
        .start()
        .await;
    let held = take(&fleet);
    assert_eq!(held.instance().id, "holder");
    assert_eq!(fleet.try_take(&needs("m")).unwrap_err(), Refusal::AllBusy, "full");
    Arc::into_inner(held).unwrap().finish(Outcome::Busy {
        retry_after: Some(Duration::from_secs(5)),
    });
    assert_eq!(
        fleet.try_take(&needs("m")).unwrap_err(),
        Refusal::AllBusy,
        "resting"
    );
    pass(6.0).await;
    assert_eq!(take(&fleet).instance().id, "holder");
}

#[tokio::test(start_paused = true)]
async fn what_only_a_dead_instance_has_is_fetched_elsewhere() {
    let fleet = preparing(&["holder", "other"])
        .set(|settings| settings.acquire = true)
        .hub(|hub| hub.holds("holder", &["*m"]))
        .start()
        .await;
    fleet.hub.fails("holder");
    pass(120.0).await;
    let lease = take(&fleet);
    assert_eq!(
        (lease.instance().id.as_str(), lease.preparation()),
        ("other", Some(Preparation::Absent))
    );
}

#[tokio::test(start_paused = true)]
async fn a_preparation_ends_with_its_instance() {
    let fleet = preparing(&[])
        .hub(|hub| {
            hub.discovers(&["x"]);
            hub.holds("x", &["m"]);
        })
        .start()
        .await;
    let lease = take(&fleet);
    let loading = prepare(&fleet, &lease);
    idle().await;
    loading.abort();
    drop(lease);
    fleet.hub.discovers(&[]);
    pass(70.0).await;
    assert_eq!(fleet.hub.calls("prepared"), 0);
    assert!(fleet.ids().is_empty());
    let _: Requirement = needs("m");
}

#[tokio::test(start_paused = true)]
async fn an_offer_to_fetch_that_is_not_taken_up_leaves_no_trace() {
    use crate::manager::Asking;
    use crate::pool::Tried;
    use crate::pool::testing::ME;

    let fetching = || preparing(&["would fetch"]).set(|settings| settings.acquire = true);
    let (first, second, fresh) = (
        fetching().start().await,
        fetching().start().await,
        fetching().start().await,
    );
    let holder = preparing(&["has it"])
        .hub(|hub| hub.holds("has it", &["*m"]))
        .start()
        .await;
    let requirement = needs("m");
    let asking = Asking {
        requirement: &requirement,
        asker: ME,
        tried: &Tried::NONE,
        deadline: None,
    };
    let pools = [first.pool.clone(), second.pool.clone(), holder.pool.clone()];
    for _ in 0..100 {
        let held = asking.from(&pools).await.unwrap();
        assert_eq!(held.lease.instance().id, "has it");
    }
    let retries = |fleet: &Fleet| (0..10_000).take_while(|_| fleet.pool.retry_allowed()).count();
    let usual = retries(&fresh);
    for fleet in [first, second] {
        let metrics = fleet.pool.metrics();
        let outcomes = metrics.instances[0].counted.outcomes.iter();
        assert_eq!(outcomes.map(|(_, number)| number).sum::<u64>(), 0);
        assert_eq!((fleet.in_flight(), retries(&fleet)), (0, usual));
    }
    let alone = asking.from(&pools[..2]).await.unwrap();
    assert_eq!(
        alone.lease.preparation(),
        Some(Preparation::Absent),
        "where no other has it, the offer is taken up"
    );
}
