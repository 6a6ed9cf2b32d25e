//! Who stands behind a plugin's request to the host.
//!
//! A plugin hands on the context it was called with, which names its caller; what that caller may do is looked up
//! here and not believed, so that a detour over a plugin widens nobody's rights.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use plugin_api::Context;
use plugin_api::contract::requirement::Priority;

use super::caller::Caller;

/// A principal and a request id. Ids are the clients' own to choose, so one may be under way twice.
type Key = (String, String);

/// Callers on whose behalf plugins are at work. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Callers {
    /// Each with how often it is under way. Locked for a lookup, never across an await.
    at_work: Arc<Mutex<HashMap<Key, (Caller, usize)>>>,
}

/// A caller whose work is under way; dropping it ends that.
pub(super) struct CallerGuard {
    callers: Callers,
    key: Key,
}

impl Callers {
    /// Notes that a plugin works for this caller until the guard is dropped.
    pub(super) fn enter(&self, caller: &Caller) -> CallerGuard {
        let key = (caller.principal.to_string(), caller.request_id.clone());
        let mut at_work = self.at_work.lock();
        at_work
            .entry(key.clone())
            .or_insert_with(|| (caller.clone(), 0))
            .1 += 1;
        CallerGuard {
            callers: self.clone(),
            key,
        }
    }

    /// The caller behind a context. One that is not at work, such as a hub's own loop, may nothing but ask.
    pub(super) fn behind(&self, context: &Context) -> Caller {
        let key = (context.principal.clone(), context.request_id.clone());
        let known = self.at_work.lock().get(&key).map(|(caller, _)| caller.clone());
        let mut caller = known.unwrap_or_else(|| Caller {
            principal: Arc::from(context.principal.as_str()),
            admin: false,
            max_priority: Priority::Normal,
            ..Caller::host(context.request_id.clone())
        });
        caller.deadline = context.deadline.or(caller.deadline);
        caller
    }
}

impl Drop for CallerGuard {
    fn drop(&mut self) {
        let mut at_work = self.callers.at_work.lock();
        if let Some((_, count)) = at_work.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                at_work.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detour_over_a_plugin_widens_nobodys_rights() {
        let callers = Callers::default();
        let caller = Caller {
            principal: "batch".into(),
            admin: false,
            max_priority: Priority::Low,
            ..Caller::host("r1")
        };
        let guard = callers.enter(&caller);
        let again = callers.enter(&caller);
        let behind = callers.behind(&caller.context());
        assert_eq!((behind.admin, behind.max_priority), (false, Priority::Low));
        drop(guard);
        assert_eq!(
            callers.behind(&caller.context()).max_priority,
            Priority::Low,
            "still at work"
        );
        drop(again);
        let unknown = callers.behind(&Context::background("r1"));
        assert_eq!((unknown.admin, unknown.max_priority), (false, Priority::Normal));
    }
}
