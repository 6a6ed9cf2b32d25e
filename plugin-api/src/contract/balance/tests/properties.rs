//! What holds for every strategy and every fleet.

use proptest::prelude::{
    Just, ProptestConfig, any, prop, prop_assert, prop_assert_eq, prop_compose, prop_oneof, proptest,
};
use proptest::sample::select;
use proptest::strategy::Strategy as Generator;

use super::*;

fn reach() -> impl Generator<Value = Reach> {
    select(&Reach::DESCENDING[..])
}

prop_compose! {
    fn view()(
        in_flight in 0u32..6,
        capacity in prop::option::of(1u32..6),
        degraded in prop::bool::weighted(0.2),
        reach in reach(),
        error_rate in prop_oneof![Just(0.0f32), 0.0f32..=1.0],
        latency in prop::option::of(0.0f32..20.0),
        last_turn in 0u64..1000,
    ) -> View {
        View { in_flight, capacity, degraded, reach, error_rate, latency, last_turn }
    }
}

prop_compose! {
    fn instance()(
        view in view(),
        eligible in prop::bool::weighted(0.6),
        id in any::<u64>(),
        weight in 0.01f64..10.0,
        priority in -2i32..3,
    ) -> Instance {
        let member = Member { id_hash: key_hash(id.to_le_bytes()), weight, priority, reach: view.reach };
        Instance { view, member, eligible, taken: 0 }
    }
}

fn instances() -> impl Generator<Value = Vec<Instance>> {
    prop_oneof![
        4 => prop::collection::vec(instance(), 0..20),
        1 => prop::collection::vec(instance(), 60..200),
    ]
}

fn strategy() -> impl Generator<Value = Strategy> {
    let all: Vec<Strategy> = Strategy::ALL.iter().map(|(strategy, _)| *strategy).collect();
    select(all)
}

fn ask() -> impl Generator<Value = Ask> {
    (prop::option::of(any::<u64>()), 0u32..50, any::<u64>()).prop_map(|(affinity, waiting, turn)| Ask {
        affinity,
        waiting,
        turn,
    })
}

fn choose_from(instances: &[Instance], strategy: Strategy, ask: &Ask) -> Choice {
    let roster = Roster::new(instances.iter().map(|instance| instance.member));
    let candidates = |place: usize| instances[place].eligible.then(|| instances[place].view);
    choose(strategy, &roster, &candidates, ask)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn somebody_is_taken_exactly_if_somebody_can(
        instances in instances(), strategy in strategy(), ask in ask(),
    ) {
        let eligible: Vec<_> = instances.iter().filter(|instance| instance.eligible).collect();
        let has_it = |instance: &&Instance| instance.view.reach != Reach::Absent;
        let with_room = |instance: &&&Instance| instance.view.has_room();
        match choose_from(&instances, strategy, &ask) {
            Choice::Take(place) => {
                prop_assert!(instances[place].eligible && instances[place].view.has_room());
                if instances[place].view.reach == Reach::Absent {
                    prop_assert!(!eligible.iter().filter(with_room).any(&has_it));
                }
            }
            Choice::Wait => {
                prop_assert!(eligible.iter().any(|instance| !instance.view.has_room()));
                if strategy != Strategy::ModelAffinity {
                    prop_assert!(!eligible.iter().filter(with_room).any(&has_it));
                }
            }
            Choice::Nothing => prop_assert!(eligible.is_empty()),
        }
    }

    #[test]
    fn a_healthy_one_with_room_comes_before_a_degraded_one(
        instances in prop::collection::vec(instance(), 1..64), strategy in strategy(), ask in ask(),
    ) {
        if let Choice::Take(place) = choose_from(&instances, strategy, &ask)
            && instances[place].view.degraded && strategy != Strategy::ModelAffinity
        {
            let better = instances.iter().filter(|instance| {
                instance.eligible && instance.view.has_room() && instance.view.is_first_class()
            });
            prop_assert_eq!(better.count(), 0);
        }
    }

    #[test]
    fn the_ineligible_never_enter_the_arithmetic(
        instances in prop::collection::vec(instance(), 0..60), strategy in strategy(), ask in ask(), other in view(),
    ) {
        let chosen = choose_from(&instances, strategy, &ask);

        let mut different = instances.clone();
        for instance in different.iter_mut().filter(|instance| !instance.eligible) {
            instance.view = other;
        }
        prop_assert_eq!(choose_from(&different, strategy, &ask), chosen);

        // Nor does it matter whether they are on the list, for all that do not draw lots.
        if !matches!(strategy, Strategy::Random | Strategy::Weighted) {
            let places: Vec<_> = (0..instances.len()).filter(|&place| instances[place].eligible).collect();
            let eligible: Vec<_> = places.iter().map(|&place| instances[place].clone()).collect();
            let among_them = match choose_from(&eligible, strategy, &ask) {
                Choice::Take(place) => Choice::Take(places[place]),
                other => other,
            };
            prop_assert_eq!(among_them, chosen);
        }
    }

    #[test]
    fn the_walk_meets_every_place_once(len in 0usize..3000, seed in any::<u64>()) {
        let mut met: Vec<_> = survey::Walk::new(len, seed).collect();
        met.sort_unstable();
        prop_assert!(met.into_iter().eq(0..len));
    }

    #[test]
    fn a_memo_remembers_what_a_roster_ranks(
        hashes in prop::collection::vec(any::<u64>(), 65..90), keys in prop::collection::vec(any::<u64>(), 1..8),
    ) {
        let members = hashes.iter().map(|&id_hash| Member { id_hash, ..Member::default() });
        let roster = Roster::new(members);
        for key in keys.iter().chain(&keys) {
            let mut ranked: Vec<_> = (0..hashes.len()).collect();
            ranked.sort_by_key(|&place| std::cmp::Reverse(hash::rank(*key, hashes[place])));
            let [first, second] = roster.favourites(*key).expect("large enough");
            prop_assert_eq!([hash::rank(*key, hashes[first]), hash::rank(*key, hashes[second])],
                [hash::rank(*key, hashes[ranked[0]]), hash::rank(*key, hashes[ranked[1]])]);
        }
    }
}
