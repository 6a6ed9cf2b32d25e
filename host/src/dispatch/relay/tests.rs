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

mod passing_on {
    //! [`RelayBody`] by itself: what a client gets of a committed stream, and what is said of its instance.

    use std::io;
    use std::sync::Mutex;

    use futures_util::stream::{self, StreamExt};
    use http_body_util::BodyExt;
    use plugin_api::contract::outcome::Outcome;
    use plugin_api::{Error, ErrorCode};
    use tokio::time::Instant;
    use tokio_util::sync::CancellationToken;

    use super::super::{IdleTimer, RelayBody, RelayEnd};
    use super::*;

    fn name(code: ErrorCode) -> &'static str {
        code.name().unwrap_or_default()
    }

    /// What happens after the pieces.
    enum Then {
        Ends,
        Breaks,
        BrokenTrailers,
        FallsSilent,
    }

    /// Notes the outcome, and says a failure with its code.
    struct Noting(Arc<Mutex<Option<Outcome>>>);

    impl RelayEnd for Noting {
        fn ended(&mut self, outcome: Outcome) {
            *self.0.lock().unwrap() = Some(outcome);
        }

        fn render(&self, error: Error) -> Result<Bytes, Error> {
            Ok(format!("<{}>", name(error.code)).into())
        }
    }

    /// A stream, and what is still to be set of it.
    struct Relaying {
        judge: Option<Judge>,
        pieces: Vec<&'static str>,
        then: Then,
        idle: Duration,
        deadline: Option<Duration>,
        stop: CancellationToken,
    }

    fn relay(judge: Judge, pieces: &[&'static str], then: Then) -> Relaying {
        Relaying {
            judge: Some(judge),
            pieces: pieces.to_vec(),
            then,
            idle: Duration::from_secs(60),
            deadline: None,
            stop: CancellationToken::new(),
        }
    }

    impl Relaying {
        /// All that the client gets, and the outcome.
        async fn all(self) -> (String, Option<Outcome>) {
            let piece = |text: &&'static str| Ok(Frame::data(Bytes::from_static(text.as_bytes())));
            let pieces: Vec<io::Result<_>> = self.pieces.iter().map(piece).collect();
            let broken = || Err(io::Error::from(io::ErrorKind::ConnectionReset));
            let rest = match self.then {
                Then::Ends => stream::empty().boxed(),
                Then::Breaks => stream::iter([broken()]).boxed(),
                Then::BrokenTrailers => {
                    let trailers = Ok(Frame::trailers(http::HeaderMap::new()));
                    stream::iter([trailers, broken()]).boxed()
                }
                Then::FallsSilent => stream::pending().boxed(),
            };
            let outcome = Arc::new(Mutex::new(None));
            let mut body = RelayBody::new(
                std::collections::VecDeque::new(),
                Some(StreamBody::new(stream::iter(pieces).chain(rest))),
                self.judge,
                None,
                Box::new(Noting(outcome.clone())),
                IdleTimer::new(self.idle, self.deadline.map(|after| Instant::now() + after)),
                self.stop,
            );
            let mut got = String::new();
            while let Some(frame) = body.frame().await {
                match frame {
                    Ok(frame) => got += std::str::from_utf8(&frame.into_data().unwrap()).unwrap(),
                    Err(error) => got += &format!("[{}]", name(error.code)),
                }
            }
            let outcome = *outcome.lock().unwrap();
            (got, outcome)
        }
    }

    const WORD: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n";

    #[tokio::test]
    async fn a_complete_stream_passes_untouched() {
        for last in ["data: [DONE]\n\n", "data: [DONE]\n", "data: [DONE]"] {
            let (got, outcome) = relay(events(), &[WORD, last], Then::Ends).all().await;
            assert_eq!((got, outcome), (format!("{WORD}{last}"), Some(Outcome::Success)));
        }
    }

    #[tokio::test]
    async fn an_event_that_is_cut_short_does_not_run_into_the_error() {
        let (got, outcome) = relay(events(), &[WORD, "data: {\"cho"], Then::Breaks).all().await;
        let expected = format!("{WORD}data: {{\"cho\n\n<{}>", name(ErrorCode::STREAM_BROKEN));
        assert_eq!((got, outcome), (expected, Some(Outcome::StreamBroken)));
    }

    #[tokio::test]
    async fn an_error_after_a_line_without_a_line_feed_has_a_line_of_its_own() {
        let half = "{\"message\":{\"content\":\"x\"}}";
        let (got, outcome) = relay(lines(), &[half], Then::Ends).all().await;
        let expected = format!("{half}\n<{}>", name(ErrorCode::STREAM_BROKEN));
        assert_eq!((got, outcome), (expected, Some(Outcome::StreamBroken)));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_appended_to_a_complete_answer() {
        let whole = "{\"message\":{\"content\":\"x\"}}\n{\"done\":true}\n";
        for then in [Then::Ends, Then::Breaks, Then::BrokenTrailers, Then::FallsSilent] {
            let (got, outcome) = relay(lines(), &[whole], then).all().await;
            assert_eq!((got.as_str(), outcome), (whole, Some(Outcome::Success)));
        }
    }

    #[tokio::test]
    async fn a_failure_that_the_instance_has_told_is_not_told_twice() {
        let told = "{\"message\":{\"content\":\"x\"}}\n{\"error\":\"boom\"}\n";
        for then in [Then::Ends, Then::Breaks] {
            let (got, outcome) = relay(lines(), &[told], then).all().await;
            assert_eq!((got.as_str(), outcome), (told, Some(Outcome::ServerError)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_callers_deadline_is_not_the_instances_fault_and_silence_is() {
        let word = "{\"message\":{\"content\":\"x\"}}\n";
        let mut late = relay(lines(), &[word], Then::FallsSilent);
        late.deadline = Some(Duration::from_secs(5));
        let expected = format!("{word}<{}>", name(ErrorCode::TIMEOUT));
        let begun = Instant::now();
        assert_eq!(late.all().await, (expected.clone(), Some(Outcome::Cancelled)));
        assert_eq!(begun.elapsed().as_secs(), 5);

        let silent = relay(lines(), &[word], Then::FallsSilent);
        let begun = Instant::now();
        assert_eq!(silent.all().await, (expected, Some(Outcome::TimedOut)));
        assert_eq!(begun.elapsed().as_secs(), 60);
    }

    #[tokio::test]
    async fn the_hosts_own_end_is_said_and_blamed_on_nobody() {
        let ending = relay(events(), &[WORD], Then::FallsSilent);
        ending.stop.cancel();
        let expected = format!("{WORD}\n\n<{}>", name(ErrorCode::SHUTDOWN));
        assert_eq!(ending.all().await, (expected, Some(Outcome::Cancelled)));
    }

    #[tokio::test]
    async fn what_has_no_frames_can_only_break_off() {
        let mut whole = relay(lines(), &["half a document"], Then::Breaks);
        whole.judge = None;
        let expected = format!("half a document[{}]", name(ErrorCode::STREAM_BROKEN));
        assert_eq!(whole.all().await, (expected, Some(Outcome::StreamBroken)));
    }
}
