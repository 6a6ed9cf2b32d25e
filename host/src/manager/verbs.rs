//! Verbs: one call of an operator's, carried out on as many instances as it is about.

use std::sync::Arc;

use futures_util::stream::{self, BoxStream, StreamExt};
use plugin_api::contract::reference::normalise;
use plugin_api::host::{Control, Selection};
use plugin_api::manifest::{DefaultSelection, Verb, VerbTarget};
use plugin_api::{Context, Error, ErrorCode, Fault, ResourceInstance};
use serde_json::{Map, Value, json};

use super::{HubEntry, Manager, list};
use crate::misfit::misfits;
use crate::plugin::driver::ControlItem;

/// Instances that a verb works on at once. A pull is bound by the network, so more would only slow each down.
const AT_ONCE: usize = 8;

impl Manager {
    /// Runs a verb. The stream's items are `{"instance", "progress"}` and at the end one
    /// `{"results": {instance: {"ok": value} | {"error": error}}}`. Dropping the stream cancels the verb.
    ///
    /// `hubs` are those the caller may use; `None` is all of them.
    ///
    /// # Errors
    /// No hub knows the verb, the arguments do not fit its schema, or it is about no instance.
    pub fn control(
        &self,
        hubs: Option<&[String]>,
        context: Context,
        mut control: Control,
    ) -> Result<BoxStream<'static, Value>, Error> {
        if control.arguments.is_null() {
            control.arguments = json!({});
        }
        let found = self.hubs_for(hubs, &control)?;
        let mut runs = Vec::new();
        let mut nobody = None;
        for (hub, verb) in found {
            check(&control, &verb)?;
            match targets(&hub, &verb, &control) {
                Ok(targets) => {
                    let changes = !verb.read_only;
                    runs.extend(targets.into_iter().map(|target| (hub.clone(), target, changes)));
                }
                Err(error) => nobody = nobody.or(Some(error)),
            }
            // So many, or one, are chosen within the first hub that has any.
            let few = matches!(control.selection, Some(Selection::Count(_)))
                || (control.selection.is_none() && verb.default_selection == DefaultSelection::One);
            if few && !runs.is_empty() {
                break;
            }
        }
        if let (true, Some(error)) = (runs.is_empty(), nobody) {
            return Err(error);
        }
        let runs = runs
            .into_iter()
            .map(move |(hub, target, changes)| run(hub, context.clone(), control.clone(), target, changes));
        let mut results = Map::new();
        let items = stream::iter(runs)
            .flatten_unordered(AT_ONCE)
            .map(Some)
            .chain(stream::iter([None]));
        Ok(items
            .filter_map(move |item| {
                let out = match item {
                    Some(Item::Progress { instance, progress }) => {
                        Some(json!({ "instance": instance, "progress": progress }))
                    }
                    Some(Item::Result { instance, result }) => {
                        results.insert(instance, result);
                        None
                    }
                    None => Some(json!({ "results": std::mem::take(&mut results) })),
                };
                std::future::ready(out)
            })
            .boxed())
    }

    /// The hubs that know the verb, among those the caller may use.
    fn hubs_for(
        &self,
        scope: Option<&[String]>,
        control: &Control,
    ) -> Result<Vec<(Arc<HubEntry>, Verb)>, Error> {
        let allowed = |hub: &Arc<HubEntry>| scope.is_none_or(|names| names.contains(&hub.name));
        let candidates: Vec<Arc<HubEntry>> = match &control.hub {
            Some(name) => vec![self.hub(name)?],
            None => self.hubs().as_ref().clone(),
        };
        let candidates: Vec<_> = candidates.into_iter().filter(allowed).collect();
        let verbs = |hub: &Arc<HubEntry>| hub.driver.manifest().verbs.get(&control.verb).cloned();
        let found: Vec<_> = candidates
            .iter()
            .filter_map(|hub| Some((hub.clone(), verbs(hub)?)))
            .collect();
        if !found.is_empty() {
            return Ok(found);
        }
        let known: Vec<_> = candidates
            .iter()
            .flat_map(|hub| hub.driver.manifest().verbs.keys().cloned())
            .collect();
        Err(Error::new(
            ErrorCode::METHOD_NOT_SUPPORTED,
            Fault::Client,
            format!(
                "no hub knows the verb `{}`; known are: {}",
                control.verb,
                list(&known)
            ),
        ))
    }
}

