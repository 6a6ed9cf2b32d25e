//! All profiles, and which of them a request means.

use std::collections::BTreeMap;
use std::sync::Arc;

use plugin_api::quantity::{Size, Span};
use plugin_api::{Error, ErrorCode, Fault};

use super::Profile;
use crate::config::{Config, Settings};
use crate::level::Level;

/// Every profile, by name; the levels' own are under the levels' names.
#[derive(Debug)]
pub struct Profiles {
    known: BTreeMap<String, Arc<Profile>>,
    default_level: Level,
    default_profile: Option<String>,
}

impl Profiles {
    /// Builds them all.
    ///
    /// # Errors
    /// A profile cannot work; the message says which and why.
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        let mut known = BTreeMap::new();
        let own = [
            (Level::Trusted, &config.trusted),
            (Level::Restricted, &config.restricted),
            (Level::Sandboxed, &config.sandboxed),
        ];
        for (level, settings) in own {
            add(&mut known, level.name(), level, settings)?;
        }
        // A name of the Python system: a small sandbox.
        if !config.profiles.contains_key("minimal") {
            add(
                &mut known,
                "minimal",
                Level::Sandboxed,
                &minimal(&config.sandboxed),
            )?;
        }
        for (name, settings) in &config.profiles {
            if Level::of(name).is_some() {
                return Err(wrong(name, "this is the name of a level; choose another"));
            }
            add(&mut known, name, Level::Specialized, settings)?;
        }
        let profiles = Self {
            known,
            default_level: config.default_level,
            default_profile: config.default_profile.clone(),
        };
        if config.default_profile.is_some() {
            profiles.find(Some("specialized"), None)?;
        }
        if config.default_level == Level::Trusted && config.trusted.enabled != Some(true) {
            return Err(wrong("trusted", "it is the default level, and not switched on")
                .hint("set trusted.enabled = true, or another default_level"));
        }
        Ok(profiles)
    }

    /// The profile that a request means by its level and profile, each of which may be absent.
    ///
    /// # Errors
    /// There is none, or it is switched off; the message says what there is.
    pub(crate) fn find(&self, level: Option<&str>, profile: Option<&str>) -> Result<&Arc<Profile>, Error> {
        let found = match (level, profile) {
            (_, Some(profile)) => {
                let found = self.named(profile)?;
                let fits =
                    level.is_none_or(|level| Level::of(level) == Some(found.level) || level == profile);
                if !fits {
                    return Err(Error::invalid(format!(
                        "the profile `{profile}` is of the level `{}`, not `{}`",
                        found.level,
                        level.unwrap_or_default()
                    )));
                }
                found
            }
            (None, None) => self.of_level(self.default_level)?,
            (Some(level), None) => match Level::of(level) {
                Some(level) => self.of_level(level)?,
                None => self.named(level)?,
            },
        };
        if found.enabled {
            return Ok(found);
        }
        let message = format!("the level `{}` is not switched on", found.name);
        Err(Error::new(ErrorCode::FORBIDDEN, Fault::Client, message)
            .hint("use another level, or let the operator set `enabled = true` for it"))
    }

    fn of_level(&self, level: Level) -> Result<&Arc<Profile>, Error> {
        if level != Level::Specialized {
            return self.named(level.name());
        }
        match &self.default_profile {
            Some(name) => self.named(name),
            None => Err(Error::invalid("the level `specialized` needs a `profile`").hint(self.hint())),
        }
    }

    fn named(&self, name: &str) -> Result<&Arc<Profile>, Error> {
        let unknown = || Error::invalid(format!("there is no level or profile `{name}`")).hint(self.hint());
        self.known.get(name).ok_or_else(unknown)
    }

    fn hint(&self) -> String {
        let names: Vec<_> = self.iter().map(|profile| profile.name.as_str()).collect();
        format!("there are {}", names.join(", "))
    }

    /// All that may be used.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Profile>> {
        self.known.values().filter(|profile| profile.enabled)
    }

    /// All there are.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Profile>> {
        self.known.values()
    }
}

fn minimal(sandboxed: &Settings) -> Settings {
    Settings {
        memory: Some(Size(256 << 20)),
        cpus: Some(0.5),
        processes: Some(32),
        scratch: Some(Size(32 << 20)),
        timeout: Some(Span(std::time::Duration::from_secs(30))),
        ..sandboxed.clone()
    }
}

fn add(
    known: &mut BTreeMap<String, Arc<Profile>>,
    name: &str,
    level: Level,
    settings: &Settings,
) -> Result<(), Error> {
    let profile = Profile::new(name, level, settings);
    let table = &profile.table;
    if level != Level::Trusted {
        // Both count as memory: a box could kill its own supervisor by writing files.
        let (taken, spare) = (table.scratch + table.shared_memory, 64 << 20);
        if taken + spare > table.memory {
            return Err(wrong(
                name,
                &format!(
                    "scratch and shared memory are {}, which leaves less than 64 MiB of its memory of {}",
                    Size(taken),
                    Size(table.memory)
                ),
            ));
        }
    }
    if !(table.cpus.is_finite() && table.cpus > 0.0) {
        return Err(wrong(name, "cpus has to be greater than nothing"));
    }
    if table.timeout.0.is_zero() {
        return Err(wrong(name, "timeout has to be greater than nothing"));
    }
    if level == Level::Trusted && (settings.network.is_some() || settings.gpus.is_some()) {
        return Err(wrong(
            name,
            "it runs on the host, whose network and devices it has anyway",
        ));
    }
    if level == Level::Restricted && settings.image.is_some() {
        return Err(wrong(name, "it runs without a container, so it has no image"));
    }
    known.insert(name.to_owned(), Arc::new(profile));
    Ok(())
}

fn wrong(profile: &str, why: &str) -> Error {
    Error::new(
        ErrorCode::CONFIGURATION,
        Fault::Client,
        format!("`{profile}`: {why}"),
    )
}
