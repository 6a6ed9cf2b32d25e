//! A plugin that leaves a trace as soon as its library is opened, before anybody has asked it anything: a file
//! beside the library, `….so.opened`. A refused one must leave none.

use std::sync::Arc;

use plugin_api::contract::instance::InstanceSettings;
use plugin_api::contract::probe::Probe;
use plugin_api::{Context, Error, Host, Hub, ResourceInstance};

const MANIFEST: &str = r#"
id = "zoo-constructor"
version = "0.1.0"
[hub]
provides = "nothing"
"#;

/// A hub that does nothing; its library does.
pub struct Nothing;

/// It takes no settings.
#[derive(serde::Deserialize)]
pub struct Config {}

impl Hub for Nothing {
    type Config = Config;
    type Error = Error;

    fn new(_config: Config, _host: Host) -> Result<Self, Error> {
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

extern "C" fn leave_a_trace() {
    if let Some(library) = own_path() {
        let _ = std::fs::write(format!("{library}.opened"), "opened");
    }
}

/// The file that this code was mapped from, by the address of this code.
fn own_path() -> Option<String> {
    let here = leave_a_trace as *const () as usize;
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    maps.lines().find_map(|line| {
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let start = usize::from_str_radix(start, 16).ok()?;
        let end = usize::from_str_radix(end, 16).ok()?;
        let path = rest.split_whitespace().nth(4)?;
        (start..end).contains(&here).then(|| path.to_owned())
    })
}

#[used]
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: extern "C" fn() = leave_a_trace;

plugin_api::export_plugin! { manifest_text: MANIFEST, hub: Nothing }
