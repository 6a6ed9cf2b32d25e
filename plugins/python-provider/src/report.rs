//! The result of a run, in the words of python/v1.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::runner::{Counts, End, Truncated};

/// More nesting than this is refused by readers of JSON.
const DEEPEST: usize = 110;

/// What a run has given so far.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub result: Option<Bytes>,
    pub files: Vec<(String, Bytes)>,
    pub images: Vec<Bytes>,
}

/// Where a run was.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub level: &'static str,
    pub profile: String,
    pub instance: String,
    pub uses: u32,
    pub queued: Duration,
}

/// The result of `execute` and `run`.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<bool>,
    pub success: bool,
    pub outcome: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    stdout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stderr: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stdout_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stderr_base64: Option<String>,
    result: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result_error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    exit_code: Option<i32>,
    signal: Option<String>,
    execution_time: f64,
    usage: Counts,
    truncated: TruncatedParts,
    files: Vec<FileShown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    images: Option<Vec<ImageShown>>,
    level: &'static str,
    execution_mode: &'static str,
    profile: String,
    instance: String,
    uses: u32,
    queued_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_open: Option<bool>,
}

#[derive(Debug, Serialize)]
struct TruncatedParts {
    #[serde(flatten)]
    parts: Truncated,
    result: bool,
}

#[derive(Debug, Serialize)]
struct FileShown {
    name: String,
    size: usize,
    base64: String,
}

/// A picture.
#[derive(Debug, Serialize)]
pub(crate) struct ImageShown {
    format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
    base64: String,
}

impl ImageShown {
    pub(crate) fn new(png: &[u8]) -> Self {
        let number = |at: usize| {
            let bytes = png.get(at..at + 4)?.try_into().ok()?;
            Some(u32::from_be_bytes(bytes))
        };
        Self {
            format: "png",
            width: number(16),
            height: number(20),
            base64: STANDARD.encode(png),
        }
    }
}

impl Report {
    pub(crate) fn new(collected: Collected, end: End, place: Place) -> Self {
        let (stdout, stdout_base64) = text(collected.stdout);
        let (stderr, stderr_base64) = text(collected.stderr);
        let mut result_error = end.result_error;
        let result = collected.result.and_then(|bytes| {
            let read = json(&bytes);
            if let Err(why) = &read {
                result_error = Some((*why).to_owned());
            }
            read.ok()
        });
        let too_large = result_error
            .as_ref()
            .is_some_and(|why| why.contains("larger than"));
        let file = |(name, contents): (String, Bytes)| FileShown {
            name,
            size: contents.len(),
            base64: STANDARD.encode(&contents),
        };
        Self {
            done: None,
            success: end.outcome == "ok",
            outcome: end.outcome,
            stdout: Some(stdout),
            stderr: Some(stderr),
            stdout_base64,
            stderr_base64,
            result,
            result_error,
            error: end.error,
            exit_code: end.exit_code,
            signal: end.signal,
            execution_time: end.wall_ms / 1000.0,
            usage: Counts {
                wall_ms: end.wall_ms,
                cpu_ms: end.cpu_ms,
                peak_memory_bytes: end.peak_memory_bytes,
            },
            truncated: TruncatedParts {
                parts: end.truncated,
                result: too_large,
            },
            files: collected.files.into_iter().map(file).collect(),
            images: Some(collected.images.iter().map(|png| ImageShown::new(png)).collect()),
            level: place.level,
            execution_mode: place.level,
            profile: place.profile,
            instance: place.instance,
            uses: place.uses,
            queued_ms: place.queued.as_secs_f64() * 1000.0,
            session: None,
            session_open: None,
        }
    }

    /// Bytes of JSON, nearly, of files and pictures, and of output and result.
    pub(crate) fn sizes(&self) -> (usize, usize) {
        let files = self
            .files
            .iter()
            .map(|file| file.base64.len() + escaped(&file.name));
        let images = self.images.iter().flatten().map(|image| image.base64.len());
        let texts = [
            &self.stdout,
            &self.stderr,
            &self.stdout_base64,
            &self.stderr_base64,
        ];
        let output: usize = texts.into_iter().flatten().map(|text| escaped(text)).sum();
        let result = self.result.as_ref().map_or(0, |result| result.get().len());
        (files.chain(images).sum(), output + result)
    }

    /// Without files and pictures, for which there is no room.
    pub(crate) fn leave_out_artefacts(&mut self) {
        let parts = &mut self.truncated.parts;
        parts.files |= !self.files.is_empty();
        parts.images |= self.images.as_ref().is_some_and(|images| !images.is_empty());
        self.files = Vec::new();
        self.images = self.images.take().map(|_| Vec::new());
    }

