//! Headers that go with a failure in every dialect.

use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue};
use plugin_api::{Error, ErrorCode};

/// Says in headers when to come back and how to be let in. Doing it twice changes nothing.
pub fn explain(error: &Error, headers: &mut HeaderMap) {
    if let Some(wait) = error.retry_after() {
        // Whole seconds, rounded up, because coming back a moment too early would be refused again; and never zero,
        // because a client told to come back in none would not wait at all.
        let seconds = wait.as_millis().div_ceil(1000).clamp(1, u128::from(u64::MAX)) as u64;
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if error.code == ErrorCode::UNAUTHENTICATED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use plugin_api::{Fault, Retry};

    use super::*;

    fn seconds(wait: Duration) -> String {
        let error = Error::new(ErrorCode::OVERLOADED, Fault::Host, "full").retry(Retry::After(wait));
        let mut headers = HeaderMap::new();
        explain(&error, &mut headers);
        headers[RETRY_AFTER].to_str().unwrap().to_owned()
    }

    #[test]
    fn a_wait_is_rounded_up_and_never_none() {
        for (millis, expected) in [(0, "1"), (1, "1"), (1000, "1"), (1001, "2"), (59_500, "60")] {
            assert_eq!(seconds(Duration::from_millis(millis)), expected, "{millis} ms");
        }
        assert_eq!(seconds(Duration::MAX), u64::MAX.to_string());
    }
}
