//! Routing hints in parameters, under their own names and those of the Python system.

use std::time::Duration;

use plugin_api::contract::requirement::{Priority, Requirement, Strategy};
use serde::Deserialize;

/// Routing hints of a method's parameters.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Hints {
    #[serde(alias = "load_balancing_strategy")]
    strategy: Option<Strategy>,
    #[serde(alias = "instance_tags")]
    tags: Vec<String>,
    require_gpu: bool,
    priority: Priority,
    affinity_key: Option<String>,
    queue_timeout: Option<f64>,
}

impl Hints {
    /// Adds them to what the request needs.
    pub(super) fn apply(self, requirement: &mut Requirement) {
        requirement.strategy = self.strategy;
        requirement.tags.extend(self.tags);
        if self.require_gpu {
            requirement.tags.insert("gpu".to_owned());
        }
        requirement.priority = self.priority;
        requirement.affinity = self.affinity_key;
        requirement.queue_timeout = self
            .queue_timeout
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    }
}
