//! S: what stays, where it is meant to, and what does not.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use fakes::client;
use http::Method;
use serde_json::{Value, json};

use crate::python::{Level, Python, served};

cases! { s1_nothing_is_left, s2_a_session_remembers }

pub(crate) async fn s1_nothing_is_left(python: &Python) {
    let leave = r"
import os, sys, threading, time
for folder in ('.', '/tmp', '/dev/shm', '/var/tmp', os.path.expanduser('~')):
    for name in ('left', 'sitecustomize.py', 'evil.pth', '.pythonrc', '.config'):
        try:
            open(os.path.join(folder, name), 'w').write('raise SystemExit(1)')
        except OSError:
            pass
os.environ['LEFT'] = '1'
os.chdir('/')
sys.modules['left'] = sys
threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
if os.fork() == 0:
    os.setsid()
    time.sleep(1000)
import builtins
builtins.left = True
'left'";
    assert_eq!(python.run(leave).await.result(), "left");
    let look = "import os, sys\n[os.path.exists('left'), 'LEFT' in os.environ, 'left' in sys.modules, os.path.exists('/tmp/left'), 'left' in dir(__builtins__)]";
    assert_eq!(
        python.run(look).await.result(),
        &json!([false, false, false, false, false])
    );
}

pub(crate) async fn s2_a_session_remembers(python: &Python) {
    let session = python
        .host
        .call("python/open", json!({ "level": python.level.name() }))
        .await["session"]
        .clone();
    let run = async |code: &str| {
        let params = json!({ "session": session, "code": code });
        python.host.call("python/run", params).await
    };
    assert_eq!(
        run("x = 40\nopen('kept', 'w').write('kept')\nx").await["result"],
        40
    );
    assert_eq!(
        run("import os\n[x + 2, os.path.exists('kept')]").await["result"],
        json!([42, true])
    );
    let failed = run("raise ValueError('no')").await;
    assert_eq!(
        (&failed["outcome"], &failed["success"]),
        (&json!("exception"), &json!(false))
    );
    assert_eq!(run("x").await["result"], 40, "a failure is no end");
    assert_eq!(
        python.run("'x' in globals()").await.result(),
        false,
        "a session is its own world"
    );
    python
        .host
        .call("python/close", json!({ "session": session }))
        .await;
    let gone = python
        .host
        .rpc("python/run", json!({ "session": session, "code": "1" }))
        .await;
    assert!(gone.get("error").is_some(), "{gone}");
}

/// A host with two callers, each with a key.
async fn two_tenants() -> Option<(Python, tempfile::TempDir)> {
    if !Level::Sandboxed.is_here() {
        return None;
    }
    let keys = tempfile::tempdir().unwrap();
    for name in ["alice", "bob"] {
        let path = keys.path().join(name);
        fs::write(&path, format!("key-of-{name}-0123456789abcdef")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let file = |name: &str| keys.path().join(name).display().to_string();
    let settings = format!(
        "[host]\nkeys = [{{ name = \"alice\", key_file = \"{}\" }}, {{ name = \"bob\", key_file = \"{}\" }}]\n",
        file("alice"),
        file("bob")
    );
    let host = served(&settings).start().await;
    Some((
        Python {
            host,
            level: Level::Sandboxed,
        },
        keys,
    ))
}

async fn as_caller(python: &Python, caller: &str, method: &str, params: Value) -> Value {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
    let key = format!("Bearer key-of-{caller}-0123456789abcdef");
    let headers = [
        ("content-type", "application/json"),
        ("authorization", key.as_str()),
    ];
    let answer = client::send(Method::POST, &python.host.url_of("/rpc"), &headers, body)
        .await
        .unwrap();
    answer.rest().await.unwrap().json()
}

async fn ready(python: &Python) {
    let begun = std::time::Instant::now();
    loop {
        let answer = as_caller(python, "alice", "python/execute", json!({ "code": "1" })).await;
        if answer["result"]["result"] == 1 {
            return;
        }
        assert!(begun.elapsed().as_secs() < 60, "{answer}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn s2_a_session_is_its_owners_alone() {
    let Some((python, _keys)) = two_tenants().await else {
        return;
    };
    ready(&python).await;
    let opened = as_caller(&python, "alice", "python/open", json!({})).await;
    let session = opened["result"]["session"].clone();
    assert!(session.is_string(), "{opened}");
    let write =
        json!({ "session": session, "code": "secret = 'of alice'\nopen('secret', 'w').write(secret)" });
    assert_eq!(
        as_caller(&python, "alice", "python/run", write).await["result"]["outcome"],
        "ok"
    );
    let steal = json!({ "session": session, "code": "secret" });
    let stolen = as_caller(&python, "bob", "python/run", steal.clone()).await;
    assert!(
        stolen.get("error").is_some() && !stolen.to_string().contains("of alice"),
        "{stolen}"
    );
    let closed = as_caller(&python, "bob", "python/close", json!({ "session": session })).await;
    assert!(
        closed.get("error").is_some(),
        "another's session was closed: {closed}"
    );
    let unknown = as_caller(
        &python,
        "bob",
        "python/run",
        json!({ "session": "no-such-session", "code": "1" }),
    )
    .await;
    assert_eq!(
        stolen["error"]["code"], unknown["error"]["code"],
        "whether another has a session cannot be told from the answer"
    );
    assert_eq!(
        as_caller(&python, "alice", "python/run", steal).await["result"]["result"],
        "of alice"
    );
}

/// A box that one caller has used is never another's.
#[tokio::test]
async fn s3_a_used_container_stays_with_its_user() {
    let Some((python, _keys)) = two_tenants().await else {
        return;
    };
    ready(&python).await;
    let mut seen = [Vec::new(), Vec::new()];
    for round in 0..10 {
        for (caller, seen) in ["alice", "bob"].into_iter().zip(&mut seen) {
            let answer = as_caller(
                &python,
                caller,
                "python/execute",
                json!({ "code": "n", "args": { "n": round } }),
            )
            .await;
            assert_eq!(answer["result"]["result"], round, "{answer}");
            seen.push(answer["result"]["instance"].as_str().unwrap().to_owned());
        }
    }
    let [alice, bob] = seen;
    assert!(
        alice.iter().all(|instance| !bob.contains(instance)),
        "{alice:?} {bob:?}"
    );
    assert!(
        alice
            .iter()
            .any(|instance| alice.iter().filter(|other| *other == instance).count() > 1),
        "and is used again by him: {alice:?}"
    );
}
