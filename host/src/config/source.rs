//! The texts that settings come from, and places within them.

use std::ops::Range;

use super::mask;

/// One text that settings come from: the file, an environment variable, a flag, a plugin's manifest.
#[derive(Debug, Clone)]
pub struct Source {
    /// How it is called in messages: the file's path, `the environment`, `the command line`.
    pub name: String,
    /// The text as it may be shown: what looks like a secret is blotted out, byte for byte.
    pub shown: String,
}

/// All texts. Places refer to them by index.
#[derive(Debug, Clone, Default)]
pub struct SourceMap {
    sources: Vec<Source>,
}

/// A stretch of one text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    source: usize,
    span: Range<usize>,
}

impl SourceMap {
    /// Takes a text in and returns where it is as a whole.
    pub fn add(&mut self, name: impl Into<String>, text: &str) -> Place {
        self.sources.push(Source {
            name: name.into(),
            shown: mask::blot_out_secrets(text),
        });
        Place {
            source: self.sources.len() - 1,
            span: 0..text.len(),
        }
    }

    /// The text a place is in.
    pub fn source(&self, place: &Place) -> Option<&Source> {
        self.sources.get(place.source)
    }

    /// Line and column of a place's first character, both from 1, columns in characters.
    pub fn line_and_column(&self, place: &Place) -> Option<(usize, usize)> {
        let text = &self.source(place)?.shown;
        let mut start = place.span.start.min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let before = &text[..start];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        Some((line, column))
    }
}

impl Place {
    /// A stretch of the same text.
    pub fn within(&self, span: Range<usize>) -> Place {
        Place {
            source: self.source,
            span,
        }
    }

    /// Which text it is in.
    pub(super) fn source_index(&self) -> usize {
        self.source
    }

    /// Where in the text, in bytes.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }
}
