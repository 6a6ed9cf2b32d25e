//! What the host in miniature answers a plugin.

use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::Value;
use tracing::Level;

use super::{Event, Handler, TestHost};
use crate::abi::client::Log;
use crate::abi::wire::log::LogRecord;
use crate::contract::outcome::Outcome;
use crate::contract::reference::normalise;
use crate::contract::requirement::Requirement;
use crate::host::{
    Binding, BoxFuture, Control, ForwardRequest, ForwardResponse, InstanceView, LeaseGrant, Secret, Services,
};
use crate::{ByteStream, Context, Error, ErrorCode, Fault, ResourceInstance};

impl TestHost {
    /// What the script answers to a method of another provider, if it has a word on it.
    fn called<T>(&self, handler: Option<Handler<Value, T>>, method: &str, params: Value) -> Result<T, Error> {
        let answer = handler.ok_or_else(|| unscripted(method))?(&params);
        self.remember(Event::Called {
            method: method.to_owned(),
            params,
        });
        answer
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
            let handler = self.state().calls.get(method).cloned();
            self.called(handler, method, params)
        })
    }

    fn open<'a>(
        &'a self,
        _context: &'a Context,
        method: &'a str,
        params: Value,
    ) -> BoxFuture<'a, Result<ByteStream, Error>> {
        Box::pin(async move {
            let handler = self.state().opens.get(method).cloned();
            self.called(handler, method, params).map(chunks)
        })
    }

    fn instances<'a>(&'a self, _context: &'a Context) -> BoxFuture<'a, Result<Vec<InstanceView>, Error>> {
        let state = self.state();
        let view = |(hub, instance): &(String, ResourceInstance)| {
            let failed = state.failed.get(&instance.id);
            InstanceView {
                hub: hub.clone(),
                instance: instance.clone(),
                state: if failed.is_some() { "failed" } else { "healthy" }.to_owned(),
                routable: failed.is_none(),
                reason: failed.cloned(),
                in_flight: 0,
            }
        };
        let views = state.instances.iter().map(view).collect();
        drop(state);
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
