//! Levels and profiles: which there are, what they allow, and that a request only tightens them.

use plugin_api::ErrorCode;
use plugin_api::contract::workload::{Isolation, Network, Workload};
use plugin_api::testing::{Event, Harness, TestHost};
use python_provider::PythonProvider;
use serde_json::{Value, json};

use crate::support::{Boxed, Runner, call, host, instance};

/// The boxes that were asked for.
fn workloads(host: &TestHost) -> Vec<Workload> {
    let leased = |event| match event {
        Event::Leased { requirement, .. } => requirement.specification,
        _ => None,
    };
    let specifications = host.events().into_iter().filter_map(leased);
    specifications
        .map(|specification| serde_json::from_value(specification).unwrap())
        .collect()
}

fn config() -> Value {
    json!({
        "default_profile": "science",
        "profiles": {
            "science": { "image": "science:1", "preimport": ["numpy"], "memory": "1GiB", "gpus": ["all"], "network": "lab" },
        },
    })
}

#[tokio::test]
async fn each_level_asks_for_the_box_that_it_promises() {
    let boxed = Boxed::with(config(), json!({}));
    for level in ["sandboxed", "restricted", "specialized", "science", "minimal"] {
        let done = boxed
            .call("python/execute", json!({ "code": "1", "level": level }))
            .await
            .unwrap();
        assert_eq!(done["result"], 1, "{level}");
    }
    let found = workloads(boxed.host());
    let (sandboxed, restricted, science) = (&found[0], &found[1], &found[2]);
    assert_eq!(
        (sandboxed.isolation, &sandboxed.network),
        (Isolation::Container, &Network::None)
    );
    assert_eq!(sandboxed.limits.memory_bytes, Some(512 << 20));
    assert_eq!(
        sandboxed.user.as_deref(),
        Some("0:0"),
        "its supervisor gives rights away"
    );
    assert_eq!(
        sandboxed
            .capabilities
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>(),
        ["KILL", "SETGID", "SETUID"]
    );
    assert_eq!(
        (restricted.isolation, &restricted.image),
        (Isolation::System, &None)
    );
    assert!(restricted.capabilities.is_empty());
    assert_eq!(science.image.as_deref(), Some("science:1"));
    assert_eq!(
        (science.gpus.len(), &science.network),
        (1, &Network::Named("lab".into()))
    );
    assert_eq!(&found[3], science, "a profile's name is as good as its level's");
    assert_eq!(
        (found[4].limits.memory_bytes, found[4].limits.cpus),
        (Some(256 << 20), Some(0.5))
    );
}

/// What a hub is told to start is started here as it stands, where no box is needed for it.
#[tokio::test]
async fn the_command_of_a_box_is_a_runner() {
    let nowhere = instance("/nowhere/control".as_ref());
    let host = host(&["trusted"]).with_instance("boxes", nowhere);
    let config = json!({ "trusted": { "enabled": true } });
    let provider = Harness::new()
        .host(&host)
        .provider::<PythonProvider>(&config)
        .unwrap();
    let params = json!({ "code": "6 * 7", "level": "trusted" });
    assert!(call(&provider, "python/execute", &params).await.is_err());
    let runner = Runner::commanded(&workloads(&host)[0].command);
    host.set_instances("boxes", [instance(&runner.path())]);
    let done = call(&provider, "python/execute", &params).await.unwrap();
    assert_eq!(done["result"], 42, "{done:#}");
}

#[tokio::test]
async fn a_box_with_less_memory_never_has_a_larger_directory() {
    let config = json!({ "sandboxed": { "scratch": "8MiB", "shared_memory": "1MiB" } });
    let boxed = Boxed::with(config, json!({}));
    let params = json!({ "code": "1", "limits": { "memory": "70MiB" } });
    boxed.call("python/execute", params).await.unwrap();
    let found = workloads(boxed.host());
    assert_eq!(found[0].limits.memory_bytes, Some(70 << 20));
    assert_eq!(found[0].scratch[0].bytes, 8 << 20);
}

#[tokio::test]
async fn a_request_tightens_and_never_loosens() {
    let boxed = Boxed::new();
    let params = json!({ "code": "1", "limits": { "memory": "256MiB", "processes": 8 }, "cpu_limit": 0.25 });
    boxed.call("python/execute", params).await.unwrap();
    boxed.execute("1").await;
    let found = workloads(boxed.host());
    assert_eq!(
        (found[0].limits.memory_bytes, found[0].limits.processes),
        (Some(256 << 20), Some(8))
    );
    assert_eq!(found[0].limits.cpus, Some(0.25));
    assert_eq!(
        found[1].limits.memory_bytes,
        Some(512 << 20),
        "and no request has changed the profile"
    );
    for (limits, limit) in [
        (json!({ "limits": { "memory": "1GiB" } }), json!(512 << 20)),
        (json!({ "memory_limit": "2g" }), json!(512 << 20)),
        (json!({ "cpu_limit": 8.0 }), json!(1.0)),
        (json!({ "limits": { "processes": 65 } }), json!(64)),
        (json!({ "limits": { "output_bytes": "2MiB" } }), json!(1 << 20)),
        (json!({ "limits": { "files": 101 } }), json!(100)),
        (json!({ "timeout": 31 }), json!(30.0)),
        (json!({ "timeout": 0 }), json!(30.0)),
    ] {
        let mut params = json!({ "code": "1" });
        params
            .as_object_mut()
            .unwrap()
            .extend(limits.as_object().unwrap().clone());
        let error = boxed.call("python/execute", params).await.unwrap_err();
        assert_eq!(
            (error.code, &error.details["limit"]),
            (ErrorCode::INVALID_PARAMS, &limit),
            "{limits}"
        );
    }
}

