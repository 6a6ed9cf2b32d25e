//! How boxes begin and end.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use plugin_api::contract::instance::Origin;
use plugin_api::contract::outcome::Outcome;
use plugin_api::{ErrorCode, Hub};
use serde_json::json;

use crate::support::{IMAGE, Runner, context, docker, labelled, real, until, workload};

#[tokio::test]
async fn a_workload_is_spoken_to_over_a_socket() {
    let Some(real) = real(json!({})).await else { return };
    let instance = real.start(&workload()).await.unwrap();
    assert_eq!(instance.origin, Origin::Started);
    assert_eq!(instance.metadata["transport"], "socket");
    for _ in 0..3 {
        let mut runner = Runner::connect(&instance).await;
        assert_eq!(runner.eval("6 * 7").await, 42);
    }
    assert_eq!(real.host.outcomes(), [Outcome::Success]);
    assert_eq!(real.directories(), 1);
    real.stop(&instance).await;
    assert_eq!(real.directories(), 0);
    real.gone(&instance).await;
}

#[tokio::test]
async fn a_workload_is_spoken_to_over_standard_input_and_output_where_no_directory_is_shared() {
    let Some(real) = real(json!({ "transport": "stdio" })).await else {
        return;
    };
    let instance = real.start(&workload()).await.unwrap();
    assert_eq!(instance.metadata["transport"], "stdio");
    let mut runner = Runner::connect(&instance).await;
    assert_eq!(runner.eval("6 * 7").await, 42);
    // More than the pipes hold, at once in both directions.
    let long = format!("'{}' * 1000", "x".repeat(1000));
    assert_eq!(runner.eval(&long).await.as_str().unwrap().len(), 1_000_000);
    real.stop(&instance).await;
    assert_eq!(real.directories(), 0);
}

#[tokio::test]
async fn a_workload_that_ends_at_once_is_told_with_its_last_lines() {
    let Some(real) = real(json!({})).await else { return };
    let mut workload = workload();
    workload.command = [
        "/usr/bin/python3",
        "-c",
        "import sys; print('no such model', file=sys.stderr); sys.exit(3)",
    ]
    .map(str::to_owned)
    .into();
    let error = real.start(&workload).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::UNHEALTHY, "{error:?}");
    assert!(error.message.contains("exit code 3"), "{error}");
    assert!(error.message.contains("no such model"), "{error}");
    assert_eq!(real.directories(), 0);
}

#[tokio::test]
async fn a_program_that_is_not_in_the_image_is_the_callers_mistake() {
    let Some(real) = real(json!({})).await else { return };
    let mut workload = workload();
    workload.command = vec!["/no/such/program".to_owned()];
    let error = real.start(&workload).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::INVALID_PARAMS, "{error:?}");
    assert_eq!(real.host.outcomes(), [Outcome::ClientError]);
}

#[tokio::test]
async fn an_image_that_is_not_there_and_may_not_be_pulled_is_refused_with_a_way_out() {
    let Some(real) = real(json!({})).await else { return };
    let mut workload = workload();
    workload.image = Some("gleitzeit-test/none:latest".to_owned());
    let error = real.start(&workload).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::CONFIGURATION);
    assert!(error.hint.unwrap().contains("pull gleitzeit-test/none:latest"));
}

#[tokio::test]
async fn a_box_that_is_killed_from_outside_is_reported_lost() {
    let Some(real) = real(json!({})).await else { return };
    let instance = real.start(&workload()).await.unwrap();
    docker(&["kill", instance.metadata["container"].as_str().unwrap()]).await;
    let lost = real.lost(&instance).await;
    assert!(lost.contains("exit code 137"), "{lost}");
    assert_eq!(real.directories(), 0);
}

/// Whoever waits for code that stands still would hear nothing until long after its deadline.
#[tokio::test]
async fn a_box_that_is_paused_is_ended_at_once_and_its_connection_with_it() {
    let Some(real) = real(json!({})).await else { return };
    let instance = real.start(&workload()).await.unwrap();
    let mut runner = Runner::connect(&instance).await;
    assert_eq!(runner.eval("1 + 1").await, 2);
    docker(&["pause", instance.metadata["container"].as_str().unwrap()]).await;
    let lost = real.lost(&instance).await;
    assert!(lost.contains("somebody paused it"), "{lost}");
    let hung_up = tokio::time::timeout(Duration::from_secs(5), runner.until_hung_up());
    hung_up.await.expect("the connection ends with the box");
    real.gone(&instance).await;
}

#[tokio::test]
async fn a_supervisor_that_is_ended_for_want_of_memory_is_lost_for_that_reason() {
    let Some(real) = real(json!({})).await else { return };
    // That one has been paused is known from events alone: so they are heard.
    let other = real.start(&workload()).await.unwrap();
    docker(&["pause", other.metadata["container"].as_str().unwrap()]).await;
    real.lost(&other).await;

    let instance = real.start(&workload()).await.unwrap();
    let container = instance.metadata["container"].as_str().unwrap();
    let mut runner = Runner::connect(&instance).await;
    runner.say("bytearray(10**9)").await;
    let lost = real.lost(&instance).await;
    assert!(lost.contains("exit code 137"), "{lost}");
    // The engine has it from the kernel in its own time, and not at all where it had removed the container before.
    if engine_said_so_in_time(container).await {
        assert!(lost.contains("(out of memory; exit code 137"), "{lost}");
    }
    until("its directory is gone", async || real.directories() == 0).await;
}

