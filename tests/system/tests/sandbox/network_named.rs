//! N5: a box in a network that the operator names reaches what the operator put there, and nothing else.

use std::net::TcpListener;

use containers::{Engine, Image};
use serde_json::json;
use system::host::host;

use crate::foreign::Foreign;
use crate::python::{Level, Python};

/// A network without a way out, and without a foot of this machine in it.
struct Network(Engine, String);

impl Network {
    fn new(engine: Engine) -> Self {
        let name = format!("gleitzeit-test-{}", std::process::id());
        let arguments = [
            "network",
            "create",
            "--internal",
            "--opt",
            "com.docker.network.bridge.inhibit_ipv4=true",
            &name,
        ];
        engine.docker(arguments).unwrap();
        Self(engine, name)
    }

    fn gateway(&self) -> String {
        let arguments = [
            "network",
            "inspect",
            "--format",
            "{{(index .IPAM.Config 0).Gateway}}",
            &self.1,
        ];
        self.0.docker(arguments).unwrap()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = self.0.docker(["network", "rm", &self.1]);
    }
}

/// Tries an address and a name each, and says what came of it.
const TRY: &str = r"
import socket
found = {}
for name, where in targets.items():
    try:
        with socket.create_connection(tuple(where), 2) as outside:
            found[name] = 'reached'
    except OSError as error:
        found[name] = type(error).__name__
found";

#[tokio::test(flavor = "multi_thread")]
async fn n5_a_named_network_leads_to_what_is_in_it_only() {
    let Some(engine) = containers::require(Image::Plain) else {
        return;
    };
    let network = Network::new(engine);
    let allowed = Foreign::serving(engine, &network.1, "allowed").await;
    let elsewhere = Foreign::serving(engine, "bridge", "").await;
    let outside = elsewhere.address();
    // Whatever listens on this machine listens on all its addresses, the network's included.
    let here = TcpListener::bind("0.0.0.0:0").unwrap();
    here.set_nonblocking(true).unwrap();
    let port = here.local_addr().unwrap().port();

    let host = host(&format!(
        "[hubs.docker]\nplugin = \"docker-hub\"\nwarm = {{ min_idle = 0, max = 4 }}\n\
         [providers.python]\nplugin = \"python-provider\"\nhubs = {{ sandboxed = \"docker\", specialized = \"docker\" }}\n\
         config = {{ sandboxed = {{ image = \"{image}\" }}, profiles = {{ inside = {{ image = \"{image}\", network = \"{}\" }} }} }}\n",
        network.1,
        image = Image::Plain.name(),
    ))
    .plugins(&["docker-hub", "python-provider"])
    .start()
    .await;
    let targets = json!({
        "the service, by name": ["allowed", 8000],
        "the service, by address": [allowed.address(), 8000],
        "another port of it": [allowed.address(), 8001],
        "another container": [outside, 8000],
        "this machine": [network.gateway(), port],
        "this machine, from the bridge": ["172.17.0.1", port],
        "the world": ["1.1.1.1", 80],
        "metadata": ["169.254.169.254", 80],
        "the world, by name": ["example.com", 80],
        "the machine, by name": ["host.docker.internal", port],
    });
    let python = Python::of(host, Level::Sandboxed).await;
    let params = json!({ "code": TRY, "args": { "targets": targets }, "timeout": 29 });
    let mut named = params.clone();
    named["level"] = json!("specialized");
    named["profile"] = json!("inside");
    let inside = python.host.call("python/execute", named).await["result"].clone();
    assert!(inside.is_object(), "{inside}");
    for (name, answer) in inside.as_object().unwrap() {
        let is_service = name.starts_with("the service");
        assert_eq!(answer == "reached", is_service, "{name}: {inside}");
    }
    let without = python.execute(params).await.result().clone();
    assert!(without.is_object(), "{without}");
    for (name, answer) in without.as_object().unwrap() {
        assert_ne!(answer, "reached", "{name}: {without}");
    }
    assert!(here.accept().is_err(), "somebody reached this machine");
    drop(python);
    assert!(allowed.runs() && elsewhere.runs());
}
