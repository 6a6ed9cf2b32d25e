//! Profiles: a level with everything that makes a box of it, fixed once the provider is built.

mod boxed;
mod set;
mod table;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::config::Settings;
use crate::level::Level;

pub use set::Profiles;
pub use table::Table;

/// A level or a specialized profile. Nothing in it ever changes; a request may only ask for less.
#[derive(Debug, Clone)]
pub struct Profile {
    /// The level's name, or the specialized profile's own.
    pub name: String,
    /// Its level, whose name is the role of its hub.
    pub level: Level,
    /// Whether it may be used.
    pub enabled: bool,
    /// Its numbers.
    pub table: Table,
    /// Variables that a request may set.
    pub allow_environment: BTreeSet<String>,
    /// What is fixed of it, as the operator said.
    pub(crate) settings: Settings,
    /// The workload as a specification, ready to be leased by.
    pub(crate) specification: Value,
}

impl Profile {
    fn new(name: &str, level: Level, settings: &Settings) -> Self {
        let mut profile = Self {
            name: name.to_owned(),
            level,
            enabled: settings.enabled.unwrap_or(level != Level::Trusted),
            table: Table::of(level).with(settings),
            allow_environment: settings.allow_environment.clone().unwrap_or_default(),
            settings: settings.clone(),
            specification: Value::Null,
        };
        profile.specification = profile.specification_of(&profile.table);
        profile
    }

    /// What `python/info` shows of it.
    pub(crate) fn shown(&self) -> Value {
        let mut shown = serde_json::to_value(&self.table).unwrap_or_default();
        if let Value::Object(fields) = &mut shown {
            fields.insert("image".into(), self.image().into());
            fields.insert("network".into(), self.settings.network.clone().into());
            fields.insert("gpus".into(), self.settings.gpus.clone().into());
            fields.insert("runtime".into(), self.settings.runtime.clone().into());
            fields.insert("preimport".into(), self.preimport().into());
            let names: Vec<_> = self.allow_environment.iter().cloned().collect();
            fields.insert("environment".into(), names.into());
        }
        shown
    }

    pub(crate) fn preimport(&self) -> Vec<String> {
        self.settings.preimport.clone().unwrap_or_default()
    }

    /// The variables that the code finds, whatever a request says.
    fn environment(&self) -> BTreeMap<String, String> {
        let mut environment: BTreeMap<String, String> = [
            ("HOME", boxed::WORK),
            ("LANG", "C.UTF-8"),
            // Threads of such libraries would be lost in every fork, and one processor is the rule.
            ("OMP_NUM_THREADS", "1"),
            ("OPENBLAS_NUM_THREADS", "1"),
            ("MPLBACKEND", "module://gleitzeit_runner.backend"),
            ("MPLCONFIGDIR", "/tmp/.matplotlib"),
            (
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            ),
            ("TMPDIR", boxed::SCRATCH),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        environment.extend(self.settings.environment.clone().unwrap_or_default());
        environment
    }
}
