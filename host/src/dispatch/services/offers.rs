//! The services themselves, as a plugin asks for them.

use bytes::Bytes;
use futures_util::StreamExt;
use plugin_api::contract::outcome::Outcome;
use plugin_api::contract::requirement::Requirement;
use plugin_api::host::{
    Binding, BoxFuture, Control, ForwardRequest, ForwardResponse, InstanceView, LeaseGrant, Secret, Services,
};
use plugin_api::{ByteStream, Context, Error};
use serde_json::Value;

use super::{ComponentServices, Scope};
use crate::dispatch::call::parsed;
use crate::pool::Pool;

impl Services for ComponentServices {
    fn lease<'a>(
        &'a self,
        context: &'a Context,
        requirement: &'a Requirement,
    ) -> BoxFuture<'a, Result<LeaseGrant, Error>> {
        Box::pin(self.take_lease(context, requirement))
    }

    fn release(&self, lease: u64, outcome: Outcome) {
        self.end_lease(lease, outcome);
    }

    fn forward<'a>(
        &'a self,
        context: &'a Context,
        request: ForwardRequest,
    ) -> BoxFuture<'a, Result<ForwardResponse, Error>> {
        Box::pin(self.pass_on(context, request))
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
        Box::pin(self.bound_to())
    }

    fn warm(&self, requirement: &Requirement) {
        self.wish(requirement);
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
