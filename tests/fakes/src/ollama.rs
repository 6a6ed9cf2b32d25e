//! A fake Ollama server.
//!
//! Faithful where a gateway can tell: names and their normalisation, what is on disk and what is in memory, loading and
//! unloading, both streaming forms, status codes, content types and error texts. It computes nothing: every prompt gets
//! the same answer. Not here: cloud models, `create`, `push`, `blobs`, and the Anthropic and responses surfaces.

use std::{io, ops::Deref, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::{
    script::{Script, script_methods},
    server::FakeServer,
};

mod compat;
mod embed;
mod inventory;
mod keep_alive;
mod model;
mod name;
mod native;
mod pull;
mod residency;
mod routes;
mod turn;

pub use model::FakeModel;
use residency::Residency;

/// A running fake Ollama server; it stops when dropped. Everything a [`FakeServer`] can do, it can.
#[derive(Debug)]
pub struct FakeOllama {
    server: FakeServer,
    state: Arc<Ollama>,
}

impl FakeOllama {
    /// Begins a description of the server; end it with [`FakeOllamaBuilder::start`].
    pub fn builder() -> FakeOllamaBuilder {
        FakeOllamaBuilder::default()
    }

    /// The names of the models in memory, those that are still being loaded left out.
    pub fn loaded(&self) -> Vec<String> {
        self.state.residency.loaded()
    }

    /// Every load that was finished so far, as the model's name and the context length it was loaded with.
    pub fn loads(&self) -> Vec<(String, u64)> {
        self.state.residency.loads()
    }

    /// The names of the models on disk.
    pub fn on_disk(&self) -> Vec<String> {
        self.state
            .models
            .lock()
            .iter()
            .map(|model| model.name.clone())
            .collect()
    }

    /// Puts a model on disk, as someone else's pull would.
    pub fn install(&self, model: impl Into<FakeModel>) {
        self.state.install(model.into());
    }
}

/// The handle of what all fakes share is part of this one's interface.
impl Deref for FakeOllama {
    type Target = FakeServer;

    fn deref(&self) -> &FakeServer {
        &self.server
    }
}

/// Describes a [`FakeOllama`].
#[derive(Debug, Clone, Default)]
pub struct FakeOllamaBuilder {
    script: Script,
    port: u16,
    control: bool,
    settings: Settings,
    models: Vec<FakeModel>,
    loaded: Vec<FakeModel>,
    pullable: Vec<FakeModel>,
}

/// What the environment of an Ollama server sets.
#[derive(Debug, Clone)]
struct Settings {
    version: String,
    load_time: Duration,
    keep_alive: Duration,
    context: u64,
    parallel: Option<usize>,
    max_loaded: usize,
    max_queue: usize,
    check_host: bool,
    progress_delay: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            version: "0.33.0".to_owned(),
            load_time: Duration::ZERO,
            keep_alive: Duration::from_secs(5 * 60),
            context: 4096,
            parallel: None,
            max_loaded: usize::MAX,
            max_queue: 512,
            check_host: false,
            progress_delay: Duration::ZERO,
        }
    }
}

impl FakeOllamaBuilder {
    script_methods!();

    /// Has a model on disk.
    pub fn model(mut self, model: impl Into<FakeModel>) -> Self {
        self.models.push(model.into());
        self
    }

    /// Has a model on disk and in memory.
    pub fn loaded_model(mut self, model: impl Into<FakeModel>) -> Self {
        let model = model.into();
        self.models.push(model.clone());
        self.loaded.push(model);
        self
    }

    /// Can pull a model; any other does not exist.
    pub fn pullable(mut self, model: impl Into<FakeModel>) -> Self {
        self.pullable.push(model.into());
        self
    }

    /// How long each line of a pull's progress takes.
    pub fn progress_delay(mut self, delay: Duration) -> Self {
        self.settings.progress_delay = delay;
        self
    }

    /// How long it takes to load a model.
    pub fn load_time(mut self, time: Duration) -> Self {
        self.settings.load_time = time;
        self
    }

    /// `OLLAMA_KEEP_ALIVE`, 5 minutes by default.
    pub fn keep_alive(mut self, time: Duration) -> Self {
        self.settings.keep_alive = time;
        self
    }

    /// `OLLAMA_CONTEXT_LENGTH`, 4096 by default: what a model is loaded with unless the request says otherwise.
    pub fn default_context(mut self, tokens: u64) -> Self {
        self.settings.context = tokens;
        self
    }

    /// `OLLAMA_NUM_PARALLEL`, but for all models together; the rest wait without bound, as they really do. Unlimited by
    /// default, where the real default is 1, because most tests want to be quick.
    pub fn parallel(mut self, requests: usize) -> Self {
        self.settings.parallel = Some(requests);
        self
    }

    /// `OLLAMA_MAX_LOADED_MODELS`; the one that would expire first makes room. Unlimited by default.
    pub fn max_loaded(mut self, models: usize) -> Self {
        self.settings.max_loaded = models;
        self
    }

    /// `OLLAMA_MAX_QUEUE`, 512 by default: how many requests may wait for a load before the next is told 503.
    pub fn max_queue(mut self, requests: usize) -> Self {
        self.settings.max_queue = requests;
        self
    }

    /// What `/api/version` says.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.settings.version = version.into();
        self
    }

    /// Refuses a `Host` that a server on loopback refuses: a public name, which could be DNS rebinding.
    pub fn checking_host(mut self) -> Self {
        self.settings.check_host = true;
        self
    }

    /// Starts the server on the current tokio runtime.
    pub async fn start(self) -> io::Result<FakeOllama> {
        let state = Arc::new(Ollama {
            script: self.script,
            slots: self
                .settings
                .parallel
                .map(|slots| Arc::new(Semaphore::new(slots))),
            residency: Residency::new(&self.settings),
            models: Mutex::default(),
            pullable: self.pullable,
            settings: self.settings,
        });
        self.models.into_iter().for_each(|model| state.install(model));
        for model in &self.loaded {
            state.residency.preload(model);
        }
        let server = FakeServer::start(Arc::new(Handle(Arc::clone(&state))), self.port, self.control).await?;
        Ok(FakeOllama { server, state })
    }
}

/// What one fake server knows.
#[derive(Debug)]
struct Ollama {
    script: Script,
    settings: Settings,
    /// The models on disk. The lock is never held across an await.
    models: Mutex<Vec<FakeModel>>,
    pullable: Vec<FakeModel>,
    residency: Arc<Residency>,
    slots: Option<Arc<Semaphore>>,
}

impl Ollama {
    /// Puts a model on disk; one of the same name makes way.
    fn install(&self, model: FakeModel) {
        let mut models = self.models.lock();
        models.retain(|other| !other.is_called(&model.name));
        models.push(model);
    }

    /// The model on disk that goes by `name`.
    fn find(&self, name: &str) -> Option<FakeModel> {
        self.models
            .lock()
            .iter()
            .find(|model| model.is_called(name))
            .cloned()
    }
}

/// The state as the server holds it: answers outlive calls, so they keep a share of it.
#[derive(Debug)]
struct Handle(Arc<Ollama>);
