//! Lines of a stream that arrives in pieces.

use bytes::{Bytes, BytesMut};

/// Cuts a stream into lines. Holds back what is not yet ended by a line feed.
#[derive(Debug, Default)]
pub(super) struct Lines {
    rest: BytesMut,
    /// How far `rest` is known to hold no line feed, so that a line that grows is searched once.
    searched: usize,
}

impl Lines {
    pub(super) fn push(&mut self, piece: &[u8]) {
        self.rest.extend_from_slice(piece);
    }

    /// The next line, its line feed included.
    pub(super) fn next(&mut self) -> Option<Bytes> {
        match memchr::memchr(b'\n', &self.rest[self.searched..]) {
            Some(at) => {
                let line = self.rest.split_to(self.searched + at + 1).freeze();
                self.searched = 0;
                Some(line)
            }
            None => {
                self.searched = self.rest.len();
                None
            }
        }
    }

    /// What is held back.
    pub(super) fn rest(&mut self) -> Bytes {
        self.searched = 0;
        self.rest.split().freeze()
    }

    pub(super) fn held(&self) -> usize {
        self.rest.len()
    }
}

/// The last line of a stream, without copying what flows past: it keeps the pieces since the last line began.
#[derive(Debug, Default)]
pub(super) struct Tail {
    pieces: Vec<Bytes>,
    held: usize,
    /// The last complete line, where nothing has followed it yet.
    last: Bytes,
    /// It was too long to keep.
    lost: bool,
}

/// A last line longer than this is not judged. Final lines with a context array may well have megabytes.
const LONGEST: usize = 16 << 20;

impl Tail {
    pub(super) fn push(&mut self, piece: &Bytes) {
        let Some(end) = memchr::memrchr(b'\n', piece) else {
            self.keep(piece.clone());
            return;
        };
        // A blank line separates events and is not one: the last line ends before it.
        let text = piece[..end].trim_ascii_end().len();
        let line = match memchr::memrchr(b'\n', &piece[..text]) {
            Some(before) => piece.slice(before + 1..text),
            // It began in the pieces kept.
            None => {
                self.keep(piece.slice(..text));
                if self.held > LONGEST {
                    self.lost = true;
                }
                self.take()
            }
        };
        if !line.trim_ascii().is_empty() {
            self.last = line;
            self.lost = false;
        }
        self.pieces.clear();
        self.held = 0;
        if end + 1 < piece.len() {
            self.keep(piece.slice(end + 1..));
        }
    }

    /// The last line that is not blank, whether or not a line feed ended it. `None` where it was too long to keep.
    pub(super) fn finish(mut self) -> Option<Bytes> {
        if self.held > LONGEST {
            return None;
        }
        let open = self.take();
        if !open.trim_ascii().is_empty() {
            return Some(open);
        }
        (!self.lost).then_some(self.last)
    }

    /// Whether the stream so far ends with a line feed.
    pub(super) fn is_at_line_start(&self) -> bool {
        self.held == 0
    }

    fn keep(&mut self, piece: Bytes) {
        self.held += piece.len();
        if self.held <= LONGEST {
            self.pieces.push(piece);
        } else {
            self.pieces.clear();
        }
    }

    fn take(&mut self) -> Bytes {
        self.held = 0;
        match self.pieces.len() {
            0 => Bytes::new(),
            1 => self.pieces.pop().unwrap_or_default(),
            _ => self
                .pieces
                .drain(..)
                .fold(BytesMut::new(), |mut line, piece| {
                    line.extend_from_slice(&piece);
                    line
                })
                .freeze(),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Lines, Tail};

    fn tail(pieces: &[&'static str]) -> Bytes {
        let mut tail = Tail::default();
        for piece in pieces {
            tail.push(&Bytes::from_static(piece.as_bytes()));
        }
        tail.finish().unwrap_or_default()
    }

    #[test]
    fn the_last_line_is_found_however_the_stream_is_cut() {
        let text = "first\nsecond\ndata: third\n\n";
        for a in 0..text.len() {
            for b in a..text.len() {
                assert_eq!(
                    tail(&[&text[..a], &text[a..b], &text[b..]]),
                    "data: third",
                    "cut at {a} and {b}"
                );
            }
        }
    }

    #[test]
    fn an_open_last_line_counts() {
        assert_eq!(tail(&["one\ntw", "o"]), "two");
        assert_eq!(tail(&[]), "");
        assert_eq!(tail(&["\n\n"]), "");
    }

    #[test]
    fn lines_come_whole() {
        let mut lines = Lines::default();
        lines.push(b"a");
        assert_eq!(lines.next(), None);
        lines.push(b"b\nc\nd");
        assert_eq!(lines.next().as_deref(), Some(&b"ab\n"[..]));
        assert_eq!(lines.next().as_deref(), Some(&b"c\n"[..]));
        assert_eq!(lines.next(), None);
        assert_eq!(lines.rest(), "d");
    }
}
