//! A host in miniature: scripted answers, and a memory of what it was asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::Value;
use tokio::sync::Notify;
use tracing::Level;

use super::scripted::Answer;
use crate::abi::client::Log;
use crate::abi::wire::log::LogRecord;
use crate::contract::outcome::Outcome;
use crate::contract::reference::normalise;
use crate::contract::requirement::Requirement;
use crate::host::{
    Binding, BoxFuture, Control, ForwardRequest, ForwardResponse, InstanceView, LeaseGrant, Secret, Services,
};
use crate::{ByteStream, Context, Error, ErrorCode, Fault, Host, ResourceInstance};

/// How long [`TestHost::until`] waits, which is long enough for a machine that is busy with other things.
const DEADLINE: Duration = Duration::from_secs(10);

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

/// Something the host was asked or told.
#[derive(Debug, Clone)]
pub enum Event {
    /// A lease was granted.
    Leased {
        /// Its number.
        lease: u64,
        /// The instance that is held.
        instance: String,
        /// What was asked for.
        requirement: Requirement,
    },
    /// A lease ended.
    Released {
        /// Its number.
        lease: u64,
        /// How it went.
        outcome: Outcome,
    },
    /// A request was forwarded.
    Forwarded(ForwardRequest),
    /// A method was called or opened.
    Called {
        /// Its name.
        method: String,
        /// Its parameters.
        params: Value,
    },
    /// A verb was run.
    Controlled(Control),
    /// An event was published.
    Published {
        /// Its kind.
        kind: String,
        /// Its data.
        data: Value,
    },
    /// Resources were asked to be kept ready.
    Warmed(Requirement),
    /// A resource was reported gone.
    Lost {
        /// Its id.
        instance: String,
        /// What became of it.
        reason: String,
    },
    /// Something was logged over the boundary.
    Logged {
        /// How bad it is.
        level: Level,
        /// Where it came from.
        target: String,
        /// What it says.
        record: LogRecord,
    },
}

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

    /// Everything it was asked and told so far, in order.
    pub fn events(&self) -> Vec<Event> {
        self.state().events.clone()
    }

    /// How many leases are held at the moment.
    pub fn held(&self) -> usize {
        self.state().held.len()
    }

    /// What was published so far.
    pub fn published(&self) -> Vec<(String, Value)> {
        let published = |event| match event {
            Event::Published { kind, data } => Some((kind, data)),
            _ => None,
        };
        self.events().into_iter().filter_map(published).collect()
    }

    /// What was forwarded so far.
    pub fn forwarded(&self) -> Vec<ForwardRequest> {
        let forwarded = |event| match event {
            Event::Forwarded(request) => Some(request),
            _ => None,
        };
        self.events().into_iter().filter_map(forwarded).collect()
    }

    /// How the leases that have ended went.
    pub fn outcomes(&self) -> Vec<Outcome> {
        let outcome = |event| match event {
            Event::Released { outcome, .. } => Some(outcome),
            _ => None,
        };
        self.events().into_iter().filter_map(outcome).collect()
    }

    /// What was logged over the boundary so far.
    pub fn logged(&self) -> Vec<LogRecord> {
        let logged = |event| match event {
            Event::Logged { record, .. } => Some(record),
            _ => None,
        };
        self.events().into_iter().filter_map(logged).collect()
    }

    /// Waits until this holds.
    ///
    /// # Panics
    /// It does not within ten seconds; the message says what was waited for and what had happened by then.
    pub async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let waiting = async {
            loop {
                let changed = self.inner.changed.notified();
                if holds(self) {
                    return;
                }
                // Not everything that can be waited for rings; hence the second look after a while.
                let _ = tokio::time::timeout(Duration::from_millis(20), changed).await;
            }
        };
        if tokio::time::timeout(DEADLINE, waiting).await.is_err() {
            panic!("waited in vain for {what}; so far: {:#?}", self.events());
        }
    }

    fn fitting(
        &self,
        requirement: &Requirement,
        dialects: &[String],
    ) -> Result<(String, ResourceInstance), Error> {
        let state = self.state();
        let mut instances = state.instances.iter();
        let found = instances.find(|(_, instance)| fits(instance, requirement, dialects));
        found.cloned().ok_or_else(|| {
            let wanted = requirement.capability.as_deref().unwrap_or("the request");
            Error::new(
                ErrorCode::NOT_AVAILABLE,
                Fault::Host,
                format!("no instance of the test host fits {wanted}"),
            )
        })
    }
}

fn fits(instance: &ResourceInstance, requirement: &Requirement, dialects: &[String]) -> bool {
    let capable = requirement.capability.as_deref().is_none_or(|wanted| {
        let has = |name: &str| normalise(name) == normalise(wanted);
        instance
            .capabilities
            .iter()
            .any(|capability| has(&capability.name))
    });
    capable
        && (dialects.is_empty() || dialects.iter().any(|dialect| instance.dialects.contains(dialect)))
        && requirement.tags.is_subset(&instance.tags)
        && requirement.instance.as_ref().is_none_or(|id| *id == instance.id)
}

fn unscripted(what: &str) -> Error {
    Error::new(
        ErrorCode::METHOD_NOT_FOUND,
        Fault::Client,
        format!("the test host has no answer to {what}"),
    )
}

