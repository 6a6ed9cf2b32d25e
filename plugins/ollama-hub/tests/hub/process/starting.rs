//! How a local server begins, and why it may not.

use std::os::unix::fs::PermissionsExt;

use fakes::Fault;
use fakes::ollama::FakeOllama;
use plugin_api::contract::instance::Origin;
use plugin_api::testing::TestHost;
use plugin_api::{ErrorCode, Hub};
use serde_json::json;

use super::{NOTES, group, notes, pid, read, specification, start};
use crate::support::{context, hub, hub_of};

#[tokio::test]
async fn a_server_is_started_probed_and_stopped() {
    let hub = hub();
    let mut specification = specification("serve");
    specification["tags"] = json!(["here"]);
    let instance = start(&hub, specification.clone()).await.unwrap();
    assert_eq!(instance.id, format!("127.0.0.1:{}", specification["port"]));
    assert_eq!(instance.origin, Origin::Started);
    assert!(instance.tags.contains("here"));

    let probe = hub.clone().probe(context(), instance.clone()).await.unwrap();
    assert_eq!(probe.capabilities.unwrap()[0].name, "m:latest");
    assert!(probe.load.memory_bytes.unwrap() > 0);
    let probe = hub.clone().probe(context(), instance.clone()).await.unwrap();
    assert!(probe.load.cpu_percent.is_some());

    hub.clone().stop(context(), instance.clone()).await.unwrap();
    assert_eq!(group(pid(&instance)), 0);
}

#[tokio::test]
async fn the_environment_is_the_hosts_own_and_what_was_configured() {
    let (_directory, path) = notes();
    let hub = hub();
    let mut specification = specification("serve");
    specification["environment"][NOTES] = json!(path);
    specification["environment"]["OLLAMA_ORIGINS"] = json!("app://x");
    // Whatever the host's own client settings say, the server listens where we wait for it.
    specification["environment"]["OLLAMA_HOST"] = json!("0.0.0.0:1");
    specification["models"] = json!("/srv/models");
    specification["keep_alive"] = json!("30m");
    specification["num_parallel"] = json!(4);
    specification["context_length"] = json!(8192);
    specification["flash_attention"] = json!(true);
    specification["kv_cache_type"] = json!("q8_0");
    specification["load_timeout"] = json!("10m");
    let instance = start(&hub, specification.clone()).await.unwrap();
    let seen = read(&path);
    for (name, value) in std::env::vars().filter(|(name, _)| name == "HOME" || name == "PATH") {
        assert_eq!(seen[&name], value);
    }
    for (name, value) in [
        ("OLLAMA_HOST", instance.id.as_str()),
        ("OLLAMA_ORIGINS", "app://x"),
        ("OLLAMA_MODELS", "/srv/models"),
        ("OLLAMA_KEEP_ALIVE", "30m"),
        ("OLLAMA_NUM_PARALLEL", "4"),
        ("OLLAMA_CONTEXT_LENGTH", "8192"),
        ("OLLAMA_FLASH_ATTENTION", "1"),
        ("OLLAMA_KV_CACHE_TYPE", "q8_0"),
        ("OLLAMA_LOAD_TIMEOUT", "600s"),
    ] {
        assert_eq!(seen[name], value, "{name}");
    }
    // Settings that the server never had.
    assert!(!seen.contains_key("OLLAMA_NUM_GPU") && !seen.contains_key("OLLAMA_NUM_THREAD"));
    hub.clone().stop(context(), instance).await.unwrap();
}

#[tokio::test]
async fn the_program_is_found_wherever_path_says() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("ollama");
    let me = std::env::current_exe().unwrap();
    let script = format!(
        "#!/bin/sh\nexec '{}' --exact process::stand_in --nocapture\n",
        me.display()
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();

    let hub = hub();
    let mut specification = specification("serve");
    specification.as_object_mut().unwrap().remove("command");
    let path = format!(
        "{}:{}",
        directory.path().display(),
        std::env::var("PATH").unwrap()
    );
    specification["environment"]["PATH"] = json!(path);
    let instance = start(&hub, specification).await.unwrap();
    hub.clone().stop(context(), instance).await.unwrap();
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named_with_the_path_that_was_searched() {
    let mut specification = specification("serve");
    specification["command"] = json!(["no-such-ollama", "serve"]);
    let error = start(&hub(), specification).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::CONFIGURATION);
    assert!(
        error.message.contains("no-such-ollama") && error.message.contains("PATH"),
        "{error}"
    );
}

#[tokio::test]
async fn without_a_home_it_is_not_even_tried() {
    let mut specification = specification("serve");
    specification["environment"]["HOME"] = json!("");
    let error = start(&hub(), specification).await.unwrap_err();
    assert!(error.message.contains("HOME"), "{error}");
}

#[tokio::test]
async fn output_is_read_beyond_what_a_pipe_holds() {
    let hub = hub();
    let instance = start(&hub, specification("talkative")).await.unwrap();
    hub.clone().stop(context(), instance).await.unwrap();
}

#[tokio::test]
async fn a_server_that_ends_while_starting_is_reported_with_its_last_words() {
    let error = start(&hub(), specification("crash")).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::UNHEALTHY);
    assert!(error.message.contains("exit status: 3"), "{error}");
    assert!(error.message.contains("no space left for models"), "{error}");
}

#[tokio::test]
async fn a_port_that_somebody_else_serves_is_refused() {
    let fake = FakeOllama::builder().start().await.unwrap();
    let mut specification = specification("serve");
    specification["port"] = json!(fake.addr().port());
    let error = start(&hub(), specification).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::CONFIGURATION);
    assert!(
        error
            .message
            .contains("by an Ollama 0.33.0 that this hub did not start"),
        "{error}"
    );
}

#[tokio::test]
async fn a_port_that_something_silent_holds_is_refused_too() {
    let fake = FakeOllama::builder().start().await.unwrap();
    fake.fail(Fault::HangBeforeHeaders);
    let mut specification = specification("serve");
    specification["port"] = json!(fake.addr().port());
    let error = start(&hub(), specification).await.unwrap_err();
    assert!(error.message.ends_with("is in use"), "{error}");
}

#[tokio::test]
async fn one_that_runs_is_not_started_twice() {
    let hub = hub();
    let specification = specification("serve");
    let instance = start(&hub, specification.clone()).await.unwrap();
    let error = start(&hub, specification).await.unwrap_err();
    assert!(error.message.contains("runs already"), "{error}");
    hub.clone().stop(context(), instance).await.unwrap();
}

#[tokio::test]
async fn discovery_does_not_find_what_is_being_started() {
    let specification = specification("serve");
    let port = u16::try_from(specification["port"].as_u64().unwrap()).unwrap();
    let config = ollama_hub::Config {
        ports: vec![port],
        ..ollama_hub::Config::default()
    };
    let hub = hub_of(&TestHost::new(), config);
    // The engine does not know of it yet.
    let instance = start(&hub, specification).await.unwrap();
    assert!(hub.clone().discover(context()).await.unwrap().is_empty());
    hub.clone().stop(context(), instance).await.unwrap();
    assert!(hub.clone().discover(context()).await.unwrap().is_empty());
}