#[tokio::test]
async fn limits_of_a_run_do_not_need_another_box() {
    let boxed = Boxed::new();
    let limits = json!({ "output_bytes": 10, "result_bytes": 10, "files": 1, "images": 0, "file_bytes": 1000, "cpu_time": 5 });
    boxed
        .call(
            "python/execute",
            json!({ "code": "1", "timeout": 5, "limits": limits }),
        )
        .await
        .unwrap();
    boxed.execute("1").await;
    let found = workloads(boxed.host());
    assert_eq!(found[0], found[1]);
}

#[tokio::test]
async fn trusted_code_has_to_be_switched_on() {
    let boxed = Boxed::new();
    for level in ["trusted", "local"] {
        let error = boxed
            .call("python/execute", json!({ "code": "1", "level": level }))
            .await
            .unwrap_err();
        assert_eq!(error.code, ErrorCode::FORBIDDEN, "{level}");
    }
    let refused = Harness::new().provider::<PythonProvider>(&json!({ "default_level": "trusted" }));
    assert!(refused.unwrap_err().message.contains("not switched on"));
}

#[tokio::test]
async fn an_unknown_level_or_profile_is_told_with_those_there_are() {
    let boxed = Boxed::with(config(), json!({}));
    let error = boxed
        .call("python/execute", json!({ "code": "1", "level": "paranoid" }))
        .await
        .unwrap_err();
    assert_eq!(
        error.hint.as_deref(),
        Some("there are minimal, restricted, sandboxed, science")
    );
    let params = json!({ "code": "1", "level": "restricted", "profile": "science" });
    let error = boxed.call("python/execute", params).await.unwrap_err();
    assert!(error.message.contains("is of the level `specialized`"), "{error}");
}

#[tokio::test]
async fn without_a_hub_for_its_level_code_is_refused_and_never_run_elsewhere() {
    let runner = crate::support::Runner::start();
    let host = host(&["restricted"]).with_instance("boxes", instance(&runner.path()));
    let provider = Harness::new()
        .host(&host)
        .provider::<PythonProvider>(&json!({}))
        .unwrap();
    let error = call(&provider, "python/execute", &json!({ "code": "1" }))
        .await
        .unwrap_err();
    assert_eq!(error.code, ErrorCode::NOT_AVAILABLE);
    assert_eq!(error.message, "no hub runs code of the level `sandboxed`");
    assert!(error.hint.unwrap().contains("provides `container`"));
    assert!(workloads(&host).is_empty());
    let info = call(&provider, "python/info", &json!({})).await.unwrap();
    assert_eq!(info["levels"]["sandboxed"]["available"], false);
    assert_eq!(info["levels"]["restricted"]["available"], true);
    assert_eq!(info["levels"]["trusted"]["reason"], "it is not switched on");
}

#[tokio::test]
async fn boxes_are_asked_for_ahead_of_need() {
    let boxed = Boxed::with(config(), json!({}));
    let warmed = |host: &TestHost| -> Vec<String> {
        let role = |event| match event {
            Event::Warmed(requirement) => requirement.role,
            _ => None,
        };
        host.events().into_iter().filter_map(role).collect()
    };
    boxed
        .host()
        .until("three are warm", |host| warmed(host).len() == 3)
        .await;
    assert_eq!(warmed(boxed.host()), ["restricted", "sandboxed", "specialized"]);
}

#[tokio::test]
async fn info_shows_every_limit_and_what_is_installed() {
    let boxed = Boxed::with(config(), json!({}));
    let info = boxed
        .call("python/info", json!({ "packages": true }))
        .await
        .unwrap();
    let sandboxed = &info["levels"]["sandboxed"];
    assert_eq!(
        (&info["default"], &sandboxed["memory"]),
        (&json!("sandboxed"), &json!(512 << 20))
    );
    assert_eq!(
        (&sandboxed["timeout"], &sandboxed["network"]),
        (&json!(30.0), &Value::Null)
    );
    assert_eq!(info["profiles"]["science"]["preimport"], json!(["numpy"]));
    assert!(
        info["interpreter"]["python"].as_str().unwrap().starts_with("3."),
        "{info:#}"
    );
    let again = boxed.call("python/info", json!({})).await.unwrap();
    assert_eq!(
        again["levels"]["sandboxed"]["runner"]["protocol"], 1,
        "it was seen meanwhile"
    );
}

#[tokio::test]
async fn profiles_that_cannot_work_are_refused_when_the_provider_is_built() {
    for (config, why) in [
        (
            json!({ "sandboxed": { "memory": "100MiB" } }),
            "leaves less than 64 MiB",
        ),
        (json!({ "profiles": { "trusted": {} } }), "the name of a level"),
        (json!({ "default_profile": "nope" }), "no level or profile `nope`"),
        (json!({ "restricted": { "image": "x" } }), "it has no image"),
        (json!({ "sandboxed": { "timeout": 0 } }), "greater than nothing"),
    ] {
        let error = Harness::new().provider::<PythonProvider>(&config).unwrap_err();
        assert!(error.message.contains(why), "{error}");
    }
}
