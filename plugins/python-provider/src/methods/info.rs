//! `python/info`: every level with its whole table, whether it can be had, and what runs in it.

use std::sync::Arc;

use plugin_api::provider::Reply;
use plugin_api::{Context, Error};
use serde_json::{Map, Value, json};

use super::execute::once;
use crate::level::Level;
use crate::params::{InfoParams, Params};
use crate::plan::Plan;
use crate::profile::Profile;
use crate::provider::Shared;

/// Asks a box for what is installed in it.
const PACKAGES: &str = "import importlib.metadata, platform, sys\n\
    {'python': platform.python_version(), 'implementation': platform.python_implementation(), \
    'platform': platform.platform(), 'packages': dict(sorted((d.metadata['Name'], d.version) \
    for d in importlib.metadata.distributions() if d.metadata['Name']))}";

pub(super) async fn run(shared: &Arc<Shared>, context: &Context, params: &[u8]) -> Result<Reply, Error> {
    let params: InfoParams = serde_json::from_slice(if params.is_empty() { b"{}" } else { params })?;
    let available = shared.roles(context).await?;
    let mut levels = Map::new();
    let mut profiles = Map::new();
    for profile in shared.profiles.all() {
        let shown = shown(shared, profile, available.contains(profile.level.name()));
        if Level::of(&profile.name) == Some(profile.level) {
            levels.insert(profile.name.clone(), shown);
        } else {
            profiles.insert(profile.name.clone(), shown);
        }
    }
    let default = shared.profiles.find(None, None);
    let mut answer = json!({
        "protocol": "python/v1",
        "default": default.map(|profile| profile.name.clone()).ok(),
        "levels": levels,
        "profiles": profiles,
        "sessions": {
            "open": shared.sessions.count(),
            "max": shared.sessions.settings().max,
            "per_caller": shared.sessions.settings().per_caller,
            "idle_timeout": shared.sessions.settings().idle_timeout.0.as_secs_f64(),
        },
    });
    if params.packages {
        let asking = Params {
            code: Some(PACKAGES.to_owned()),
            level: params.level,
            profile: params.profile,
            ..Params::default()
        };
        let plan = Plan::new(&shared.profiles, asking)?;
        let report = once(shared, context, &plan, "once").await?;
        let found = report
            .result()
            .map(|found| serde_json::from_str::<Value>(found.get()));
        answer["interpreter"] = match found.transpose()? {
            Some(found) => found,
            None => json!({ "error": report.failure() }),
        };
    }
    Ok(Reply::json(&answer))
}

fn shown(shared: &Shared, profile: &Profile, has_hub: bool) -> Value {
    let mut shown = profile.shown();
    let reason = if !profile.enabled {
        Some("it is not switched on".to_owned())
    } else if !has_hub {
        let (level, resource) = (profile.level, profile.level.resource());
        Some(format!(
            "no hub that provides `{resource}` has the role `{level}`"
        ))
    } else {
        None
    };
    shown["level"] = profile.level.name().into();
    shown["available"] = reason.is_none().into();
    shown["reason"] = reason.into();
    // Known once a box of it was used.
    shown["runner"] = serde_json::to_value(shared.hello(&profile.name)).unwrap_or_default();
    shown
}
