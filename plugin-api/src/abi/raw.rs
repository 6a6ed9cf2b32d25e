//! The layout-checked types: everything whose shape in memory both sides must agree on.
//!
//! Few and small on purpose, because none of them can ever change. Whatever may grow travels as bytes
//! ([`wire`](super::wire)); new entry points are new methods with a default body, after the existing ones, which
//! an older peer simply does not have; anything else is an [extension](RawExtension) found by name.
//!
//! Adding a method: put it into the list of the new version in the macro below, with a default body that is a
//! truthful answer for a peer that has never heard of it, raise the crate's minor version, and let the
//! compatibility matrix of the test suite prove it. Nothing is ever removed or moved.

// The attribute macros of abi_stable write unsafe code, and predate the other lints they draw.
#![allow(
    unsafe_code,
    unused_braces,
    non_local_definitions,
    non_camel_case_types,
    missing_docs
)]
#![allow(clippy::all, clippy::undocumented_unsafe_blocks)]

use abi_stable::StableAbi;
use abi_stable::library::RootModule;
use abi_stable::sabi_trait;
use abi_stable::sabi_types::VersionStrings;
use abi_stable::std_types::{RBox, ROption, RResult, RSlice, RStr, RVec};
use async_ffi::{BorrowingFfiFuture, FfiFuture};

use super::version::API_VERSION;

/// A failure on its way across: the code for those who read nothing else, and the whole
/// [`Error`](crate::Error) as JSON.
#[repr(C)]
#[derive(StableAbi, Debug, Clone)]
pub struct AbiError {
    /// As in [`ErrorCode`](crate::ErrorCode). The set is open.
    pub code: i32,
    /// The error as JSON.
    pub json: RVec<u8>,
}

/// What an `open` answers: a head at once, and a stream where the answer is one.
#[repr(C)]
#[derive(StableAbi)]
pub struct RawOpened {
    /// A message of the operation's own.
    pub head: RVec<u8>,
    /// The rest, as it comes.
    pub stream: ROption<RawStreamBox>,
}

/// What answers a call with bytes.
pub type BytesResult = RResult<RVec<u8>, AbiError>;
/// What answers an `open`.
pub type OpenResult = RResult<RawOpened, AbiError>;

/// A stream that the other side pulls. After the first `RErr`, or `RNone`, there is nothing more.
///
/// `[one task at a time]` Dropping it ends whatever produces it.
#[sabi_trait]
pub trait RawStream: Send + 'static {
    /// The next item. Dropping the future loses nothing.
    #[sabi(last_prefix_field)]
    fn next(&mut self) -> BorrowingFfiFuture<'_, ROption<BytesResult>>;
}
/// A stream as it crosses.
pub type RawStreamBox = RawStream_TO<RBox<()>>;

/// Something more that one side offers, found by its name. Names are `family.name/1`; those of third parties
/// begin with a domain turned round. Both sides must live with "not supported".
#[sabi_trait]
pub trait RawExtension: Send + Sync + 'static {
    /// Carries out one of its operations. `[any thread, non-blocking]`
    #[sabi(last_prefix_field)]
    fn call(&self, op: RStr<'_>, payload: RVec<u8>) -> FfiFuture<BytesResult>;
}
/// An extension as it crosses.
pub type RawExtensionBox = RawExtension_TO<RBox<()>>;

macro_rules! raw_plugin {
    ($($later:tt)*) => {
        /// A component, seen by the host. Every method may be called from any thread, several at once, and
        /// none of them blocks or unwinds.
        #[sabi_trait]
        pub trait RawPlugin: Send + Sync + 'static {
            /// A provider's decision. `[caller's thread, microseconds]` `head` is
            /// [`wire::request`](crate::abi::wire::request), the answer [`wire::decision`](crate::abi::wire::decision).
            fn decide(&self, head: RSlice<'_, u8>, body: RSlice<'_, u8>) -> BytesResult;
            /// A question that is answered at once, from memory. `[caller's thread, microseconds]`
            fn query(&self, op: RStr<'_>, payload: RSlice<'_, u8>) -> BytesResult;
            /// Work with one answer, done on the component's own runtime. Dropping the future drops the work.
            fn call(&self, call: u64, op: RStr<'_>, context: RSlice<'_, u8>, payload: RVec<u8>) -> FfiFuture<BytesResult>;
            /// Work that may answer with a stream. `call` stays good until the stream has ended.
            fn open(&self, call: u64, op: RStr<'_>, context: RSlice<'_, u8>, payload: RVec<u8>) -> FfiFuture<OpenResult>;
            /// Tells the work of this number, politely, that nobody wants it any more. Unknown numbers are ignored.
            fn cancel(&self, call: u64);
            /// Ends the component: no new work, the present is told to stop and dropped after the grace. May be
            /// called again.
            fn shutdown(&self, grace_ms: u64) -> FfiFuture<()>;
            /// Something more that it offers.
            #[sabi(last_prefix_field)]
            fn extension(&self, id: RStr<'_>) -> ROption<RawExtensionBox>;
            $($later)*
        }
    };
}

