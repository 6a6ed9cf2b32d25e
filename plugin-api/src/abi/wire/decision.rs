//! A decision on its way to the host.
//!
//! Nothing at all is *work*. Otherwise one CBOR array, read in place: `[1, capability, features, dialects, tags,
//! prefer, prepare, affinity, strategy, priority, queue_timeout, instance, path, body, relay, rename, role, admin]`, with null
//! for what is not there. `prepare` is JSON in bytes, `queue_timeout` is in nanoseconds, `body` is null (unchanged),
//! `[start, end, with]` (splice) or bytes (replaced). Fields at the end may be missing. A resource of a warm pool is
//! leased, not forwarded to, so a requirement's `specification` and `max_uses` do not cross here.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use minicbor::data::Type;
use minicbor::decode::{self, Decoder};
use minicbor::encode::{self, Encoder};

use super::unreadable;
use crate::Error;
use crate::contract::requirement::{Priority, Requirement, Strategy};
use crate::provider::{BodyPlan, Decision, Forward};

const FORWARD: u8 = 1;
const FIELDS: u64 = 18;
/// How null is written in CBOR.
const NULL: u8 = 0xf6;

/// The decision as bytes.
pub fn encode(decision: &Decision) -> Vec<u8> {
    match decision {
        Decision::Work => Vec::new(),
        Decision::Forward(forward) => {
            // Enough for names and a path; only a replaced body is large, and its size is known.
            let body = match &forward.body {
                BodyPlan::Replaced(bytes) => bytes.len(),
                _ => 0,
            };
            let mut buffer = Vec::with_capacity(192 + body);
            write(forward, &mut buffer).expect("a Vec takes everything");
            buffer
        }
    }
}

fn write(forward: &Forward, buffer: &mut Vec<u8>) -> Result<(), encode::Error<Infallible>> {
    let requirement = &forward.requirement;
    let mut encoder = Encoder::new(buffer);
    encoder.array(FIELDS)?.u8(FORWARD)?;
    encoder.encode(requirement.capability.as_deref())?;
    texts(
        &mut encoder,
        requirement.features.len(),
        requirement.features.iter(),
    )?;
    texts(
        &mut encoder,
        requirement.dialects.len(),
        requirement.dialects.iter(),
    )?;
    texts(&mut encoder, requirement.tags.len(), requirement.tags.iter())?;
    encoder.map(requirement.prefer.len() as u64)?;
    for (key, value) in &requirement.prefer {
        encoder.str(key)?.i64(*value)?;
    }
    match &requirement.prepare {
        Some(hint) => encoder.bytes(hint.to_string().as_bytes())?,
        None => encoder.null()?,
    };
    encoder.encode(requirement.affinity.as_deref())?;
    encoder.encode(requirement.strategy.map(Strategy::name))?;
    encoder.str(requirement.priority.name())?;
    encoder.encode(requirement.queue_timeout.map(nanoseconds))?;
    encoder.encode(requirement.instance.as_deref())?;
    encoder.encode(forward.path.as_deref())?;
    match &forward.body {
        BodyPlan::Unchanged => encoder.null()?,
        BodyPlan::Splice { start, end, with } => encoder
            .array(3)?
            .u64(*start as u64)?
            .u64(*end as u64)?
            .str(with)?,
        BodyPlan::Replaced(bytes) => encoder.bytes(bytes)?,
    };
    encoder.encode(forward.relay.as_deref())?;
    encoder.encode(forward.rename.as_deref())?;
    encoder.encode(requirement.role.as_deref())?;
    encoder.encode(requirement.admin.then_some(true))?;
    Ok(())
}

