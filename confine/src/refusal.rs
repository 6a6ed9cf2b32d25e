//! Refusals: what could not be done, and what to do about it.

use serde::{Deserialize, Serialize};

/// Why a program was not started. It says what to do where an operator can do something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{what}: {why}")]
pub struct Refusal {
    /// What was being done.
    pub what: String,
    /// What the system said.
    pub why: String,
    /// What to do next, where we know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
    /// Whether the workload asks for what cannot be, rather than the machine being unable.
    #[serde(default)]
    pub workload: bool,
}

impl Refusal {
    /// This machine cannot.
    pub fn new(what: impl Into<String>, why: impl ToString) -> Self {
        Self {
            what: what.into(),
            why: why.to_string(),
            mend: None,
            workload: false,
        }
    }

    /// The workload asks for what cannot be.
    pub fn workload(what: impl Into<String>, why: impl ToString) -> Self {
        Self {
            workload: true,
            ..Self::new(what, why)
        }
    }

    /// Says what to do next.
    pub fn mend(mut self, mend: impl Into<String>) -> Self {
        self.mend = Some(mend.into());
        self
    }
}

impl Refusal {
    /// The same, the workload being at fault.
    pub(crate) fn of_the_workload(self) -> Self {
        Self {
            workload: true,
            ..self
        }
    }
}

/// Names what was being done when a call failed.
pub(crate) trait While<T> {
    /// The error as a refusal.
    fn during(self, what: impl Into<String>) -> Result<T, Refusal>;
}

impl<T, E: ToString> While<T> for Result<T, E> {
    fn during(self, what: impl Into<String>) -> Result<T, Refusal> {
        self.map_err(|error| Refusal::new(what, error.to_string()))
    }
}
