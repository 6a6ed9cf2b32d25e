//! The manifest: what a plugin says of itself, readable without running any of its code.
//!
//! Authors write it as TOML beside their `Cargo.toml`; `export_plugin!` puts it into the
//! ELF section [`SECTION`] together with facts of the build that nobody has to type.
//!
//! These types let unknown keys pass, so that a host can read the manifest of a newer plugin. A key that is
//! unknown to a host which is no older than the plugin is refused there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The ELF section that holds the manifest as TOML text.
pub const SECTION: &str = ".gleitzeit.manifest";

/// The version of the plugin interface that this crate speaks.
pub use crate::abi::version::API_VERSION;

/// The target triple that this crate was built for.
pub const TARGET: &str = env!("PLUGIN_API_TARGET");

/// What a plugin says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Unique among plugins: lower case, digits and dashes, such as `ollama-hub`.
    pub id: String,
    /// The plugin's own version.
    pub version: String,
    /// One sentence for lists.
    #[serde(default)]
    pub description: String,
    /// Licence and home, for people.
    #[serde(default)]
    pub license: Option<String>,
    /// The hub in it, if it has one.
    #[serde(default)]
    pub hub: Option<HubManifest>,
    /// The provider in it, if it has one.
    #[serde(default)]
    pub provider: Option<ProviderManifest>,
    /// Facts of the build; added by `export_plugin!`.
    #[serde(default)]
    pub build: Option<Build>,
}

/// Facts of the build that decide whether a plugin can be loaded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Build {
    /// The plugin interface it was built against.
    pub api: String,
    /// The compiler.
    pub rustc: String,
    /// The target triple.
    pub target: String,
    /// `unwind` or `abort`; only the first can be contained.
    pub panic: String,
    /// Processor features it uses beyond those of every processor of its target, with spaces between them.
    #[serde(default)]
    pub cpu: String,
    /// The symbol of the library's header.
    pub entry: String,
}

/// What a hub says of itself.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HubManifest {
    /// The kind of resource, such as `llm-server`.
    pub provides: String,
    /// JSON Schema of `config`.
    pub config: Value,
    /// JSON Schema of the `config` of one entry of `instances`.
    pub instance_config: Value,
    /// JSON Schema of one entry of `start`; absent where the hub starts nothing.
    pub start: Option<Value>,
    /// Whether [`Hub::prepare`](crate::hub::Hub::prepare) does anything for a stored capability, and for one
    /// that the instance does not have.
    pub prepares: Prepares,
    /// Defaults for this kind of resource, under the names of `plugins.toml`: `strategy`, `health`, `breaker`…
    pub defaults: Value,
    /// The hub's own verbs.
    pub verbs: BTreeMap<String, Verb>,
    /// Whether [`Hub::reset`](crate::hub::Hub::reset) has to be called between two uses of a resource of its warm pool.
    pub resets: bool,
    /// Schemes of an instance's `url` other than `http` and `https`: `["unix", "tcp"]`.
    pub schemes: Vec<String>,
}

/// What [`Hub::prepare`](crate::hub::Hub::prepare) can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Prepares {
    /// It brings in what is stored (loads a model).
    pub stored: bool,
    /// It fetches what is absent (pulls a model). Whether it may is the operator's word: `acquire = true`.
    pub absent: bool,
}

/// One verb of a hub, such as `pull`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verb {
    /// One sentence for help.
    pub description: String,
    /// JSON Schema of its arguments.
    #[serde(default)]
    pub arguments: Value,
    /// Whether it is about one instance or about the hub.
    #[serde(default)]
    pub target: VerbTarget,
    /// The instances it applies to where the caller names none.
    #[serde(default)]
    pub default_selection: DefaultSelection,
    /// It only reads: needs no administrator's key.
    #[serde(default)]
    pub read_only: bool,
    /// The argument that stands first on the command line without a name.
    #[serde(default)]
    pub positional: Option<String>,
}

/// What a verb is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerbTarget {
    /// Called once per selected instance, in parallel, results by instance id.
    #[default]
    Instance,
    /// Called once, without an instance.
    Hub,
}

/// The instances a verb applies to where the caller names none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DefaultSelection {
    /// Every instance.
    #[default]
    All,
    /// Every instance that holds the capability named by the positional argument.
    Holders,
    /// The one instance the balancer would choose.
    One,
}

/// What a provider says of itself.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ProviderManifest {
    /// The protocol, such as `llm/v1`.
    pub protocol: String,
    /// JSON Schema of `config`.
    pub config: Value,
    /// Kinds of resources it can use, in order of preference: what hubs say they provide.
    pub requires: Vec<String>,
    /// The roles it knows hubs by, and the kind of resource each needs: `{ sandboxed = "container" }`. See
    /// [`Requirement::role`](crate::contract::requirement::Requirement::role).
    pub roles: BTreeMap<String, String>,
    /// Its methods by name: `llm/chat`.
    pub methods: BTreeMap<String, Method>,
    /// Its HTTP routes by id.
    pub routes: BTreeMap<String, Route>,
    /// How answers are judged, by name.
    pub relays: BTreeMap<String, Relay>,
}

/// One method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Method {
    /// One sentence for lists.
    pub description: String,
    /// Other names under which it is found.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// JSON Schema of the parameters; checked by the host before the provider is asked.
    #[serde(default)]
    pub params: Value,
    /// JSON Schema of the result, for readers.
    #[serde(default)]
    pub result: Value,
    /// Whether the result may be asked for as a stream.
    #[serde(default)]
    pub streams: bool,
    /// Changes the fleet: needs an administrator's key where keys are configured.
    #[serde(default)]
    pub admin: bool,
}

/// One HTTP route.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Route {
    /// The HTTP methods it answers; others get 405 in its dialect.
    pub methods: Vec<String>,
    /// The path, with `{name}` and `{*rest}` as placeholders.
    pub path: String,
    /// Request headers the provider wants to see, in lower case. No others reach it.
    #[serde(default)]
    pub headers: Vec<String>,
    /// Changes the fleet: needs an administrator's key where keys are configured.
    #[serde(default)]
    pub admin: bool,
    /// The answer is a stream even while nothing comes for long (a pull).
    #[serde(default)]
    pub long: bool,
}

/// How the host judges an answer it passes on: where a stream's frames end, which frame commits it, which is a
/// failure, and how it must end. Places are JSON pointers (RFC 6901) into a frame.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Relay {
    /// How a streamed answer is cut into frames.
    pub framing: Framing,
    /// A frame with something non-empty at one of these places is the first meaningful one: until then the
    /// answer may still be had from another instance. Empty: every frame is.
    pub meaningful: Vec<String>,
    /// A frame with something at one of these places is a failure in the guise of an answer.
    pub failure: Vec<String>,
    /// The last frame must have `true` at one of these places…
    pub done: Vec<String>,
    /// …or be this text.
    pub done_text: Option<String>,
    /// Where the model's name stands.
    pub model: Option<String>,
    /// Statuses that mean "not here, perhaps elsewhere": the capability is gone from this instance.
    pub elsewhere: Vec<u16>,
}

/// How a streamed answer is cut into frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Framing {
    /// Not a stream: one body, judged by its status.
    #[default]
    Whole,
    /// One JSON value a line.
    Ndjson,
    /// Server-sent events, JSON in `data`.
    Sse,
}
