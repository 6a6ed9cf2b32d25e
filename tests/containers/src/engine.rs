//! The engine, through its own command line: what tests see of it owes nothing to the code they test.

use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, ensure};

/// An engine that answers.
#[derive(Debug, Clone, Copy)]
pub struct Engine(());

/// The engine of this machine; asked for once in each process.
///
/// # Errors
/// Why there is none, for a person.
pub fn engine() -> Result<Engine, &'static str> {
    static FOUND: OnceLock<Result<Engine, String>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        Engine(())
            .docker(["version", "--format", "{{.Server.APIVersion}}"])
            .map(|_| Engine(()))
            .map_err(|error| format!("{error:#}"))
    });
    found.as_ref().copied().map_err(String::as_str)
}

/// The engine, with this image. `None` where it cannot be had, after saying so.
///
/// # Panics
/// It cannot be had and this is CI.
pub fn require(image: crate::Image) -> Option<Engine> {
    let found = engine()
        .map_err(str::to_owned)
        .and_then(|engine| match image.ensure(engine) {
            Ok(()) => Ok(engine),
            Err(error) => Err(format!("{}: {error:#}", image.name())),
        });
    match found {
        Ok(engine) => Some(engine),
        Err(why) => {
            assert!(
                std::env::var_os("CI").is_none(),
                "no container engine to test with: {why}"
            );
            eprintln!("skipped: no container engine to test with: {why}");
            None
        }
    }
}

impl Engine {
    /// Runs its command line and returns what it prints, trimmed.
    ///
    /// # Errors
    /// There is no such program, or it failed: with what it said.
    pub fn docker<'a>(self, arguments: impl IntoIterator<Item = &'a str>) -> anyhow::Result<String> {
        let arguments: Vec<&str> = arguments.into_iter().collect();
        let output = self
            .command()
            .args(&arguments)
            .stdin(Stdio::null())
            .output()
            .context("cannot run docker")?;
        said(&arguments, &output)
    }

    /// Its command line, to be run otherwise.
    pub fn command(self) -> Command {
        Command::new("docker")
    }

    /// The ids of all containers, running or not, that match every filter, such as `label=owner=me`.
    ///
    /// # Errors
    /// As [`docker`](Self::docker).
    pub fn containers(self, filters: &[&str]) -> anyhow::Result<Vec<String>> {
        let filters = filters.iter().flat_map(|filter| ["--filter", filter]);
        let ids = self.docker(
            ["ps", "--all", "--quiet", "--no-trunc"]
                .into_iter()
                .chain(filters),
        )?;
        Ok(ids.lines().map(str::to_owned).collect())
    }

    /// One field of a container or an image, by Go template.
    ///
    /// # Errors
    /// There is no such thing.
    pub fn inspect(self, what: &str, template: &str) -> anyhow::Result<String> {
        self.docker(["inspect", "--format", template, what])
    }
}

pub(crate) fn said(arguments: &[&str], output: &Output) -> anyhow::Result<String> {
    ensure!(
        output.status.success(),
        "docker {}: {}",
        arguments.first().copied().unwrap_or_default(),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
