//! Command line over environment over file over manifest over built-in default.

use std::time::Duration;

use plugin_api::contract::requirement::Strategy;

use super::fixture::{file, no_file};
use crate::config::settings::{HealthSettings, HostSettings};

const HUB: &str = "[hubs.gadget]\n";

#[test]
fn what_nobody_says_is_the_built_in_default() {
    let settings = file("[hubs.gizmo]").settings();
    assert_eq!(settings.hubs[0].health, HealthSettings::default());
    assert_eq!(settings.host.listen, HostSettings::default().listen);
}

#[test]
fn a_manifests_default_wins_over_the_built_in_one() {
    let settings = file(HUB).settings();
    assert_eq!(settings.hubs[0].strategy, Strategy::ModelAffinity);
    assert_eq!(settings.hubs[0].health.interval, Duration::from_secs(10));
    assert_eq!(settings.hubs[0].health.timeout, HealthSettings::default().timeout);
}

#[test]
fn the_file_wins_over_the_manifest_key_by_key() {
    let settings = file("[hubs.gadget]\nstrategy = 'random'\nhealth = { timeout = '1s' }").settings();
    assert_eq!(settings.hubs[0].strategy, Strategy::Random);
    assert_eq!(settings.hubs[0].health.timeout, Duration::from_secs(1));
    assert_eq!(settings.hubs[0].health.interval, Duration::from_secs(10));
}

#[test]
fn the_environment_wins_over_the_file() {
    let settings = file("[hubs.gadget]\nstrategy = 'random'")
        .variable("GLEITZEIT_HUBS__GADGET__STRATEGY", "weighted")
        .variable("GLEITZEIT_HUBS__GADGET__QUEUE__SIZE", "7")
        .settings();
    assert_eq!(settings.hubs[0].strategy, Strategy::Weighted);
    assert_eq!(settings.hubs[0].queue.size, 7);
}

#[test]
fn the_command_line_wins_over_the_environment() {
    let settings = file(HUB)
        .variable("GLEITZEIT_HUBS__GADGET__STRATEGY", "weighted")
        .set("hubs.gadget.strategy=adaptive")
        .set("hubs.gadget.config.ports=[1, 2]")
        .settings();
    assert_eq!(settings.hubs[0].strategy, Strategy::Adaptive);
    assert_eq!(settings.hubs[0].config["ports"], serde_json::json!([1, 2]));
}

#[test]
fn the_last_of_two_flags_wins() {
    let settings = file(HUB)
        .set("host.listen=127.0.0.1:1")
        .set("host.listen=127.0.0.1:2")
        .settings();
    assert_eq!(settings.host.listen.port(), 2);
}

#[test]
fn short_variables_say_the_same_as_long_ones() {
    let settings = file(HUB).variable("GLEITZEIT_LISTEN", "[::1]:9").settings();
    assert_eq!(settings.host.listen, "[::1]:9".parse().unwrap());
}

#[test]
fn a_variable_finds_names_with_dashes() {
    let settings = file("[hubs.my-Gadget]\nplugin = 'gadget-hub'")
        .variable("GLEITZEIT_HUBS__MY_GADGET__ACQUIRE", "true")
        .settings();
    assert_eq!(settings.hubs.len(), 1);
    assert!(settings.hubs[0].acquire);
}

#[test]
fn variables_without_a_table_are_not_ours() {
    file(HUB)
        .variable("GLEITZEIT_SOMETHING", "x")
        .variable("OTHER__THING", "y")
        .settings();
}

#[test]
fn a_mistake_in_a_flag_is_shown_in_the_flag() {
    let said = file(HUB).set("hubs.gadget.strategy=fastest").mistakes();
    assert!(said.contains("--set hubs.gadget.strategy=fastest"), "{said}");
    assert!(said.contains("the command line:1:28"), "{said}");
    let said = file(HUB).set("hubs.gadget.stratgey=random").mistakes();
    assert!(said.contains("did you mean `strategy`?"), "{said}");
    let said = file(HUB)
        .set("hubs.gadget.instances=[{ url = 'http://a:1'")
        .mistakes();
    assert!(said.contains("not valid TOML"), "{said}");
    let said = file(HUB).set("nothing").mistakes();
    assert!(said.contains("sets nothing"), "{said}");
    let said = file(HUB).set("a b=1").mistakes();
    assert!(said.contains("--set a b=1"), "{said}");
    let said = file(HUB).set("=1").mistakes();
    assert!(said.contains("--set =1"), "{said}");
}

#[test]
fn a_mistake_in_a_variable_is_shown_in_the_variable() {
    let said = file(HUB).variable("GLEITZEIT_HOST__LISTEN", "here").mistakes();
    assert!(said.contains("GLEITZEIT_HOST__LISTEN=here"), "{said}");
    assert!(said.contains("the environment:1:24"), "{said}");
    let said = file(HUB).variable("GLEITZEIT_HOTS__LISTEN", "x").mistakes();
    assert!(said.contains("did you mean `host`?"), "{said}");
}

#[test]
fn a_file_that_is_not_there_is_a_mistake_with_a_way_out() {
    let said = no_file().mistakes();
    assert!(said.contains("`plugins.toml` cannot be read"), "{said}");
    assert!(said.contains("gleitzeit check"), "{said}");
}

#[test]
fn paths_are_relative_to_the_file() {
    let fixture = file("[host]\nplugin_dirs = ['a', '/b']\nstate_dir = 's'");
    let settings = fixture.settings();
    assert_eq!(settings.host.plugin_dirs, [fixture.path("a"), "/b".into()]);
    assert_eq!(settings.host.state_dir, fixture.path("s"));
}

#[test]
fn the_default_that_is_in_the_way_of_what_is_written_gives_way() {
    let settings = file("[hubs.gizmo.health]\ninterval = '5m'\nunhealthy_after = 1").settings();
    assert_eq!(settings.hubs[0].health.max_interval, Duration::from_secs(300));
    assert_eq!(settings.hubs[0].health.degraded_after, 1);
}

#[test]
fn hubs_keep_the_order_of_the_file() {
    let settings = file("[hubs.rock]\n[hubs.gizmo]\n[hubs.gadget]").settings();
    let names: Vec<_> = settings.hubs.iter().map(|hub| hub.name.as_str()).collect();
    assert_eq!(names, ["rock", "gizmo", "gadget"]);
}
