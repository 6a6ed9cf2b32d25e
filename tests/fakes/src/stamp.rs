//! Timestamps in the two forms that Ollama prints: UTC, and local with an offset.

use std::time::{Duration, SystemTime};

/// The offset that every "local" stamp carries.
///
/// Not zero on purpose: a reader that only understands `Z` would pass on a build machine in UTC and fail at a user's.
const OFFSET: Duration = Duration::from_secs(2 * 60 * 60);

/// `2026-01-02T03:04:05.000000006Z`, as in `created_at`.
pub(crate) fn utc(at: SystemTime) -> String {
    humantime::format_rfc3339_nanos(at).to_string()
}

/// `2026-01-02T05:04:05.000000006+02:00`, as in `modified_at` and `expires_at`.
pub(crate) fn local(at: SystemTime) -> String {
    utc(at + OFFSET).replace('Z', "+02:00")
}

/// Whole seconds since 1970, as in the OpenAI dialect's `created`.
pub(crate) fn unix(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// A duration as the nanoseconds that Ollama reports.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