macro_rules! raw_host {
    ($($later:tt)*) => {
        /// The host, seen by a component. Every method may be called from any thread, several at once, and
        /// none of them blocks or unwinds. After the component's end all of them answer `GONE`.
        #[sabi_trait]
        pub trait RawHost: Send + Sync + 'static {
            /// An event for the host's log; `record` is [`wire::log`](crate::abi::wire::log).
            fn emit(&self, level: u8, target: RStr<'_>, record: RSlice<'_, u8>);
            /// Something the host is told and does not answer: the end of a lease, an event.
            fn notify(&self, op: RStr<'_>, payload: RSlice<'_, u8>);
            /// A service with one answer. Dropping the future withdraws the request.
            fn call(&self, op: RStr<'_>, context: RSlice<'_, u8>, payload: RVec<u8>) -> FfiFuture<BytesResult>;
            /// A service that may answer with a stream.
            fn open(&self, op: RStr<'_>, context: RSlice<'_, u8>, payload: RVec<u8>) -> FfiFuture<OpenResult>;
            /// Something more that it offers.
            #[sabi(last_prefix_field)]
            fn extension(&self, id: RStr<'_>) -> ROption<RawExtensionBox>;
            $($later)*
        }
    };
}

// The methods that each minor version added. The attribute macro does not see through `cfg`, hence the lists.
#[cfg(feature = "matrix-older")]
mod methods {
    use super::*;
    raw_plugin! {}
    raw_host! {}
}

#[cfg(not(any(feature = "matrix-older", feature = "matrix-newer")))]
mod methods {
    use super::*;
    raw_plugin! {
        /// What the component can say of itself, as JSON: panics, work in flight. Empty: it cannot tell. (1.1)
        fn status(&self) -> RVec<u8> { RVec::new() }
    }
    raw_host! {
        /// Whether anybody would see an event of this level and target; asked before it is put together. (1.1)
        fn enabled(&self, _level: u8, _target: RStr<'_>) -> bool { true }
    }
}

#[cfg(all(feature = "matrix-newer", not(feature = "matrix-older")))]
mod methods {
    use super::*;
    raw_plugin! {
        /// What the component can say of itself, as JSON. Empty: it cannot tell. (1.1)
        fn status(&self) -> RVec<u8> { RVec::new() }
        /// Stands for whatever the next version adds: the number it was given, or 0 from those before. (1.2)
        fn echo(&self, _number: u64) -> u64 { 0 }
    }
    raw_host! {
        /// Whether anybody would see an event of this level and target. (1.1)
        fn enabled(&self, _level: u8, _target: RStr<'_>) -> bool { true }
        /// Stands for whatever the next version adds. (1.2)
        fn echo(&self, _number: u64) -> u64 { 0 }
    }
}

pub use methods::{RawHost, RawHost_TO, RawPlugin, RawPlugin_TO};

/// A component as it crosses.
pub type RawPluginBox = RawPlugin_TO<RBox<()>>;
/// The host as it crosses.
pub type RawHostBox = RawHost_TO<RBox<()>>;

/// The type of the manifest's text; another one where the test suite wants a layout that nobody may load.
#[cfg(not(feature = "matrix-broken"))]
pub type ManifestText = RStr<'static>;
/// The type of the manifest's text, broken on purpose.
#[cfg(feature = "matrix-broken")]
pub type ManifestText = abi_stable::std_types::RString;

/// The root module: what a loaded library is asked first.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = PluginMod_Ref)))]
#[sabi(missing_field(panic))]
pub struct PluginMod {
    /// The manifest, as in its ELF section.
    pub manifest: extern "C" fn() -> ManifestText,
    /// Builds a component (`hub` or `provider`) as the [message](crate::abi::wire::create) says. It may take its
    /// time: the host calls it on a thread it can spare.
    #[sabi(last_prefix_field)]
    pub create: extern "C" fn(
        component: RStr<'_>,
        message: RSlice<'_, u8>,
        host: RawHostBox,
    ) -> RResult<RawPluginBox, AbiError>,
}

impl RootModule for PluginMod_Ref {
    abi_stable::declare_root_module_statics! {PluginMod_Ref}
    const BASE_NAME: &'static str = "gleitzeit_plugin";
    const NAME: &'static str = "gleitzeit plugin";
    const VERSION_STRINGS: VersionStrings = VersionStrings::new(API_VERSION);
}
