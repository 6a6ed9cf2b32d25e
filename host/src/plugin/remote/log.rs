//! A component's events in the host's own log.

use plugin_api::abi::client::Log;
use plugin_api::abi::wire::log::LogRecord;
use tracing::Level;

/// The target under which they appear, whatever target they had in the plugin: `RUST_LOG=plugin=debug` is about plugins.
/// Theirs is the field `source`.
macro_rules! target {
    () => {
        "plugin"
    };
}

/// Where one component's events go.
#[derive(Debug)]
pub(super) struct HostLog {
    plugin: String,
    component: String,
}

impl HostLog {
    pub(super) fn new(plugin: String, component: String) -> Self {
        Self { plugin, component }
    }
}

impl Log for HostLog {
    fn enabled(&self, level: Level, _target: &str) -> bool {
        match level {
            Level::ERROR => tracing::enabled!(target: target!(), Level::ERROR),
            Level::WARN => tracing::enabled!(target: target!(), Level::WARN),
            Level::INFO => tracing::enabled!(target: target!(), Level::INFO),
            Level::DEBUG => tracing::enabled!(target: target!(), Level::DEBUG),
            Level::TRACE => tracing::enabled!(target: target!(), Level::TRACE),
        }
    }

    fn emit(&self, level: Level, target: &str, record: LogRecord) {
        let fields =
            (!record.fields.is_empty()).then(|| serde_json::Value::Object(record.fields).to_string());
        let spans = (!record.spans.is_empty()).then(|| record.spans.join(":"));
        macro_rules! emit {
            ($level:expr) => {
                tracing::event!(
                    target: target!(),
                    $level,
                    plugin = self.plugin,
                    component = self.component,
                    source = target,
                    request_id = record.request_id,
                    traceparent = record.traceparent,
                    spans,
                    fields,
                    location = record.location,
                    "{}",
                    record.message
                )
            };
        }
        match level {
            Level::ERROR => emit!(Level::ERROR),
            Level::WARN => emit!(Level::WARN),
            Level::INFO => emit!(Level::INFO),
            Level::DEBUG => emit!(Level::DEBUG),
            Level::TRACE => emit!(Level::TRACE),
        }
    }
}
