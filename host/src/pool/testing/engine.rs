//! The part of the fake hub that starts resources by specification, and knows at any moment what there is.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use plugin_api::Error;
use plugin_api::contract::instance::ResourceInstance;
use serde_json::Value;

/// Starts, stops and resets as the test says. Cheap to clone; all clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Engine {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// What runs, with what it was started with.
    running: BTreeMap<String, Value>,
    /// What runs, is being started or is being stopped.
    present: usize,
    most: usize,
    started: usize,
    takes: Takes,
    /// By specification.
    failures: HashMap<Value, Error>,
    reset_fails: bool,
    stops_that_fail: usize,
    next_id: Option<String>,
    log: Vec<String>,
}

/// How long things take.
#[derive(Clone, Copy, Default)]
pub(crate) struct Takes {
    pub(crate) start: Duration,
    pub(crate) stop: Duration,
    pub(crate) reset: Duration,
}

/// A start under way; leaves nothing behind if it is dropped.
struct Begun(Engine);

impl Drop for Begun {
    fn drop(&mut self) {
        self.0.state.lock().present -= 1;
    }
}

impl Engine {
    pub(crate) fn takes(&self, change: impl FnOnce(&mut Takes)) {
        change(&mut self.state.lock().takes);
    }

    /// Starts of this specification fail so, until told otherwise.
    pub(crate) fn fails(&self, specification: &Value, error: Option<Error>) {
        let mut state = self.state.lock();
        match error {
            Some(error) => state.failures.insert(specification.clone(), error),
            None => state.failures.remove(specification),
        };
    }

    pub(crate) fn resets_fail(&self) {
        self.state.lock().reset_fails = true;
    }

    /// So many stops fail from now on.
    pub(crate) fn stops_fail(&self, count: usize) {
        self.state.lock().stops_that_fail = count;
    }

    /// The next one that is started is called so.
    pub(crate) fn calls_the_next(&self, id: &str) {
        self.state.lock().next_id = Some(id.to_owned());
    }

    /// The ids of what runs.
    pub(crate) fn running(&self) -> Vec<String> {
        self.state.lock().running.keys().cloned().collect()
    }

    /// What was started so and runs.
    pub(crate) fn running_of(&self, specification: &Value) -> usize {
        let state = self.state.lock();
        state
            .running
            .values()
            .filter(|running| *running == specification)
            .count()
    }

    /// What runs, is being started or is being stopped.
    pub(crate) fn present(&self) -> usize {
        self.state.lock().present
    }

    /// The most that there were at once.
    pub(crate) fn most(&self) -> usize {
        self.state.lock().most
    }

    /// How many starts were begun.
    pub(crate) fn started(&self) -> usize {
        self.state.lock().started
    }

    /// How many calls were made that begin so: `start`, `stop w1`, `reset w1`.
    pub(crate) fn calls(&self, prefix: &str) -> usize {
        let state = self.state.lock();
        state.log.iter().filter(|call| call.starts_with(prefix)).count()
    }

    pub(crate) async fn start(&self, specification: Value) -> Result<ResourceInstance, Error> {
        let (begun, takes, id) = {
            let mut state = self.state.lock();
            state.log.push(format!("start {specification}"));
            state.started += 1;
            state.present += 1;
            state.most = state.most.max(state.present);
            let id = format!("w{}", state.started);
            (Begun(self.clone()), state.takes, id)
        };
        tokio::time::sleep(takes.start).await;
        let mut state = self.state.lock();
        if let Some(error) = state.failures.get(&specification).cloned() {
            drop(state);
            drop(begun);
            return Err(error);
        }
        let id = state.next_id.take().unwrap_or(id);
        state.running.insert(id.clone(), specification);
        std::mem::forget(begun);
        Ok(ResourceInstance::new(id))
    }

    pub(crate) async fn stop(&self, id: &str) -> Result<(), Error> {
        let takes = {
            let mut state = self.state.lock();
            state.log.push(format!("stop {id}"));
            if state.stops_that_fail > 0 {
                state.stops_that_fail -= 1;
                return Err(Error::plugin("the engine does not answer"));
            }
            state.takes
        };
        tokio::time::sleep(takes.stop).await;
        let mut state = self.state.lock();
        match state.running.remove(id) {
            Some(_) => {
                state.present -= 1;
                Ok(())
            }
            None => Err(Error::not_found(format!("there is no `{id}`"))),
        }
    }

    pub(crate) async fn reset(&self, id: &str) -> Result<(), Error> {
        let (takes, fails) = {
            let mut state = self.state.lock();
            state.log.push(format!("reset {id}"));
            (state.takes, state.reset_fails)
        };
        tokio::time::sleep(takes.reset).await;
        match fails {
            true => Err(Error::plugin("it does not come clean")),
            false => Ok(()),
        }
    }
}
