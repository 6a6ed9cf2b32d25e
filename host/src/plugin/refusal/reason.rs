//! What can be wrong with a plugin file, and the smallest fix for each.

use std::path::PathBuf;
use std::time::Duration;

use plugin_api::manifest::{API_VERSION, SECTION, TARGET};

use super::{end_of, one_line};

/// How much of a plugin's own advice is shown.
const MAX_HINT: usize = 120;

/// What is wrong with a plugin file. Its `Display` says what was found against what was expected.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The file or directory could not be read.
    #[error("cannot be read: {error}")]
    Unreadable {
        /// The system's word for it.
        error: String,
    },
    /// Others may write to the file or directory, so what is in it is not what its owner put there.
    #[error("others may write to it (mode {mode:04o})")]
    Writable {
        /// Its permission bits.
        mode: u32,
    },
    /// Somebody else owns the file or directory, who may change it at any time.
    #[error("belongs to user {owner}, expected root or user {us}")]
    Owner {
        /// The user it belongs to.
        owner: u32,
        /// The user this host runs as.
        us: u32,
    },
    /// A directory, a socket, a device.
    #[error("is not a regular file")]
    NotAFile,
    /// The beginning of a file whose rest has not come, or never will.
    #[error("truncated: {what} ends at byte {needs}, the file at byte {has}")]
    Truncated {
        /// The part that reaches furthest.
        what: &'static str,
        /// Where that part ends.
        needs: u64,
        /// How long the file is.
        has: u64,
    },
    /// Something else than a native library.
    #[error("not ELF: found {found}, expected a shared library")]
    NotElf {
        /// What it looks like.
        found: &'static str,
    },
    /// ELF, but its tables contradict themselves.
    #[error("damaged: {what} makes no sense")]
    Damaged {
        /// Which part.
        what: &'static str,
    },
    /// A library for another machine.
    #[error("built for another architecture: found {found}, expected {expected}")]
    Architecture {
        /// The machine it is for.
        found: String,
        /// The machine this is.
        expected: String,
    },
    /// ELF, but a program or an object file.
    #[error("not a shared library: found {found}")]
    NotShared {
        /// What kind of ELF file it is.
        found: &'static str,
    },
    /// No section with a manifest.
    #[error("no manifest: section {SECTION} is missing")]
    NoManifest,
    /// A manifest that does not say what a manifest must say.
    #[error("bad manifest: {problem}")]
    BadManifest {
        /// The first thing that is wrong.
        problem: String,
    },
    /// A library with a manifest and no way in.
    #[error("no entry point: its manifest names `{symbol}`, which it does not export")]
    NoEntry {
        /// The name in the manifest.
        symbol: String,
    },
    /// Built for another major version of the plugin interface.
    #[error("built for plugin API {found}, expected {major}.x (this host speaks {API_VERSION})")]
    Api {
        /// The version it was built for.
        found: String,
        /// The major version this host accepts.
        major: u64,
    },
    /// Built for another kind of system on the same architecture.
    #[error("built for target {found}, expected {TARGET}")]
    Target {
        /// The triple it was built for.
        found: String,
    },
    /// Built so that a panic ends the process.
    #[error("built with panic = \"{found}\": a panic in it would end this host")]
    PanicMode {
        /// The mode it was built with.
        found: String,
    },
    /// Built for a processor that can more than this one.
    #[error("built for processors with {feature}, which this one does not have")]
    Processor {
        /// The first feature that is not here.
        feature: String,
    },
    /// Two files with one id.
    #[error("id `{id}` is already that of {}", end_of(.other))]
    Duplicate {
        /// The id of both.
        id: String,
        /// The file that was there first.
        other: PathBuf,
    },
    /// The file changed while it was being taken in.
    #[error("changed while it was being taken in")]
    Changed,
    /// The private copy could not be made.
    #[error("cannot be copied to {}: {error}", end_of(.to))]
    Staging {
        /// Where the copy belongs.
        to: PathBuf,
        /// The system's word for it.
        error: String,
    },
    /// A function that nobody defines.
    #[error("undefined symbol: {symbol}")]
    UndefinedSymbol {
        /// Its name.
        symbol: String,
    },
    /// A library that this one needs and that is not here.
    #[error("needs {library}, which is not on this machine")]
    MissingLibrary {
        /// Its file name.
        library: String,
    },
    /// Built against a newer C library.
    #[error("needs {version}, which the C library of this machine does not have")]
    OldSystem {
        /// The version it needs, as the loader names it.
        version: String,
    },
    /// The system's loader refused it for another reason.
    #[error("cannot be opened: {error}")]
    Open {
        /// The loader's word for it.
        error: String,
    },
    /// Built with another version of the crate that defines the ABI.
    #[error("its ABI header is of {found}, expected {expected}")]
    Framework {
        /// The version it was built with.
        found: String,
        /// The version this host was built with.
        expected: String,
    },
    /// The types that cross the boundary do not fit, whatever the version numbers say.
    #[error("ABI differs at {place}: {problem} (plugin API {found}, host {API_VERSION})")]
    Layout {
        /// The plugin API version it was built for.
        found: String,
        /// The first type or field that differs.
        place: String,
        /// How.
        problem: String,
    },
    /// What the code says of itself is not what the section says.
    #[error("its code reports another manifest than section {SECTION} holds")]
    ManifestDiffers,
    /// It does not contain what was asked of it.
    #[error("contains no {component}")]
    NoSuchComponent {
        /// `hub` or `provider`.
        component: &'static str,
    },
    /// The constructor said no.
    #[error("`{name}` could not be constructed: {message}")]
    Construction {
        /// The name in `plugins.toml`.
        name: String,
        /// The plugin's own word for it.
        message: String,
        /// What the plugin says to do about it.
        hint: Option<String>,
    },
    /// It panicked while being opened or constructed.
    #[error("panicked while {doing}: {message}")]
    Panicked {
        /// What it was doing.
        doing: String,
        /// The panic's message, with its place.
        message: String,
    },
    /// It did not come back in time. Its thread is left alone: nothing can end it safely.
    #[error("stuck for {} while {doing}", humantime::format_duration(*.limit))]
    Stuck {
        /// What it was doing.
        doing: String,
        /// How long it was given.
        limit: Duration,
    },
    /// The system gave us no thread to run it on.
    #[error("cannot be started: {error}")]
    NoThread {
        /// The system's word for it.
        error: String,
    },
    /// It ended the host several times while it was being started.
    #[error("quarantined: this host did not survive its start {crashes} times in a row")]
    Quarantined {
        /// How many times.
        crashes: u32,
        /// The file that counts them.
        marker: PathBuf,
    },
}