    /// Without output and result, for which there is no room.
    pub(crate) fn leave_out_output(&mut self) {
        let empties =
            |text: &mut Option<String>| text.replace(String::new()).is_some_and(|text| !text.is_empty());
        self.truncated.parts.stdout |= empties(&mut self.stdout);
        self.truncated.parts.stderr |= empties(&mut self.stderr);
        (self.stdout_base64, self.stderr_base64) = (None, None);
        if self.result.take().is_some() {
            self.truncated.result = true;
            self.result_error = Some("there was no room for the result in the batch".into());
        }
    }

    /// As the last item of a stream: without what has been said.
    pub(crate) fn streamed(mut self) -> Self {
        self.done = Some(true);
        (self.stdout, self.stderr, self.images) = (None, None, None);
        (self.stdout_base64, self.stderr_base64) = (None, None);
        self
    }

    /// As one of a session, which goes on or has ended with it.
    pub(crate) fn in_session(mut self, session: &str, open: bool) -> Self {
        self.session = Some(session.to_owned());
        self.session_open = Some(open);
        self
    }

    /// The result as JSON, for methods that ask the box themselves.
    pub(crate) fn result(&self) -> Option<&RawValue> {
        self.result.as_deref()
    }

    /// One sentence for a person, where it failed.
    pub(crate) fn failure(&self) -> String {
        self.error.clone().unwrap_or_else(|| self.outcome.clone())
    }
}

/// Text, and the bytes besides it where they were no text.
fn text(bytes: Vec<u8>) -> (String, Option<String>) {
    match String::from_utf8(bytes) {
        Ok(text) => (text, None),
        Err(error) => {
            let exact = STANDARD.encode(error.as_bytes());
            (
                String::from_utf8_lossy(error.as_bytes()).into_owned(),
                Some(exact),
            )
        }
    }
}

/// The result, which code may have forged: JSON that every reader can read, or why not.
fn json(bytes: &[u8]) -> Result<Box<RawValue>, &'static str> {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => depth += 1,
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST {
            return Err("the result is nested too deep");
        }
    }
    serde_json::from_slice(bytes).map_err(|_| "the result is not JSON")
}

/// How long a text is in JSON.
fn escaped(text: &str) -> usize {
    let length = |byte| match byte {
        b'"' | b'\\' | b'\n' => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.bytes().map(length).sum()
}

/// Turns pieces of output into text without tearing characters apart.
#[derive(Debug, Default)]
pub(crate) struct Characters(Vec<u8>);

impl Characters {
    /// The text that is complete with this piece; what is not UTF-8 is replaced.
    pub(crate) fn add(&mut self, piece: &[u8]) -> String {
        self.0.extend_from_slice(piece);
        let mut text = String::new();
        let mut rest = self.0.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(valid) => {
                    text.push_str(valid);
                    rest = &[];
                    break;
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    text.push_str(&String::from_utf8_lossy(valid));
                    match error.error_len() {
                        Some(bad) => {
                            text.push(char::REPLACEMENT_CHARACTER);
                            rest = &after[bad..];
                        }
                        None => {
                            rest = after;
                            break;
                        }
                    }
                }
            }
        }
        self.0 = rest.to_vec();
        text
    }

    /// What is left of a character that was never finished.
    pub(crate) fn end(&mut self) -> Option<String> {
        let left = std::mem::take(&mut self.0);
        (!left.is_empty()).then(|| String::from_utf8_lossy(&left).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_whole_wherever_output_is_cut() {
        let whole = "aä€😀b".as_bytes();
        for cut in 0..=whole.len() {
            let mut characters = Characters::default();
            let text = characters.add(&whole[..cut]) + &characters.add(&whole[cut..]);
            assert_eq!(text, "aä€😀b", "cut at {cut}");
            assert_eq!(characters.end(), None);
        }
    }

    #[test]
    fn what_is_no_text_is_replaced_and_comes_as_bytes_too() {
        let mut characters = Characters::default();
        assert_eq!(characters.add(b"a\xffb\xf0\x9f"), "a\u{fffd}b");
        assert_eq!(characters.end().as_deref(), Some("\u{fffd}"));
        assert_eq!(text(b"a\xff".to_vec()), ("a\u{fffd}".into(), Some("Yf8=".into())));
    }

    #[test]
    fn a_forged_result_is_refused() {
        assert!(json(b"{\"a\":[1,\"]]\\\"[\"]}").is_ok());
        assert!(json(b"[1").is_err());
        assert!(json(b"\xff").is_err());
        assert!(json("[".repeat(100_000).as_bytes()).is_err());
    }
}
