//! Starting processes, talking to them, and their end.

use plugin_api::contract::instance::Origin;
use plugin_api::{ErrorCode, Hub};
use serde_json::json;

use crate::support::{
    config, context, control, hub, hub_of, listed, listener, lost, pid, python, runs, say, start, stop, until,
};

#[tokio::test]
async fn a_process_is_there_when_it_listens_and_gone_when_it_is_stopped() {
    let (hub, host) = hub();
    let instance = start(&hub, &listener()).await.unwrap();
    assert_eq!(instance.origin, Origin::Started);
    assert_eq!(instance.max_concurrent, Some(1));
    assert_eq!(say(&instance, "abc").await.unwrap(), "cba");
    assert_eq!(say(&instance, "xy").await.unwrap(), "yx");
    assert!(runs(pid(&instance)));
    stop(&hub, &instance).await;
    assert!(!runs(pid(&instance)));
    assert!(say(&instance, "abc").await.is_err());
    assert!(listed(&hub).await.is_empty());
    assert!(lost(&host).is_empty(), "what was asked for is no loss");
}

#[tokio::test]
async fn a_process_that_ends_by_itself_is_told_of_at_once() {
    let (hub, host) = hub();
    let instance = start(&hub, &listener()).await.unwrap();
    let _ = say(&instance, "!os._exit(7)").await;
    until("the host is told", || !lost(&host).is_empty()).await;
    assert_eq!(lost(&host), [(instance.id.clone(), "exit code 7".to_owned())]);
    let error = hub.clone().probe(context(), instance).await.unwrap_err();
    assert!(error.to_string().contains("has ended"), "{error}");
}

#[tokio::test]
async fn one_that_uses_too_much_memory_is_lost_for_that_reason() {
    let (hub, host) = hub();
    let instance = start(&hub, &listener()).await.unwrap();
    let _ = say(&instance, "!x = bytearray(10**9)").await;
    until("the host is told", || !lost(&host).is_empty()).await;
    assert_eq!(lost(&host)[0].1, "out of memory");
}

#[tokio::test]
async fn one_that_ends_before_it_listens_says_why() {
    let (hub, _) = hub();
    let error = start(&hub, &python("print('no licence'); raise SystemExit(3)"))
        .await
        .unwrap_err();
    assert_eq!(error.code, ErrorCode::UNHEALTHY);
    assert!(error.message.contains("exit code 3"), "{error}");
    assert!(error.message.contains("no licence"), "{error}");
}

#[tokio::test]
async fn one_that_never_listens_is_ended_when_its_time_is_over() {
    let config = process_hub::Config {
        start_timeout: plugin_api::quantity::Span(std::time::Duration::from_millis(500)),
        ..config()
    };
    let (hub, _) = hub_of(config);
    let error = start(
        &hub,
        &python("import time; print('hm', flush=True); time.sleep(600)"),
    )
    .await
    .unwrap_err();
    assert_eq!(error.code, ErrorCode::TIMEOUT);
    assert!(error.message.contains("hm"), "{error}");
    assert!(listed(&hub).await.is_empty());
}

#[tokio::test]
async fn a_program_that_is_not_there_is_the_workloads_fault() {
    let (hub, _) = hub();
    let mut workload = listener();
    workload.command = vec!["/usr/bin/no-such-thing".to_owned()];
    let error = start(&hub, &workload).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::INVALID_PARAMS);
    assert!(error.message.contains("no-such-thing"), "{error}");
}

#[tokio::test]
async fn a_probe_tells_what_is_used() {
    let (hub, _) = hub();
    let instance = start(&hub, &listener()).await.unwrap();
    let probe = hub.clone().probe(context(), instance.clone()).await.unwrap();
    assert!(probe.load.memory_bytes.unwrap() > 1 << 20, "{probe:?}");
    assert!(probe.load.memory_percent.unwrap() < 100.0, "{probe:?}");
    assert!(probe.gauges["processes"] >= 1.0, "{probe:?}");
    stop(&hub, &instance).await;
}

#[tokio::test]
async fn killing_one_is_a_loss() {
    let (hub, host) = hub();
    let instance = start(&hub, &listener()).await.unwrap();
    control(&hub, "kill", json!({ "id": instance.id })).await.unwrap();
    assert_eq!(lost(&host).len(), 1);
    assert!(!runs(pid(&instance)));
    let again = control(&hub, "kill", json!({ "id": instance.id }))
        .await
        .unwrap_err();
    assert_eq!(again.code, ErrorCode::NOT_FOUND);
}

#[tokio::test]
async fn the_machine_says_what_it_can_do() {
    let (hub, _) = hub();
    let machine = control(&hub, "capabilities", json!({})).await.unwrap();
    assert!(machine["kernel"].as_str().unwrap().contains('.'));
    assert_eq!(machine["seccomp"], true);
}
