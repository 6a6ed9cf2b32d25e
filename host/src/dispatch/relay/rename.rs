//! Giving a client the model name it asked for, in every frame of the answer.

use bytes::{Bytes, BytesMut};
use plugin_api::manifest::Framing;
use serde_json::value::RawValue;

use super::frames::Lines;
use super::judge::payload;

/// Replaces one top-level field in each frame; every other byte stays as it came.
#[derive(Debug)]
pub struct Renamer {
    key: String,
    /// The name as JSON, quotes included.
    name: String,
    framing: Framing,
    lines: Lines,
}

/// A line longer than this passes as it is: memory has a limit, and such a line is no ordinary frame.
const LONGEST: usize = 16 << 20;

impl Renamer {
    /// Puts `name` at `place`, a JSON pointer to a top-level field such as `/model`.
    pub fn new(place: &str, name: &str, framing: Framing) -> Self {
        Self {
            key: place.trim_start_matches('/').to_owned(),
            name: serde_json::Value::from(name).to_string(),
            framing,
            lines: Lines::default(),
        }
    }

    /// Takes a piece of a stream and returns what can be sent on: whole lines.
    pub fn push(&mut self, piece: &[u8]) -> Bytes {
        self.lines.push(piece);
        let mut out = BytesMut::new();
        while let Some(line) = self.lines.next() {
            self.rename(&line, &mut out);
        }
        if self.lines.held() > LONGEST {
            out.extend_from_slice(&self.lines.rest());
        }
        out.freeze()
    }

    /// What is left at the end of a stream.
    pub fn finish(&mut self) -> Bytes {
        let rest = self.lines.rest();
        self.whole(&rest)
    }

    /// A whole body.
    pub fn whole(&self, body: &[u8]) -> Bytes {
        let mut out = BytesMut::with_capacity(body.len() + self.name.len());
        self.rename(body, &mut out);
        out.freeze()
    }

    fn rename(&self, line: &[u8], out: &mut BytesMut) {
        match payload(self.framing, line)
            .and_then(|json| self.place(json))
            .map(|value| span(line, value))
        {
            Some((start, end)) => {
                out.extend_from_slice(&line[..start]);
                out.extend_from_slice(self.name.as_bytes());
                out.extend_from_slice(&line[end..]);
            }
            None => out.extend_from_slice(line),
        }
    }

    /// The field's value, as it stands in the text.
    fn place<'a>(&self, json: &'a [u8]) -> Option<&'a str> {
        let fields: std::collections::HashMap<std::borrow::Cow<'a, str>, &'a RawValue> =
            serde_json::from_slice(json).ok()?;
        fields.get(self.key.as_str()).map(|value| value.get())
    }
}

/// Where `part`, which borrows from `whole`, lies in it.
fn span(whole: &[u8], part: &str) -> (usize, usize) {
    let start = part.as_ptr().addr() - whole.as_ptr().addr();
    (start, start + part.len())
}
