//! What an operator sees and does, for the gateway.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use parking_lot::Mutex;
use plugin_api::Error;
use plugin_api::host::Control;
use prometheus_client::encoding::DescriptorEncoder;
use serde_json::{Value, json};

use super::backend::caller;
use crate::dispatch::{Dispatcher, Hints};
use crate::gateway::{Admin, Asker};
use crate::manager::methods::{METHODS, Method};
use crate::manager::{Viewer, Who};
use crate::pool::EventSink;

/// What an operator sees and does.
pub struct Operator {
    dispatcher: Dispatcher,
    /// Why requests cannot be answered yet.
    unready: Arc<Mutex<Vec<String>>>,
}

impl Operator {
    /// An operator of this dispatcher's fleet.
    pub fn new(dispatcher: Dispatcher, unready: Arc<Mutex<Vec<String>>>) -> Self {
        Self { dispatcher, unready }
    }
}

impl Admin for Operator {
    fn unready(&self) -> Vec<String> {
        let mut reasons = self.unready.lock().clone();
        let manager = self.dispatcher.manager();
        reasons.extend(manager.hubs().iter().filter_map(|hub| hub.driver.quarantine()));
        let providers = manager.providers();
        reasons.extend(
            providers
                .iter()
                .filter_map(|provider| provider.driver.quarantine()),
        );
        reasons
    }

    fn status(&self, asker: &Asker) -> Value {
        let mut status = self.dispatcher.manager().status(viewer(asker));
        status["unready"] = json!(self.unready());
        status
    }

    fn instances(&self, asker: &Asker) -> Value {
        self.dispatcher.manager().instances(viewer(asker))
    }

    fn methods(&self) -> Value {
        let own = METHODS.iter().map(Method::to_json);
        let provided = self.dispatcher.methods().into_iter().map(|method| json!(method));
        json!({
            "methods": provided.chain(own).collect::<Vec<_>>(),
            "routes": self.dispatcher.routes(),
            "verbs": self.dispatcher.manager().verbs(),
        })
    }

    fn plugins(&self) -> Value {
        self.dispatcher.manager().plugins()
    }

    fn drain(&self, hub: &str, instance: &str) -> Result<Value, Error> {
        self.dispatcher.manager().drain(named(hub), instance)?;
        Ok(json!({ "instance": instance, "draining": true }))
    }

    fn resume(&self, hub: &str, instance: &str) -> Result<Value, Error> {
        self.dispatcher.manager().resume(named(hub), instance)?;
        Ok(json!({ "instance": instance, "draining": false }))
    }

    fn reads_only(&self, hub: Option<&str>, verb: &str) -> bool {
        let hubs = self.dispatcher.manager().hubs();
        let mut found = hubs
            .iter()
            .filter(|entry| hub.is_none_or(|name| entry.name == name))
            .filter_map(|entry| entry.driver.manifest().verbs.get(verb));
        found.next().is_some_and(|verb| verb.read_only)
    }

    fn control(&self, control: Control, asker: Asker) -> BoxStream<'static, Result<Value, Error>> {
        let context = caller(asker, Hints::default()).context();
        match self.dispatcher.manager().control(None, context, control) {
            Ok(items) => items.map(Ok).boxed(),
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }

    fn manage(&self, verb: String, params: Bytes, asker: Asker) -> BoxFuture<'_, Result<Value, Error>> {
        Box::pin(async move {
            let who = Who {
                principal: asker.principal.clone(),
                admin: asker.admin,
                max_priority: asker.max_priority,
                context: caller(asker, Hints::default()).context(),
            };
            self.dispatcher.manager().manage(&verb, &params, &who).await
        })
    }

    fn events(&self) -> EventSink {
        self.dispatcher.manager().events().clone()
    }

    fn metrics(&self, encoder: &mut DescriptorEncoder<'_>) -> std::fmt::Result {
        self.dispatcher.manager().encode_metrics(encoder)
    }
}

fn viewer(asker: &Asker) -> Viewer<'_> {
    Viewer {
        principal: &asker.principal,
        admin: asker.admin,
    }
}

/// An empty name stands for whichever hub has the instance.
fn named(hub: &str) -> Option<&str> {
    (!hub.is_empty()).then_some(hub)
}
