//! Wishes: what a component wants kept warm.
//!
//! A wish outlives the hub that fulfils it. Whenever the component is bound to other hubs (one was removed, or added,
//! or added again) all wishes are looked at anew, so that a hub that comes back is as warm as it was.

use plugin_api::Error;
use plugin_api::contract::requirement::Requirement;

use super::{ComponentServices, Life};
use crate::pool::KeptWarm;

/// So many kinds of resources may be wished for; the oldest wish gives way.
pub(super) const MOST: usize = 64;

/// One wish.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) requirement: Requirement,
    /// `None` while the component is being built, and while no hub of its own can do it.
    pub(super) kept: Option<KeptWarm>,
}

impl ComponentServices {
    /// The component wants this kept warm, from when it is in service until it is retired.
    pub(super) fn wish(&self, requirement: &Requirement) {
        // Held all the while, so that of two who see other hubs the later has the last word.
        let mut wishes = self.wishes.lock();
        let kept = match *self.life.borrow() {
            Life::Starting => None,
            Life::Serving => self.fulfil(requirement),
            Life::Retired => return,
        };
        if let Some(known) = wishes.iter_mut().find(|known| known.is(requirement)) {
            known.kept = kept;
            return;
        }
        wishes.push_back(Wish {
            requirement: requirement.clone(),
            kept,
        });
        if wishes.len() > MOST {
            wishes.pop_front();
            tracing::warn!(
                scope = ?self.scope,
                "more than {MOST} kinds of resources are to be kept warm: the oldest is no longer"
            );
        }
    }

    /// Has every wish fulfilled by the hubs that the component is bound to now.
    pub(super) fn fulfil_wishes(&self) {
        let mut wishes = self.wishes.lock();
        for wish in wishes.iter_mut() {
            // What had it before ends after this has begun, so where nothing has changed nothing is stopped.
            wish.kept = self.fulfil(&wish.requirement);
        }
    }

    fn fulfil(&self, requirement: &Requirement) -> Option<KeptWarm> {
        let kept = self.dispatcher().and_then(|dispatcher| {
            let pools = self.pools_for(&dispatcher.manager, requirement)?;
            // The first that starts resources is where a lease would look as well.
            match pools.iter().find(|pool| pool.warm_status().is_some()) {
                Some(pool) => pool.warm(requirement),
                None => Err(Error::plugin("none of its hubs starts resources")),
            }
        });
        kept.inspect_err(|error| tracing::warn!(scope = ?self.scope, %error, "nothing is kept warm for now"))
            .ok()
    }
}

impl Wish {
    /// Whether it is a wish for the same.
    fn is(&self, requirement: &Requirement) -> bool {
        self.requirement.role == requirement.role
            && self.requirement.specification == requirement.specification
    }
}
