//! `plugins.toml`: from text to checked settings.
//!
//! [`read`] merges the file, the environment and the command line into a [`Draft`]; the plugins' manifests are
//! then looked up in [`Draft::plugin_dirs`], and [`Draft::finish`] checks everything together and fills in the
//! defaults. Whatever is wrong comes out at once, as [`Diagnostics`].

pub mod diagnostics;
mod draft;
mod mask;
pub mod nearest;
mod overrides;
mod parse;
mod paths;
mod plugins;
mod rules;
pub mod schema;
pub mod secrets;
pub mod settings;
pub mod source;
mod sources;
mod tree;
mod validate;
pub mod value;

#[cfg(test)]
mod tests;

pub use diagnostics::{Diagnostics, Mistake};
pub use draft::{Draft, read};
pub use overrides::SHORT_VARIABLES;
pub use plugins::Manifests;
pub use settings::Settings;
pub use sources::Sources;

/// Reads and checks everything that does not depend on plugins' manifests.
///
/// # Errors
/// Every mistake there is.
pub fn load(sources: &Sources) -> Result<Settings, Diagnostics> {
    read(sources).finish(None)
}
