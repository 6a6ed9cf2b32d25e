//! Scaling a hub: how many resources it keeps started, and how many it keeps ready.

use jsonschema::Validator;
use plugin_api::{Error, ErrorCode, Fault};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Manager;
use crate::misfit::misfits;
use crate::pool::Pool;
use crate::pool::events::kind;

/// Parameters of `manager/scale`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScaleParams {
    /// The hub.
    pub hub: String,
    /// How many of its `start` entries are kept started.
    #[serde(default)]
    pub started: Option<usize>,
    /// How many unused resources of each kind its warm pool keeps ready; as many as before where absent.
    #[serde(default)]
    pub min_idle: Option<u32>,
    /// The most resources of all kinds in its warm pool; as many as before where absent.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub max: Option<u32>,
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
        let warm = params.min_idle.is_some() || params.max.is_some();
        if params.started.is_none() && !warm {
            return Err(Error::invalid("nothing is to be scaled").hint("say `started`, `min_idle` or `max`"));
        }
        check(&hub.pool, hub.driver.manifest().start.as_ref(), &params.start)?;
        let bounds = if warm {
            Some(bounds(&hub.pool, &params)?)
        } else {
            None
        };
        if let Some(started) = params.started {
            result["started"] = json!(hub.pool.set_started(started, params.start)?);
        }
        if let Some((min_idle, max)) = bounds {
            hub.pool.set_warm_bounds(min_idle, max);
            result["warm"] = json!({ "min_idle": min_idle, "max": max });
            let data = json!({ "warm": result["warm"] });
            self.events().emit(kind::HUB_SCALED, &params.hub, None, data);
        }
        Ok(result)
    }
}

/// What the warm pool's bounds are to be.
fn bounds(pool: &Pool, params: &ScaleParams) -> Result<(u32, u32), Error> {
    let now = pool
        .warm_status()
        .ok_or_else(|| Error::invalid(format!("the hub `{}` has no warm pool", pool.name())))?;
    let (min_idle, max) = (
        params.min_idle.unwrap_or(now.min_idle),
        params.max.unwrap_or(now.max),
    );
    if min_idle > max {
        let message = format!("`min_idle` would be {min_idle}, which is more than `max`, {max}");
        return Err(Error::invalid(message).hint("change both together"));
    }
    Ok((min_idle, max))
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
