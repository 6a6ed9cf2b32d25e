//! Containers in the making.

use std::sync::Arc;
use std::time::Duration;

use super::remove;
use crate::engine::Engine;

/// A container that is no box yet. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct Unfinished {
    pub(crate) engine: Arc<Engine>,
    /// Its id, or its name as long as the engine has not answered.
    pub(crate) container: String,
    /// Whether it has become something that others look after, or nothing.
    pub(crate) is_over: bool,
}

impl Unfinished {
    /// One that is about to be asked for under this name.
    pub(crate) fn new(engine: &Arc<Engine>, name: &str) -> Self {
        Self {
            engine: engine.clone(),
            container: name.to_owned(),
            is_over: false,
        }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let (engine, container) = (self.engine.clone(), std::mem::take(&mut self.container));
        tokio::spawn(async move {
            // An engine that did not answer may still be creating it.
            for pause in [0, 200, 1000, 5000] {
                tokio::time::sleep(Duration::from_millis(pause)).await;
                match remove(&engine, &container).await {
                    Ok(()) if pause >= 200 || container.len() == 64 => return,
                    Ok(()) => {}
                    Err(error) => {
                        tracing::warn!(container, %error, "a container that came to nothing is not removed yet")
                    }
                }
            }
        });
    }
}

/// Names of containers, directories and marks: short, and hardly ever the same twice. No secrets: they can be guessed.
pub(crate) fn random_name() -> String {
    let mut name = format!("{:010x}", fastrand::u64(..));
    name.truncate(10);
    name
}
