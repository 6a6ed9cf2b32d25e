//! What `export_plugin!` puts into a library: the manifest, where it can be read without running anything, and
//! the header that the host asks for by name.
//!
//! The header's symbol carries the name of the plugin's crate ([`entry_symbol`]) instead of one name for all, so
//! that a test may link the `rlib`s of several plugins into one binary. The manifest's `[build]` table says it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use abi_stable::library::{__call_root_module_loader, CheckTypeLayout, LibHeader, RootModuleResult};
use abi_stable::prefix_type::PrefixTypeTrait;
use abi_stable::std_types::{RResult, RSlice, RStr};

use super::cpu;
use super::raw::{AbiError, ManifestText, PluginMod, PluginMod_Ref, RawHostBox, RawPluginBox};
use super::version::API_VERSION;
use crate::{Error, ErrorCode, Fault};

/// The beginning of every entry symbol; the name of the plugin's crate follows.
pub const ENTRY_PREFIX: &str = "gleitzeit_plugin_";

/// The symbol under which the library of this crate (`llm_provider`) exports its header.
pub fn entry_symbol(crate_name: &str) -> String {
    format!("{ENTRY_PREFIX}{crate_name}")
}

/// The `[build]` table behind the author's text, in parts for [`join`]; the entry symbol follows.
#[doc(hidden)]
pub const BUILD_TABLE: [&str; 10] = [
    "\n\n[build]\napi = \"",
    API_VERSION,
    "\"\nrustc = \"",
    env!("PLUGIN_API_RUSTC"),
    "\"\ntarget = \"",
    env!("PLUGIN_API_TARGET"),
    "\"\npanic = \"",
    if cfg!(panic = "unwind") { "unwind" } else { "abort" },
    "\"\ncpu = \"",
    cpu::COMPILED_FOR,
];

/// The manifest's whole text in parts: the author's, and what nobody has to type.
#[doc(hidden)]
pub const fn manifest_parts(author: &'static str, entry: &'static str) -> [&'static str; 14] {
    let [a, b, c, d, e, f, g, h, i, j] = BUILD_TABLE;
    [
        author,
        a,
        b,
        c,
        d,
        e,
        f,
        g,
        h,
        i,
        j,
        "\"\nentry = \"",
        entry,
        "\"\n",
    ]
}

/// The length of the parts together.
#[doc(hidden)]
pub const fn length(parts: &[&str]) -> usize {
    let mut sum = 0;
    let mut index = 0;
    while index < parts.len() {
        sum += parts[index].len();
        index += 1;
    }
    sum
}

/// The parts one after the other, as an array, which is what a section can hold.
#[doc(hidden)]
pub const fn join<const LENGTH: usize>(parts: &[&str]) -> [u8; LENGTH] {
    let mut joined = [0; LENGTH];
    let mut at = 0;
    let mut index = 0;
    while index < parts.len() {
        let part = parts[index].as_bytes();
        let mut byte = 0;
        while byte < part.len() {
            joined[at] = part[byte];
            at += 1;
            byte += 1;
        }
        index += 1;
    }
    joined
}

/// A plugin as the macro describes it.
#[doc(hidden)]
pub trait Export: 'static {
    /// The bytes of the manifest's section. Asking for them here keeps the section from being collected.
    fn manifest() -> &'static [u8];
    /// Builds a component.
    fn create(component: &str, message: &[u8], host: RawHostBox) -> Result<RawPluginBox, Error>;
}

/// The header of an exported plugin, for the static that the macro defines.
#[doc(hidden)]
pub const fn header(constructor: extern "C" fn() -> RootModuleResult) -> LibHeader {
    // SAFETY: the macro passes a constructor that calls `root`, whose module is a `PluginMod_Ref`.
    unsafe { LibHeader::from_constructor::<PluginMod_Ref>(constructor, CheckTypeLayout::Yes) }
}

/// What the constructor answers.
#[doc(hidden)]
pub fn root<E: Export>() -> RootModuleResult {
    fn module<E: Export>() -> PluginMod_Ref {
        PluginMod {
            manifest: manifest::<E>,
            create: create::<E>,
        }
        .leak_into_prefix()
    }
    __call_root_module_loader(module::<E>)
}

extern "C" fn manifest<E: Export>() -> ManifestText {
    std::str::from_utf8(E::manifest()).unwrap_or("").into()
}

extern "C" fn create<E: Export>(
    component: RStr<'_>,
    message: RSlice<'_, u8>,
    host: RawHostBox,
) -> RResult<RawPluginBox, AbiError> {
    let built = catch_unwind(AssertUnwindSafe(|| {
        E::create(component.as_str(), message.as_slice(), host)
    }));
    match built {
        Ok(result) => result.map_err(AbiError::from).into(),
        Err(payload) => {
            // The payload's own drop may panic: it is never dropped.
            std::mem::forget(payload);
            let error = Error::new(
                ErrorCode::PANICKED,
                Fault::Plugin,
                "the plugin panicked in `create`",
            );
            RResult::RErr(error.into())
        }
    }
}