fn texts<'a>(
    encoder: &mut Encoder<&mut Vec<u8>>,
    length: usize,
    texts: impl Iterator<Item = &'a String>,
) -> Result<(), encode::Error<Infallible>> {
    encoder.array(length as u64)?;
    for text in texts {
        encoder.str(text)?;
    }
    Ok(())
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The decision from bytes; a replaced body is a slice of them.
///
/// # Errors
/// It is not a decision, or one of a kind that this side does not know.
pub fn decode(message: Bytes) -> Result<Decision, Error> {
    if message.is_empty() {
        return Ok(Decision::Work);
    }
    match read(&message) {
        Ok(forward) => Ok(Decision::Forward(Box::new(forward))),
        Err(error) => Err(unreadable("a decision", error)),
    }
}

fn read(message: &Bytes) -> Result<Forward, decode::Error> {
    let mut fields = Fields::new(message)?;
    match fields.decoder.u8()? {
        FORWARD => {}
        other => return Err(decode::Error::message(format_args!("kind {other} of decision"))),
    }
    let requirement = Requirement {
        capability: fields.text()?,
        features: fields.texts()?.into_iter().collect(),
        dialects: fields.texts()?,
        tags: fields.texts()?.into_iter().collect(),
        prefer: fields.next(Decoder::decode)?.unwrap_or_default(),
        prepare: match fields.next(Decoder::bytes)? {
            Some(json) => Some(serde_json::from_slice(json).map_err(decode::Error::message)?),
            None => None,
        },
        affinity: fields.text()?,
        strategy: fields.next(|decoder| decoder.str()?.parse().map_err(decode::Error::message))?,
        priority: fields
            .next(|decoder| decoder.str()?.parse().map_err(decode::Error::message))?
            .unwrap_or(Priority::Normal),
        queue_timeout: fields.next(Decoder::u64)?.map(Duration::from_nanos),
        instance: fields.text()?,
        ..Requirement::default()
    };
    let mut forward = Forward {
        requirement,
        path: fields.text()?,
        body: fields
            .next(|decoder| body(decoder, message))?
            .unwrap_or(BodyPlan::Unchanged),
        relay: fields.text()?,
        rename: fields.text()?,
    };
    forward.requirement.role = fields.text()?;
    forward.requirement.admin = fields.next(Decoder::bool)?.unwrap_or(false);
    Ok(forward)
}

fn body(decoder: &mut Decoder<'_>, message: &Bytes) -> Result<BodyPlan, decode::Error> {
    if decoder.datatype()? == Type::Bytes {
        return Ok(BodyPlan::Replaced(message.slice_ref(decoder.bytes()?)));
    }
    decoder.array()?;
    let place = |at: u64| usize::try_from(at).map_err(decode::Error::message);
    Ok(BodyPlan::Splice {
        start: place(decoder.u64()?)?,
        end: place(decoder.u64()?)?,
        with: decoder.str()?.to_owned(),
    })
}

/// The fields of the array, of which those at the end may be missing.
struct Fields<'a> {
    decoder: Decoder<'a>,
    left: u64,
}

impl<'a> Fields<'a> {
    /// Positioned at the first, the kind.
    fn new(message: &'a [u8]) -> Result<Self, decode::Error> {
        let mut decoder = Decoder::new(message);
        let left = decoder.array()?.unwrap_or(0).saturating_sub(1);
        Ok(Self { decoder, left })
    }

    fn next<T>(
        &mut self,
        read: impl FnOnce(&mut Decoder<'a>) -> Result<T, decode::Error>,
    ) -> Result<Option<T>, decode::Error> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        // Most fields of most decisions are null, and a decision is read for every request.
        let at = self.decoder.position();
        if self.decoder.input().get(at) == Some(&NULL) {
            self.decoder.set_position(at + 1);
            return Ok(None);
        }
        read(&mut self.decoder).map(Some)
    }

    fn text(&mut self) -> Result<Option<String>, decode::Error> {
        self.next(|decoder| decoder.str().map(str::to_owned))
    }

    fn texts(&mut self) -> Result<Vec<String>, decode::Error> {
        let texts = self.next(|decoder| {
            let count = decoder.array()?.unwrap_or(0);
            (0..count).map(|_| decoder.str().map(str::to_owned)).collect()
        })?;
        Ok(texts.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
