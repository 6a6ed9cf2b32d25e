//! Sessions keep their state, belong to one caller, and end.

use std::time::Duration;

use plugin_api::contract::outcome::Outcome;
use plugin_api::testing::TestHost;
use serde_json::{Value, json};

use crate::support::{Boxed, call_as};

async fn open(boxed: &Boxed, params: Value) -> String {
    let opened = boxed.call("python/open", params).await.unwrap();
    opened["session"].as_str().unwrap().to_owned()
}

async fn run(boxed: &Boxed, session: &str, code: &str) -> Value {
    let params = json!({ "session": session, "code": code, "timeout": 20 });
    boxed.call("python/run", params).await.unwrap()
}

#[tokio::test]
async fn a_session_keeps_its_state_and_tells_each_run_apart() {
    let boxed = Boxed::new();
    let session = open(&boxed, json!({ "files": { "m.py": "x = 5" } })).await;
    let first = run(&boxed, &session, "import m\ndef f(): return m.x\nprint('one')").await;
    assert_eq!(
        (&first["stdout"], &first["session_open"]),
        (&json!("one\n"), &json!(true)),
        "{first:#}"
    );
    let second = run(&boxed, &session, "print('two')\nopen('new', 'w').write('n')\nf()").await;
    assert_eq!(
        (&second["stdout"], &second["result"]),
        (&json!("two\n"), &json!(5))
    );
    assert_eq!(
        second["files"].as_array().unwrap().len(),
        1,
        "only what this run has written: {second:#}"
    );
    let third = run(&boxed, &session, "1/0").await;
    assert_eq!(
        (&third["outcome"], &third["session_open"]),
        (&json!("exception"), &json!(true))
    );
    let params =
        json!({ "session": session, "code": "[input(), v, f()]", "stdin": "line\n", "args": { "v": 1 } });
    let fourth = boxed.call("python/run", params).await.unwrap();
    assert_eq!(
        (&fourth["result"], &fourth["files"]),
        (&json!(["line", 1, 5]), &json!([])),
        "{fourth:#}"
    );
    assert_eq!(boxed.host().outcomes(), [], "it holds its box");
    let closed = boxed
        .call("python/close", json!({ "session": session }))
        .await
        .unwrap();
    assert_eq!(closed["closed"], true);
    assert_eq!(
        boxed.host().outcomes(),
        [Outcome::Success],
        "which is clean and given back"
    );
    assert_eq!(boxed.execute("'f' in globals()").await["result"], false);
    let gone = boxed
        .call("python/run", json!({ "session": session, "code": "1" }))
        .await
        .unwrap_err();
    assert_eq!(gone.code.name(), Some("NOT_FOUND"));
}

#[tokio::test]
async fn a_run_that_takes_too_long_is_interrupted_and_the_session_goes_on() {
    let boxed = Boxed::new();
    let session = open(&boxed, json!({})).await;
    run(&boxed, &session, "x = 1").await;
    let params = json!({ "session": session, "code": "while True: pass", "timeout": 0.3 });
    let done = boxed.call("python/run", params).await.unwrap();
    assert_eq!(
        (&done["outcome"], &done["session_open"]),
        (&json!("timeout"), &json!(true)),
        "{done:#}"
    );
    assert_eq!(run(&boxed, &session, "x").await["result"], 1);
}

