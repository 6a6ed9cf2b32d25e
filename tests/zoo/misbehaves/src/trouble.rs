//! The ways to misbehave.

use std::collections::BTreeMap;

use plugin_api::Error;
use serde::Deserialize;

/// Where to misbehave, and how.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How, by the name of the entry: `new`, `adopt`, `discover`, `probe`, `drop`, `decide`, `work`…
    trouble: BTreeMap<String, Trouble>,
}

/// One way to misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// Panics with a text.
    Panic,
    /// Panics with a value whose own drop panics.
    PanicTwice,
    /// Does not come back, and holds its thread.
    Hang,
    /// Waits for ever, as a good task does: it can be dropped.
    Wait,
    /// Ends the process, as a null pointer would.
    Abort,
    /// Fails in an orderly way.
    Fail,
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("the payload of a panic panicked when it was dropped");
    }
}

impl Config {
    /// What was asked for at this entry.
    pub fn at(&self, entry: &str) -> Option<Trouble> {
        self.trouble.get(entry).copied()
    }

    /// Makes the trouble that was asked for at this entry, if any, where nothing can be awaited.
    ///
    /// # Errors
    /// If that is the trouble.
    pub fn make(&self, entry: &str) -> Result<(), Error> {
        match self.at(entry) {
            None | Some(Trouble::Wait) => Ok(()),
            Some(Trouble::Panic) => panic!("on purpose in {entry}"),
            Some(Trouble::PanicTwice) => std::panic::panic_any(PanicsWhenDropped),
            Some(Trouble::Hang) => loop {
                std::thread::park();
            },
            Some(Trouble::Abort) => std::process::abort(),
            Some(Trouble::Fail) => Err(Error::plugin(format!("failed on purpose in {entry}"))),
        }
    }

    /// The same in a task, where waiting for ever is another kind of trouble.
    ///
    /// # Errors
    /// If that is the trouble.
    pub async fn make_async(&self, entry: &str) -> Result<(), Error> {
        // A panic after the first await is another one than before it: the task has been suspended.
        tokio::task::yield_now().await;
        if self.at(entry) == Some(Trouble::Wait) {
            std::future::pending::<()>().await;
        }
        self.make(entry)
    }
}
