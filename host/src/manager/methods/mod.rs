//! The manager's methods: `manager/VERB`, with the schemas of their parameters.

mod list;

use plugin_api::{Error, ErrorCode, Fault};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;

pub use list::{METHODS, Method, find};
pub use plugin_api::quantity::Span;

use super::{Manager, Who, needs_admin};
use crate::misfit::misfits;

/// What the names of the manager's methods begin with.
pub const PREFIX: &str = "manager/";

/// Parameters of `manager/renew`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RenewParams {
    /// The allocation's id.
    pub allocation: String,
    /// How long it lasts from now, in seconds or as text; as long as before where absent.
    #[serde(default)]
    pub ttl: Option<Span>,
}

/// Parameters of `manager/release`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseParams {
    /// The allocation's id.
    pub allocation: String,
    /// Throw away what came from a warm pool instead of using it again.
    #[serde(default)]
    pub discard: bool,
}

/// Methods without parameters.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoParams {}

impl Manager {
    /// Calls one of the methods that this layer answers itself. Dropping the future cancels it.
    ///
    /// # Errors
    /// There is none of this name, the parameters do not fit, the key may not, or the method's own.
    pub async fn manage(self: &Arc<Self>, verb: &str, params: &[u8], who: &Who) -> Result<Value, Error> {
        let method = find(verb)?;
        if method.admin && !who.admin {
            return Err(needs_admin(&format!("{PREFIX}{verb}")));
        }
        match verb {
            "allocate" => {
                let params = method.read(params)?;
                self.allocations().allocate(self, params, who).await
            }
            "renew" => {
                let RenewParams { allocation, ttl } = method.read(params)?;
                self.allocations().renew(&allocation, ttl, who)
            }
            "release" => {
                let ReleaseParams { allocation, discard } = method.read(params)?;
                self.allocations().release(&allocation, discard, who)
            }
            "allocations" => {
                let NoParams {} = method.read(params)?;
                Ok(self.allocations().visible_to(who))
            }
            "totals" => {
                let NoParams {} = method.read(params)?;
                Ok(self.totals())
            }
            "scale" => self.scale(method.read(params)?),
            "optimise" => self.optimise(&method.read(params)?, who),
            "add_hub" => self.bring_in_hub(method.read(params)?).await,
            "remove_hub" => self.take_out_hub(method.read(params)?).await,
            _ => Err(list::unknown(verb)),
        }
    }
}

impl Method {
    /// Parameters by name. None at all are as good as an empty object.
    ///
    /// # Errors
    /// `INVALID_PARAMS` with every mistake at once, each with its place.
    pub fn read<T: DeserializeOwned>(&self, params: &[u8]) -> Result<T, Error> {
        let params = if params.is_empty() { b"{}" } else { params };
        let value: Value = serde_json::from_slice(params)
            .map_err(|error| Error::new(ErrorCode::INVALID_PARAMS, Fault::Client, error.to_string()))?;
        if value.is_array() {
            return Err(Error::invalid("parameters are given by name, in an object"));
        }
        let schema = (self.params)();
        let validator = jsonschema::validator_for(&schema).map_err(|error| {
            let message = format!("the schema of {PREFIX}{} is broken: {error}", self.name);
            Error::new(ErrorCode::INTERNAL_ERROR, Fault::Host, message)
        })?;
        let mistakes = misfits(&validator, &value);
        let refused = |mistakes: Vec<String>| {
            Error::invalid(format!("{PREFIX}{}: {}", self.name, mistakes.join("; ")))
                .detail("mistakes", mistakes)
                .hint(format!(
                    "`gleitzeit methods {PREFIX}{}` shows its parameters",
                    self.name
                ))
        };
        if !mistakes.is_empty() {
            return Err(refused(mistakes));
        }
        serde_json::from_value(value).map_err(|error| refused(vec![error.to_string()]))
    }
}