impl Reason {
    /// The system would not let us read it.
    pub(crate) fn unreadable(error: &std::io::Error) -> Self {
        Reason::Unreadable {
            error: error.to_string(),
        }
    }

    /// The smallest thing that mends it.
    pub fn fix(&self) -> String {
        match self {
            Reason::Unreadable { .. } => "check that it exists and that this user may read it".into(),
            Reason::Writable { .. } => "run `chmod go-w` on it".into(),
            Reason::Owner { .. } => "run `chown` on it, or copy it as the user that runs the host".into(),
            Reason::NotAFile => "put the library itself there".into(),
            Reason::Truncated { .. } => "copy it again under another name, then rename it".into(),
            Reason::NotElf { .. } | Reason::NotShared { .. } => {
                "build it with crate-type = [\"cdylib\"] and copy the .so".into()
            }
            Reason::Damaged { .. } => "build or copy it again".into(),
            Reason::Architecture { .. } | Reason::Target { .. } => {
                format!("rebuild it with --target {TARGET}")
            }
            Reason::NoManifest | Reason::NoEntry { .. } => {
                "call `export_plugin!` in its lib.rs, and keep the section when stripping".into()
            }
            Reason::BadManifest { .. } => "correct the manifest and rebuild".into(),
            Reason::Api { .. } => format!(
                "set gleitzeit-plugin-api = \"{}\" in its Cargo.toml and rebuild",
                minor(API_VERSION)
            ),
            Reason::PanicMode { .. } => "set panic = \"unwind\" in its Cargo profile and rebuild".into(),
            Reason::Processor { .. } => "rebuild it without target-cpu=native".into(),
            Reason::Duplicate { .. } => "remove one of the two".into(),
            Reason::Changed => "copy it under another name, then rename it".into(),
            Reason::Staging { .. } => "make room or permit writing there, or set [host] state_dir".into(),
            Reason::UndefinedSymbol { .. } => "link the library that defines it, and rebuild".into(),
            Reason::MissingLibrary { .. } => "install it, or link it statically and rebuild".into(),
            Reason::OldSystem { .. } => "build it on a system no newer than this one".into(),
            Reason::Open { .. } => "check with `ldd`, and that [host] state_dir is not mounted noexec".into(),
            Reason::Framework { .. } | Reason::Layout { .. } => format!(
                "set gleitzeit-plugin-api = \"{}\" in its Cargo.toml, run `cargo update` and rebuild",
                minor(API_VERSION)
            ),
            Reason::ManifestDiffers => "rebuild it from clean sources".into(),
            Reason::NoSuchComponent { component } => {
                format!(
                    "name a plugin that has a {component}; `gleitzeit plugin inspect` shows what this one has"
                )
            }
            Reason::Construction { hint: Some(hint), .. } => one_line(hint, MAX_HINT),
            Reason::Construction { .. } => "correct its `config` in plugins.toml".into(),
            Reason::Panicked { .. } => "report it to the plugin's author; the backtrace is in the log".into(),
            Reason::Stuck { .. } => {
                "a constructor must not wait; raise [host] construct_timeout or mend the plugin".into()
            }
            Reason::NoThread { .. } => "raise the limit on processes of this user".into(),
            Reason::Quarantined { marker, .. } => {
                format!("install another build of it, or remove {}", end_of(marker))
            }
        }
    }
}

/// `1.4` of `1.4.2`: what an author writes into `Cargo.toml`.
fn minor(version: &str) -> &str {
    version.rsplit_once('.').map_or(version, |(minor, _)| minor)
}
