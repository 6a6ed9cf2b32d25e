//! Resources of different hubs in one go: a model of a server, and a container of a real engine.

use std::time::Duration;

use containers::Image;
use fakes::ollama::{FakeModel, FakeOllama};
use serde_json::{Value, json};
use system::host::host;

use crate::boxes::{containers_of, eventually};

/// A box that listens at its control channel and ends with its standard input, as every box must.
fn boxed(image: &str) -> Value {
    let program = "import os, socket, sys\n\
                   door = socket.socket(socket.AF_UNIX)\n\
                   door.bind(os.environ['GLEITZEIT_CONTROL'])\n\
                   door.listen()\n\
                   sys.stdin.read()";
    json!({
        "image": image,
        "command": ["python3", "-I", "-c", program],
        "user": "0:0",
        "limits": { "memory_bytes": 64 << 20 },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_allocates_a_model_and_a_container_together_or_neither() {
    let Some(engine) = containers::require(Image::Plain) else {
        return;
    };
    let model = FakeOllama::builder()
        .loaded_model(FakeModel::new("llama3.2"))
        .start()
        .await
        .unwrap();
    let host = host(&format!(
        "[hubs.models]\nplugin = \"ollama-hub\"\nmax_concurrent = 1\nconfig = {{ auto_discover = false }}\n\
         instances = [{{ url = \"{}\" }}]\n\
         [hubs.docker]\nplugin = \"docker-hub\"\nwarm = {{ min_idle = 0, max = 2 }}\nconfig = {{ pull = \"never\" }}\n",
        model.url()
    ))
    .plugins(&["ollama-hub", "docker-hub"])
    .start()
    .await;
    host.until_routable(2).await;
    let both = |image: &str| json!({ "resources": [{ "capability": "llama3.2" }, { "hub": "docker", "specification": boxed(image) }] });

    let given = host.call("manager/allocate", both(Image::Plain.name())).await;
    assert_eq!(given["resources"][0]["url"], model.url(), "{given}");
    let url = given["resources"][1]["url"].as_str().unwrap();
    assert!(url.starts_with("unix:/"), "{given}");
    assert_eq!(containers_of(engine, host.pid()).len(), 1);
    assert_eq!(host.in_flight().await, 2);

    // The model is taken, so nobody gets a container for it either.
    let mut at_once = both(Image::Plain.name());
    at_once["timeout"] = json!(0);
    let refused = host.rpc("manager/allocate", at_once).await;
    assert!(refused["error"]["code"].is_i64(), "{refused}");
    assert_eq!(host.in_flight().await, 2);

    let id = given["allocation"].clone();
    host.call("manager/release", json!({ "allocation": id })).await;
    host.until("nothing is held", async |host| host.in_flight().await == 0)
        .await;

    // The container cannot be had: then the model is free again.
    let refused = host
        .rpc("manager/allocate", both("gleitzeit-test/there-is-none"))
        .await;
    assert!(refused["error"]["code"].is_i64(), "{refused}");
    assert_eq!(host.in_flight().await, 0);

    let pid = host.pid();
    host.signal("TERM");
    let left = || containers_of(engine, pid).len();
    eventually("nothing is left", Duration::from_secs(20), left, |left| {
        *left == 0
    })
    .await;
}
