//! Whether the settings are right, and who may call.

use super::Finding;
use crate::cli::configured::Configured;
use crate::config::Settings;

/// Checks the settings. Where they are wrong the other checks go on with the defaults.
pub(super) fn check(configured: &Configured) -> (Settings, Vec<Finding>) {
    let file = configured
        .draft
        .file()
        .map_or("plugins.toml".to_owned(), |file| file.display().to_string());
    match configured.settings() {
        Ok(settings) => {
            let found = format!(
                "{file}: {} hub(s), {} provider(s)",
                settings.hubs.len(),
                settings.providers.len()
            );
            let keys = keys(&settings);
            (settings, vec![Finding::good("settings", found), keys])
        }
        Err(mistakes) => {
            let count = mistakes.mistakes().len();
            let first = mistakes
                .mistakes()
                .first()
                .map(|mistake| mistake.message.clone())
                .unwrap_or_default();
            let found = format!("{file}: {count} mistake(s), the first: {first}");
            let mut settings = Settings::default();
            if let Some(listen) = configured.draft.listen() {
                settings.host.listen = listen;
            }
            (
                settings,
                vec![Finding::bad(
                    "settings",
                    found,
                    "`gleitzeit check` shows where and what to write",
                )],
            )
        }
    }
}

fn keys(settings: &Settings) -> Finding {
    let host = &settings.host;
    let admins = host.keys.iter().filter(|key| key.admin).count();
    match (host.keys.len(), host.listen.ip().is_loopback()) {
        (0, true) => Finding::good("keys", "none wanted: only this machine can reach the host"),
        (0, false) => Finding::warning(
            "keys",
            format!(
                "anybody who can reach {} may use the host and change it",
                host.listen
            ),
            "add `keys` under [host], or listen on loopback",
        ),
        (count, _) if admins == 0 => Finding::warning(
            "keys",
            format!("{count} key(s), none of an administrator"),
            "give one key `admin = true`, or nobody can drain, pull or delete",
        ),
        (count, _) => Finding::good("keys", format!("{count} key(s), {admins} of administrators")),
    }
}