/// Whether the engine, as it remembers, has said that memory ran out in a container: at its end, or within a second of it.
async fn engine_said_so_in_time(container: &str) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let since = format!("--since={}", now.as_secs() - 60);
    let until = format!("--until={}.{:09}", now.as_secs(), now.subsec_nanos());
    let filter = format!("--filter=container={container}");
    let format = "--format={{.TimeNano}} {{.Action}}";
    let said = docker(&["events", &since, &until, &filter, format]).await;
    let at = |action: &str| {
        let mut lines = said.lines().filter_map(|line| line.split_once(' '));
        let (time, _) = lines.find(|(_, found)| *found == action)?;
        time.parse().ok().map(Duration::from_nanos)
    };
    match (at("oom"), at("die")) {
        (Some(oom), Some(die)) => oom <= die + Duration::from_secs(1),
        _ => false,
    }
}

#[tokio::test]
async fn a_box_ends_when_its_lifetime_is_over() {
    let Some(real) = real(json!({})).await else { return };
    let mut workload = workload();
    workload.lifetime_seconds = Some(1);
    let instance = real.start(&workload).await.unwrap();
    let lost = real.lost(&instance).await;
    assert!(lost.contains("its lifetime of 1s was over"), "{lost}");
    real.gone(&instance).await;
}

#[tokio::test]
async fn a_start_that_is_dropped_at_any_moment_leaves_nothing() {
    let Some(real) = real(json!({})).await else { return };
    let mark = format!("dropped-{}", std::process::id());
    let mut workload = workload();
    workload.labels = [("test".to_owned(), mark.clone())].into();
    for milliseconds in [0, 2, 5, 10, 15, 20, 30, 60, 100, 150, 200, 250, 300] {
        let start = real.start(&workload);
        if let Ok(started) = tokio::time::timeout(Duration::from_millis(milliseconds), start).await {
            real.stop(&started.unwrap()).await;
        }
    }
    until("nothing is left", async || {
        labelled(&format!("test={mark}")).await.is_empty()
    })
    .await;
    until("no directory is left", async || real.directories() == 0).await;
    assert_eq!(real.host.held(), 0);
}

#[tokio::test]
async fn memory_that_runs_out_is_known_from_the_engine() {
    let Some(real) = real(json!({})).await else { return };
    let instance = real.start(&workload()).await.unwrap();
    let mut runner = Runner::connect(&instance).await;
    // A child, which the kernel ends in the place of process 1.
    let status = runner
        .eval("os.system(\"python3 -c 'x = bytearray(10**9)'\")")
        .await;
    assert_ne!(status, 0);
    until("the hub knows", async || {
        let probe = real.hub.clone().probe(context(), instance.clone()).await.unwrap();
        probe.gauges["out_of_memory"] > 0.0
    })
    .await;
    assert_eq!(runner.eval("1 + 1").await, 2);
    real.stop(&instance).await;
}

#[tokio::test]
async fn a_box_ends_with_the_hub_that_holds_its_input() {
    let Some(real) = real(json!({})).await else { return };
    let (stopped, mark) = (
        std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false)),
        format!("held-{}", std::process::id()),
    );
    let mut workload = workload();
    workload.labels = [("test".to_owned(), mark.clone())].into();
    // A runtime of its own, whose end is as sudden for the engine as that of the process.
    let (state, seen) = (real.state.path().to_owned(), stopped.clone());
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let real = crate::support::at(&state).await;
            real.start(&workload).await.unwrap();
        });
        runtime.shutdown_background();
        seen.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    until("the hub is gone", async || {
        stopped.load(std::sync::atomic::Ordering::Relaxed)
    })
    .await;
    until("its box is gone", async || {
        labelled(&format!("test={mark}")).await.is_empty()
    })
    .await;
    thread.join().unwrap();
}

#[tokio::test]
async fn what_a_dead_host_left_is_swept_and_what_others_have_is_not() {
    let Some(real) = real(json!({})).await else { return };
    let make = async |name: &str, change: (&str, &str)| {
        let instance = real.start(&workload()).await.unwrap();
        let id = instance.metadata["container"].as_str().unwrap().to_owned();
        let labels = docker(&["inspect", "--format", "{{json .Config.Labels}}", &id]).await;
        real.stop(&instance).await;
        let mut labels: std::collections::BTreeMap<String, String> = serde_json::from_str(&labels).unwrap();
        labels.insert(change.0.to_owned(), change.1.to_owned());
        let labels: Vec<String> = labels
            .iter()
            .map(|(name, value)| format!("--label={name}={value}"))
            .collect();
        let name = format!("--name=gleitzeit-test-{name}-{}", std::process::id());
        let create: Vec<&str> = ["create", &name]
            .into_iter()
            .chain(labels.iter().map(String::as_str))
            .chain([IMAGE, "true"])
            .collect();
        docker(&create).await
    };
    let orphan = make("orphan", ("gleitzeit.boot", "the one before")).await;
    let foreign = make("foreign", ("gleitzeit.machine", "another")).await;
    let kept = make("kept", ("gleitzeit.kind", "operator")).await;
    // A hub of another test may be quicker.
    real.done("cleanup", json!({})).await;
    let left = labelled("gleitzeit.kind").await;
    assert!(!left.contains(&orphan));
    assert!(left.contains(&foreign) && left.contains(&kept), "{left:?}");
    docker(&["rm", "-f", &foreign, &kept]).await;
}
