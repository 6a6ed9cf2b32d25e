//! Numbers of events.

use std::fmt;
use std::str::FromStr;

use plugin_api::Error;
use serde::{Serialize, Serializer};

/// An event's number, `LIFE-NUMBER`: unique in this life of the host, and told apart from those of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventId {
    pub(super) life: u32,
    pub(super) number: u64,
}

impl fmt::Display for EventId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:08x}-{}", self.life, self.number)
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for EventId {
    type Err = Error;

    /// # Errors
    /// It is no number of an event.
    fn from_str(text: &str) -> Result<Self, Error> {
        let read = |text: &str| {
            let (life, number) = text.split_once('-')?;
            Some(Self {
                life: u32::from_str_radix(life, 16).ok()?,
                number: number.parse().ok()?,
            })
        };
        read(text.trim()).ok_or_else(|| {
            Error::invalid("the id of the last event is none of ours")
                .hint("send it as it came, or leave it out to follow from now on")
        })
    }
}
