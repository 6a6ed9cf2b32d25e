//! The context of a call on the wire.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::{from_json, to_json};
use crate::{Context, Error};

#[derive(Serialize, Deserialize)]
struct Wire {
    request_id: String,
    /// Milliseconds since 1970: both sides read the same clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deadline: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
    #[serde(default)]
    principal: String,
}

/// The context as bytes; cancellation travels by itself.
///
/// # Errors
/// None that can be provoked: it is all text.
pub fn encode(context: &Context) -> Result<Vec<u8>, Error> {
    let since_1970 = |deadline: SystemTime| {
        let passed = deadline.duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(passed.as_millis()).unwrap_or(u64::MAX)
    };
    let wire = Wire {
        request_id: context.request_id.clone(),
        deadline: context.deadline.map(since_1970),
        traceparent: context.traceparent.clone(),
        principal: context.principal.clone(),
    };
    to_json("a context", &wire)
}

/// The context from bytes, cancelled by this token.
///
/// # Errors
/// It is not a context.
pub fn decode(bytes: &[u8], cancellation: CancellationToken) -> Result<Context, Error> {
    let wire: Wire = from_json("a context", bytes)?;
    Ok(Context {
        request_id: wire.request_id,
        // A deadline beyond what the clock can express is none.
        deadline: wire
            .deadline
            .and_then(|millis| UNIX_EPOCH.checked_add(Duration::from_millis(millis))),
        traceparent: wire.traceparent,
        principal: wire.principal,
        cancellation,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio_util::sync::CancellationToken;

    use super::{decode, encode};
    use crate::Context;

    #[test]
    fn a_context_arrives_as_it_was_to_the_millisecond() {
        let mut context = Context::background("req-1").within(Duration::from_secs(5));
        context.traceparent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into());
        context.principal = "alice".into();
        let back = decode(&encode(&context).unwrap(), CancellationToken::new()).unwrap();
        assert_eq!(back.request_id, "req-1");
        assert_eq!(back.traceparent, context.traceparent);
        assert_eq!(back.principal, "alice");
        let lost = context
            .deadline
            .unwrap()
            .duration_since(back.deadline.unwrap())
            .unwrap();
        assert!(lost < Duration::from_millis(1), "{lost:?}");
    }

    #[test]
    fn what_a_newer_peer_adds_is_ignored() {
        let bytes = br#"{"request_id":"a","principal":"p","tenant":"t"}"#;
        assert_eq!(decode(bytes, CancellationToken::new()).unwrap().request_id, "a");
    }

    #[test]
    fn a_deadline_in_the_far_future_is_no_trouble() {
        let bytes = format!(r#"{{"request_id":"a","deadline":{}}}"#, u64::MAX);
        decode(bytes.as_bytes(), CancellationToken::new()).unwrap();
    }
}
