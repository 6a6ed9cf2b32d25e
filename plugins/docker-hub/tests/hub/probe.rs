//! Engines that are well, and engines that are not.

use std::time::{Duration, Instant};

use plugin_api::contract::instance::InstanceSettings;
use plugin_api::hub::Progress;
use plugin_api::{Error, ErrorCode, Fault, Hub, Retry};
use serde_json::{Value, json};

use crate::fake::{Answer, FakeEngine, context, fixture, info, until, version};

#[tokio::test]
async fn an_engine_that_is_well_says_what_it_can_do() {
    let (fixture, fake) = (fixture(), FakeEngine::new());
    fake.on(
        "GET",
        "/images/json",
        Answer::Json(200, json!([image("sha256:2", "box:2")])),
    );
    let engine = fixture.engine("engine", &fake);
    let probe = fixture.hub.clone().probe(context(), engine).await.unwrap();
    assert_eq!((probe.degraded, probe.version.as_deref()), (None, Some("28.0.0")));
    let names: Vec<String> = probe
        .capabilities
        .unwrap()
        .into_iter()
        .map(|capability| capability.name)
        .collect();
    assert_eq!(names, ["container", "runtime/runc", "box:2"]);
    assert_eq!(probe.gauges["cpus"], 4.0);
}

fn image(id: &str, name: &str) -> Value {
    json!({
        "Id": id, "ParentId": "", "RepoTags": [name], "RepoDigests": [], "Created": 0, "Size": 7, "SharedSize": -1,
        "Labels": {}, "Containers": -1,
    })
}

#[tokio::test]
async fn every_way_of_not_answering_is_the_engines_fault_and_has_an_end() {
    let ways: [(&str, Answer, ErrorCode); 5] = [
        ("hangs", Answer::Hang, ErrorCode::TIMEOUT),
        ("hangs up", Answer::Close, ErrorCode::UPSTREAM_ERROR),
        ("talks nonsense", Answer::Garbage, ErrorCode::UPSTREAM_ERROR),
        (
            "answers with nonsense",
            Answer::Text(200, "<html>"),
            ErrorCode::UPSTREAM_ERROR,
        ),
        (
            "fails",
            Answer::Json(500, json!({ "message": "no space" })),
            ErrorCode::UPSTREAM_ERROR,
        ),
    ];
    for (what, answer, code) in ways {
        let (fixture, fake) = (fixture(), FakeEngine::new());
        let engine = fixture.engine("engine", &fake);
        fake.on("GET", "/info", answer);
        let began = Instant::now();
        let error: Error = fixture
            .hub
            .clone()
            .probe(context(), engine)
            .await
            .unwrap_err()
            .into();
        assert_eq!(
            (error.code, error.fault, error.retry),
            (code, Fault::Instance, Retry::Now),
            "{what}: {error:?}"
        );
        assert!(began.elapsed() < Duration::from_secs(3), "{what}");
    }
}

#[tokio::test]
async fn an_engine_that_goes_and_comes_back_is_used_again() {
    let (fixture, mut fake) = (fixture(), FakeEngine::new());
    let engine = fixture.engine("engine", &fake);
    let probe = async || {
        fixture
            .hub
            .clone()
            .probe(context(), engine.clone())
            .await
            .map_err(Error::from)
    };
    probe().await.unwrap();
    fake.die();
    let error = probe().await.unwrap_err();
    assert_eq!(error.code, ErrorCode::CONNECTION_FAILED);
    assert!(error.message.contains("engine.sock"), "{error}");
    fake.live();
    probe().await.unwrap();
    let listened = fake.requests("GET", "/events").len();
    until("it is listened to again", || {
        fake.requests("GET", "/events").len() >= listened.max(1)
    })
    .await;
}

#[tokio::test]
async fn an_engine_that_is_too_old_is_told_what_it_lacks() {
    let (fixture, fake) = (fixture(), FakeEngine::new());
    let engine = fixture.engine("engine", &fake);
    for (old, found) in [(version("1.40"), "API 1.40"), (json!({}), "API of no version")] {
        fake.on("GET", "/version", Answer::Json(200, old));
        let error: Error = fixture
            .hub
            .clone()
            .probe(context(), engine.clone())
            .await
            .unwrap_err()
            .into();
        assert_eq!(error.code, ErrorCode::VERSION_MISMATCH);
        assert!(error.message.contains(found), "{error}");
        assert!(error.hint.unwrap().contains("20.10"));
    }
}

