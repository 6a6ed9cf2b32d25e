//! Relays: what is judged, held, renamed.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::StreamBody;
use hyper::body::Frame;
use plugin_api::manifest::{Framing, Relay};

use super::{HoldError, Holding, Judge, Renamer, Verdict, hold};

fn lines() -> Judge {
    Judge::new(Arc::new(Relay {
        framing: Framing::Ndjson,
        meaningful: vec!["/message/content".into(), "/message/tool_calls".into()],
        failure: vec!["/error".into()],
        done: vec!["/done".into()],
        ..Relay::default()
    }))
}

fn events() -> Judge {
    Judge::new(Arc::new(Relay {
        framing: Framing::Sse,
        meaningful: vec!["/choices/0/delta/content".into()],
        failure: vec!["/error".into()],
        done_text: Some("[DONE]".into()),
        ..Relay::default()
    }))
}

async fn held(judge: &Judge, pieces: &[&'static str]) -> Result<Holding, HoldError> {
    let pieces: Vec<_> = pieces
        .iter()
        .map(|piece| Ok::<_, Infallible>(Frame::data(Bytes::from_static(piece.as_bytes()))))
        .collect();
    let mut body = StreamBody::new(futures_util::stream::iter(pieces));
    hold(&mut body, judge, 1 << 10, Duration::from_secs(1)).await
}

#[test]
fn a_role_is_preamble_and_a_word_is_meaningful() {
    assert_eq!(
        lines().line(br#"{"message":{"role":"assistant","content":""}}"#),
        Verdict::Preamble
    );
    assert_eq!(
        lines().line(br#"{"message":{"content":"hi"}}"#),
        Verdict::Meaningful
    );
    assert_eq!(
        events().line(br#"data: {"choices":[{"delta":{"role":"assistant"}}]}"#),
        Verdict::Preamble
    );
    assert_eq!(events().line(b": keep-alive"), Verdict::Nothing);
    assert_eq!(events().line(b"data: [DONE]"), Verdict::Done);
    assert_eq!(lines().line(b"<html>"), Verdict::Garbage);
}

#[test]
fn a_failure_tells_its_text_in_either_form() {
    assert_eq!(
        lines().line(br#"{"error":"boom"}"#),
        Verdict::Failure("boom".into())
    );
    assert_eq!(
        events().line(br#"data: {"error":{"message":"boom"}}"#),
        Verdict::Failure("boom".into())
    );
    assert_eq!(lines().whole(br#"{"error":"boom"}"#), Some("boom".into()));
    assert_eq!(lines().whole(br#"{"response":"no error here"}"#), None);
}

#[tokio::test]
async fn a_stream_is_held_until_it_says_something() {
    let holding = held(
        &events(),
        &[
            "data: {\"choices\":[{\"delta\":{\"role\":\"a\"}}]}\n",
            "\n",
            "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n",
            "data: more",
        ],
    )
    .await
    .expect("a good stream");
    assert_eq!(holding.pieces.len(), 3, "what follows is not read");
}

#[tokio::test]
async fn a_failure_before_anything_was_said_is_not_passed_on() {
    let error = held(
        &lines(),
        &["{\"message\":{\"content\":\"\"}}\n", "{\"error\":\"boom\"}\n"],
    )
    .await
    .unwrap_err();
    assert_eq!(error, HoldError::Failure("boom".into()));
}

#[tokio::test]
async fn an_end_before_anything_was_said_is_a_failure_unless_it_is_a_proper_end() {
    assert_eq!(
        held(&lines(), &["{\"message\":{\"content\":\"\"}}\n"])
            .await
            .unwrap_err(),
        HoldError::Broken
    );
    assert!(
        held(&lines(), &["{\"done\":true}"])
            .await
            .expect("a proper end")
            .ended
    );
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_is_given_up() {
    let mut body = StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, Infallible>>());
    let idle = Duration::from_secs(5);
    assert_eq!(
        hold(&mut body, &lines(), 1, idle).await.unwrap_err(),
        HoldError::Silent(idle)
    );
}

#[test]
fn only_the_name_changes_however_the_stream_is_cut() {
    let text = "data: {\"id\":1, \"model\" : \"real\",\"x\":\"\\\"model\\\":\"}\n\ndata: [DONE]\n\n";
    let expected = text.replace("\"real\"", "\"alias\"");
    for at in 0..text.len() {
        let mut renamer = Renamer::new("/model", "alias", Framing::Sse);
        let mut out = renamer.push(&text.as_bytes()[..at]).to_vec();
        out.extend(renamer.push(&text.as_bytes()[at..]));
        out.extend(renamer.finish());
        assert_eq!(String::from_utf8(out).unwrap(), expected, "cut at {at}");
    }
}
