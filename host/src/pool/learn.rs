//! What the end of a request teaches about its instance, besides breaker and metrics.

use std::sync::Arc;

use plugin_api::contract::outcome::Outcome;
use plugin_api::contract::time::Tick;

use super::core::Core;
use super::lease::Errand;
use super::notes::Note;
use super::slot::{Slot, StateChange};

/// How a request ended.
#[derive(Debug)]
pub(super) struct Lesson<'a> {
    pub(super) outcome: Outcome,
    /// When it was sent.
    pub(super) sent: Tick,
    pub(super) errand: Option<&'a Errand>,
}

impl Core {
    /// Draws the consequences, before anybody else can get the place that is becoming free.
    #[inline]
    pub(super) fn learn(&self, slot: &Arc<Slot>, lesson: &Lesson<'_>, now: Tick) -> Option<StateChange> {
        match lesson.outcome {
            Outcome::Success => {
                slot.relieved();
                slot.progressed(now);
                self.learn_loaded(slot, lesson, now);
                None
            }
            Outcome::Busy { retry_after } => {
                self.alarm.set(slot.rest(lesson.sent, now, retry_after));
                None
            }
            Outcome::Misconfigured => slot.change(|condition| {
                condition
                    .health
                    .misconfigured("it refuses our credentials (401 or 403)");
            }),
            Outcome::CapabilityMissing => {
                if let Some(errand) = lesson.errand {
                    self.registry.note(slot, &errand.name, Note::Gone, now);
                }
                None
            }
            Outcome::ConnectFailed | Outcome::TimedOut => {
                // The next probe may be half a minute away, and every request until then would find out by itself.
                slot.look.notify_one();
                None
            }
            Outcome::ClientError | Outcome::Cancelled | Outcome::ServerError | Outcome::StreamBroken => None,
        }
    }

    /// What a request has just used is loaded, and in the way the request asked for, whatever the last refresh
    /// saw.
    fn learn_loaded(&self, slot: &Arc<Slot>, lesson: &Lesson<'_>, now: Tick) {
        let Some((errand, shape)) = lesson
            .errand
            .and_then(|errand| Some((errand, errand.brings.as_ref()?)))
        else {
            return;
        };
        let known = {
            let snapshot = self.registry.load();
            snapshot
                .capabilities
                .get(&errand.name)
                .is_some_and(|held| held.loaded(slot.place) && held.loaded_as(slot.place, shape))
        };
        if !known {
            self.registry
                .note(slot, &errand.name, Note::Loaded(shape.clone()), now);
        }
    }
}
