//! The manifest says of the settings and the verbs what the code reads.

use docker_hub::{Config, DockerHub, InstanceConfig, arguments};
use plugin_api::contract::workload::{Network, Scratch, Workload};
use plugin_api::manifest::{HubManifest, Manifest};
use plugin_api::testing::{Harness, assert_states, conformance, schema_of};
use serde_json::{Value, json};

const MANIFEST: &str = include_str!("../../manifest.toml");

fn manifest() -> HubManifest {
    let manifest: Manifest = toml::from_str(MANIFEST).unwrap();
    manifest.hub.unwrap()
}

#[test]
fn the_schemas_are_those_of_the_types() {
    let hub = manifest();
    assert_states(&hub.config, &schema_of::<Config>());
    assert_states(&hub.instance_config, &schema_of::<InstanceConfig>());
}

#[test]
fn limits_are_written_with_units_or_under_their_earlier_names() {
    let read = |limits: Value| {
        serde_json::from_value::<Config>(json!({ "limits": limits })).map(|config| config.limits)
    };
    let limits =
        read(json!({ "memory": "64MiB", "file_bytes": 4096, "shared_memory_bytes": "1MiB" })).unwrap();
    assert_eq!(
        (limits.memory.0, limits.file.0, limits.shared_memory.0),
        (64 << 20, 4096, 1 << 20)
    );
    assert!(
        read(json!({ "memory": "64MiB", "memory_bytes": 1 })).is_err(),
        "which of the two?"
    );
}

#[tokio::test]
async fn no_hub_promises_less_memory_than_a_container_needs() {
    let hub = Harness::new().hub::<DockerHub>(&json!({ "limits": { "memory": "1MiB" } }));
    let error = hub.err().unwrap();
    assert!(
        error.message.contains("limits.memory") && error.message.contains("1.0 MiB"),
        "{error}"
    );
}

#[test]
fn every_verb_is_described_as_it_is_read() {
    let verbs = manifest().verbs;
    let read = [
        ("start", schema_of::<arguments::Container>()),
        ("stop", schema_of::<arguments::Stop>()),
        ("restart", schema_of::<arguments::Stop>()),
        ("kill", schema_of::<arguments::Kill>()),
        ("remove", schema_of::<arguments::Remove>()),
        ("wait", schema_of::<arguments::Wait>()),
        ("inspect", schema_of::<arguments::Container>()),
        ("logs", schema_of::<arguments::Logs>()),
        ("stats", schema_of::<arguments::Container>()),
        ("exec", schema_of::<arguments::Exec>()),
        ("copy-in", schema_of::<arguments::CopyIn>()),
        ("copy-out", schema_of::<arguments::CopyOut>()),
        ("create", schema_of::<arguments::Create>()),
        ("run", schema_of::<arguments::Run>()),
        ("list", schema_of::<arguments::List>()),
        ("events", schema_of::<arguments::Events>()),
        ("prune", schema_of::<arguments::Prune>()),
        ("cleanup", schema_of::<arguments::Nothing>()),
        ("capabilities", schema_of::<arguments::Nothing>()),
        ("images", schema_of::<arguments::Nothing>()),
        ("pull", schema_of::<arguments::Image>()),
        ("tag", schema_of::<arguments::Tag>()),
        ("untag", schema_of::<arguments::RemoveImage>()),
        ("remove-image", schema_of::<arguments::RemoveImage>()),
        ("inspect-image", schema_of::<arguments::Image>()),
        ("prune-images", schema_of::<arguments::PruneImages>()),
        ("build", schema_of::<arguments::Build>()),
        ("import", schema_of::<arguments::Import>()),
    ];
    assert_eq!(verbs.len(), read.len());
    for (name, schema) in read {
        assert_states(&verbs[name].arguments, &schema);
        if let Some(positional) = &verbs[name].positional {
            assert!(
                schema["properties"].get(positional).is_some(),
                "{name}: {positional}"
            );
        }
    }
}

/// Any key may call a verb that only reads. Variables, output and files of containers are nobody's but an administrator's.
#[test]
fn what_shows_the_inside_of_containers_is_for_administrators() {
    let verbs = manifest().verbs;
    for verb in ["inspect", "logs", "exec", "copy-out"] {
        assert!(!verbs[verb].read_only, "{verb}");
    }
}

#[test]
fn a_workload_with_everything_in_it_is_what_the_schema_of_start_says() {
    let workload = Workload {
        image: Some("python".to_owned()),
        command: vec!["python3".to_owned()],
        network: Network::Named("inner".to_owned()),
        scratch: vec![Scratch {
            path: "/work".to_owned(),
            bytes: 1,
            files: 1,
            mode: 0o1777,
        }],
        lifetime_seconds: Some(1),
        ..Workload::default()
    };
    let fields = json!(workload);
    let schema = manifest().start.unwrap();
    let known = schema["properties"].as_object().unwrap();
    for (field, value) in fields.as_object().unwrap() {
        let described = known
            .get(field)
            .unwrap_or_else(|| panic!("{field} is not described"));
        let types = match &described["type"] {
            Value::String(only) => vec![only.as_str()],
            types => types
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one.as_str().unwrap())
                .collect(),
        };
        let is = match value {
            Value::Null => "null",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
            Value::Number(_) => "integer",
            Value::Bool(_) => "boolean",
        };
        assert!(types.contains(&is), "{field} is {is}, not {types:?}");
    }
    assert_eq!(known.len(), fields.as_object().unwrap().len());
}

#[tokio::test]
async fn it_answers_as_every_hub_must() {
    conformance::hub::<DockerHub>(MANIFEST, &json!({ "auto_discover": false }))
        .await
        .assert();
}
