//! Words for clients whose request could not even be parsed.
//!
//! hyper answers such heads by itself, with a status and no body, and offers no hook. Its answer is recognised
//! on its way out and given one, so that these failures read like all others.

use serde_json::json;

/// Our answer in place of hyper's, or `None` where the bytes are not hyper's own refusal.
///
/// Every answer of ours carries `x-request-id`; hyper's own carries none, is empty, and closes.
pub(super) fn explain(answer: &[u8]) -> Option<Vec<u8>> {
    // Nearly every write is an answer of ours: decided by its first bytes.
    let rest = answer.strip_prefix(b"HTTP/1.1 4")?;
    let text = str::from_utf8(answer).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let names = |header: &str| {
        head.split("\r\n")
            .skip(1)
            .any(|line| line.eq_ignore_ascii_case(header))
    };
    let named = head.to_ascii_lowercase().contains("x-request-id:");
    if !body.is_empty() || named || !names("content-length: 0") || !names("connection: close") {
        return None;
    }
    let (code, name, message) = match rest.get(..2)? {
        b"14" => (-31008, "TOO_LARGE", "the request's target is too long"),
        b"31" => (
            -31008,
            "TOO_LARGE",
            "the request's head is too large: too many header fields, too many bytes, or a length beyond all reason",
        ),
        _ => (
            -32600,
            "INVALID_REQUEST",
            "this is not an HTTP/1.1 request, or its head is malformed",
        ),
    };
    let status = head.split("\r\n").next()?;
    Some(render(status, code, name, message))
}

/// What a client hears that did not finish its head in time.
pub(super) fn too_slow() -> Vec<u8> {
    render(
        "HTTP/1.1 408 Request Timeout",
        -31009,
        "CLIENT_TIMEOUT",
        "the request's head did not arrive in time",
    )
}

/// What a client hears when there are too many connections.
pub(super) fn too_many() -> Vec<u8> {
    render(
        "HTTP/1.1 503 Service Unavailable\r\nretry-after: 1",
        -31004,
        "RESOURCE_EXHAUSTED",
        "this host has as many connections as it may have",
    )
}

fn render(status: &str, code: i32, name: &str, message: &str) -> Vec<u8> {
    let body = json!({ "error": { "code": code, "name": name, "message": message } }).to_string();
    let length = body.len();
    format!(
        "{status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(answer: &str) -> Option<String> {
        explain(answer.as_bytes()).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn the_parsers_empty_refusal_gets_words() {
        let answer = "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\ndate: x\r\n\r\n";
        let better = explained(answer).unwrap();
        assert!(
            better.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"),
            "{better}"
        );
        assert!(better.contains("too many header fields"), "{better}");
    }

    #[test]
    fn answers_of_our_own_are_left_alone() {
        for answer in [
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\nx-request-id: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 2\r\n\r\nno",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 4",
            "",
        ] {
            assert_eq!(explained(answer), None, "{answer:?}");
        }
    }
}
