//! Why a plugin file was not taken: one line that an operator can act on.
//!
//! Every refusal names the file, what was found against what was expected, and the smallest fix. Whatever a file
//! or a plugin can put into it (paths, symbols, panic texts) is cut and cleaned, so that the line stays a line.

use std::fmt;
use std::path::{Path, PathBuf};

use plugin_api::{Error, ErrorCode, Fault};

pub use self::reason::Reason;

mod reason;
#[cfg(test)]
mod tests;

/// The longest a refusal may be, in characters: it has to fit a log line, a table cell and a terminal.
pub const MAX_CHARS: usize = 400;

/// How much of a path is shown; of a longer one the end, which tells files apart.
const MAX_PATH_CHARS: usize = 120;

/// A plugin file that was not taken, and why.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub struct Refusal {
    /// The file (or directory) in question.
    pub path: PathBuf,
    /// The plugin's id, where its manifest could be read.
    pub plugin: Option<String>,
    /// What is wrong with it.
    pub reason: Reason,
    /// The whole story where there is one (a layout comparison is some 20 kB). For debug logs, never for lists.
    pub detail: Option<String>,
}

impl Refusal {
    /// A refusal of this file.
    pub fn new(path: impl Into<PathBuf>, reason: Reason) -> Self {
        Self {
            path: path.into(),
            plugin: None,
            reason,
            detail: None,
        }
    }

    /// Says which plugin it is.
    pub fn of(mut self, plugin: &str) -> Self {
        self.plugin = Some(plugin.to_owned());
        self
    }

    /// Adds the whole story.
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = end_of(&self.path);
        let fix = self.reason.fix();
        let around = path.chars().count() + fix.chars().count() + ": ; ".len();
        let what = one_line(&self.reason.to_string(), MAX_CHARS.saturating_sub(around));
        write!(formatter, "{path}: {what}; {fix}")
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let fault = match refusal.reason {
            Reason::Staging { .. } | Reason::Unreadable { .. } | Reason::NoThread { .. } => Fault::Host,
            _ => Fault::Plugin,
        };
        let code = match refusal.reason {
            Reason::Api { .. } | Reason::Layout { .. } | Reason::Framework { .. } => {
                ErrorCode::VERSION_MISMATCH
            }
            Reason::Panicked { .. } => ErrorCode::PANICKED,
            Reason::Stuck { .. } => ErrorCode::TIMEOUT,
            _ => ErrorCode::INIT_FAILED,
        };
        let mut error = Error::new(code, fault, refusal.to_string())
            .hint(refusal.reason.fix())
            .detail("path", end_of(&refusal.path));
        if let Some(plugin) = refusal.plugin {
            error = error.detail("plugin", plugin);
        }
        error
    }
}

/// The path, or the end of a long one.
fn end_of(path: &Path) -> String {
    let text = clean(&path.to_string_lossy());
    let count = text.chars().count();
    if count <= MAX_PATH_CHARS {
        return text;
    }
    let tail: String = text.chars().skip(count - MAX_PATH_CHARS + 1).collect();
    format!("…{tail}")
}

/// The text on one line and of at most this many characters.
pub(crate) fn one_line(text: &str, limit: usize) -> String {
    let text = clean(text);
    if text.chars().count() <= limit {
        return text;
    }
    let head: String = text.chars().take(limit.saturating_sub(1)).collect();
    format!("{}…", head.trim_end())
}

/// Line breaks become spaces, runs of space become one, and what could steer a terminal is dropped.
fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !clean.is_empty() {
            clean.push(' ');
        }
        clean.extend(word.chars().filter(|character| !character.is_control()));
    }
    clean
}
