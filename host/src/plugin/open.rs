//! From a private copy to code in this process.
//!
//! The one place that opens libraries. `RTLD_NOW`: what is missing shows here, not at the first call.
//! `RTLD_LOCAL`: plugins do not see each other's symbols. `RTLD_NODELETE`, and no unloading ever: a thread or a
//! destructor of the plugin may outlive every handle to it, and the system would pretend to have unloaded it.

use std::os::raw::c_int;

use abi_stable::library::{AbiHeader, AbiHeaderRef, LibHeader, LibraryError};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use plugin_api::abi::raw::PluginMod_Ref;
use semver::Version;

use super::layout;
use super::refusal::{Reason, Refusal};
use super::stage::Staged;
use super::verify::Examined;

mod loader_error;

/// How libraries are opened.
const FLAGS: c_int = RTLD_NOW | RTLD_LOCAL | libc::RTLD_NODELETE;

/// Opens a staged plugin and takes its root module, once its header, its version and the layout of every type
/// that crosses have been found to fit.
///
/// Runs the library's constructors: called on a [spare](super::spare) thread.
///
/// # Errors
/// Something it needs is not here, or it was built against another shape of the boundary.
pub(super) fn open(staged: &Staged) -> Result<PluginMod_Ref, Refusal> {
    let refuse = |reason| Refusal::new(staged.origin(), reason);
    let examined = staged.examined();
    let header = header(staged).map_err(refuse)?;
    compatible(header, examined).map_err(|(reason, detail)| Refusal {
        detail,
        ..refuse(reason)
    })?;
    let module = root_module(header).map_err(refuse)?;
    if (module.manifest())().as_str() != examined.text {
        return Err(refuse(Reason::ManifestDiffers));
    }
    Ok(module)
}

/// Opens the library and finds the header that its manifest names.
fn header(staged: &Staged) -> Result<&'static LibHeader, Reason> {
    // SAFETY: opening runs the library's constructors. Its file is private to us and whole, and who put the
    // original there may run code as us: that is what `trust` checks and what loading a plugin means.
    #[allow(unsafe_code)]
    let library =
        unsafe { Library::open(Some(staged.copy()), FLAGS) }.map_err(|error| loader_error::reason(&error))?;
    let symbol = staged.examined().build.entry.as_str();
    // SAFETY: the symbol that the manifest of a plugin names is the `LibHeader` that `export_plugin!` defines; a
    // library that says so and lies is as trusted as any code of it. Everything read before `upgrade` is the
    // magic string with which the header begins.
    #[allow(unsafe_code)]
    let header = unsafe { library.get::<AbiHeaderRef>(symbol) }
        .map(|symbol| *symbol)
        .map_err(|_| Reason::NoEntry {
            symbol: symbol.to_owned(),
        })?;
    // Never closed, so that the references taken from it are good for ever.
    std::mem::forget(library);
    header.upgrade().map_err(|error| match error {
        LibraryError::InvalidAbiHeader(found) => Reason::Framework {
            found: framework(&found),
            expected: framework(&AbiHeader::VALUE),
        },
        _ => Reason::Framework {
            found: "another C calling convention".to_owned(),
            expected: framework(&AbiHeader::VALUE),
        },
    })
}

/// The version in the header is that of the manifest, and the layouts fit.
fn compatible(header: &'static LibHeader, examined: &Examined) -> Result<(), (Reason, Option<String>)> {
    let found = examined.build.api.clone();
    if header.version_strings().version.as_str() != found {
        return Err((Reason::ManifestDiffers, None));
    }
    // `None`: the plugin opted out of the check, which is the only thing that makes the rest sound.
    let Some(theirs) = header.layout() else {
        return Err((
            Reason::Layout {
                found,
                place: "the root module".to_owned(),
                problem: "it describes no layout".to_owned(),
            },
            None,
        ));
    };
    let ours = Version::parse(plugin_api::manifest::API_VERSION);
    let newer = matches!((Version::parse(&found), ours), (Ok(theirs), Ok(ours)) if theirs > ours);
    layout::check(theirs, newer).map_err(|mismatch| {
        (
            Reason::Layout {
                found,
                place: mismatch.place,
                problem: mismatch.problem,
            },
            Some(mismatch.whole),
        )
    })
}

/// Runs the library's own constructor of its root module.
fn root_module(header: &'static LibHeader) -> Result<PluginMod_Ref, Reason> {
    // SAFETY: `compatible` found the layout of the root module, and of everything reached from it, to be ours
    // or a longer or shorter version of ours; accessors of a shorter one check for what is not there.
    #[allow(unsafe_code)]
    let module = unsafe { header.unchecked_layout::<PluginMod_Ref>() };
    module.map_err(|error| Reason::Panicked {
        doing: "opening it".to_owned(),
        message: error.to_string(),
    })
}

/// A header's version of the framework, for people.
fn framework(header: &AbiHeader) -> String {
    let magic = String::from_utf8_lossy(&header.magic_string);
    if header.magic_string == AbiHeader::VALUE.magic_string {
        format!("abi_stable {}.{}", header.abi_major, header.abi_minor)
    } else {
        format!("no version of abi_stable ({:?})", magic.trim_end_matches('\0'))
    }
}
