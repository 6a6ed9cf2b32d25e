//! What a plugin's handle to the host leads to.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use bytes::Bytes;
use futures_util::StreamExt;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use plugin_api::contract::outcome::Outcome;
use plugin_api::contract::requirement::Requirement;
use plugin_api::host::{
    Binding, BoxFuture, Control, ForwardRequest, ForwardResponse, InstanceView, LeaseGrant, Secret, Services,
    Variant,
};
use plugin_api::{ByteStream, Context, Error, ErrorCode, Fault};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use super::call::parsed;
use super::forward::{self, AnswerBody, Job, Outgoing};
use super::relay::{Judge, RelayEnd};
use super::{Dispatcher, Table};
use crate::manager::{Asking, Manager, ProviderEntry};
use crate::pool::{Asker, KeptWarm, Lease, Pool, Tried};

/// A component may ask for so many kinds of resources to be kept warm while it is built.
const MOST_EARLY: usize = 256;

/// And so many at once afterwards; the oldest wish gives way.
const MOST_KEPT: usize = 64;

/// Which component asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// The hub of this name: it sees its own instances.
    Hub(String),
    /// The provider of this name: it sees the hubs it is bound to.
    Provider(String),
}

/// The parts of a dispatcher, held so that it may end.
type Way = (
    Weak<arc_swap::ArcSwap<Table>>,
    Weak<Manager>,
    super::upstream::Upstream,
    super::callers::Callers,
);

/// What one component's handle to the host leads to. Built before the component is, and bound to the dispatcher
/// once there is one: until then every service answers `NOT_INITIALIZED`.
pub struct ComponentServices {
    scope: Scope,
    /// Weak, because the dispatcher holds the drivers that hold this.
    dispatcher: OnceLock<Way>,
    /// Leases held by the component. Never locked across an await.
    leases: Mutex<HashMap<u64, Lease>>,
    next_lease: AtomicU64,
    life: watch::Sender<Life>,
    /// What the component wants kept warm, until it is in service and its hubs are known.
    early: Mutex<Vec<Requirement>>,
    /// What is kept warm for it, the oldest wish first.
    kept: Mutex<VecDeque<KeptWarm>>,
}

/// How far a component is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Starting,
    Serving,
    Retired,
}

impl ComponentServices {
    /// Services for a component.
    pub fn new(scope: Scope) -> Arc<Self> {
        Arc::new(Self {
            scope,
            dispatcher: OnceLock::new(),
            leases: Mutex::default(),
            next_lease: AtomicU64::new(1),
            life: watch::Sender::new(Life::Starting),
            early: Mutex::default(),
            kept: Mutex::default(),
        })
    }

    /// From now on the services are there. Later calls change nothing.
    pub fn bind(&self, dispatcher: &Dispatcher) {
        let _ = self.dispatcher.set((
            Arc::downgrade(&dispatcher.table),
            Arc::downgrade(&dispatcher.manager),
            dispatcher.upstream.clone(),
            dispatcher.callers.clone(),
        ));
    }

    /// The component is one of the manager's now: what it has asked for while it was built, and could not have yet, is
    /// done. To be called once it has been added.
    pub fn in_service(&self) {
        let early = {
            let mut early = self.early.lock();
            self.life.send_if_modified(|life| {
                let news = *life == Life::Starting;
                if news {
                    *life = Life::Serving;
                }
                news
            });
            std::mem::take(&mut *early)
        };
        for requirement in early {
            self.keep_warm(&requirement);
        }
    }

    /// Releases whatever the component still holds and has kept warm; called when it is retired.
    pub fn release_all(&self) {
        self.life.send_replace(Life::Retired);
        // Dropped outside the lock: a release may wake others that ask us in turn.
        let held = std::mem::take(&mut *self.leases.lock());
        drop(held);
        let kept = std::mem::take(&mut *self.kept.lock());
        drop(kept);
    }

