//! Containers in the making.

use std::sync::Arc;
use std::time::Duration;

use bollard::query_parameters::InspectContainerOptions;
use plugin_api::owner::Owner;

use super::{label, remove};
use crate::engine::Engine;

/// A container that is no box yet. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct Unfinished {
    pub(crate) engine: Arc<Engine>,
    /// Its id, or its name as long as the engine has not answered.
    pub(crate) container: String,
    /// Whether it has become something that others look after, or nothing.
    pub(crate) is_over: bool,
    owner: Arc<Owner>,
}

impl Unfinished {
    /// One that is about to be asked for under this name.
    pub(crate) fn new(engine: &Arc<Engine>, name: &str, owner: &Arc<Owner>) -> Self {
        Self {
            owner: owner.clone(),
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
        let owner = self.owner.clone();
        tokio::spawn(async move {
            let has_id = container.len() == 64;
            // An engine that did not answer may still be creating it.
            for pause in [0, 200, 1000, 5000] {
                tokio::time::sleep(Duration::from_millis(pause)).await;
                if !has_id && !is_ours(&engine, &container, &owner).await {
                    continue;
                }
                match remove(&engine, &container).await {
                    Ok(()) if pause >= 200 || has_id => return,
                    Ok(()) => {}
                    Err(error) => {
                        tracing::warn!(container, %error, "a container that came to nothing is not removed yet")
                    }
                }
            }
        });
    }
}

/// Whether the container of this name is one that this process asked for. Another's may have had the name before.
async fn is_ours(engine: &Engine, name: &str, owner: &Owner) -> bool {
    let look = engine
        .client()
        .inspect_container(name, None::<InspectContainerOptions>);
    let found = engine.call("look at a container", look).await;
    let labels = found.ok().and_then(|found| found.config?.labels);
    labels.is_some_and(|labels| label::owner(&labels).as_ref() == Some(owner))
}

/// Names of containers, directories and marks: short, and hardly ever the same twice. No secrets: they can be guessed.
pub(crate) fn random_name() -> String {
    let mut name = format!("{:010x}", fastrand::u64(..));
    name.truncate(10);
    name
}
