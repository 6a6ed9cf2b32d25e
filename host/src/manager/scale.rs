//! Scaling a hub: how many resources it keeps started, and how many it keeps ready.

use jsonschema::Validator;
use plugin_api::{Error, ErrorCode, Fault};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Manager;
use crate::misfit::misfits;
use crate::pool::Pool;

/// Parameters of `manager/scale`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScaleParams {
    /// The hub.
    pub hub: String,
    /// How many of its `start` entries are kept started.
    #[serde(default)]
    pub started: Option<usize>,
    /// Further entries, each as the plugin's `start` schema says, for more than the configuration has.
    #[serde(default)]
    pub start: Vec<Value>,
}

impl Manager {
    /// Changes how many resources a hub has. Lasts until the host ends.
    ///
    /// # Errors
    /// There is no such hub, it cannot do that, or nothing is asked for; then nothing has changed.
    pub fn scale(&self, params: ScaleParams) -> Result<Value, Error> {
        let hub = self.hub(&params.hub)?;
        let mut result = json!({ "hub": params.hub });
        let Some(started) = params.started else {
            return Err(Error::invalid("nothing is to be scaled").hint("say `started`"));
        };
        check(&hub.pool, hub.driver.manifest().start.as_ref(), &params.start)?;
        result["started"] = json!(hub.pool.set_started(started, params.start)?);
        Ok(result)
    }
}

fn check(pool: &Pool, schema: Option<&Value>, start: &[Value]) -> Result<(), Error> {
    let Some(schema) = schema else {
        let message = format!("the hub `{}` does not start anything", pool.name());
        return Err(
            Error::new(ErrorCode::METHOD_NOT_SUPPORTED, Fault::Client, message)
                .hint("its instances are what plugins.toml lists, and what it finds"),
        );
    };
    let validator: Validator = jsonschema::validator_for(schema)
        .map_err(|error| Error::plugin(format!("the plugin's schema of `start` is broken: {error}")))?;
    let mistakes: Vec<String> = start
        .iter()
        .enumerate()
        .flat_map(|(index, entry)| {
            let mistakes = misfits(&validator, entry);
            mistakes
                .into_iter()
                .map(move |mistake| format!("start.{index}: {mistake}"))
        })
        .collect();
    match mistakes.is_empty() {
        true => Ok(()),
        false => Err(Error::invalid(mistakes.join("; ")).detail("mistakes", mistakes)),
    }
}
