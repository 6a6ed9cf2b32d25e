//! The verbs, as operators use them.

use std::time::{Duration, Instant};

use plugin_api::ErrorCode;
use serde_json::{Value, json};

use crate::support::{IMAGE, Real, docker, real, until};

/// A container that sleeps, and its name.
async fn sleeper(real: &Real) -> String {
    let arguments = json!({ "image": IMAGE, "command": ["/bin/sleep", "300"], "network": "none", "memory_bytes": 64 << 20, "detach": true });
    let started = real.done("run", arguments).await;
    started["name"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_container_is_made_looked_at_stopped_and_removed() {
    let Some(real) = real(json!({})).await else { return };
    let made = real
        .done("create", json!({ "image": IMAGE, "command": ["/bin/sleep", "300"], "network": "none", "memory_bytes": 64 << 20 }))
        .await;
    let name = made["name"].as_str().unwrap();
    real.done("start", json!({ "container": name })).await;
    real.done("start", json!({ "container": name })).await;
    let listed = real.done("list", json!({ "ours": true })).await;
    let row = listed
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["name"] == name)
        .unwrap();
    assert_eq!(
        (row["state"].as_str(), row["kind"].as_str()),
        (Some("running"), Some("operator"))
    );
    let found = real.done("inspect", json!({ "container": name })).await;
    assert_eq!(found["HostConfig"]["Memory"], 64 << 20);
    assert_eq!(found["HostConfig"]["Privileged"], false);
    let stats = real.done("stats", json!({ "container": name })).await;
    assert_eq!(stats["memory_limit_bytes"], 64 << 20);
    real.done("restart", json!({ "container": name, "timeout": 0 }))
        .await;
    real.done("stop", json!({ "container": name, "timeout": 0 }))
        .await;
    let waited = real.done("wait", json!({ "container": name })).await;
    // Asked or killed: with no time between the two either may come first.
    assert!(
        [json!(137), json!(143)].contains(&waited["exit_code"]),
        "{waited}"
    );
    real.done("remove", json!({ "container": name })).await;
    let gone = real
        .control("inspect", json!({ "container": name }))
        .await
        .0
        .unwrap_err();
    assert_eq!(gone.code, ErrorCode::NOT_FOUND);
}

#[tokio::test]
async fn a_command_is_run_and_leaves_no_container() {
    let Some(real) = real(json!({})).await else { return };
    let name = format!("gleitzeit-test-run-{}", std::process::id());
    let script = "echo out; echo err >&2; exit 3";
    let arguments =
        json!({ "image": IMAGE, "command": ["/bin/sh", "-c", script], "network": "none", "name": name });
    let (result, reports) = real.control("run", arguments).await;
    let result = result.unwrap();
    assert_eq!(
        (&result["stdout"], &result["stderr"], &result["exit_code"]),
        (&json!("out\n"), &json!("err\n"), &json!(3))
    );
    assert!(reports.contains(&json!({ "stdout": "out\n" })), "{reports:?}");
    until("it is gone", async || {
        docker(&["ps", "-aq", "--filter", &format!("name={name}")])
            .await
            .is_empty()
    })
    .await;
    let late = json!({ "image": IMAGE, "command": ["/bin/sleep", "60"], "network": "none", "timeout": 1 });
    assert_eq!(real.done("run", late).await["timed_out"], true);
}

#[tokio::test]
async fn a_command_in_a_container_has_input_output_and_a_place() {
    let Some(real) = real(json!({})).await else { return };
    let name = sleeper(&real).await;
    let exec = async |more: Value| {
        let mut arguments = json!({ "container": name });
        arguments
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        real.done("exec", arguments).await
    };
    let script = "cat; echo $COLOUR; pwd; id -u; exit 5";
    let result = exec(json!({
        "command": ["/bin/sh", "-c", script],
        "stdin": "fed\n",
        "environment": { "COLOUR": "red" },
        "working_directory": "/usr",
        "user": "65534",
    }))
    .await;
    assert_eq!(result["stdout"], "fed\nred\n/usr\n65534\n");
    assert_eq!(result["exit_code"], 5);
    // Output that never ends is cut, and what looks like the engine's own frames is output.
    let result =
        exec(json!({ "command": ["/bin/sh", "-c", "yes | head -c 3000000"], "output_bytes": 1000 })).await;
    assert_eq!(result["stdout"].as_str().unwrap().len(), 1000);
    assert_eq!(result["truncated"]["stdout"], true);
    let result = exec(json!({ "command": ["/usr/bin/printf", r"\001\000\000\000\177\377\377\377"] })).await;
    assert_eq!(result["stdout"].as_str().unwrap().chars().count(), 8);
    real.done("remove", json!({ "container": name, "force": true }))
        .await;
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_killed_with_all_it_started() {
    let Some(real) = real(json!({})).await else { return };
    let name = sleeper(&real).await;
    // One that ignores what asks it to end, and a daemon that has left its parent and its group.
    let script = r"import os, signal, time
for number in range(1, 32):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(600)
    os._exit(0)
print('running', flush=True)
time.sleep(600)";
    let began = Instant::now();
    let arguments = json!({ "container": name, "command": ["/usr/bin/python3", "-c", script], "timeout": 1 });
    let result = real.done("exec", arguments).await;
    assert_eq!(result["timed_out"], true);
    assert_eq!(result["stdout"], "running\n");
    assert!(began.elapsed() < Duration::from_secs(10));
    let left = docker(&["top", &name, "-o", "pid,args"]).await;
    assert!(!left.contains("python3"), "{left}");
    // Nor does anything stay of one that nobody waits for any more.
    let arguments =
        json!({ "container": name, "command": ["/usr/bin/python3", "-c", "import time; time.sleep(600)"] });
    assert!(
        tokio::time::timeout(Duration::from_secs(1), real.control("exec", arguments))
            .await
            .is_err()
    );
    until("it is ended", async || {
        !docker(&["top", &name, "-o", "pid,args"])
            .await
            .contains("python3")
    })
    .await;
    real.done("remove", json!({ "container": name, "force": true }))
        .await;
}

#[tokio::test]
async fn files_go_in_and_come_out() {
    let Some(real) = real(json!({})).await else { return };
    let name = sleeper(&real).await;
    let files = json!({ "a.txt": "text", "below/b.bin": { "base64": "AAEC" } });
    real.done(
        "copy-in",
        json!({ "container": name, "path": "/srv", "files": files }),
    )
    .await;
    let link = json!({ "container": name, "command": ["/bin/ln", "-s", "/etc/passwd", "/srv/link"] });
    real.done("exec", link).await;
    let out = real
        .done("copy-out", json!({ "container": name, "path": "/srv" }))
        .await;
    let out = out["files"].as_array().unwrap();
    let file = |name: &str| out.iter().find(|file| file["name"] == name).unwrap();
    assert_eq!(file("srv/a.txt")["base64"], "dGV4dA==");
    assert_eq!(file("srv/below/b.bin")["size"], 3);
    assert_eq!(file("srv/link")["skipped"], "not a plain file");
    for bad in ["../x", "/abs", "a/../../b", ""] {
        let refused = real
            .control(
                "copy-in",
                json!({ "container": name, "path": "/srv", "files": { bad: "x" } }),
            )
            .await
            .0;
        assert_eq!(refused.unwrap_err().code, ErrorCode::INVALID_PARAMS, "{bad:?}");
    }
    let large = real
        .control(
            "copy-out",
            json!({ "container": name, "path": "/usr/bin", "max_bytes": 1000 }),
        )
        .await
        .0;
    assert_eq!(large.unwrap_err().code, ErrorCode::TOO_LARGE);
    real.done("remove", json!({ "container": name, "force": true }))
        .await;
}

#[tokio::test]
async fn logs_are_shown_and_followed() {
    let Some(real) = real(json!({})).await else { return };
    let script = "echo first; sleep 1; echo second >&2";
    let arguments =
        json!({ "image": IMAGE, "command": ["/bin/sh", "-c", script], "network": "none", "detach": true });
    let name = real.done("run", arguments).await["name"]
        .as_str()
        .unwrap()
        .to_owned();
    let (followed, reports) = real
        .control("logs", json!({ "container": name, "follow": true }))
        .await;
    let followed = followed.unwrap();
    assert_eq!(
        (&followed["stdout"], &followed["stderr"]),
        (&json!("first\n"), &json!("second\n"))
    );
    assert_eq!(reports.len(), 2, "{reports:?}");
    let last = real.done("logs", json!({ "container": name, "tail": 1 })).await;
    assert_eq!(
        (&last["stdout"], &last["stderr"]),
        (&json!(""), &json!("second\n"))
    );
    real.done("remove", json!({ "container": name, "force": true }))
        .await;
}

#[tokio::test]
async fn images_are_built_tagged_imported_and_removed() {
    let Some(real) = real(json!({ "host_paths": true })).await else {
        return;
    };
    let name = |what: &str| format!("gleitzeit-test/{what}-{}:1", std::process::id());
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(
        directory.path().join("Dockerfile"),
        format!("FROM {IMAGE}\nARG COLOUR\nCOPY note /note\nRUN echo $COLOUR >/colour\n"),
    )
    .unwrap();
    std::fs::write(directory.path().join("note"), "a note").unwrap();
    let built = name("built");
    let (result, reports) = real
        .control(
            "build",
            json!({ "name": built, "directory": directory.path(), "arguments": { "COLOUR": "red" } }),
        )
        .await;
    assert_eq!(result.unwrap()["status"], "built");
    assert!(
        reports.iter().any(|report| report["status"]
            .as_str()
            .is_some_and(|status| status.contains("FROM"))),
        "{reports:?}"
    );
    let read = json!({ "image": built, "command": ["/bin/cat", "/note", "/colour"], "network": "none" });
    assert_eq!(real.done("run", read).await["stdout"], "a notered\n");
    let second = name("second");
    real.done("tag", json!({ "image": built, "name": second })).await;
    let untagged = real.done("untag", json!({ "image": second })).await;
    assert_eq!(untagged["untagged"], json!([second]));
    assert_eq!(untagged["deleted"], json!([]));
    let found = real.done("inspect-image", json!({ "image": built })).await;
    assert_eq!(found["RepoTags"], json!([built]));
    assert!(
        real.done("images", json!({}))
            .await
            .as_array()
            .unwrap()
            .iter()
            .any(|row| row["names"] == json!([built]))
    );
    real.done("remove-image", json!({ "image": built, "force": true }))
        .await;
    assert!(
        real.control("inspect-image", json!({ "image": built }))
            .await
            .0
            .is_err()
    );

    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(3);
    header.set_mode(0o644);
    archive.append_data(&mut header, "file", &b"abc"[..]).unwrap();
    let file = directory.path().join("root.tar");
    std::fs::write(&file, archive.into_inner().unwrap()).unwrap();
    let imported = name("imported");
    real.done(
        "import",
        json!({ "name": imported, "file": file, "changes": ["CMD [\"/file\"]"] }),
    )
    .await;
    let found = real.done("inspect-image", json!({ "image": imported })).await;
    assert_eq!(found["Config"]["Cmd"], json!(["/file"]));
    real.done("remove-image", json!({ "image": imported })).await;

    let failing = json!({ "name": name("failing"), "dockerfile": format!("FROM {IMAGE}\nRUN exit 4\n") });
    let error = real.control("build", failing).await.0.unwrap_err();
    assert_eq!(error.code, ErrorCode::INVALID_PARAMS, "{error:?}");
    assert!(error.message.contains("non-zero code: 4"), "{error}");
}

#[tokio::test]
async fn an_engine_tells_what_it_can_do() {
    let Some(real) = real(json!({})).await else { return };
    let report = real.done("capabilities", json!({})).await;
    for field in [
        "engine", "version", "api", "cgroups", "runtimes", "seccomp", "rootless", "warnings",
    ] {
        assert!(!report[field].is_null(), "{field}");
    }
}

#[tokio::test]
async fn paths_of_the_machine_are_taken_only_where_the_operator_wants_it_and_never_its_own() {
    let verbs = |path: &str| {
        [
            (
                "build",
                json!({ "name": "gleitzeit-test/never:1", "directory": path }),
            ),
            (
                "import",
                json!({ "name": "gleitzeit-test/never:1", "file": path }),
            ),
            ("create", json!({ "image": IMAGE, "readable": { path: "/data" } })),
            ("run", json!({ "image": IMAGE, "readable": { path: "/data" } })),
        ]
    };
    for (config, path, why) in [
        (json!({}), "/usr/share", "host_paths"),
        (json!({ "host_paths": true }), "/var", "belongs to the machine"),
    ] {
        let Some(real) = real(config).await else { return };
        for (verb, arguments) in verbs(path) {
            let error = real.control(verb, arguments).await.0.unwrap_err();
            assert_eq!(error.code.name(), Some("VALIDATION"), "{verb}: {error}");
            assert!(error.message.contains(why), "{verb}: {error}");
        }
    }
}
