//! `gleitzeit doctor`: what is missing on this machine, and how to mend it.
//!
//! Each check is a function of its own that returns findings; none of them changes anything, and none stops the
//! others.

mod files;
mod machine;
mod network;
mod settings;

use serde::Serialize;
use serde_json::json;

use super::configured::Configured;
use super::table::Tone;
use super::{Exit, Failure, Global, Terminal};

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    /// What was looked at.
    what: String,
    /// How it is.
    verdict: Verdict,
    /// What was found.
    found: String,
    /// How to mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<String>,
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    /// As it should be.
    Good,
    /// It works, and could be better.
    Warning,
    /// It does not work.
    Bad,
}

impl Finding {
    fn good(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            verdict: Verdict::Good,
            found: found.into(),
            mend: None,
        }
    }

    fn warning(what: impl Into<String>, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Warning,
            mend: Some(mend.into()),
            ..Self::good(what, found)
        }
    }

    fn bad(what: impl Into<String>, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Bad,
            ..Self::warning(what, found, mend)
        }
    }
}

pub(super) async fn run(global: &Global, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let configured = Configured::read(global);
    let (settings, mut findings) = settings::check(&configured);
    findings.extend(files::plugins(&configured));
    findings.extend(files::state_directory(&settings.host.state_dir));
    findings.push(network::listen(global, settings.host.listen).await);
    findings.extend(network::instances(&settings).await);
    findings.extend(machine::check(&settings));
    let worst = findings
        .iter()
        .map(|finding| finding.verdict)
        .max()
        .unwrap_or(Verdict::Good);
    show(&findings, terminal);
    Ok(if worst == Verdict::Bad {
        Exit::Failed
    } else {
        Exit::Ok
    })
}

fn show(findings: &[Finding], terminal: &mut Terminal) {
    if terminal.json {
        terminal.value(&json!(findings));
        return;
    }
    let width = findings
        .iter()
        .map(|finding| finding.what.chars().count())
        .max()
        .unwrap_or_default();
    for finding in findings {
        let (mark, tone) = match finding.verdict {
            Verdict::Good => ("ok  ", Tone::Good),
            Verdict::Warning => ("warn", Tone::Warning),
            Verdict::Bad => ("bad ", Tone::Bad),
        };
        let mark = terminal.paint(mark, tone);
        let mut lines = finding.found.trim_end().lines();
        terminal.line(format!(
            "{mark}  {:width$}  {}",
            finding.what,
            lines.next().unwrap_or_default()
        ));
        for line in lines {
            terminal.line(format!("      {line}"));
        }
        if let Some(mend) = &finding.mend {
            terminal.line(format!("      {:width$}  mend: {mend}", ""));
        }
    }
}
