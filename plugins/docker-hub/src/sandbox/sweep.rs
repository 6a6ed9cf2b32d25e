//! Orphans: containers that nobody will end any more, found by their labels.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bollard::models::ContainerSummary;
use bollard::query_parameters::ListContainersOptionsBuilder;
use plugin_api::owner::{Life, Owner};

use super::label::{self, CREATED, DEADLINE, KIND, MACHINE, OPERATOR, SANDBOX};
use super::{Removal, Sandboxes, ask_to_remove};
use crate::engine::Engine;
use crate::error::DockerError;

/// How old a container of this very process is before one wonders that it is no box: it may just be in the making.
const IN_THE_MAKING: u64 = 15 * 60;

/// How long after its deadline a box is left to those who made it.
const GRACE: u64 = 60;

/// Removes the orphans of an engine, and tells of boxes that are gone from it. Returns what was removed.
///
/// # Errors
/// The engine does not say what it has.
pub(crate) async fn sweep(
    engine: &Engine,
    owner: &Owner,
    sandboxes: &Sandboxes,
) -> Result<Vec<String>, DockerError> {
    // Looked at first: what starts meanwhile is in the list and not among these.
    let known = sandboxes.on(engine.instance());
    let containers = ours(engine).await?;
    for sandbox in known {
        let there = containers
            .iter()
            .any(|container| container.id.as_deref() == Some(&sandbox.container));
        if !there {
            sandboxes.ended(&sandbox.container, "the engine does not have it any more");
        }
    }
    engine.stuck().retain(|id| {
        containers
            .iter()
            .any(|container| container.id.as_deref() == Some(id))
    });
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_secs();
    let mut removed = Vec::new();
    for container in containers {
        let (Some(id), Some(labels)) = (container.id, container.labels) else {
            continue;
        };
        if sandboxes.has(&id) || !is_orphan(&labels, owner, now) {
            continue;
        }
        match ask_to_remove(engine, &id).await {
            Ok(Removal::Done) => {
                tracing::info!(
                    engine = engine.instance(),
                    container = id,
                    "removed a container that nobody owns any more"
                );
                removed.push(id);
            }
            failed => tell(engine, &id, failed.err(), engine.stuck().see(&id)),
        }
    }
    Ok(removed)
}

/// Says once of each container that it does not go away: at once where the engine says why, else when it is still there the
/// next time. It is tried again at every sweep, and status counts those that are left.
fn tell(engine: &Engine, container: &str, error: Option<DockerError>, times: u32) {
    let engine = engine.instance();
    match (error, times) {
        (Some(error), 1) => tracing::warn!(engine, container, %error, "cannot remove an orphan"),
        (None, 2) => tracing::warn!(
            engine,
            container,
            "the engine has been removing an orphan since the last time and is not done; restarting the engine mends that"
        ),
        (error, _) => tracing::debug!(
            engine,
            container,
            error = error.map(|error| error.to_string()),
            times,
            "an orphan is still there"
        ),
    }
}

/// The containers with our labels, whoever made them.
pub(crate) async fn ours(engine: &Engine) -> Result<Vec<ContainerSummary>, DockerError> {
    let filters = HashMap::from([("label", vec![MACHINE])]);
    let options = ListContainersOptionsBuilder::new()
        .all(true)
        .filters(&filters)
        .build();
    engine
        .call(
            "list its containers",
            engine.client().list_containers(Some(options)),
        )
        .await
}

/// Whether nobody will end a container that is no box of this process.
///
/// What an operator made by a verb is the operator's: it has no deadline unless it was given one.
fn is_orphan(labels: &HashMap<String, String>, this: &Owner, now: u64) -> bool {
    let Some(owner) = label::owner(labels) else {
        return false;
    };
    let number = |name: &str| labels.get(name).and_then(|text| text.parse::<u64>().ok());
    if number(DEADLINE).is_some_and(|deadline| now > deadline.saturating_add(GRACE)) {
        return true;
    }
    if labels.get(KIND).is_some_and(|kind| kind == OPERATOR) {
        return false;
    }
    match owner.life() {
        Life::Dead => true,
        Life::Unknown => false,
        Life::Alive => {
            let is_box = labels.get(KIND).is_some_and(|kind| kind == SANDBOX);
            let made_long_ago =
                number(CREATED).is_none_or(|created| now > created.saturating_add(IN_THE_MAKING));
            is_box && owner == *this && made_long_ago
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(owner: &Owner, more: &[(&str, String)]) -> HashMap<String, String> {
        let more = more
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()));
        label::of(owner).into_iter().chain(more).collect()
    }

    fn dead(owner: &Owner) -> HashMap<String, String> {
        let mut labels = labels(owner, &[(KIND, SANDBOX.to_owned())]);
        labels.insert("gleitzeit.boot".to_owned(), "another".to_owned());
        labels
    }

    #[test]
    fn what_a_dead_process_left_is_an_orphan() {
        let this = Owner::this();
        assert!(is_orphan(&dead(&this), &this, 1000));
    }

    #[test]
    fn what_others_made_is_left_alone() {
        let this = Owner::this();
        let mut other = dead(&this);
        other.insert(MACHINE.to_owned(), "elsewhere".to_owned());
        assert!(!is_orphan(&other, &this, 1000));
        assert!(!is_orphan(
            &HashMap::from([("some".to_owned(), "label".to_owned())]),
            &this,
            1000
        ));
        let mut kept = dead(&this);
        kept.insert(KIND.to_owned(), OPERATOR.to_owned());
        assert!(!is_orphan(&kept, &this, 1000));
    }

    #[test]
    fn a_deadline_holds_for_everybody() {
        let this = Owner::this();
        let mut other = dead(&this);
        other.insert(MACHINE.to_owned(), "elsewhere".to_owned());
        other.insert(DEADLINE.to_owned(), "900".to_owned());
        assert!(!is_orphan(&other, &this, 950));
        assert!(is_orphan(&other, &this, 1000));
    }

    #[test]
    fn what_this_process_is_making_is_not_an_orphan_yet() {
        let this = Owner::this();
        let made = labels(&this, &[(KIND, SANDBOX.to_owned()), (CREATED, "1000".to_owned())]);
        assert!(!is_orphan(&made, &this, 1001));
        assert!(is_orphan(&made, &this, 1001 + IN_THE_MAKING));
    }
}
