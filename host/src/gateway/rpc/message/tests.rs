use super::*;

fn single(body: &'static str) -> Message {
    match parse(&Bytes::from_static(body.as_bytes()), 128, 100).unwrap() {
        Payload::Single(message) => message,
        Payload::Batch(_) => panic!("a batch"),
    }
}

fn request(body: &'static str) -> Request {
    match single(body) {
        Message::Request(request) => request,
        Message::Invalid { error, .. } => panic!("{error}"),
    }
}

#[test]
fn an_absent_id_is_a_notification_and_null_is_an_id() {
    assert_eq!(request(r#"{"jsonrpc":"2.0","method":"m"}"#).id, None);
    assert_eq!(
        request(r#"{"jsonrpc":"2.0","method":"m","id":null}"#).id,
        Some(Id::NULL)
    );
}

#[test]
fn parameters_share_memory_with_the_body() {
    let body = Bytes::from_static(br#" {"jsonrpc":"2.0","method":"m","id":1,"params":{"a":1}}"#);
    let Ok(Payload::Single(Message::Request(request))) = parse(&body, 128, 100) else {
        panic!("not a request");
    };
    assert_eq!(&request.params[..], br#"{"a":1}"#);
    assert!(body.as_ptr_range().contains(&request.params.as_ptr()));
}

#[test]
fn parameters_may_be_left_out_or_null() {
    assert!(request(r#"{"jsonrpc":"2.0","method":"m"}"#).params.is_empty());
    assert!(
        request(r#"{"jsonrpc":"2.0","method":"m","params":null}"#)
            .params
            .is_empty()
    );
}

#[test]
fn unknown_members_are_left_alone() {
    assert_eq!(
        request(r#"{"jsonrpc":"2.0","method":"m","extra":[{}]}"#).method,
        "m"
    );
}

#[test]
fn the_id_of_a_bad_request_is_told_back_where_it_is_known() {
    let Message::Invalid { id, .. } = single(r#"{"jsonrpc":"1.0","method":"m","id":"x"}"#) else {
        panic!("taken for good");
    };
    assert_eq!(id, Id(Bytes::from_static(b"\"x\"")));
}

#[test]
fn depth_is_counted_outside_strings_only() {
    assert!(check_shape(r#"[["[[[[", "\"[[", {}]]"#, 3).is_ok());
    assert_eq!(check_shape("[[[[]]]]", 3).unwrap_err().code, ErrorCode::TOO_LARGE);
    assert!(check_shape("[][][][][]", 1).is_ok());
}

#[test]
fn two_hundred_thousand_brackets_cost_no_stack() {
    for open in ["[", "{\"a\":"] {
        let body = Bytes::from(open.repeat(200_000));
        let error = parse(&body, 128, 100).unwrap_err();
        assert_eq!((error.code, error.http_status()), (ErrorCode::TOO_LARGE, 400));
    }
}

#[test]
fn bytes_that_are_no_text_are_told_where() {
    let error = parse(&Bytes::from_static(b"{\"a\": \"\xff\"}"), 128, 100).unwrap_err();
    assert_eq!(error.code, ErrorCode::PARSE_ERROR);
    assert!(error.message.contains("byte 7"), "{error}");
}

#[test]
fn a_batch_that_is_too_long_is_refused_before_anything_is_built_from_it() {
    let body = Bytes::from(format!("[{}1]", "1,".repeat(100)));
    let error = parse(&body, 128, 100).unwrap_err();
    assert_eq!(error.code, plugin_api::ErrorCode::TOO_LARGE);
    assert!(error.message.contains("101"), "{error}");
    let fits = Bytes::from_static(b"[[1,2,3],{\"a\":[1,2,3,4]}]");
    assert!(parse(&fits, 128, 2).is_ok(), "what is inside of an entry is none");
}
