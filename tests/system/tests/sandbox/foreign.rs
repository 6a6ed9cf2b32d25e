//! Containers that are none of ours.

use std::time::Duration;

use containers::{Engine, Image};

/// A container that has nothing to do with any host.
pub(crate) struct Foreign(Engine, String);

impl Foreign {
    pub(crate) fn start(engine: Engine) -> Self {
        Self::with(engine, &[])
    }

    /// One with these further arguments of `docker run`.
    pub(crate) fn with(engine: Engine, more: &[&str]) -> Self {
        let before = [
            "run",
            "--detach",
            "--rm",
            "--memory",
            "64m",
            "--network",
            "none",
            "--label",
            "gleitzeit-test.foreign=yes",
        ];
        let after = [Image::Plain.name(), "sleep", "300"];
        let arguments = before.iter().chain(more).chain(&after).copied();
        Self(engine, engine.docker(arguments).unwrap())
    }

    /// One that serves HTTP at port 8000 of a network, under a name where there are names.
    pub(crate) async fn serving(engine: Engine, network: &str, name: &str) -> Self {
        let mut arguments = vec!["run", "--detach", "--rm", "--memory", "64m", "--network", network];
        if !name.is_empty() {
            arguments.extend(["--network-alias", name]);
        }
        arguments.extend([
            Image::Plain.name(),
            "python3",
            "-m",
            "http.server",
            "--directory",
            "/tmp",
            "8000",
        ]);
        let foreign = Self(engine, engine.docker(arguments).unwrap());
        let probe = "import socket; socket.create_connection(('127.0.0.1', 8000), 1)";
        for _ in 0..100 {
            if engine
                .docker(["exec", &foreign.1, "python3", "-c", probe])
                .is_ok()
            {
                return foreign;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the container does not serve");
    }

    /// Its address in its network.
    pub(crate) fn address(&self) -> String {
        let addresses = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        self.0.inspect(&self.1, addresses).unwrap()
    }

    pub(crate) fn runs(&self) -> bool {
        self.0
            .inspect(&self.1, "{{.State.Running}}")
            .is_ok_and(|running| running == "true")
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let _ = self.0.docker(["rm", "--force", &self.1]);
    }
}