    fn dispatcher(&self) -> Result<Dispatcher, Error> {
        let (table, manager, upstream, callers) = self.dispatcher.get().ok_or_else(|| {
            Error::new(
                ErrorCode::NOT_INITIALIZED,
                Fault::Host,
                "the host is still starting",
            )
            .retry(plugin_api::Retry::Now)
        })?;
        match (table.upgrade(), manager.upgrade()) {
            (Some(table), Some(manager)) => Ok(Dispatcher {
                table,
                manager,
                upstream: upstream.clone(),
                callers: callers.clone(),
            }),
            _ => Err(Error::new(ErrorCode::GONE, Fault::Host, "the host has stopped")),
        }
    }

    fn pools(&self, manager: &Manager) -> Vec<Pool> {
        match &self.scope {
            Scope::Hub(name) => manager.pools(std::slice::from_ref(name)),
            Scope::Provider(_) => self
                .provider(manager)
                .map(|entry| entry.hubs.clone())
                .unwrap_or_default(),
        }
    }

    /// The pools that may serve a request.
    fn pools_for(&self, manager: &Manager, requirement: &Requirement) -> Result<Vec<Pool>, Error> {
        match self.provider(manager) {
            Some(entry) => entry.pools(requirement.role.as_deref()).map(<[Pool]>::to_vec),
            None => Ok(self.pools(manager)),
        }
    }

    fn provider(&self, manager: &Manager) -> Option<Arc<ProviderEntry>> {
        let Scope::Provider(name) = &self.scope else {
            return None;
        };
        manager
            .providers()
            .iter()
            .find(|provider| provider.name == *name)
            .cloned()
    }

    fn keep_warm(&self, requirement: &Requirement) {
        let kept = self.dispatcher().and_then(|dispatcher| {
            let pools = self.pools_for(&dispatcher.manager, requirement)?;
            // The first that starts resources is where a lease would look as well.
            match pools.iter().find(|pool| pool.warm_status().is_some()) {
                Some(pool) => pool.warm(requirement),
                None => Err(Error::plugin("none of its hubs starts resources")),
            }
        });
        match kept {
            Ok(new) => {
                let oldest = {
                    let mut kept = self.kept.lock();
                    let serving = *self.life.borrow() == Life::Serving;
                    if !serving || kept.iter().any(|known| known.same(&new)) {
                        return;
                    }
                    kept.push_back(new);
                    (kept.len() > MOST_KEPT).then(|| kept.pop_front()).flatten()
                };
                if oldest.is_some() {
                    tracing::warn!(
                        scope = ?self.scope,
                        "more than {MOST_KEPT} kinds of resources are to be kept warm: the oldest is no longer"
                    );
                }
            }
            Err(error) => tracing::warn!(scope = ?self.scope, %error, "nothing is kept warm"),
        }
    }

    fn judge(&self, manager: &Manager, relay: Option<&String>) -> Result<Option<Judge>, Error> {
        let (Some(relay), Scope::Provider(_)) = (relay, &self.scope) else {
            return Ok(None);
        };
        let entry = self.provider(manager);
        match entry.as_ref().and_then(|provider| provider.relays.get(relay)) {
            Some(relay) => Ok(Some(Judge::new(relay.clone()))),
            None => Err(Error::plugin(format!("the manifest has no relay `{relay}`"))),
        }
    }
}