/// The answer to a request for a component that the plugin does not have.
#[doc(hidden)]
pub fn no_component(component: &str) -> Error {
    Error::plugin(format!("the plugin has no {component}"))
}

/// Makes a library of the crate: the manifest in its section, the entry that the host asks for, and every
/// component behind shims that contain its panics.
///
/// ```text
/// plugin_api::export_plugin! { manifest: "../manifest.toml", hub: MyHub, provider: MyProvider }
/// ```
///
/// The path is relative to the file the macro stands in; `manifest_text: "..."` takes the text itself. Either
/// component may be left out. The crate needs `crate-type = ["cdylib", "rlib"]`; with the second its tests, and
/// those of others, can link the same code without loading it.
#[macro_export]
macro_rules! export_plugin {
    (manifest: $path:expr, $($rest:tt)*) => {
        $crate::export_plugin! { manifest_text: ::core::include_str!($path), $($rest)* }
    };
    (manifest_text: $text:expr, hub: $hub:ty $(,)?) => {
        $crate::export_plugin! { @ $text, "hub" => create_hub::<$hub> }
    };
    (manifest_text: $text:expr, provider: $provider:ty $(,)?) => {
        $crate::export_plugin! { @ $text, "provider" => create_provider::<$provider> }
    };
    (manifest_text: $text:expr, hub: $hub:ty, provider: $provider:ty $(,)?) => {
        $crate::export_plugin! { @ $text,
            "hub" => create_hub::<$hub>, "provider" => create_provider::<$provider>
        }
    };
    (manifest_text: $text:expr, provider: $provider:ty, hub: $hub:ty $(,)?) => {
        $crate::export_plugin! { manifest_text: $text, hub: $hub, provider: $provider }
    };
    (@ $text:expr, $($name:literal => $create:ident::<$component:ty>),+) => {
        #[allow(unsafe_code)] // the attributes below; what they name is the library's own
        const _: () = {
            // Items are not hygienic: without the prefix, a constant of the author's would be shadowed in $text.
            use $crate::__private as private;

            const GLEITZEIT_ENTRY: &str = ::core::concat!("gleitzeit_plugin_", ::core::env!("CARGO_CRATE_NAME"));
            const GLEITZEIT_PARTS: &[&str] = &private::manifest_parts($text, GLEITZEIT_ENTRY);

            #[used]
            #[unsafe(link_section = ".gleitzeit.manifest")]
            static GLEITZEIT_MANIFEST: [u8; private::length(GLEITZEIT_PARTS)] = private::join(GLEITZEIT_PARTS);

            struct GleitzeitExported;

            impl private::Export for GleitzeitExported {
                fn manifest() -> &'static [u8] {
                    &GLEITZEIT_MANIFEST
                }

                fn create(
                    component: &str,
                    message: &[u8],
                    host: private::RawHostBox,
                ) -> ::core::result::Result<private::RawPluginBox, $crate::Error> {
                    match component {
                        $($name => private::$create::<$component>(message, host),)+
                        other => ::core::result::Result::Err(private::no_component(other)),
                    }
                }
            }

            extern "C" fn gleitzeit_root() -> private::RootModuleResult {
                private::root::<GleitzeitExported>()
            }

            #[unsafe(export_name = ::core::concat!("gleitzeit_plugin_", ::core::env!("CARGO_CRATE_NAME")))]
            pub static GLEITZEIT_HEADER: private::LibHeader = private::header(gleitzeit_root);
        };
    };
}

#[cfg(test)]
mod tests {
    use super::{ENTRY_PREFIX, entry_symbol, join, length, manifest_parts};
    use crate::manifest::SECTION;

    #[test]
    fn the_literals_in_the_macro_are_the_constants() {
        let source = include_str!("export.rs");
        assert!(source.contains(&format!("#[unsafe(link_section = {SECTION:?})]")));
        assert_eq!(
            source.matches(&format!("concat!({ENTRY_PREFIX:?}")).count(),
            2,
            "the symbol and what the manifest says of it"
        );
        assert_eq!(entry_symbol("my_hub"), "gleitzeit_plugin_my_hub");
    }

    #[test]
    fn the_facts_of_the_build_follow_the_text_of_the_author() {
        const PARTS: &[&str] = &manifest_parts("id = \"a\"", "gleitzeit_plugin_a");
        let joined: [u8; length(PARTS)] = join(PARTS);
        let text = std::str::from_utf8(&joined).unwrap();
        assert_eq!(text, PARTS.concat());
        assert!(text.starts_with("id = \"a\"\n\n[build]\napi = \""), "{text}");
        assert!(text.ends_with("\"\nentry = \"gleitzeit_plugin_a\"\n"), "{text}");
    }
}
