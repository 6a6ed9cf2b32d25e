//! What boxes and containers use, as the hub tells it.

use std::time::Duration;

use plugin_api::Hub;
use plugin_api::contract::probe::Probe;
use serde_json::json;

use crate::support::{Real, Runner, context, real, until, workload};

impl Real {
    async fn probe(&self, instance: &std::sync::Arc<plugin_api::ResourceInstance>) -> Probe {
        self.hub.clone().probe(context(), instance.clone()).await.unwrap()
    }
}

#[tokio::test]
async fn processor_use_is_known_from_the_second_look_on() {
    let Some(real) = real(json!({})).await else { return };
    let instance = real.start(&workload()).await.unwrap();
    let mut runner = Runner::connect(&instance).await;
    runner
        .eval("os.spawnlp(os.P_NOWAIT, 'python3', 'python3', '-c', 'while True: pass')")
        .await;
    let first = real.probe(&instance).await;
    assert_eq!(first.load.cpu_percent, None, "one look tells no rate");
    assert!(first.load.memory_bytes.unwrap() > 1 << 20);
    assert_eq!(
        first.gauges["processes"], 3.0,
        "the runner, its thread, the child"
    );
    // It may use half a processor, and uses all it may.
    until("it is seen to be busy", async || {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let percent = real.probe(&instance).await.load.cpu_percent.unwrap();
        (25.0..75.0).contains(&percent)
    })
    .await;
    let engine = real.probe(&real.engine).await.gauges;
    assert_eq!(engine["boxes"], 1.0);
    assert!(engine["boxes_cpu_percent"] > 20.0, "{engine:?}");
    assert!(engine["boxes_memory_bytes"] > 1e6, "{engine:?}");
    assert_eq!(engine["boxes_processes"], 3.0);
    // Whoever asks by the verb need not have asked before.
    let stats = real
        .done("stats", json!({ "container": instance.metadata["container"] }))
        .await;
    assert!(stats["cpu_percent"].as_f64().unwrap() > 5.0, "{stats}");
    assert!(stats["cpu_seconds"].as_f64().unwrap() > 0.1, "{stats}");
    assert_eq!(stats["processes"], 3, "{stats}");
    real.stop(&instance).await;
    let engine = real.probe(&real.engine).await.gauges;
    assert_eq!((engine["boxes"], engine["boxes_processes"]), (0.0, 0.0));
}