/// What a verb is carried out on in one hub: instances, or the hub itself.
fn targets(
    hub: &HubEntry,
    verb: &Verb,
    control: &Control,
) -> Result<Vec<Option<Arc<ResourceInstance>>>, Error> {
    match verb.target {
        VerbTarget::Hub => Ok(vec![None]),
        VerbTarget::Instance => Ok(select(hub, verb, control)?.into_iter().map(Some).collect()),
    }
}

fn check(control: &Control, verb: &Verb) -> Result<(), Error> {
    if verb.arguments.is_null() {
        return Ok(());
    }
    let validator = jsonschema::validator_for(&verb.arguments).map_err(|error| {
        Error::plugin(format!(
            "the plugin's schema of `{}` is broken: {error}",
            control.verb
        ))
    })?;
    let mistakes = misfits(&validator, &control.arguments);
    if mistakes.is_empty() {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "`{}`: {}",
        control.verb,
        mistakes.join("; ")
    )))
}

fn select(hub: &HubEntry, verb: &Verb, control: &Control) -> Result<Vec<Arc<ResourceInstance>>, Error> {
    let capability = verb
        .positional
        .as_ref()
        .and_then(|name| control.arguments.get(name))
        .and_then(Value::as_str)
        .map(|name| normalise(name).into_owned());
    let chosen = match &control.selection {
        Some(selection) => hub.pool.select(selection, None)?,
        None => match verb.default_selection {
            DefaultSelection::All => hub.pool.select(&Selection::All, None)?,
            DefaultSelection::One => hub.pool.select(&Selection::Count(1), None)?,
            DefaultSelection::Holders => hub.pool.select(&Selection::All, capability.as_deref())?,
        },
    };
    if chosen.is_empty() {
        let empty = hub.pool.view().is_empty();
        let what = match capability {
            Some(name) if !empty => format!(" that has `{name}`"),
            _ => String::new(),
        };
        return Err(Error::not_found(format!(
            "the hub `{}` has no instance{what}",
            hub.name
        )));
    }
    Ok(chosen)
}

enum Item {
    Progress { instance: String, progress: Value },
    Result { instance: String, result: Value },
}

fn run(
    hub: Arc<HubEntry>,
    context: Context,
    control: Control,
    target: Option<Arc<ResourceInstance>>,
    changes: bool,
) -> BoxStream<'static, Item> {
    let id = target
        .as_ref()
        .map_or_else(|| hub.name.clone(), |instance| instance.id.clone());
    let items = hub
        .driver
        .control(context, control.verb, control.arguments, target.clone());
    let (pool, changes) = (hub.pool.clone(), changes && target.is_some());
    let mut answered = false;
    items
        .map(Some)
        .chain(stream::iter([None]))
        .filter_map(move |item| {
            let instance = id.clone();
            let out = match item {
                Some(Ok(ControlItem::Progress(progress))) => Some(Item::Progress { instance, progress }),
                Some(Ok(ControlItem::Result(value))) => {
                    answered = true;
                    Some(Item::Result {
                        instance,
                        result: json!({ "ok": value }),
                    })
                }
                Some(Err(error)) => {
                    answered = true;
                    Some(Item::Result {
                        instance,
                        result: json!({ "error": error }),
                    })
                }
                None if answered => None,
                None => {
                    let error = Error::plugin("the plugin ended the verb without a result");
                    Some(Item::Result {
                        instance,
                        result: json!({ "error": error }),
                    })
                }
            };
            std::future::ready(out)
        })
        .then(move |item| {
            let pool = pool.clone();
            async move {
                // What the verb changed is true in lists, status and routing when its caller hears of its end.
                if let (true, Item::Result { instance, .. }) = (changes, &item) {
                    pool.look(instance).await;
                }
                item
            }
        })
        .boxed()
}
