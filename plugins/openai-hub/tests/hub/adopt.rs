//! From what an operator writes to an instance.

use std::os::unix::fs::PermissionsExt;

use plugin_api::ErrorCode;
use serde_json::json;

use crate::{adopt, hub};

#[tokio::test]
async fn the_url_is_taken_with_v1_or_without() {
    let hub = hub();
    for (written, base, models) in [
        (
            "http://gpu1:8000",
            "http://gpu1:8000",
            "http://gpu1:8000/v1/models",
        ),
        (
            "http://gpu1:8000/",
            "http://gpu1:8000",
            "http://gpu1:8000/v1/models",
        ),
        (
            "http://GPU1:8000/v1/",
            "http://gpu1:8000",
            "http://gpu1:8000/v1/models",
        ),
        (
            "https://ai.example.org/openai/v1",
            "https://ai.example.org/openai",
            "https://ai.example.org/openai/v1/models",
        ),
    ] {
        let endpoint = adopt(&hub, written, json!({})).unwrap().endpoint.unwrap();
        assert_eq!(endpoint.url, base, "{written}");
        assert_eq!(endpoint.url_of("/v1/models"), models, "{written}");
    }
}

#[tokio::test]
async fn an_api_without_v1_has_its_routes_right_under_the_url() {
    let instance = adopt(
        &hub(),
        "https://ai.example.org/v1beta/openai",
        json!({ "v1": false }),
    )
    .unwrap();
    let url = instance.endpoint.unwrap().url_of("/v1/chat/completions");
    assert_eq!(url, "https://ai.example.org/v1beta/openai/chat/completions");
}

#[tokio::test]
async fn two_apis_behind_one_host_are_two_instances() {
    let hub = hub();
    let id = |url| adopt(&hub, url, json!({})).unwrap().id;
    assert_eq!(id("http://gpu1:8000/v1"), "gpu1:8000");
    assert_ne!(
        id("https://ai.example.org/a/v1"),
        id("https://ai.example.org/b/v1")
    );
}

#[tokio::test]
async fn it_speaks_the_openai_dialect_and_no_other() {
    assert_eq!(
        adopt(&hub(), "http://gpu1:8000", json!({})).unwrap().dialects,
        ["openai"]
    );
}

#[tokio::test]
async fn the_key_and_other_headers_go_with_every_request_and_are_not_shown() {
    let key = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&key, "sk-1\n").unwrap();
    let config = json!({ "key_file": key.path(), "headers": { "OpenAI-Organization": "org-1" } });
    let instance = adopt(&hub(), "http://gpu1:8000", config).unwrap();
    assert!(!format!("{:?}", instance.metadata).contains("sk-1"));
    let headers = instance.endpoint.unwrap().headers;
    assert!(headers.contains(&("authorization".into(), "Bearer sk-1".into())));
    assert!(headers.contains(&("openai-organization".into(), "org-1".into())));
}

#[tokio::test]
async fn what_cannot_work_is_refused_with_what_to_do() {
    let hub = hub();
    let exposed = tempfile::NamedTempFile::new().unwrap();
    std::fs::set_permissions(exposed.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
    for (url, config) in [
        ("gpu1:8000", json!({})),
        ("http://me:secret@gpu1", json!({})),
        ("http://gpu1", json!({ "key_env": "GLEITZEIT_TEST_NOT_SET" })),
        ("http://gpu1", json!({ "key_file": "/nonexistent/key" })),
        ("http://gpu1", json!({ "key_file": exposed.path() })),
        ("http://gpu1", json!({ "headers": { "a b": "c" } })),
    ] {
        let error = adopt(&hub, url, config.clone()).unwrap_err();
        assert_eq!(error.code, ErrorCode::CONFIGURATION, "{url} {config}");
        assert!(
            error.hint.is_some() && !error.message.contains("secret"),
            "{error}"
        );
    }
}
