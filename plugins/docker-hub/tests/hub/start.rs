//! Starting boxes on engines that do not do what they are asked to.

use std::collections::BTreeSet;

use plugin_api::contract::outcome::Outcome;
use plugin_api::hub::Progress;
use plugin_api::testing::{Event, TestHost};
use plugin_api::{Error, ErrorCode, Hub};
use serde_json::{Value, json};

use crate::fake::{Answer, FakeEngine, Fixture, Request, context, fixture, until};

pub(crate) fn workload() -> Value {
    json!({ "command": ["/bin/run"], "image": "box", "user": "0:0", "capabilities": ["KILL"] })
}

pub(crate) async fn start(fixture: &Fixture) -> Error {
    fixture
        .hub
        .clone()
        .start(context(), workload())
        .await
        .unwrap_err()
}

/// What an engine says of a container that it made as it was asked to, except for this.
fn made(asked: &Value, change: impl FnOnce(&mut Value)) -> Answer {
    let mut found =
        json!({ "Id": "c".repeat(64), "HostConfig": asked["HostConfig"], "Config": asked, "Mounts": [] });
    change(&mut found);
    Answer::Json(200, found)
}

fn created(fake: &FakeEngine) {
    fake.on(
        "POST",
        "/containers/create",
        Answer::Json(201, json!({ "Id": "c".repeat(64), "Warnings": [] })),
    );
}

/// What the hub asks an engine to create.
async fn asked() -> Value {
    let (fixture, fake) = (fixture(), FakeEngine::new());
    fixture.engine("engine", &fake);
    created(&fake);
    start(&fixture).await;
    fake.requests("POST", "/containers/create")[0].body.clone()
}

#[tokio::test]
async fn a_box_is_asked_for_with_every_limit() {
    let asked = asked().await;
    let host = &asked["HostConfig"];
    assert_eq!(host["CapDrop"], json!(["ALL"]));
    assert_eq!(host["CapAdd"], json!(["KILL"]));
    assert_eq!(host["ReadonlyRootfs"], true);
    assert_eq!(host["NetworkMode"], "none");
    assert_eq!(host["Memory"], host["MemorySwap"]);
    assert_eq!(host["LogConfig"]["Type"], "none");
    assert_eq!(host["AutoRemove"], true);
    assert_eq!(
        (&asked["OpenStdin"], &asked["StdinOnce"], &asked["Tty"]),
        (&json!(true), &json!(true), &json!(false))
    );
    // The image's variables are taken out, except for where programs are found.
    assert!(asked["Env"].as_array().unwrap().contains(&json!("SECRET")));
    // By what was looked at, whatever its name comes to mean.
    assert_eq!(asked["Image"], "sha256:1");
    for limit in [
        "NanoCpus",
        "PidsLimit",
        "Ulimits",
        "ShmSize",
        "OomScoreAdj",
        "SecurityOpt",
    ] {
        assert!(!host[limit].is_null(), "{limit}");
    }
    for label in [
        "gleitzeit.machine",
        "gleitzeit.boot",
        "gleitzeit.process",
        "gleitzeit.began",
        "gleitzeit.deadline",
    ] {
        assert!(asked["Labels"][label].is_string(), "{label}");
    }
}

/// What an engine makes otherwise than it was asked to.
type Change = fn(&mut Value);

#[tokio::test]
async fn a_container_that_is_weaker_than_asked_for_is_removed_again() {
    let asked = asked().await;
    let changes: [(&str, Change); 9] = [
        ("Memory", |found| found["HostConfig"]["Memory"] = json!(0)),
        ("CapDrop", |found| found["HostConfig"]["CapDrop"] = json!(null)),
        ("SecurityOpt", |found| {
            found["HostConfig"]["SecurityOpt"] = json!(["no-new-privileges"])
        }),
        ("PidsLimit", |found| {
            found["HostConfig"]["PidsLimit"] = json!(null)
        }),
        ("privileged", |found| {
            found["HostConfig"]["Privileged"] = json!(true)
        }),
        ("processes", |found| {
            found["HostConfig"]["PidMode"] = json!("host")
        }),
        ("User", |found| found["Config"]["User"] = json!("")),
        ("variable SECRET", |found| {
            found["Config"]["Env"] = json!(["SECRET=x"])
        }),
        ("mounted at /data", |found| {
            found["Mounts"] = json!([{ "Type": "volume", "Destination": "/data" }])
        }),
    ];
    for (what, change) in changes {
        let (fixture, fake) = (fixture(), FakeEngine::new());
        fixture.engine("engine", &fake);
        created(&fake);
        let id = "/containers/cccc";
        fake.on(
            "GET",
            id,
            made(&asked, |found| {
                // The name of the directory differs from start to start.
                found["HostConfig"]["Mounts"] = json!([]);
                change(found);
            }),
        );
        let error = start(&fixture).await;
        assert_eq!(error.code, ErrorCode::UNHEALTHY, "{what}: {error:?}");
        until("it is removed", || !fake.requests("DELETE", id).is_empty()).await;
    }
}

