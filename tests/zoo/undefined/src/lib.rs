//! A plugin that calls a function which nobody defines. Opened lazily it would end the host at the first call.

use std::sync::Arc;

use plugin_api::contract::instance::InstanceSettings;
use plugin_api::contract::probe::Probe;
use plugin_api::{Context, Error, Host, Hub, ResourceInstance};

const MANIFEST: &str = r#"
id = "zoo-undefined"
version = "0.1.0"
[hub]
provides = "nothing"
"#;

unsafe extern "C" {
    fn gleitzeit_zoo_nobody_defines_this();
}

// Whatever the optimiser thinks of the call below.
#[used]
static REFERENCE: unsafe extern "C" fn() = gleitzeit_zoo_nobody_defines_this;

/// A hub that cannot be loaded.
pub struct Undefined;

/// It takes no settings.
#[derive(serde::Deserialize)]
pub struct Config {}

impl Hub for Undefined {
    type Config = Config;
    type Error = Error;

    fn new(_config: Config, _host: Host) -> Result<Self, Error> {
        // SAFETY: never reached: the library cannot be opened.
        unsafe { gleitzeit_zoo_nobody_defines_this() };
        Ok(Self)
    }

    fn adopt(&self, settings: InstanceSettings) -> Result<ResourceInstance, Error> {
        ResourceInstance::from_settings(&settings)
    }

    async fn probe(
        self: Arc<Self>,
        _context: Context,
        _instance: Arc<ResourceInstance>,
    ) -> Result<Probe, Error> {
        Ok(Probe::default())
    }
}

plugin_api::export_plugin! { manifest_text: MANIFEST, hub: Undefined }
