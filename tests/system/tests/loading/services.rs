//! The host's services for plugins that ask for none.

use std::sync::Arc;

use plugin_api::contract::outcome::Outcome;
use plugin_api::contract::requirement::Requirement;
use plugin_api::host::{
    Binding, BoxFuture, Control, ForwardRequest, ForwardResponse, InstanceView, LeaseGrant, Secret, Services,
};
use plugin_api::{ByteStream, Context, Error};
use serde_json::Value;

/// Services that have nothing to offer.
pub(crate) struct Nothing;

/// Services that have nothing to offer.
pub(crate) fn nothing() -> Arc<dyn Services> {
    Arc::new(Nothing)
}

fn no<'a, T: Send + 'a>() -> BoxFuture<'a, Result<T, Error>> {
    Box::pin(async { Err(Error::unsupported("this service")) })
}

impl Services for Nothing {
    fn lease<'a>(
        &'a self,
        _context: &'a Context,
        _requirement: &'a Requirement,
    ) -> BoxFuture<'a, Result<LeaseGrant, Error>> {
        no()
    }

    fn release(&self, _lease: u64, _outcome: Outcome) {}

    fn forward<'a>(
        &'a self,
        _context: &'a Context,
        _request: ForwardRequest,
    ) -> BoxFuture<'a, Result<ForwardResponse, Error>> {
        no()
    }

    fn call<'a>(
        &'a self,
        _context: &'a Context,
        _method: &'a str,
        _params: Value,
    ) -> BoxFuture<'a, Result<Value, Error>> {
        no()
    }

    fn open<'a>(
        &'a self,
        _context: &'a Context,
        _method: &'a str,
        _params: Value,
    ) -> BoxFuture<'a, Result<ByteStream, Error>> {
        no()
    }

    fn instances<'a>(&'a self, _context: &'a Context) -> BoxFuture<'a, Result<Vec<InstanceView>, Error>> {
        no()
    }

    fn control<'a>(
        &'a self,
        _context: &'a Context,
        _control: Control,
    ) -> BoxFuture<'a, Result<ByteStream, Error>> {
        no()
    }

    fn secret<'a>(&'a self, _name: &'a str) -> BoxFuture<'a, Result<Secret, Error>> {
        no()
    }

    fn bindings<'a>(&'a self, _context: &'a Context) -> BoxFuture<'a, Result<Vec<Binding>, Error>> {
        no()
    }

    fn warm(&self, _requirement: &Requirement) {}

    fn lost(&self, _instance: &str, _reason: &str) {}

    fn publish(&self, _kind: &str, _data: Value) {}
}
