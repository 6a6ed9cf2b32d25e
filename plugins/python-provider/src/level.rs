//! Levels: how far code is trusted.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far code is trusted, and so where it runs.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// A plain process with the rights of the host. Off unless the operator switches it on.
    Trusted,
    /// A process under the operating system's own limits.
    Restricted,
    /// A container without network.
    #[default]
    Sandboxed,
    /// A container that the operator has described under a name of its own: libraries, graphics processors, a network.
    Specialized,
}

impl Level {
    /// All of them, with their names in configuration, requests and roles.
    pub const ALL: [(Level, &'static str); 4] = [
        (Level::Trusted, "trusted"),
        (Level::Restricted, "restricted"),
        (Level::Sandboxed, "sandboxed"),
        (Level::Specialized, "specialized"),
    ];

    /// Its name, which is also the role its hub has.
    pub fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(level, _)| *level == self)
            .map_or("", |(_, name)| name)
    }

    /// The level of a name. `local` is what the Python system called code that runs on the host.
    pub fn of(name: &str) -> Option<Self> {
        let name = if name == "local" { "trusted" } else { name };
        Self::ALL
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(level, _)| *level)
    }

    /// The kind of resource it needs, as the manifest's roles say.
    pub fn resource(self) -> &'static str {
        match self {
            Level::Trusted | Level::Restricted => "process",
            Level::Sandboxed | Level::Specialized => "container",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
