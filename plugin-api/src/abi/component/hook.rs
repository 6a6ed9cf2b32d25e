//! The panic hook: what is known of a panic only while it happens, told to the host and to whoever catches it.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;
use std::sync::Once;
use std::sync::atomic::Ordering;

use super::identity::Identity;
use super::trace::CALL;
use crate::abi::shared::contain::{Panic, remember};
use crate::abi::wire::log::LogRecord;

/// The target of the events that tell of panics.
pub(crate) const TARGET: &str = "panic";
const ERROR: u8 = 1;

/// Puts the hook in front of the one there is. A library brings its own copy of the hook's place; where plugin code
/// is linked into a program, panics that are no component's go on to the program's own hook.
pub(crate) fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if Identity::current(|identity| report(identity, info)).is_none() {
                before(info);
            }
        }));
    });
}

fn report(identity: &Identity, info: &PanicHookInfo<'_>) {
    identity.panics.fetch_add(1, Ordering::Relaxed);
    let panic = Panic {
        message: said_by(info),
        location: info.location().map(ToString::to_string),
    };
    let mut record = LogRecord {
        message: panic.message.clone(),
        location: panic.location.clone(),
        panic: true,
        ..LogRecord::default()
    };
    let _ = CALL.try_with(|call| {
        record.request_id = Some(call.request_id.clone());
        record.traceparent.clone_from(&call.traceparent);
    });
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        record
            .fields
            .insert("backtrace".into(), backtrace.to_string().into());
    }
    identity.emit(ERROR, TARGET, &record);
    remember(panic);
}

fn said_by(info: &PanicHookInfo<'_>) -> String {
    info.payload_as_str()
        .map_or_else(|| "a payload that is not text".to_owned(), str::to_owned)
}