/// The name under which a container was asked for.
fn name(request: &Request) -> String {
    let (_, name) = request.path.split_once("name=").unwrap();
    name.split('&').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_creation_that_is_never_answered_is_found_by_its_name_and_removed() {
    let (fixture, fake) = (fixture(), FakeEngine::new());
    fixture.engine("engine", &fake);
    fake.on("POST", "/containers/create", Answer::Hang);
    let error = start(&fixture).await;
    assert_eq!(error.code, ErrorCode::TIMEOUT);
    assert_eq!(fixture.host.outcomes(), [Outcome::TimedOut]);
    // It was made after all, as its labels say.
    let asked = fake.requests("POST", "/containers/create")[0].clone();
    fake.on("GET", "/containers/gleitzeit-", made(&asked.body, |_| {}));
    until("it is removed", || {
        !fake.requests("DELETE", "/containers/cccc").is_empty()
    })
    .await;
    let looked_at = &fake.requests("GET", "/containers/gleitzeit-")[0].path;
    assert!(looked_at.contains(&name(&asked)), "{looked_at}");
}

#[tokio::test]
async fn a_container_that_had_the_name_before_is_not_removed() {
    let (fixture, fake) = (fixture(), FakeEngine::new());
    fixture.engine("engine", &fake);
    let foreign = json!({ "Id": "f".repeat(64), "Config": { "Labels": { "app": "another" } } });
    fake.on("GET", "/containers/gleitzeit-", Answer::Json(200, foreign));
    fake.on("POST", "/containers/create", Answer::Hang);
    assert_eq!(start(&fixture).await.code, ErrorCode::TIMEOUT);
    until("it is looked at three times", || {
        fake.requests("GET", "/containers/gleitzeit-").len() >= 3
    })
    .await;
    assert!(fake.requests("DELETE", "/containers").is_empty());
}

#[tokio::test]
async fn what_the_operator_of_the_same_host_has_under_the_name_is_not_removed() {
    let (fixture, fake) = (fixture(), FakeEngine::new());
    let engine = fixture.engine("engine", &fake);
    fake.on("POST", "/containers/create", Answer::Hang);
    let create = async || {
        let (progress, _reports) = Progress::channel();
        let arguments = json!({ "name": "db", "image": "box" });
        let hub = fixture.hub.clone();
        let verb = hub.control(
            context(),
            "create".to_owned(),
            arguments,
            Some(engine.clone()),
            progress,
        );
        assert_eq!(verb.await.unwrap_err().code, ErrorCode::TIMEOUT);
        fake.requests("POST", "/containers/create").pop().unwrap().body
    };
    // The one that is there came of the first attempt.
    let first = create().await;
    fake.on("GET", "/containers/db", made(&first, |_| {}));
    until("the first is removed", || {
        !fake.requests("DELETE", "/containers/cccc").is_empty()
    })
    .await;
    let there = made(&first, |found| {
        found["Id"] = json!("f".repeat(64));
        found["Config"]["Labels"]["gleitzeit.attempt"] = json!("another");
    });
    fake.on("GET", "/containers/db", there);
    let before = fake.requests("GET", "/containers/db").len();
    let second = create().await;
    assert_ne!(first["Labels"], second["Labels"]);
    until("it is looked at for both attempts", || {
        fake.requests("GET", "/containers/db").len() >= before + 3
    })
    .await;
    assert!(fake.requests("DELETE", "/containers/ffff").is_empty());
}

#[tokio::test]
async fn a_name_that_is_taken_is_not_the_last() {
    let (fixture, fake) = (fixture(), FakeEngine::new());
    fixture.engine("engine", &fake);
    let taken = json!({ "message": "Conflict. The container name is already in use" });
    fake.on("POST", "/containers/create", Answer::Json(409, taken));
    let error = start(&fixture).await;
    assert!(error.message.contains("already in use"), "{error}");
    let asked = fake.requests("POST", "/containers/create");
    let names: BTreeSet<_> = asked.iter().map(name).collect();
    assert_eq!(names.len(), 3);
    assert!(fake.requests("DELETE", "/containers").is_empty());
}

#[tokio::test]
async fn another_engine_is_tried_where_one_cannot_be_reached() {
    let host = TestHost::new();
    let fixture = Fixture::new(host.clone(), json!({}));
    let (mut dead, alive) = (FakeEngine::new(), FakeEngine::new());
    fixture.engine("dead", &dead);
    fixture.engine("alive", &alive);
    dead.die();
    start(&fixture).await;
    let leased: Vec<String> = host
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::Leased { instance, .. } => Some(instance),
            _ => None,
        })
        .collect();
    assert_eq!(leased, ["dead", "alive"]);
    assert_eq!(host.outcomes()[0], Outcome::ConnectFailed);
    assert_eq!(alive.requests("POST", "/containers/create").len(), 1);
}

