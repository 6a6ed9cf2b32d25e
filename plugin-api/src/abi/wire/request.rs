//! A request for a decision, without its body.
//!
//! One CBOR array, read in place: `[kind, name, stream, method, path, query, headers]`, where `kind` is 0 for a
//! method and 1 for a route, and `headers` is a flat array of names and values. Fields at the end may be missing.

use std::convert::Infallible;

use minicbor::decode::Decoder;
use minicbor::encode::{self, Encoder};

use super::unreadable;
use crate::Error;
use crate::provider::{Entry, Request};

const METHOD: u8 = 0;
const ROUTE: u8 = 1;

/// How many headers are held without an allocation. Routes ask for a handful.
const INLINE: usize = 12;

/// Writes the head behind what is in `buffer` already.
pub fn encode(request: &Request<'_>, buffer: &mut Vec<u8>) {
    write(request, buffer).expect("a Vec takes everything");
}

fn write(request: &Request<'_>, buffer: &mut Vec<u8>) -> Result<(), encode::Error<Infallible>> {
    let mut encoder = Encoder::new(buffer);
    encoder.array(7)?;
    match request.entry {
        Entry::Method { name, stream } => {
            encoder
                .u8(METHOD)?
                .str(name)?
                .bool(stream)?
                .null()?
                .null()?
                .null()?;
        }
        Entry::Route {
            id,
            method,
            path,
            query,
        } => {
            encoder
                .u8(ROUTE)?
                .str(id)?
                .null()?
                .str(method)?
                .str(path)?
                .encode(query)?;
        }
    }
    encoder.array(2 * request.headers.len() as u64)?;
    for (name, value) in request.headers {
        encoder.str(name)?.str(value)?;
    }
    Ok(())
}

/// Room for the headers of a request that is read in place.
pub struct Headers<'a> {
    few: [(&'a str, &'a str); INLINE],
    many: Vec<(&'a str, &'a str)>,
}

impl Default for Headers<'_> {
    fn default() -> Self {
        Self {
            few: [("", ""); INLINE],
            many: Vec::new(),
        }
    }
}

/// Reads a head; what comes out borrows from the message and from `headers`.
///
/// # Errors
/// It is not a request, or of a kind that this side does not know.
pub fn decode<'s, 'a: 's>(
    head: &'a [u8],
    body: &'a [u8],
    headers: &'s mut Headers<'a>,
) -> Result<Request<'s>, Error> {
    let (entry, headers) = read(head, headers).map_err(|error| unreadable("a request", error))?;
    Ok(Request { entry, headers, body })
}

type Read<'s> = (Entry<'s>, &'s [(&'s str, &'s str)]);

fn read<'s, 'a: 's>(
    head: &'a [u8],
    headers: &'s mut Headers<'a>,
) -> Result<Read<'s>, minicbor::decode::Error> {
    let mut decoder = Decoder::new(head);
    let fields = decoder.array()?.unwrap_or(0);
    let kind = decoder.u8()?;
    let name = decoder.str()?;
    let stream: Option<bool> = decoder.decode()?;
    let method: Option<&str> = decoder.decode()?;
    let path: Option<&str> = decoder.decode()?;
    let query: Option<&str> = decoder.decode()?;
    let entry = match kind {
        METHOD => Entry::Method {
            name,
            stream: stream.unwrap_or(false),
        },
        ROUTE => Entry::Route {
            id: name,
            method: method.unwrap_or(""),
            path: path.unwrap_or(""),
            query,
        },
        other => {
            return Err(minicbor::decode::Error::message(format_args!(
                "kind {other} of request"
            )));
        }
    };
    if fields < 7 {
        return Ok((entry, &[]));
    }
    let count = usize::try_from(decoder.array()?.unwrap_or(0) / 2).unwrap_or(0);
    if count <= INLINE {
        for place in &mut headers.few[..count] {
            *place = (decoder.str()?, decoder.str()?);
        }
        Ok((entry, &headers.few[..count]))
    } else {
        for _ in 0..count {
            headers.many.push((decoder.str()?, decoder.str()?));
        }
        Ok((entry, &headers.many))
    }
}

#[cfg(test)]
mod tests;
