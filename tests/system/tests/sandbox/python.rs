//! A host with the Python provider, asked as any caller would ask it.

use std::time::Duration;

use containers::Image;
use serde_json::{Value, json};
use system::host::{Host, HostBuilder, host};

use crate::survey;

/// How long the first run may take: an engine is found, a box is started.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where code runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// In a confined process of this machine.
    Restricted,
    /// In a container.
    Sandboxed,
}

impl Level {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Level::Restricted => "restricted",
            Level::Sandboxed => "sandboxed",
        }
    }

    /// Whether it can be had here; if not, that is told, and in CI it is a failure.
    pub(crate) fn is_here(self) -> bool {
        match self {
            Level::Sandboxed => containers::require(Image::Plain).is_some(),
            Level::Restricted => {
                let there = std::path::Path::new("/usr/bin/python3").exists();
                assert!(
                    there || std::env::var_os("CI").is_none(),
                    "no /usr/bin/python3 to run code in"
                );
                if !there {
                    eprintln!("skipped: no /usr/bin/python3 to run code in");
                }
                there
            }
        }
    }
}

/// Makes a test of a case at each level: `cases! { a1_mounting }` tests the function of that name.
macro_rules! cases {
    ($($case:ident),+ $(,)?) => {$(
        mod $case {
            #[tokio::test]
            async fn restricted() {
                $crate::python::check($crate::python::Level::Restricted, super::$case).await;
            }

            #[tokio::test]
            async fn sandboxed() {
                $crate::python::check($crate::python::Level::Sandboxed, super::$case).await;
            }
        }
    )+};
}

/// Runs a case, and looks that whoever comes after it finds what whoever came before it found.
pub(crate) async fn check(level: Level, case: impl AsyncFnOnce(&Python)) {
    if !level.is_here() {
        return;
    }
    let python = Python::start(level, "").await;
    let before = python.survey().await;
    case(&python).await;
    assert_eq!(
        python.survey().await,
        before,
        "the next run is another's, and sees it"
    );
}

/// A host with both hubs and the provider. `settings` are lines of its file, put before the tables.
pub(crate) fn served(settings: &str) -> HostBuilder {
    served_from(Image::Plain, settings)
}

/// The same, with containers of another image.
pub(crate) fn served_from(image: Image, settings: &str) -> HostBuilder {
    host(&format!(
        "{settings}\n\
         [hubs.docker]\nplugin = \"docker-hub\"\nwarm = {{ min_idle = 0, max = 4 }}\n\
         [hubs.process]\nplugin = \"process-hub\"\nwarm = {{ min_idle = 0, max = 4 }}\n\
         [providers.python]\nplugin = \"python-provider\"\n\
         hubs = {{ sandboxed = \"docker\", specialized = \"docker\", restricted = \"process\" }}\n\
         config = {{ sandboxed = {{ image = \"{}\" }}, restricted = {{ python = \"/usr/bin/python3\" }} }}\n",
        image.name()
    ))
    .plugins(&["docker-hub", "process-hub", "python-provider"])
}

/// The provider at one level.
pub(crate) struct Python {
    pub(crate) host: Host,
    pub(crate) level: Level,
}

impl Python {
    /// Starts a host and waits until code runs there.
    pub(crate) async fn start(level: Level, settings: &str) -> Self {
        Self::of(served(settings).start().await, level).await
    }

    /// A host that is there, once code runs at this level.
    pub(crate) async fn of(host: Host, level: Level) -> Self {
        let python = Self { host, level };
        let begun = std::time::Instant::now();
        loop {
            let answer = python.ask(json!({ "code": "6 * 7" })).await;
            if answer["result"]["result"] == 42 {
                return python;
            }
            assert!(begun.elapsed() < PATIENCE, "no code runs at {level:?}: {answer}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The whole answer of `python/execute`, errors included.
    pub(crate) async fn ask(&self, mut params: Value) -> Value {
        params["level"] = json!(self.level.name());
        self.host.rpc("python/execute", params).await
    }

    /// Runs code and expects it to be run, however it fares.
    pub(crate) async fn run(&self, code: &str) -> Run {
        self.execute(json!({ "code": code })).await
    }

    /// As [`run`](Self::run), with all parameters.
    pub(crate) async fn execute(&self, params: Value) -> Run {
        let answer = self.ask(params).await;
        assert!(answer.get("error").is_none(), "it was not run: {answer}");
        Run(answer["result"].clone())
    }

    /// Runs code after the definitions that attacks share, and returns the value of its last expression.
    pub(crate) async fn attack(&self, code: &str) -> Value {
        let run = self.run(&format!("{}\n{code}", include_str!("attack.py"))).await;
        assert_eq!(run.outcome(), "ok", "{run:?}");
        assert_eq!(run.0["result_error"], Value::Null, "{run:?}");
        run.result().clone()
    }

    /// Expects a refusal because of the parameters.
    pub(crate) async fn refused(&self, params: Value) -> String {
        let answer = self.ask(params).await;
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
        answer["error"]["message"].as_str().unwrap().to_owned()
    }

    /// What a run finds: its files, its neighbours, its limits, its environment.
    pub(crate) async fn survey(&self) -> Value {
        let run = self.run(survey::CODE).await;
        assert_eq!(run.outcome(), "ok", "{run:?}");
        run.result().clone()
    }
}

/// What became of a run.
#[derive(Debug)]
pub(crate) struct Run(pub(crate) Value);

impl Run {
    pub(crate) fn outcome(&self) -> &str {
        self.0["outcome"].as_str().unwrap_or_default()
    }

    pub(crate) fn result(&self) -> &Value {
        &self.0["result"]
    }

    pub(crate) fn stdout(&self) -> &str {
        self.0["stdout"].as_str().unwrap_or_default()
    }

    pub(crate) fn stderr(&self) -> &str {
        self.0["stderr"].as_str().unwrap_or_default()
    }

    pub(crate) fn error(&self) -> &str {
        self.0["error"].as_str().unwrap_or_default()
    }

    /// The files it wrote, by name.
    pub(crate) fn files(&self) -> Vec<&str> {
        let files = self.0["files"].as_array().into_iter().flatten();
        files.filter_map(|file| file["name"].as_str()).collect()
    }

    /// Whether memory is what it ran out of: killed for it, or refused more.
    pub(crate) fn ran_out_of_memory(&self) -> bool {
        self.outcome() == "oom" || (self.outcome() == "exception" && self.error().contains("MemoryError"))
    }
}

/// Expects every attempt in an object of `{what: how it was answered}` to have been refused by the kernel or by the
/// filter before it, and not merely to have been made wrongly.
pub(crate) fn assert_all_refused(attempts: &Value) {
    const REFUSALS: [&str; 9] = [
        "EPERM",
        "EACCES",
        "ENOSYS",
        "EROFS",
        "ENOENT",
        "EAFNOSUPPORT",
        "ENXIO",
        "ENODEV",
        "ESRCH",
    ];
    let attempts = attempts.as_object().unwrap();
    assert!(!attempts.is_empty());
    let allowed: Vec<_> = attempts
        .iter()
        .filter(|(_, answer)| !REFUSALS.contains(&answer.as_str().unwrap_or_default()))
        .collect();
    assert!(allowed.is_empty(), "{allowed:?}");
}