#[tokio::test]
async fn where_directories_are_not_shared_standard_input_and_output_are_taken() {
    let (fixture, fake) = (fixture(), FakeEngine::new());
    fixture.engine("engine", &fake);
    fake.on(
        "POST",
        "/containers/create",
        Answer::Json(
            400,
            json!({ "message": "invalid mount config for type \"bind\": bind source path does not exist" }),
        ),
    );
    start(&fixture).await;
    let asked = fake.requests("POST", "/containers/create");
    // Only root can share a directory that nobody else may enter.
    let control = |request: &crate::fake::Request| {
        request.body["Env"]
            .as_array()
            .unwrap()
            .contains(&json!("GLEITZEIT_CONTROL=stdio"))
    };
    if rustix::process::geteuid().is_root() {
        assert_eq!(asked.iter().map(control).collect::<Vec<_>>(), [false, true]);
        assert_eq!(asked[1].body["HostConfig"]["Mounts"], json!([]));
    } else {
        assert_eq!(asked.iter().map(control).collect::<Vec<_>>(), [true]);
    }
    until("no directory is left", || {
        let own = std::fs::read_dir(fixture.state.path().join("state"))
            .unwrap()
            .flatten();
        own.flat_map(|own| std::fs::read_dir(own.path()).unwrap()).count() == 0
    })
    .await;
}

#[tokio::test]
async fn a_share_of_a_processor_that_nothing_can_hold_to_is_refused_before_an_engine_is_asked() {
    let (fixture, fake) = (fixture(), FakeEngine::new());
    fixture.engine("engine", &fake);
    for cpus in [0.0001, 0.0, -1.0] {
        let workload = json!({ "command": ["/bin/run"], "image": "box", "limits": { "cpus": cpus } });
        let error = fixture.hub.clone().start(context(), workload).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::VALIDATION, "{cpus}");
        assert!(error.message.contains("0.01 is the least"), "{error}");
    }
    assert!(fake.requests("GET", "").is_empty());
}

#[tokio::test]
async fn a_name_that_is_none_never_reaches_an_engine() {
    let (fixture, fake) = (fixture(), FakeEngine::new());
    fixture.engine("engine", &fake);
    for image in ["../containers/prune", "box?force=true", "a//b"] {
        let workload = json!({ "command": ["/bin/run"], "image": image });
        let error = fixture.hub.clone().start(context(), workload).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::VALIDATION, "{image}");
    }
    let (progress, _reports) = Progress::channel();
    let arguments = json!({ "container": "x/../../images/prune" });
    let verb = fixture
        .hub
        .clone()
        .control(context(), "kill".to_owned(), arguments, None, progress);
    assert_eq!(verb.await.unwrap_err().code, ErrorCode::INVALID_PARAMS);
    assert!(fake.requests("POST", "").is_empty());
}
