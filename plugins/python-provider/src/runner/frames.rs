//! Frames: how bytes on the control channel become messages. The same as `runner/frames.py`.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

/// Length of the payload, type, number of the run.
const HEADER: usize = 9;
/// No frame is larger than this.
const LARGEST: usize = 48 << 20;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs)] // told in runner/frames.py
pub enum Kind {
    Run = 1,
    File = 2,
    Stdin = 3,
    Go = 4,
    Cancel = 5,
    Ping = 6,
    Hello = 16,
    Out = 17,
    Err = 18,
    Image = 19,
    Made = 20,
    Result = 21,
    End = 22,
    Pong = 23,
    Fault = 24,
}

impl Kind {
    /// What a runner may send.
    fn from_runner(byte: u8) -> Option<Self> {
        [
            Kind::Hello,
            Kind::Out,
            Kind::Err,
            Kind::Image,
            Kind::Made,
            Kind::Result,
            Kind::End,
            Kind::Pong,
            Kind::Fault,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == byte)
    }
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What it is.
    pub kind: Kind,
    /// The run it belongs to.
    pub run: u32,
    /// What it carries.
    pub payload: Bytes,
}

/// What came is no frame of a runner.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Bad {
    /// A type that no runner sends.
    #[error("a frame of the unknown type {0}")]
    Kind(u8),
    /// More than any frame has.
    #[error("a frame of {0} bytes")]
    Size(usize),
    /// A name that does not fit its frame.
    #[error("a file without a name")]
    Name,
    /// A message that cannot be read.
    #[error("a message that cannot be read: {0}")]
    Json(String),
    /// The runner says that it could not understand us.
    #[error("the runner understood nothing: {0}")]
    Fault(String),
    /// A runner of another version, or none at all.
    #[error("it speaks another protocol")]
    Protocol,
}

/// Appends a frame.
pub(super) fn put(to: &mut BytesMut, kind: Kind, run: u32, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    to.reserve(HEADER + length);
    // Requests are far smaller than what fits: params are checked against the profile's `input`.
    to.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    to.put_u8(kind as u8);
    to.put_u32(run);
    parts.iter().for_each(|part| to.put_slice(part));
}

/// Takes the next frame, if it is there whole.
pub(super) fn take(from: &mut BytesMut) -> Result<Option<Frame>, Bad> {
    if from.len() < HEADER {
        return Ok(None);
    }
    let mut header = &from[..HEADER];
    let (length, kind, run) = (header.get_u32() as usize, header.get_u8(), header.get_u32());
    let kind = Kind::from_runner(kind).ok_or(Bad::Kind(kind))?;
    if length > LARGEST {
        return Err(Bad::Size(length));
    }
    if from.len() < HEADER + length {
        from.reserve(HEADER + length - from.len());
        return Ok(None);
    }
    from.advance(HEADER);
    let payload = from.split_to(length).freeze();
    Ok(Some(Frame { kind, run, payload }))
}

/// Name and contents of a file.
pub(crate) fn named(mut payload: Bytes) -> Result<(String, Bytes), Bad> {
    if payload.len() < 2 {
        return Err(Bad::Name);
    }
    let length = usize::from(payload.get_u16());
    if payload.len() < length {
        return Err(Bad::Name);
    }
    let name = payload.split_to(length);
    Ok((String::from_utf8_lossy(&name).into_owned(), payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_found_however_it_is_cut() {
        let mut whole = BytesMut::new();
        put(&mut whole, Kind::Out, 7, &[b"ab", b"c"]);
        put(&mut whole, Kind::End, 7, &[]);
        for cut in 0..whole.len() {
            let mut held = BytesMut::from(&whole[..cut]);
            let mut found = Vec::new();
            while let Some(frame) = take(&mut held).unwrap() {
                found.push(frame);
            }
            held.extend_from_slice(&whole[cut..]);
            while let Some(frame) = take(&mut held).unwrap() {
                found.push(frame);
            }
            assert_eq!(found.len(), 2, "cut at {cut}");
            assert_eq!(
                (found[0].kind, found[0].run, &found[0].payload[..]),
                (Kind::Out, 7, &b"abc"[..])
            );
        }
    }

    #[test]
    fn what_no_runner_sends_is_refused() {
        let mut request = BytesMut::new();
        put(&mut request, Kind::Run, 1, &[]);
        assert_eq!(take(&mut request), Err(Bad::Kind(1)));
        let mut huge = BytesMut::from(&[0xff, 0xff, 0xff, 0xff, 17, 0, 0, 0, 1][..]);
        assert_eq!(take(&mut huge), Err(Bad::Size(u32::MAX as usize)));
        assert_eq!(named(Bytes::from_static(b"\0\x09x")), Err(Bad::Name));
    }
}
