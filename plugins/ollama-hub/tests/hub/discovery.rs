//! What is found, what is not found twice, and what happens to what vanishes.

use std::sync::Arc;

use crate::support::{context, hub_of, instance, quiet};
use fakes::Fault;
use fakes::ollama::FakeOllama;
use fakes::openai::FakeOpenai;
use ollama_hub::{Config, OllamaHub};
use plugin_api::contract::instance::Origin;
use plugin_api::testing::TestHost;
use plugin_api::{Hub, ResourceInstance};

async fn fake() -> FakeOllama {
    FakeOllama::builder().start().await.unwrap()
}

fn on_ports(ports: &[u16]) -> Config {
    Config {
        ports: ports.to_vec(),
        ..Config::default()
    }
}

/// One look, after which the engine knows what was found.
async fn look(hub: &Arc<OllamaHub>, host: &TestHost) -> Vec<String> {
    let found = hub.clone().discover(context()).await.unwrap();
    let views = host.handle().instances(&context()).await.unwrap();
    let others = views
        .into_iter()
        .map(|view| view.instance)
        .filter(|known| known.origin != Origin::Discovered);
    host.set_instances("ollama", others.chain(found.iter().cloned()));
    found.into_iter().map(|instance| instance.id).collect()
}

#[test]
fn the_usual_ports_of_this_machine_are_looked_at_unless_told_otherwise() {
    let config = Config::default();
    assert!(config.auto_discover);
    assert_eq!(config.hosts, ["127.0.0.1"]);
    assert_eq!(config.ports, [11434, 11435, 11436, 11437, 11438, 11439]);
}

#[tokio::test]
async fn servers_are_found_and_described() {
    let (a, b) = (fake().await, fake().await);
    let host = TestHost::new();
    let hub = hub_of(&host, on_ports(&[a.addr().port(), b.addr().port()]));
    let found = hub.clone().discover(context()).await.unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].id, a.addr().to_string());
    assert_eq!(found[0].endpoint.as_ref().unwrap().url, a.url());
    assert_eq!(found[0].origin, Origin::Discovered);
    assert_eq!(found[0].dialects, ["ollama", "openai"]);
    assert_eq!(found[0].tags.iter().collect::<Vec<_>>(), ["discovered", "local"]);
}

#[tokio::test]
async fn a_server_that_vanished_is_not_found_any_more() {
    let (a, b) = (fake().await, fake().await);
    let host = TestHost::new();
    let hub = hub_of(&host, on_ports(&[a.addr().port(), b.addr().port()]));
    assert_eq!(look(&hub, &host).await.len(), 2);
    a.fail(Fault::Refuse);
    assert_eq!(look(&hub, &host).await, [b.addr().to_string()]);
    a.heal().unwrap();
    assert_eq!(look(&hub, &host).await.len(), 2);
}

#[tokio::test]
async fn a_server_that_hangs_is_still_there_but_no_newcomer() {
    let (known, new) = (fake().await, fake().await);
    let host = TestHost::new();
    let hub = hub_of(&host, on_ports(&[known.addr().port(), new.addr().port()]));
    new.fail(Fault::HangBeforeHeaders);
    assert_eq!(look(&hub, &host).await, [known.addr().to_string()]);
    known.fail(Fault::HangBeforeHeaders);
    assert_eq!(look(&hub, &host).await, [known.addr().to_string()]);
}

#[tokio::test]
async fn what_answers_and_is_no_ollama_is_left_alone() {
    let other = FakeOpenai::builder().model("m").start().await.unwrap();
    let hub = hub_of(&TestHost::new(), on_ports(&[other.addr().port()]));
    assert!(hub.discover(context()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_configured_server_is_not_found_a_second_time_by_any_of_its_names() {
    let fake = fake().await;
    let port = fake.addr().port();
    for url in [
        fake.url(),
        format!("http://localhost:{port}/"),
        format!("127.0.0.1:{port}"),
    ] {
        let host = TestHost::new();
        let hub = hub_of(&host, on_ports(&[port]));
        host.set_instances("ollama", [(*instance(&hub, &url)).clone()]);
        assert!(look(&hub, &host).await.is_empty(), "{url}");
    }
}

#[tokio::test]
async fn a_name_is_resolved_to_its_addresses() {
    let fake = fake().await;
    let port = fake.addr().port();
    let host = TestHost::new();
    let config = Config {
        dns: vec![format!("localhost:{port}")],
        ..quiet()
    };
    let hub = hub_of(&host, config);
    let found = hub.clone().discover(context()).await.unwrap();
    // Only those of its addresses where a server answers.
    let ids: Vec<_> = found.iter().map(|instance| instance.id.clone()).collect();
    assert_eq!(ids, [fake.addr().to_string()]);
    assert_eq!(found[0].metadata["dns"], "localhost");
}

#[tokio::test]
async fn what_a_name_led_to_is_kept_while_it_does_not_resolve() {
    let host = TestHost::new();
    let config = Config {
        dns: vec!["no-such-name.invalid:11434".into()],
        ..quiet()
    };
    let hub = hub_of(&host, config);
    let mut known = ResourceInstance::new("10.0.0.1:11434");
    known.origin = Origin::Discovered;
    known.metadata.insert("dns".into(), "no-such-name.invalid".into());
    host.set_instances("ollama", [known]);
    assert_eq!(look(&hub, &host).await, ["10.0.0.1:11434"]);
}

#[tokio::test]
async fn a_name_without_a_port_is_refused_at_once() {
    for name in [
        "ollama.internal",
        "ollama.internal:",
        ":11434",
        "ollama.internal:0",
    ] {
        let config = Config {
            dns: vec![name.into()],
            ..quiet()
        };
        assert!(
            OllamaHub::new(config, TestHost::new().handle()).is_err(),
            "{name}"
        );
    }
}

#[tokio::test]
async fn nothing_is_asked_where_nothing_is_to_be_found() {
    let fake = fake().await;
    let hub = hub_of(
        &TestHost::new(),
        Config {
            ports: vec![fake.addr().port()],
            ..quiet()
        },
    );
    assert!(hub.discover(context()).await.unwrap().is_empty());
    assert!(fake.requests().is_empty());
}
