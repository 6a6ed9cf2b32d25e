//! What the tests of the whole system share: plugins to load, hosts to run, fakes to talk to.

pub mod gate;
pub mod host;
pub mod plugins;
pub mod proxy;
