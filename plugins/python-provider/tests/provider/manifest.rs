//! The manifest says what the types say.

use plugin_api::testing::{assert_states, schema_of};
use python_provider::Config;

#[test]
fn the_schema_of_the_configuration_is_that_of_its_type() {
    let manifest: toml::Table = include_str!("../../manifest.toml").parse().unwrap();
    let stated = serde_json::to_value(&manifest["provider"]["config"]).unwrap();
    assert_states(&stated, &schema_of::<Config>());
}

#[tokio::test]
async fn the_provider_conforms() {
    let sample = |method: &str, params| crate::support::request(method, false, &params);
    let samples = [
        sample("python/execute", serde_json::json!({ "code": "1" })),
        sample("python/validate", serde_json::json!({ "code": "1" })),
        sample("python/batch", serde_json::json!({ "tasks": [{ "code": "1" }] })),
        sample("python/info", serde_json::json!({})),
        sample("python/open", serde_json::json!({})),
        sample("python/sessions", serde_json::json!({})),
        sample("python/close", serde_json::json!({ "session": "x" })),
    ];
    let manifest = include_str!("../../manifest.toml");
    let config = serde_json::json!({ "default_level": "sandboxed" });
    plugin_api::testing::conformance::provider::<python_provider::PythonProvider>(
        manifest, &config, &samples,
    )
    .await
    .assert();
}
