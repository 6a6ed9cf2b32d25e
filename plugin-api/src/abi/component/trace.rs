//! The tracing bridge: a plugin's events reach the host's log.
//!
//! A library carries its own copy of `tracing`, whose events nobody would see. So the first component that is built
//! installs a subscriber that forwards them, with their spans and the request that caused them, to the host of
//! whichever component they happened in. Levels that nobody wants are off at the call site.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU8, Ordering};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

use super::identity::Identity;
use crate::Error;
use crate::abi::wire::log::{LogRecord, level_number};

tokio::task_local! {
    /// The call that the present task answers.
    pub(crate) static CALL: CallInfo;
}

/// What the log wants to know of a call.
#[derive(Debug, Clone)]
pub(crate) struct CallInfo {
    pub(crate) request_id: String,
    pub(crate) traceparent: Option<String>,
}

/// The most detailed level that any component of this library was built with.
static HIGHEST: AtomicU8 = AtomicU8::new(0);

/// The number of a level's name; nothing is off.
pub(crate) fn level(name: Option<&str>) -> Result<u8, Error> {
    let Some(name) = name else { return Ok(0) };
    let filter: LevelFilter = name
        .parse()
        .map_err(|_| Error::invalid(format!("`{name}` is not a level of the log")))?;
    Ok(filter.into_level().map_or(0, |level| level_number(&level)))
}

/// Installs the bridge, once, and opens it as far as this component wants.
pub(crate) fn install(level: u8) {
    // Fails from the second component on.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Bridge));
    open_to(level);
}

/// Lets events up to this level pass, if fewer did before.
pub(crate) fn open_to(level: u8) {
    if HIGHEST.fetch_max(level, Ordering::Relaxed) < level {
        tracing::callsite::rebuild_interest_cache();
    }
}

/// Forwards events to the host of the component they happened in. Public so that tests can install it where the
/// library is not a plugin.
#[derive(Debug)]
pub struct Bridge;

impl Bridge {
    fn wants(metadata: &Metadata<'_>) -> bool {
        level_number(metadata.level()) <= HIGHEST.load(Ordering::Relaxed)
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Bridge {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if Self::wants(metadata) {
            Interest::sometimes()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _context: Context<'_, S>) -> bool {
        let level = level_number(metadata.level());
        Self::wants(metadata)
            && Identity::current(|identity| identity.enabled(level, metadata.target())).unwrap_or(false)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(match HIGHEST.load(Ordering::Relaxed) {
            0 => LevelFilter::OFF,
            1 => LevelFilter::ERROR,
            2 => LevelFilter::WARN,
            3 => LevelFilter::INFO,
            4 => LevelFilter::DEBUG,
            _ => LevelFilter::TRACE,
        })
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = SpanFields::default();
        attributes.record(&mut fields);
        fields.call = CALL.try_with(CallInfo::clone).ok();
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<SpanFields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        let mut fields = EventFields::default();
        event.record(&mut fields);
        let mut call = CALL.try_with(CallInfo::clone).ok();
        let mut spans = Vec::new();
        for span in context
            .event_scope(event)
            .into_iter()
            .flat_map(|scope| scope.from_root())
        {
            let extensions = span.extensions();
            let Some(fields) = extensions.get::<SpanFields>() else {
                continue;
            };
            // A task of the author's own has no call, but the span it carries remembers.
            call = call.or_else(|| fields.call.clone());
            spans.push(match fields.text.as_str() {
                "" => span.name().to_owned(),
                text => format!("{}{{{text}}}", span.name()),
            });
        }
        let (request_id, traceparent) =
            call.map_or((None, None), |call| (Some(call.request_id), call.traceparent));
        let record = LogRecord {
            message: fields.message,
            fields: fields.fields,
            spans,
            request_id,
            traceparent,
            location: metadata
                .file()
                .map(|file| format!("{file}:{}", metadata.line().unwrap_or(0))),
            panic: false,
        };
        let _ = Identity::current(|identity| {
            identity.emit(level_number(metadata.level()), metadata.target(), &record);
        });
    }
}

/// A span's fields, as text, and the call it was opened in.
#[derive(Default)]
struct SpanFields {
    text: String,
    call: Option<CallInfo>,
}

impl Visit for SpanFields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let gap = if self.text.is_empty() { "" } else { " " };
        // Writing to a string does not fail.
        let _ = write!(self.text, "{gap}{}={value:?}", field.name());
    }
}

/// An event's message and other fields, numbers as numbers.
#[derive(Default)]
struct EventFields {
    message: String,
    fields: Map<String, Value>,
}

impl EventFields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.fields.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for EventFields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.put(field, format!("{value:?}"));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.put(field, value);
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }
}