impl Services for ComponentServices {
    fn lease<'a>(
        &'a self,
        context: &'a Context,
        requirement: &'a Requirement,
    ) -> BoxFuture<'a, Result<LeaseGrant, Error>> {
        Box::pin(async move {
            let dispatcher = self.dispatcher()?;
            let pools = self.pools_for(&dispatcher.manager, requirement)?;
            let mut wanted = requirement.clone();
            dispatcher.callers.behind(context).shape(&mut wanted)?;
            let requirement = &wanted;
            let asking = Asking {
                requirement,
                asker: Asker {
                    principal: &context.principal,
                },
                tried: &Tried::default(),
                deadline: context.remaining().map(|left| Instant::now() + left),
            };
            let held = asking.from(&pools).await?;
            if held.lease.preparation().is_some() {
                held.pool
                    .prepare(&held.lease, requirement, context.clone())
                    .await?;
            }
            let lease = self.next_lease.fetch_add(1, Ordering::Relaxed);
            let grant = LeaseGrant {
                lease,
                hub: held.pool.name().to_owned(),
                instance: held.lease.instance().as_ref().clone(),
                queued: held.lease.queued(),
                uses: held.lease.uses(),
            };
            self.leases.lock().insert(lease, held.lease);
            Ok(grant)
        })
    }

    fn release(&self, lease: u64, outcome: Outcome) {
        let held = self.leases.lock().remove(&lease);
        if let Some(lease) = held {
            lease.finish(outcome);
        }
    }

    fn forward<'a>(
        &'a self,
        context: &'a Context,
        request: ForwardRequest,
    ) -> BoxFuture<'a, Result<ForwardResponse, Error>> {
        Box::pin(async move {
            let dispatcher = self.dispatcher()?;
            let pools = self.pools_for(&dispatcher.manager, &request.requirement)?;
            let caller = dispatcher.callers.behind(context);
            let outgoing = request
                .variants
                .into_iter()
                .map(|variant| {
                    let judge = self.judge(
                        &dispatcher.manager,
                        variant.relay.as_ref().or(request.relay.as_ref()),
                    )?;
                    outgoing(variant, judge)
                })
                .collect::<Result<Vec<_>, Error>>()?;
            let job = Job {
                caller: &caller,
                pools: &pools,
                requirement: request.requirement,
                outgoing,
            };
            let end = |lease| -> Box<dyn RelayEnd> { Box::new(PluginEnd { lease: Some(lease) }) };
            let answer = forward::forward(&dispatcher.upstream, job, &end).await?;
            let headers = answer
                .headers
                .iter()
                .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
                .collect();
            Ok(ForwardResponse {
                status: answer.status.as_u16(),
                headers,
                instance: answer.instance.id.clone(),
                dialect: answer.dialect.unwrap_or_default(),
                attempts: answer.attempts,
                body: body(answer.body),
            })
        })
    }

    fn call<'a>(
        &'a self,
        context: &'a Context,
        method: &'a str,
        params: Value,
    ) -> BoxFuture<'a, Result<Value, Error>> {
        Box::pin(async move {
            let params = Bytes::from(params.to_string());
            let dispatcher = self.dispatcher()?;
            let caller = dispatcher.callers.behind(context);
            parsed(&dispatcher.call(method, params, caller).await?)
        })
    }

    fn open<'a>(
        &'a self,
        context: &'a Context,
        method: &'a str,
        params: Value,
    ) -> BoxFuture<'a, Result<ByteStream, Error>> {
        Box::pin(async move {
            let params = Bytes::from(params.to_string());
            let dispatcher = self.dispatcher()?;
            let caller = dispatcher.callers.behind(context);
            let items = dispatcher.open(method, params, caller).await?;
            Ok(items
                .map(|item| item.map(|value| Bytes::from(value.to_string())))
                .boxed())
        })
    }

    fn instances<'a>(&'a self, _context: &'a Context) -> BoxFuture<'a, Result<Vec<InstanceView>, Error>> {
        Box::pin(async move {
            let dispatcher = self.dispatcher()?;
            Ok(self
                .pools(&dispatcher.manager)
                .iter()
                .flat_map(Pool::view)
                .collect())
        })
    }

    fn control<'a>(
        &'a self,
        context: &'a Context,
        control: Control,
    ) -> BoxFuture<'a, Result<ByteStream, Error>> {
        Box::pin(async move {
            let dispatcher = self.dispatcher()?;
            let names: Vec<_> = self
                .pools(&dispatcher.manager)
                .iter()
                .map(|pool| pool.name().to_owned())
                .collect();
            let items = dispatcher
                .manager
                .control(Some(&names), context.clone(), control)?;
            Ok(items.map(|item| Ok(Bytes::from(item.to_string()))).boxed())
        })
    }

    fn secret<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Secret, Error>> {
        Box::pin(async move { self.dispatcher()?.manager.secrets().get(name) })
    }

    fn bindings<'a>(&'a self, _context: &'a Context) -> BoxFuture<'a, Result<Vec<Binding>, Error>> {
        Box::pin(async move {
            let mut life = self.life.subscribe();
            // The sender is our own, so it cannot be gone.
            if let Ok(life) = life.wait_for(|life| *life != Life::Starting).await
                && *life == Life::Retired
            {
                return Err(Error::new(
                    ErrorCode::GONE,
                    Fault::Host,
                    "the component has been retired",
                ));
            }
            let dispatcher = self.dispatcher()?;
            let entry = self.provider(&dispatcher.manager);
            let binding = |pool: &Pool| Binding {
                hub: pool.name().to_owned(),
                provides: pool.provides().to_owned(),
                roles: entry
                    .iter()
                    .flat_map(|entry| &entry.roles)
                    .filter(|(_, hub)| *hub == pool.name())
                    .map(|(role, _)| role.clone())
                    .collect(),
            };
            Ok(self.pools(&dispatcher.manager).iter().map(binding).collect())
        })
    }

    fn warm(&self, requirement: &Requirement) {
        {
            let mut early = self.early.lock();
            if *self.life.borrow() == Life::Starting {
                if early.len() < MOST_EARLY {
                    early.push(requirement.clone());
                }
                return;
            }
        }
        self.keep_warm(requirement);
    }

    fn lost(&self, instance: &str, reason: &str) {
        if let (Ok(dispatcher), Scope::Hub(_)) = (self.dispatcher(), &self.scope) {
            for pool in self.pools(&dispatcher.manager) {
                pool.lost(instance, reason);
            }
        }
    }

    fn publish(&self, kind: &str, data: Value) {
        if let Ok(dispatcher) = self.dispatcher() {
            let (Scope::Hub(name) | Scope::Provider(name)) = &self.scope;
            // Kinds of events are the host's to coin, so a plugin's own word stands beside the data.
            let data = serde_json::json!({ "kind": kind, "data": data });
            dispatcher
                .manager
                .events()
                .emit(crate::pool::events::kind::PLUGIN, name, None, data);
        }
    }
}

