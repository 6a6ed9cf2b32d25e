//! Output as it comes, and what happens when nobody looks any more.

use std::time::Duration;

use futures_util::StreamExt as _;
use plugin_api::contract::outcome::Outcome;
use plugin_api::testing::TestHost;
use serde_json::json;

use crate::support::{Boxed, items};

#[tokio::test]
async fn output_comes_while_the_code_runs_and_the_result_last() {
    let boxed = Boxed::new();
    let code =
        "import sys, time\nprint('a')\ntime.sleep(0.3)\nprint('b', file=sys.stderr)\ntime.sleep(0.3)\n7";
    let found = boxed.stream("python/execute", json!({ "code": code })).await;
    assert_eq!(
        found[..2],
        [json!({ "stdout": "a\n" }), json!({ "stderr": "b\n" })]
    );
    let last = &found[2];
    assert_eq!(
        (&last["done"], &last["result"], &last["outcome"]),
        (&json!(true), &json!(7), &json!("ok"))
    );
    assert!(
        last.get("stdout").is_none() && last.get("images").is_none(),
        "{last:#}"
    );
    assert_eq!(boxed.host().outcomes(), [Outcome::Success]);
}

#[tokio::test]
async fn characters_are_not_torn_apart() {
    let boxed = Boxed::new();
    let code = "import os, time\nfor b in 'ä😀'.encode(): os.write(1, bytes([b])); time.sleep(0.02)\nos.write(1, b'\\xf0')";
    let found = boxed.stream("python/execute", json!({ "code": code })).await;
    let text: String = found.iter().filter_map(|item| item["stdout"].as_str()).collect();
    assert_eq!(text, "ä😀\u{fffd}");
}

#[tokio::test]
async fn a_reader_that_goes_away_ends_the_code_and_the_box_is_used_again() {
    let boxed = Boxed::new();
    let code = "import time\nprint('begun')\nwhile True: time.sleep(60)";
    let mut stream = items(boxed.open("python/execute", json!({ "code": code })).await);
    assert_eq!(stream.next().await.unwrap(), json!({ "stdout": "begun\n" }));
    drop(stream);
    boxed
        .host()
        .until("the box is given back", |host: &TestHost| host.held() == 0)
        .await;
    assert_eq!(boxed.host().outcomes(), [Outcome::Success], "it was proven clean");
    let next = tokio::time::timeout(Duration::from_secs(10), boxed.execute("1"))
        .await
        .unwrap();
    assert_eq!(next["result"], 1);
}

#[tokio::test]
async fn a_reader_that_is_slow_slows_the_code_and_loses_nothing() {
    let config = json!({ "sandboxed": { "output": "8MiB" } });
    let boxed = Boxed::with(config, json!({}));
    let code = "for i in range(6): print(str(i) * 10**6)";
    let mut stream = items(boxed.open("python/execute", json!({ "code": code })).await);
    let mut length = 0;
    let mut last = json!(null);
    while let Some(item) = stream.next().await {
        tokio::time::sleep(Duration::from_millis(1)).await;
        length += item["stdout"].as_str().map_or(0, str::len);
        last = item;
    }
    assert_eq!(
        (length, &last["outcome"]),
        (6 * (10_usize.pow(6) + 1), &json!("ok"))
    );
}
