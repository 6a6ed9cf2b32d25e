//! A run as a stream: its output as it comes, and its result in the end.

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use plugin_api::{ByteStream, Error};
use serde_json::json;

use crate::report::{Characters, Collected, ImageShown, Report};
use crate::run::{Running, Said};
use crate::runner::End;

struct State<F> {
    running: Option<Running>,
    /// What is told with the end.
    collected: Collected,
    out: Characters,
    err: Characters,
    /// The last items, in reverse.
    last: Vec<Bytes>,
    finish: Option<F>,
}

/// The items of a run. Dropped before the end, the run is cancelled.
pub(super) fn items<F>(running: Running, finish: F) -> ByteStream
where
    F: FnOnce(Running, Collected, End) -> Report + Send + 'static,
{
    let state = State {
        running: Some(running),
        collected: Collected::default(),
        out: Characters::default(),
        err: Characters::default(),
        last: Vec::new(),
        finish: Some(finish),
    };
    stream::unfold(state, |mut state| async move {
        let item = state.next().await?;
        Some((Ok::<_, Error>(item), state))
    })
    .boxed()
}

impl<F: FnOnce(Running, Collected, End) -> Report> State<F> {
    async fn next(&mut self) -> Option<Bytes> {
        while let Some(running) = self.running.as_mut() {
            let item = match running.next().await {
                Said::Out(piece) => said("stdout", self.out.add(&piece)),
                Said::Err(piece) => said("stderr", self.err.add(&piece)),
                Said::Image(png) => Some(bytes(&json!({ "image": ImageShown::new(&png) }))),
                Said::Result(result) => {
                    self.collected.result = Some(result);
                    None
                }
                Said::Made(name, contents) => {
                    self.collected.files.push((name, contents));
                    None
                }
                Said::End(end) => {
                    self.end(end);
                    None
                }
            };
            if item.is_some() {
                return item;
            }
        }
        self.last.pop()
    }

    fn end(&mut self, end: End) {
        let (Some(running), Some(finish)) = (self.running.take(), self.finish.take()) else {
            return;
        };
        let report = finish(running, std::mem::take(&mut self.collected), end).streamed();
        self.last.push(bytes(&report));
        let left = [("stderr", self.err.end()), ("stdout", self.out.end())];
        self.last.extend(
            left.into_iter()
                .filter_map(|(name, text)| said(name, text.unwrap_or_default())),
        );
    }
}

fn said(name: &str, text: String) -> Option<Bytes> {
    (!text.is_empty()).then(|| bytes(&json!({ name: text })))
}

fn bytes(value: &impl serde::Serialize) -> Bytes {
    // Plain data, which serialises without fail.
    serde_json::to_vec(value).unwrap_or_default().into()
}
