//! Settings and plugin files together: what `serve`, `check`, `doctor`, `schema` and `plugin` begin with.

use super::{Exit, Failure, Global};
use crate::config::{self, Diagnostics, Draft, Settings};
use crate::plugin::Catalogue;

/// Settings that are read, and the plugin files that were found where they say.
pub(super) struct Configured {
    pub(super) draft: Draft,
    pub(super) catalogue: Catalogue,
}

impl Configured {
    /// Reads both. Runs nothing of any plugin, and fails at nothing: what is wrong shows in
    /// [`settings`](Self::settings) and in the catalogue.
    pub(super) fn read(global: &Global) -> Self {
        let draft = config::read(&global.sources());
        let catalogue = Catalogue::scan(&draft.plugin_dirs());
        Self { draft, catalogue }
    }

    /// The checked settings.
    ///
    /// # Errors
    /// Every mistake there is.
    pub(super) fn settings(&self) -> Result<Settings, Diagnostics> {
        let refusals = self.catalogue.refusals();
        let refused = refusals.into_iter().filter_map(|refusal| {
            let line = refusal.to_string();
            Some((refusal.plugin?, line))
        });
        self.draft
            .clone()
            .with_refused(refused.collect())
            .finish(Some(&self.catalogue.manifests()))
    }
}

/// Mistakes in the settings as a failure.
pub(super) fn failure(mistakes: &Diagnostics, colour: bool) -> Failure {
    let mut failure = Failure::usage(mistakes.render(colour, 100));
    failure.error = Some(serde_json::json!({
        "message": "the settings have mistakes",
        "mistakes": mistakes.to_json(),
    }));
    failure.report = true;
    failure.exit = Exit::Usage;
    failure
}
