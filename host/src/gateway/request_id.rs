//! Request ids: what ties the log lines, headers and upstream requests of one request together.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header in which an id comes and goes.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longer ones are replaced: they end up in every log line.
const LONGEST: usize = 128;

/// The client's id if it is sane, else a new one of 16 hexadecimal digits.
pub(super) fn of(headers: &HeaderMap) -> (String, HeaderValue) {
    match headers.get(&REQUEST_ID) {
        Some(value) if is_sane(value.as_bytes()) => (
            String::from_utf8_lossy(value.as_bytes()).into_owned(),
            value.clone(),
        ),
        _ => {
            let id = hexadecimal(fastrand::u64(..));
            // Hexadecimal digits are always a valid header value.
            let value = HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("none"));
            (id, value)
        }
    }
}

/// Sixteen digits; the formatting machinery would take several times as long, for every request.
fn hexadecimal(number: u64) -> String {
    let digit = |place: u32| char::from(b"0123456789abcdef"[(number >> (4 * place) & 0xf) as usize]);
    (0..16).rev().map(digit).collect()
}

/// No spaces, quotes or control characters: nothing that could forge a log line or a header.
fn is_sane(id: &[u8]) -> bool {
    (1..=LONGEST).contains(&id.len())
        && id
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/+=@".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_sixteen_digits() {
        for number in [0, 0xf, 0x0123_4567_89ab_cdef, u64::MAX] {
            assert_eq!(hexadecimal(number), format!("{number:016x}"));
        }
    }

    const LONG: &[u8] = &[b'x'; LONGEST + 1];

    fn asked_with(id: &'static [u8]) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, HeaderValue::from_bytes(id).unwrap());
        of(&headers).0
    }

    #[test]
    fn a_sane_id_is_kept() {
        assert_eq!(asked_with(b"req_01:abc-DEF/7"), "req_01:abc-DEF/7");
    }

    #[test]
    fn an_id_that_could_forge_a_log_line_is_replaced() {
        for id in [b"a b".as_slice(), b"", b"a\"b", b"\xff", LONG] {
            let given = asked_with(id);
            assert_eq!(given.len(), 16, "{given}");
            assert!(given.bytes().all(|byte| byte.is_ascii_hexdigit()));
        }
    }

    #[test]
    fn new_ids_differ() {
        assert_ne!(of(&HeaderMap::new()).0, of(&HeaderMap::new()).0);
    }
}
