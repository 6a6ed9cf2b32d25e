//! From the text in a library's manifest section to a manifest that this host can live with.

use plugin_api::abi::cpu;
use plugin_api::manifest::{API_VERSION, Build, Manifest, TARGET};
use semver::Version;

use super::refusal::Reason;

mod unknown;

#[cfg(test)]
mod tests;

/// The longest an id may be: it becomes part of thread, file and metric names.
const MAX_ID: usize = 40;

/// Parses a manifest and decides by it whether the plugin could run here. Returns it with the facts of its build.
///
/// # Errors
/// It is no manifest, breaks a rule, or states a build that this host cannot run.
pub(super) fn parse(text: &str) -> Result<(Manifest, Build), Reason> {
    // A plugin of a newer API may have a manifest that we cannot read whole, so the API is looked at first.
    let table: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| bad(error.message()))?;
    let build = build_of(&table)?;
    let theirs = api(&build)?;
    let manifest: Manifest = table
        .clone()
        .try_into()
        .map_err(|error: toml::de::Error| bad(error.message()))?;
    reject_unknown_keys(&table, &manifest, &theirs)?;
    identity(&manifest)?;
    fits_here(&build)?;
    Ok((manifest, build))
}

/// The facts of the build, which decide how the rest is read.
fn build_of(table: &toml::Table) -> Result<Build, Reason> {
    table
        .get("build")
        .cloned()
        .ok_or_else(|| bad("it has no [build] table, which `export_plugin!` adds"))?
        .try_into()
        .map_err(|error: toml::de::Error| bad(&format!("[build]: {}", error.message())))
}

/// The plugin API it was built for, if it is of our major version: within one, everything that is added has a
/// default that stands in for it on the other side.
fn api(build: &Build) -> Result<Version, Reason> {
    let theirs = Version::parse(&build.api).map_err(|error| bad(&format!("[build] api: {error}")))?;
    // Our own version is a constant of the build; if it is none, no plugin fits.
    let ours = Version::parse(API_VERSION).map_err(|error| bad(&format!("the host's API: {error}")))?;
    if theirs.major == ours.major {
        return Ok(theirs);
    }
    Err(Reason::Api {
        found: build.api.clone(),
        major: ours.major,
    })
}

/// A key that nobody knows is a mistake, unless the plugin is newer than we are: then it is something we cannot
/// know yet, and the plugin works without our knowing it.
fn reject_unknown_keys(table: &toml::Table, manifest: &Manifest, theirs: &Version) -> Result<(), Reason> {
    let written = serde_json::to_value(table).map_err(|error| bad(&error.to_string()))?;
    let understood = serde_json::to_value(manifest).map_err(|error| bad(&error.to_string()))?;
    let Some(key) = unknown::first(&written, &understood) else {
        return Ok(());
    };
    if Version::parse(API_VERSION).is_ok_and(|ours| *theirs > ours) {
        tracing::debug!(target: "gleitzeit::plugin", plugin = manifest.id, key, "manifest key of a newer API");
        return Ok(());
    }
    Err(bad(&format!("unknown key `{key}`")))
}

/// What the plugin says of itself makes sense.
fn identity(manifest: &Manifest) -> Result<(), Reason> {
    let id = manifest.id.as_str();
    let well_formed = id.len() <= MAX_ID
        && id.starts_with(|first: char| first.is_ascii_lowercase())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !well_formed {
        return Err(bad(&format!(
            "id {id:?} must be a lower-case letter, then letters, digits and dashes, at most {MAX_ID} in all"
        )));
    }
    if let Err(error) = Version::parse(&manifest.version) {
        return Err(bad(&format!("version {:?}: {error}", manifest.version)));
    }
    if manifest.hub.is_none() && manifest.provider.is_none() {
        return Err(bad("it has neither a [hub] nor a [provider]"));
    }
    if manifest.hub.as_ref().is_some_and(|hub| hub.provides.is_empty()) {
        return Err(bad("[hub] does not say what it `provides`"));
    }
    if manifest
        .provider
        .as_ref()
        .is_some_and(|provider| provider.protocol.is_empty())
    {
        return Err(bad("[provider] does not name its `protocol`"));
    }
    Ok(())
}

/// The build can run in this process.
fn fits_here(build: &Build) -> Result<(), Reason> {
    if build.target != TARGET {
        return Err(Reason::Target {
            found: build.target.clone(),
        });
    }
    if build.panic != "unwind" {
        return Err(Reason::PanicMode {
            found: build.panic.clone(),
        });
    }
    if let Some(feature) = build.cpu.split_whitespace().find(|feature| !cpu::has(feature)) {
        return Err(Reason::Processor {
            feature: feature.to_owned(),
        });
    }
    Ok(())
}

fn bad(problem: &str) -> Reason {
    Reason::BadManifest {
        problem: problem.to_owned(),
    }
}