#[tokio::test]
async fn an_engine_that_cannot_keep_boxes_is_degraded_and_says_why() {
    let (fixture, fake) = (fixture(), FakeEngine::new());
    let engine = fixture.engine("engine", &fake);
    let mut weak = info();
    weak["SecurityOptions"] = json!([]);
    fake.on("GET", "/info", Answer::Json(200, weak));
    let probe = fixture.hub.clone().probe(context(), engine).await.unwrap();
    assert_eq!(
        probe.degraded.as_deref(),
        Some("the engine cannot filter system calls")
    );
}

/// As 4.3 does, seen by looking: what is asked for through its interface for Docker's clients is made weaker.
#[tokio::test]
async fn podman_is_for_verbs_and_says_that_it_is_not_for_boxes() {
    let (fixture, fake) = (fixture(), FakeEngine::new());
    let engine = fixture.engine("engine", &fake);
    let podman = json!({ "Version": "4.3.1", "ApiVersion": "1.41", "Components": [{ "Name": "Podman Engine", "Version": "4.3.1" }] });
    fake.on("GET", "/version", Answer::Json(200, podman));
    let probe = fixture
        .hub
        .clone()
        .probe(context(), engine.clone())
        .await
        .unwrap();
    assert!(probe.degraded.unwrap().contains("is Podman"));
    let workload = json!({ "command": ["true"], "image": "box" });
    let refused = fixture.hub.clone().start(context(), workload).await.unwrap_err();
    assert!(refused.message.contains("boxes of Docker"), "{refused}");
    assert!(fake.requests("POST", "/containers/create").is_empty());

    // It takes a filter for the name of a file.
    let verb = async |verb: &str, arguments| {
        let (progress, _reports) = Progress::channel();
        let hub = fixture.hub.clone();
        hub.control(
            context(),
            verb.to_owned(),
            arguments,
            Some(engine.clone()),
            progress,
        )
        .await
    };
    let created = json!({ "Id": "c".repeat(64), "Warnings": [] });
    fake.on("POST", "/containers/create", Answer::Json(201, created));
    verb("create", json!({ "image": "box" })).await.unwrap();
    let asked = &fake.requests("POST", "/containers/create")[0].body;
    assert_eq!(
        asked["HostConfig"]["SecurityOpt"],
        json!(["no-new-privileges:true"])
    );
    let init = "container-init binary not found on the host: stat /usr/libexec/podman/catatonit: no such file or directory";
    fake.on(
        "POST",
        "/containers/create",
        Answer::Json(500, json!({ "message": init })),
    );
    let error = verb("create", json!({ "image": "box" })).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::CONFIGURATION);
    assert!(error.hint.unwrap().contains("catatonit"));
}

#[tokio::test]
async fn nothing_is_wrong_where_there_is_no_engine() {
    let fixture = fixture();
    assert!(fixture.hub.clone().discover(context()).await.unwrap().is_empty());
    let workload = json!({ "command": ["true"], "image": "box" });
    let error = fixture.hub.clone().start(context(), workload).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::NOT_AVAILABLE);
}

#[test]
fn what_leads_to_no_engine_is_refused() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let _entered = runtime.enter();
    let fixture = fixture();
    for url in [
        "",
        "unix://",
        "unix://relative",
        "tcp://",
        "tcp://host",
        "tcp://host:99999",
        "ssh://host:22",
        "tcp://a/b:1",
    ] {
        let settings = InstanceSettings {
            url: url.to_owned(),
            ..InstanceSettings::default()
        };
        assert!(fixture.hub.adopt(settings).is_err(), "{url}");
    }
    let with = |url: &str, config: Value| {
        let settings = InstanceSettings {
            url: url.to_owned(),
            config: config.as_object().unwrap().clone(),
            ..InstanceSettings::default()
        };
        fixture.hub.adopt(settings).map_err(|error| error.to_string())
    };
    assert!(
        with("tcp://host:2376", json!({ "cert": "/none" }))
            .unwrap_err()
            .contains("ca: is not set")
    );
    assert!(
        with("tcp://host:2376", json!({ "ca": "/none" }))
            .unwrap_err()
            .starts_with("/none: ")
    );
    assert!(
        with("unix:///run/x.sock", json!({ "ca": "/none" }))
            .unwrap_err()
            .contains("needs no ca")
    );
    assert_eq!(with("unix:///run/x.sock", json!({})).unwrap().id, "run-x.sock");
}