impl Services for TestHost {
    fn lease<'a>(
        &'a self,
        _context: &'a Context,
        requirement: &'a Requirement,
    ) -> BoxFuture<'a, Result<LeaseGrant, Error>> {
        Box::pin(async move {
            let (hub, instance) = self.fitting(requirement, &requirement.dialects)?;
            let lease = {
                let mut state = self.state();
                state.next_lease += 1;
                let lease = state.next_lease;
                state.held.insert(lease, instance.id.clone());
                lease
            };
            self.remember(Event::Leased {
                lease,
                instance: instance.id.clone(),
                requirement: requirement.clone(),
            });
            Ok(LeaseGrant {
                lease,
                hub,
                instance,
                queued: Duration::ZERO,
                uses: 0,
            })
        })
    }

    fn release(&self, lease: u64, outcome: Outcome) {
        if self.state().held.remove(&lease).is_some() {
            self.remember(Event::Released { lease, outcome });
        }
    }

    fn forward<'a>(
        &'a self,
        _context: &'a Context,
        request: ForwardRequest,
    ) -> BoxFuture<'a, Result<ForwardResponse, Error>> {
        Box::pin(async move {
            let dialects: Vec<_> = request
                .variants
                .iter()
                .map(|variant| variant.dialect.clone())
                .collect();
            let (_, instance) = self.fitting(&request.requirement, &dialects)?;
            let dialect = dialects
                .into_iter()
                .find(|dialect| instance.dialects.contains(dialect));
            let handler = self
                .state()
                .forward
                .clone()
                .ok_or_else(|| unscripted("forwarded requests"))?;
            self.remember(Event::Forwarded(request.clone()));
            let answer = handler(&request)?;
            Ok(ForwardResponse {
                body: answer.body(),
                status: answer.status,
                headers: answer.headers,
                instance: instance.id,
                dialect: dialect.unwrap_or_default(),
                attempts: 1,
            })
        })
    }

    fn call<'a>(
        &'a self,
        _context: &'a Context,
        method: &'a str,
        params: Value,
    ) -> BoxFuture<'a, Result<Value, Error>> {
        Box::pin(async move {
            let handler = self
                .state()
                .calls
                .get(method)
                .cloned()
                .ok_or_else(|| unscripted(method))?;
            let answer = handler(&params);
            self.remember(Event::Called {
                method: method.to_owned(),
                params,
            });
            answer
        })
    }

    fn open<'a>(
        &'a self,
        _context: &'a Context,
        method: &'a str,
        params: Value,
    ) -> BoxFuture<'a, Result<ByteStream, Error>> {
        Box::pin(async move {
            let handler = self
                .state()
                .opens
                .get(method)
                .cloned()
                .ok_or_else(|| unscripted(method))?;
            let answer = handler(&params);
            self.remember(Event::Called {
                method: method.to_owned(),
                params,
            });
            answer.map(chunks)
        })
    }

    fn instances<'a>(&'a self, _context: &'a Context) -> BoxFuture<'a, Result<Vec<InstanceView>, Error>> {
        let view = |(hub, instance): &(String, ResourceInstance)| InstanceView {
            hub: hub.clone(),
            instance: instance.clone(),
            state: "healthy".to_owned(),
            routable: true,
            reason: None,
            in_flight: 0,
        };
        let views = self.state().instances.iter().map(view).collect();
        Box::pin(async move { Ok(views) })
    }

    fn control<'a>(
        &'a self,
        _context: &'a Context,
        control: Control,
    ) -> BoxFuture<'a, Result<ByteStream, Error>> {
        Box::pin(async move {
            let handler = self.state().verbs.get(&control.verb).cloned();
            let handler = handler.ok_or_else(|| unscripted(&control.verb))?;
            let answer = handler(&control);
            self.remember(Event::Controlled(control));
            answer.map(chunks)
        })
    }

    fn secret<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Secret, Error>> {
        let secret = self.state().secrets.get(name).map(Secret::new);
        Box::pin(
            async move { secret.ok_or_else(|| Error::not_found(format!("no secret is called `{name}`"))) },
        )
    }

    fn publish(&self, kind: &str, data: Value) {
        self.remember(Event::Published {
            kind: kind.to_owned(),
            data,
        });
    }

    fn bindings<'a>(&'a self, _context: &'a Context) -> BoxFuture<'a, Result<Vec<Binding>, Error>> {
        let bindings = self.state().bindings.clone();
        Box::pin(async move { Ok(bindings) })
    }

    fn warm(&self, requirement: &Requirement) {
        self.remember(Event::Warmed(requirement.clone()));
    }

    fn lost(&self, instance: &str, reason: &str) {
        self.remember(Event::Lost {
            instance: instance.to_owned(),
            reason: reason.to_owned(),
        });
    }
}

fn chunks(values: Vec<Value>) -> ByteStream {
    let chunks = values.into_iter().map(|value| Ok(value.to_string().into()));
    futures_util::stream::iter(chunks).boxed()
}

impl Log for TestHost {
    fn enabled(&self, _level: Level, _target: &str) -> bool {
        true
    }

    fn emit(&self, level: Level, target: &str, record: LogRecord) {
        self.remember(Event::Logged {
            level,
            target: target.to_owned(),
            record,
        });
    }
}
