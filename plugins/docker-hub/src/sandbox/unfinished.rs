//! Containers in the making.

use std::sync::Arc;
use std::time::Duration;

use bollard::models::ContainerCreateBody;
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
    attempt: String,
}

impl Unfinished {
    /// One that is about to be asked for under this name, by a body that is marked as this attempt's.
    pub(crate) fn new(
        engine: &Arc<Engine>,
        name: &str,
        owner: &Arc<Owner>,
        body: &mut ContainerCreateBody,
    ) -> Self {
        let attempt = format!("{:016x}", fastrand::u64(..));
        let labels = body.labels.get_or_insert_default();
        labels.insert(label::ATTEMPT.to_owned(), attempt.clone());
        Self {
            owner: owner.clone(),
            attempt,
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
        let (owner, attempt) = (self.owner.clone(), std::mem::take(&mut self.attempt));
        tokio::spawn(async move {
            let has_id = container.len() == 64;
            // An engine that did not answer may still be creating it.
            for pause in [0, 200, 1000, 5000] {
                tokio::time::sleep(Duration::from_millis(pause)).await;
                let id = if has_id {
                    Some(container.clone())
                } else {
                    ours(&engine, &container, &owner, &attempt).await
                };
                let Some(id) = id else { continue };
                match remove(&engine, &id).await {
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

/// The id of the container of this name, where it came of this attempt. Another's may have had the name before, and this
/// process's operator may have too.
async fn ours(engine: &Engine, name: &str, owner: &Owner, attempt: &str) -> Option<String> {
    let look = engine
        .client()
        .inspect_container(name, None::<InspectContainerOptions>);
    let found = engine.call("look at a container", look).await.ok()?;
    let labels = found.config?.labels?;
    let is_ours = label::owner(&labels).as_ref() == Some(owner)
        && labels.get(label::ATTEMPT).is_some_and(|found| found == attempt);
    found.id.filter(|_| is_ours)
}

/// Names of containers, directories and marks: short, and hardly ever the same twice. No secrets: they can be guessed.
pub(crate) fn random_name() -> String {
    let mut name = format!("{:010x}", fastrand::u64(..));
    name.truncate(10);
    name
}
