//! A host in miniature: scripted answers, and a memory of what it was asked.

mod event;
mod look;
mod services;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::Notify;

use super::scripted::Answer;
use crate::host::{Binding, Control, ForwardRequest};
use crate::{Error, Host, ResourceInstance};

pub use event::Event;

/// A host in miniature. Cheap to clone; clones share everything.
#[derive(Clone, Default)]
pub struct TestHost {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    /// Rung whenever something is remembered.
    changed: Notify,
}

#[derive(Default)]
struct State {
    instances: Vec<(String, ResourceInstance)>,
    /// Why instances have failed, by id.
    failed: HashMap<String, String>,
    secrets: HashMap<String, String>,
    calls: HashMap<String, Handler<Value, Value>>,
    opens: HashMap<String, Handler<Value, Vec<Value>>>,
    verbs: HashMap<String, Handler<Control, Vec<Value>>>,
    forward: Option<Handler<ForwardRequest, Answer>>,
    bindings: Vec<Binding>,
    next_lease: u64,
    held: HashMap<u64, String>,
    events: Vec<Event>,
}

type Handler<I, O> = Arc<dyn Fn(&I) -> Result<O, Error> + Send + Sync>;

impl std::fmt::Debug for TestHost {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("TestHost")
            .field("events", &self.state().events)
            .finish_non_exhaustive()
    }
}

impl TestHost {
    /// A host with no instances that refuses whatever it has not been told to answer.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, event: Event) {
        self.state().events.push(event);
        self.inner.changed.notify_waiters();
    }

    /// Adds an instance of a hub, to be leased and listed. It is healthy and holds any number of requests.
    pub fn with_instance(self, hub: &str, instance: ResourceInstance) -> Self {
        self.state().instances.push((hub.to_owned(), instance));
        self
    }

    /// An instance has failed for this reason, and is listed as such. Who holds it goes on holding it.
    pub fn fail_instance(&self, id: &str, reason: &str) {
        self.state().failed.insert(id.to_owned(), reason.to_owned());
    }

    /// The instances of a hub are now these, as after a discovery or a probe.
    pub fn set_instances(&self, hub: &str, instances: impl IntoIterator<Item = ResourceInstance>) {
        let mut state = self.state();
        state.instances.retain(|(other, _)| other != hub);
        let new = instances.into_iter().map(|instance| (hub.to_owned(), instance));
        state.instances.extend(new);
    }

    /// Adds a secret.
    pub fn with_secret(self, name: &str, value: &str) -> Self {
        self.state().secrets.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Adds a hub to those the component is bound to.
    pub fn with_binding(self, binding: Binding) -> Self {
        self.state().bindings.push(binding);
        self
    }

    /// Answers calls of another provider's method.
    pub fn on_call(
        self,
        method: &str,
        answer: impl Fn(&Value) -> Result<Value, Error> + Send + Sync + 'static,
    ) -> Self {
        self.state().calls.insert(method.to_owned(), Arc::new(answer));
        self
    }

    /// Answers streamed calls of another provider's method.
    pub fn on_open(
        self,
        method: &str,
        answer: impl Fn(&Value) -> Result<Vec<Value>, Error> + Send + Sync + 'static,
    ) -> Self {
        self.state().opens.insert(method.to_owned(), Arc::new(answer));
        self
    }

    /// Answers a verb of a bound hub with these chunks.
    pub fn on_control(
        self,
        verb: &str,
        answer: impl Fn(&Control) -> Result<Vec<Value>, Error> + Send + Sync + 'static,
    ) -> Self {
        self.state().verbs.insert(verb.to_owned(), Arc::new(answer));
        self
    }

    /// Answers forwarded requests. They go to the first instance that fits, in the first dialect that it speaks.
    pub fn on_forward(
        self,
        answer: impl Fn(&ForwardRequest) -> Result<Answer, Error> + Send + Sync + 'static,
    ) -> Self {
        self.state().forward = Some(Arc::new(answer));
        self
    }

    /// The handle to it, for code that takes one directly.
    pub fn handle(&self) -> Host {
        Host::new(Arc::new(self.clone()))
    }
}
