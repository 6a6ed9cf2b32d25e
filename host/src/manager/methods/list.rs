//! Every method of the manager, for lists and for whoever asks whether there is one.

use plugin_api::{Error, ErrorCode, Fault};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::{NoParams, PREFIX, ReleaseParams, RenewParams};
use crate::config::nearest;
use crate::manager::allocation::AllocateParams;
use crate::manager::hubs::{AddHubParams, RemoveHubParams};
use crate::manager::optimise::OptimiseParams;
use crate::manager::scale::ScaleParams;

/// One method of the manager.
#[derive(Debug)]
pub struct Method {
    /// Its name, without the prefix.
    pub name: &'static str,
    /// One sentence for lists.
    pub description: &'static str,
    /// Whether it needs an administrator's key where keys are configured.
    pub admin: bool,
    /// Whether its result may be asked for as a stream.
    pub streams: bool,
    /// JSON Schema of its parameters.
    pub params: fn() -> Value,
}

const fn method(name: &'static str, description: &'static str, params: fn() -> Value) -> Method {
    Method {
        name,
        description,
        admin: false,
        streams: false,
        params,
    }
}

impl Method {
    const fn for_admins(self) -> Self {
        Self { admin: true, ..self }
    }

    const fn streamed(self) -> Self {
        Self {
            streams: true,
            ..self
        }
    }

    /// As lists of methods show it, among those of providers.
    pub fn to_json(&self) -> Value {
        json!({
            "name": format!("{PREFIX}{}", self.name),
            "aliases": [],
            "description": self.description,
            "provider": "manager",
            "streams": self.streams,
            "admin": self.admin,
            "params": (self.params)(),
            "result": null,
        })
    }
}

/// All of them, in order of name.
pub static METHODS: [Method; 16] = [
    method(
        "add_hub",
        "Add a hub to the running host; nothing is written down",
        schema::<AddHubParams>,
    )
    .for_admins(),
    method(
        "allocate",
        "Keep resources for a while: several at once, all of them or none",
        schema::<AllocateParams>,
    ),
    method(
        "allocations",
        "Your allocations; an administrator sees everybody's",
        schema::<NoParams>,
    ),
    method(
        "control",
        "Run a hub's own verb; reading ones need no administrator's key",
        control,
    )
    .streamed(),
    method(
        "drain",
        "Give an instance no more requests; those in flight finish",
        instance,
    )
    .for_admins(),
    method(
        "instances",
        "Every instance, and whether a request would be sent there now",
        schema::<NoParams>,
    ),
    method("methods", "Every method, route and verb", schema::<NoParams>),
    method(
        "optimise",
        "What could be better, and why; with `apply` what is safe is done",
        schema::<OptimiseParams>,
    ),
    method(
        "plugins",
        "Every plugin file, and what became of it",
        schema::<NoParams>,
    ),
    method("release", "Give an allocation back", schema::<ReleaseParams>),
    method(
        "remove_hub",
        "Drain a hub and remove it from the running host",
        schema::<RemoveHubParams>,
    )
    .for_admins(),
    method("renew", "Make an allocation last longer", schema::<RenewParams>),
    method("resume", "Take a drained instance back into use", instance).for_admins(),
    method(
        "scale",
        "Change how many resources a hub keeps",
        schema::<ScaleParams>,
    )
    .for_admins(),
    method("status", "Everything at a glance", schema::<NoParams>),
    method(
        "totals",
        "Every hub together, and each by itself, in numbers",
        schema::<NoParams>,
    ),
];

/// The method of this name, without the prefix.
///
/// # Errors
/// There is none; the message says which was probably meant.
pub fn find(verb: &str) -> Result<&'static Method, Error> {
    METHODS
        .iter()
        .find(|method| method.name == verb)
        .ok_or_else(|| unknown(verb))
}

pub(super) fn unknown(verb: &str) -> Error {
    let shown: String = verb.chars().take(64).collect();
    let message = format!("there is no method `{PREFIX}{shown}`");
    let names = METHODS.iter().map(|method| method.name);
    let hint = match nearest::nearest(&shown, names) {
        Some(near) => format!("did you mean `{PREFIX}{near}`? manager/methods lists them all"),
        None => "manager/methods lists them all".to_owned(),
    };
    Error::new(ErrorCode::METHOD_NOT_FOUND, Fault::Client, message).hint(hint)
}

fn schema<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("$schema");
        schema.remove("title");
        schema.remove("description");
    }
    schema
}

fn instance() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["instance"],
        "properties": {
            "hub": { "type": "string", "description": "Where absent, whichever hub has the instance" },
            "instance": { "type": "string", "description": "The instance's id" },
        },
    })
}

fn control() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["verb"],
        "properties": {
            "hub": { "type": ["string", "null"], "description": "Where absent, every hub that knows the verb" },
            "verb": { "type": "string", "description": "The verb" },
            "arguments": { "description": "Its arguments, as the verb's own schema says" },
            "selection": {
                "description": "On which instances: \"all\", {\"instances\": […]}, {\"tag\": …} or {\"count\": …}; where absent, the verb's own default",
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::{METHODS, find};

    #[test]
    fn methods_are_listed_in_order_each_with_a_schema_that_works() {
        assert!(METHODS.is_sorted_by_key(|method| method.name));
        for method in &METHODS {
            let schema = (method.params)();
            assert_eq!(schema["type"], "object", "{}", method.name);
            assert_eq!(schema["additionalProperties"], false, "{}", method.name);
            jsonschema::validator_for(&schema).unwrap();
            let text = schema.to_string();
            assert!(!text.contains("$ref"), "{text}");
        }
    }

    #[test]
    fn a_misspelt_method_is_recognised() {
        let error = find("alocate").unwrap_err();
        assert!(error.hint.unwrap().contains("manager/allocate"));
        assert!(find("optimise").is_ok());
    }
}
