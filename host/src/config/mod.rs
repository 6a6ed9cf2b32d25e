//! `plugins.toml`: from text to checked settings.

pub mod secrets;
pub mod settings;

pub use settings::Settings;