#[tokio::test]
async fn a_run_that_does_not_yield_takes_the_session_with_it() {
    let boxed = Boxed::new();
    let session = open(&boxed, json!({})).await;
    let code =
        "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: time.sleep(60)";
    let params = json!({ "session": session, "code": code, "timeout": 0.3 });
    let done = boxed.call("python/run", params).await.unwrap();
    assert_eq!(
        (&done["outcome"], &done["session_open"]),
        (&json!("timeout"), &json!(false)),
        "{done:#}"
    );
    assert_eq!(
        boxed.host().outcomes(),
        [Outcome::Success],
        "its box is clean all the same"
    );
    assert!(
        boxed
            .call("python/run", json!({ "session": session, "code": "1" }))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_session_may_end_itself() {
    let boxed = Boxed::new();
    let session = open(&boxed, json!({})).await;
    let done = run(&boxed, &session, "import sys\nsys.exit(3)").await;
    assert_eq!(
        (&done["outcome"], &done["exit_code"], &done["session_open"]),
        (&json!("exit"), &json!(3), &json!(false))
    );
    let session = open(&boxed, json!({})).await;
    let done = run(&boxed, &session, "import os\nos.kill(os.getpid(), 9)").await;
    assert_eq!(
        (&done["outcome"], &done["session_open"]),
        (&json!("signal"), &json!(false))
    );
}

#[tokio::test]
async fn a_session_is_its_callers_alone() {
    let boxed = Boxed::new();
    let opened = call_as(&boxed.provider, "ann", "python/open", &json!({}))
        .await
        .unwrap();
    let params = json!({ "session": opened["session"], "code": "1" });
    let error = call_as(&boxed.provider, "bob", "python/run", &params)
        .await
        .unwrap_err();
    assert_eq!(error.code.name(), Some("NOT_FOUND"));
    assert!(
        call_as(
            &boxed.provider,
            "bob",
            "python/close",
            &json!({ "session": opened["session"] })
        )
        .await
        .is_err()
    );
    assert_eq!(
        call_as(&boxed.provider, "ann", "python/run", &params)
            .await
            .unwrap()["result"],
        1
    );
}

#[tokio::test]
async fn a_caller_finds_his_sessions_again_and_nobody_elses() {
    let boxed = Boxed::new();
    let opened = call_as(
        &boxed.provider,
        "ann",
        "python/open",
        &json!({ "idle_timeout": 60 }),
    )
    .await
    .unwrap();
    let listed = call_as(&boxed.provider, "ann", "python/sessions", &json!({}))
        .await
        .unwrap();
    let found = &listed["sessions"][0];
    assert_eq!(found["session"], opened["session"], "{listed:#}");
    assert_eq!(
        (&found["level"], &found["busy"], &found["idle_timeout"]),
        (&json!("sandboxed"), &json!(false), &json!(60.0))
    );
    let others = call_as(&boxed.provider, "bob", "python/sessions", &json!({}))
        .await
        .unwrap();
    assert_eq!(others["sessions"], json!([]));
    let close = json!({ "session": found["session"] });
    call_as(&boxed.provider, "ann", "python/close", &close)
        .await
        .unwrap();
    let listed = call_as(&boxed.provider, "ann", "python/sessions", &json!({}))
        .await
        .unwrap();
    assert_eq!(listed["sessions"], json!([]));
}

#[tokio::test]
async fn sessions_are_bounded() {
    let boxed = Boxed::with(json!({ "sessions": { "per_caller": 1 } }), json!({}));
    let session = open(&boxed, json!({})).await;
    let error = boxed.call("python/open", json!({})).await.unwrap_err();
    assert_eq!(error.code.name(), Some("RESOURCE_EXHAUSTED"));
    assert_eq!(error.message, "there are 1 sessions, and may be 1 of one caller");
    boxed
        .call("python/close", json!({ "session": session }))
        .await
        .unwrap();
    open(&boxed, json!({})).await;
    let error = boxed
        .call("python/open", json!({ "idle_timeout": 1e6 }))
        .await
        .unwrap_err();
    assert_eq!(error.code.name(), Some("INVALID_PARAMS"));
}

#[tokio::test]
async fn an_idle_session_is_closed() {
    let boxed = Boxed::new();
    let session = open(&boxed, json!({ "idle_timeout": 0.2 })).await;
    boxed
        .host()
        .until("the session is closed", |host: &TestHost| host.held() == 0)
        .await;
    assert_eq!(boxed.host().outcomes(), [Outcome::Success]);
    assert!(
        boxed
            .call("python/run", json!({ "session": session, "code": "1" }))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_session_whose_run_nobody_waits_for_is_over() {
    let boxed = Boxed::new();
    let session = open(&boxed, json!({})).await;
    let params = json!({ "session": session, "code": "print('begun')\nimport time\ntime.sleep(60)" });
    let mut items = crate::support::items(boxed.open("python/run", params).await);
    let first = futures_util::StreamExt::next(&mut items).await.unwrap();
    assert_eq!(first, json!({ "stdout": "begun\n" }));
    let busy = boxed
        .call("python/run", json!({ "session": session, "code": "1" }))
        .await
        .unwrap_err();
    assert_eq!(busy.code.name(), Some("OVERLOADED"));
    drop(items);
    boxed
        .host()
        .until("the box is given back", |host: &TestHost| host.held() == 0)
        .await;
    assert_eq!(boxed.host().outcomes(), [Outcome::Success], "clean");
    assert!(
        boxed
            .call("python/run", json!({ "session": session, "code": "1" }))
            .await
            .is_err()
    );
    let next = tokio::time::timeout(Duration::from_secs(20), boxed.execute("1"))
        .await
        .unwrap();
    assert_eq!(next["result"], 1);
}

#[tokio::test]
async fn a_runner_that_dies_takes_its_session_with_it() {
    let mut boxed = Boxed::new();
    let session = open(&boxed, json!({})).await;
    boxed.runner.hang_up();
    boxed.runner.ended();
    let answer = boxed
        .call("python/run", json!({ "session": session, "code": "1" }))
        .await;
    let told = answer.map_or_else(|error| error.message, |done| done["outcome"].to_string());
    assert!(
        told.contains("the session has ended")
            || told.contains("there is no such session")
            || told.contains("infrastructure"),
        "{told}"
    );
    assert!(boxed.host().outcomes() != [Outcome::Success] && boxed.host().held() == 0);
}

#[tokio::test]
async fn a_box_that_dies_gives_the_place_of_its_idle_session_back() {
    let mut boxed = Boxed::with(json!({ "sessions": { "max": 1 } }), json!({}));
    open(&boxed, json!({})).await;
    boxed.runner.hang_up();
    boxed.runner.ended();
    boxed
        .host()
        .until("the session is closed", |host: &TestHost| host.held() == 0)
        .await;
    assert_ne!(
        boxed.host().outcomes(),
        [Outcome::Success],
        "nobody else gets the box"
    );
    let error = boxed.call("python/open", json!({})).await.unwrap_err();
    assert_ne!(error.code.name(), Some("RESOURCE_EXHAUSTED"), "{error}");
}