/// The end of a stream that goes to a plugin: failures are values.
struct PluginEnd {
    lease: Option<Lease>,
}

impl RelayEnd for PluginEnd {
    fn ended(&mut self, outcome: Outcome) {
        if let Some(lease) = self.lease.take() {
            lease.finish(outcome);
        }
    }

    fn render(&self, error: Error) -> Result<Bytes, Error> {
        Err(error)
    }
}

fn outgoing(variant: Variant, judge: Option<Judge>) -> Result<Outgoing, Error> {
    let bad = |what: &str| Error::plugin(format!("the provider forwards a request with a bad {what}"));
    let mut headers = HeaderMap::new();
    for (name, value) in variant.headers {
        let name = HeaderName::try_from(name).map_err(|_| bad("header name"))?;
        headers.append(
            name,
            HeaderValue::try_from(value).map_err(|_| bad("header value"))?,
        );
    }
    Ok(Outgoing {
        dialect: Some(variant.dialect).filter(|dialect| !dialect.is_empty()),
        method: Method::from_bytes(variant.method.as_bytes()).map_err(|_| bad("method"))?,
        path: variant.path.parse::<PathAndQuery>().map_err(|_| bad("path"))?,
        headers,
        body: variant.body,
        judge,
        rename: None,
    })
}

fn body(body: AnswerBody) -> ByteStream {
    match body {
        AnswerBody::Whole(bytes) => futures_util::stream::iter([Ok(bytes)]).boxed(),
        AnswerBody::Stream(relay) => relay.into_data_stream().boxed(),
    }
}

#[cfg(test)]
mod tests;
