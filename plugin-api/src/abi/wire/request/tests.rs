use minicbor::encode::Encoder;
use proptest::prelude::*;

use super::{Headers, INLINE, decode, encode};
use crate::provider::{Entry, Request};

fn there_and_back(request: &Request<'_>) -> Result<(), TestCaseError> {
    let mut head = Vec::new();
    encode(request, &mut head);
    let mut headers = Headers::default();
    let back = decode(&head, request.body, &mut headers).unwrap();
    prop_assert_eq!(back.entry, request.entry);
    prop_assert_eq!(back.headers, request.headers);
    prop_assert_eq!(back.body, request.body);
    Ok(())
}

proptest! {
    #[test]
    fn a_method_arrives_as_it_was(name in ".{0,20}", stream: bool, body: Vec<u8>) {
        there_and_back(&Request {
            entry: Entry::Method { name: &name, stream },
            headers: &[],
            body: &body,
        })?;
    }

    #[test]
    fn a_route_arrives_as_it_was_however_many_headers_it_has(
        id in ".{0,20}",
        method in "[A-Z]{3,7}",
        path in "/.{0,60}",
        query in proptest::option::of(".{0,40}"),
        headers in proptest::collection::vec(("[a-z-]{1,12}", ".{0,20}"), 0..2 * INLINE),
    ) {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        there_and_back(&Request {
            entry: Entry::Route { id: &id, method: &method, path: &path, query: query.as_deref() },
            headers: &headers,
            body: b"",
        })?;
    }

    #[test]
    fn no_bytes_make_it_panic(noise: Vec<u8>) {
        let _ = decode(&noise, b"", &mut Headers::default());
    }
}

#[test]
fn a_head_that_is_cut_short_is_an_error() {
    let mut head = Vec::new();
    let request = Request {
        entry: Entry::Method {
            name: "llm/chat",
            stream: true,
        },
        headers: &[("accept", "x")],
        body: b"",
    };
    encode(&request, &mut head);
    for cut in 0..head.len() {
        assert!(
            decode(&head[..cut], b"", &mut Headers::default()).is_err(),
            "{cut}"
        );
    }
}

#[test]
fn what_a_newer_host_appends_is_ignored_and_what_an_older_one_leaves_out_is_missed_by_nobody() {
    let mut longer = Vec::new();
    let mut encoder = Encoder::new(&mut longer);
    encoder
        .array(9)
        .unwrap()
        .u8(0)
        .unwrap()
        .str("a/b")
        .unwrap()
        .bool(true)
        .unwrap();
    encoder
        .null()
        .unwrap()
        .null()
        .unwrap()
        .null()
        .unwrap()
        .array(0)
        .unwrap();
    encoder.str("a new field").unwrap().u8(9).unwrap();
    let mut shorter = Vec::new();
    let mut encoder = Encoder::new(&mut shorter);
    encoder
        .array(6)
        .unwrap()
        .u8(0)
        .unwrap()
        .str("a/b")
        .unwrap()
        .bool(true)
        .unwrap();
    encoder.null().unwrap().null().unwrap().null().unwrap();
    for head in [longer, shorter] {
        let mut headers = Headers::default();
        let request = decode(&head, b"", &mut headers).unwrap();
        let expected = Entry::Method {
            name: "a/b",
            stream: true,
        };
        assert_eq!(request.entry, expected);
        assert!(request.headers.is_empty());
    }
}

#[test]
fn a_kind_that_is_not_known_is_refused_with_a_word_about_versions() {
    let mut headers = Headers::default();
    let head = [0x87, 7, 0x61, b'x', 0xf6, 0xf6, 0xf6, 0xf6, 0x80];
    let error = decode(&head, b"", &mut headers).unwrap_err();
    assert_eq!(error.code, crate::ErrorCode::VERSION_MISMATCH);
    assert!(error.message.contains("kind 7"), "{error}");
}
