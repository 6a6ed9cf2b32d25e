//! `plugins.toml`: from text to checked settings.
