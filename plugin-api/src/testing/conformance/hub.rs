//! A hub behind the boundary.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::life::{LIMIT, end, garbage, name, within};
use super::report::Report;
use crate::contract::instance::InstanceSettings;
use crate::manifest::{HubManifest, VerbTarget};
use crate::testing::{Harness, HubHarness};
use crate::{Context, Error, ErrorCode, Hub, ResourceInstance};

const CALLS: [&str; 7] = [
    "probe", "refresh", "prepare", "stop", "reset", "discover", "start",
];

pub(super) async fn check<H: Hub>(manifest: &HubManifest, config: &Value, report: &mut Report) {
    const BUILT: &str = "the hub can be built with the configuration";
    let name = name();
    let hub = match Harness::new().name(&name).workers(1).hub::<H>(config) {
        Ok(hub) => hub,
        Err(error) => {
            report.failed(BUILT, error);
            return;
        }
    };
    report.check(BUILT, []);
    report.check("an entry without a URL is refused", adopts_nothing(&hub));
    report.check(
        "what the operator says of an instance is kept",
        keeps_settings(&hub),
    );
    report.check(
        "an instance that nobody answers for is not well",
        dead(&hub).await,
    );
    report.check(
        "a probe that is cancelled leaves nothing behind",
        black_hole(&hub).await,
    );
    report.check(
        "a verb that the manifest does not list is refused",
        unknown_verb(&hub).await,
    );
    report.check(
        "a verb that the manifest lists is known",
        known_verbs(&hub, manifest).await,
    );
    report.check(
        "a hub that starts nothing says so",
        starts_nothing(&hub, manifest).await,
    );
    let messages = garbage(hub.raw(), &CALLS[..5], &["control"]).await;
    report.check("messages that nobody sends are refused", messages);
    report.check(
        "an extension that nobody offers is not offered",
        hub.raw()
            .has_extension("nobody.offers.this/1")
            .then(|| "it is".to_owned()),
    );
    report.check("nothing of this made it panic", panicked(&hub));
    let ended = end(&name, hub.raw(), hub.host(), async || hub.shutdown().await).await;
    report.check("it ends in time, for good, and leaves no thread", ended);
}

fn panicked(hub: &HubHarness) -> Vec<String> {
    let records = hub.host().logged();
    let panics = records.iter().filter(|record| record.panic);
    panics
        .map(|record| {
            format!(
                "{} ({})",
                record.message,
                record.location.as_deref().unwrap_or("?")
            )
        })
        .collect()
}

fn context() -> Context {
    Context::background("conformance").within(LIMIT)
}

fn settings(url: String) -> InstanceSettings {
    InstanceSettings {
        url,
        ..InstanceSettings::default()
    }
}

fn adopts_nothing(hub: &HubHarness) -> Option<String> {
    let adopted = hub.adopt(&settings(String::new())).ok()?;
    Some(format!("`adopt` made {adopted:?} of it"))
}

fn keeps_settings(hub: &HubHarness) -> Vec<String> {
    let settings = InstanceSettings {
        id: Some("mine".into()),
        url: "http://127.0.0.1:9".into(),
        tags: BTreeSet::from(["gpu".to_owned()]),
        weight: Some(2.5),
        priority: Some(3),
        max_concurrent: Some(4),
        config: serde_json::Map::new(),
    };
    let Ok(instance) = hub.adopt(&settings) else {
        // Its instances are not at http:// URLs; then there is nothing to compare.
        return Vec::new();
    };
    let kept = [
        ("id", instance.id == "mine"),
        ("tags", instance.tags.contains("gpu")),
        ("weight", instance.weight == 2.5),
        ("priority", instance.priority == 3),
        ("max_concurrent", instance.max_concurrent == Some(4)),
    ];
    kept.into_iter()
        .filter(|(_, kept)| !kept)
        .map(|(name, _)| format!("`{name}` is lost; `ResourceInstance::from_settings` keeps it"))
        .collect()
}

/// An instance at a port where this listens, or where nobody does any more.
async fn local(hub: &HubHarness) -> Option<(TcpListener, ResourceInstance)> {
    let listener = TcpListener::bind("127.0.0.1:0").await.ok()?;
    let address = listener.local_addr().ok()?;
    let instance = hub.adopt(&settings(format!("http://{address}"))).ok()?;
    Some((listener, instance))
}

async fn dead(hub: &HubHarness) -> Option<String> {
    let (listener, instance) = local(hub).await?;
    drop(listener);
    match within("the probe", hub.probe(&context(), &instance)).await {
        Ok(Err(_)) => None,
        Ok(Ok(probe)) => Some(format!("`probe` found it well: {probe:?}")),
        Err(problem) => Some(problem),
    }
}

async fn black_hole(hub: &HubHarness) -> Option<String> {
    let (listener, instance) = local(hub).await?;
    let before = tasks(hub);
    let client = (**hub).clone();
    let context = context();
    let probe = tokio::spawn(async move { client.probe(&context, &instance).await.map(drop) });
    // A probe that connects is caught in the middle; one that does not is caught wherever it is.
    let connection = tokio::time::timeout(Duration::from_secs(1), listener.accept()).await;
    probe.abort();
    let gone = async {
        while hub.calls() > 0 || tasks(hub) > before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let problem = within("the probe", gone).await.err();
    drop(connection);
    problem.map(|problem| {
        format!(
            "{problem} after it was cancelled; {} calls, {} tasks",
            hub.calls(),
            tasks(hub)
        )
    })
}

fn tasks(hub: &HubHarness) -> u64 {
    hub.status()["tasks"].as_u64().unwrap_or(0)
}

async fn control(hub: &HubHarness, verb: &str, instance: Option<&ResourceInstance>) -> Result<(), Error> {
    let items = hub.control(&context(), verb.to_owned(), json!({}), instance);
    let results: Vec<_> = items.collect().await;
    results.into_iter().find_map(Result::err).map_or(Ok(()), Err)
}

async fn unknown_verb(hub: &HubHarness) -> Option<String> {
    match within("the verb", control(hub, "no-such-verb", None)).await {
        Ok(Err(error)) if error.code == ErrorCode::METHOD_NOT_SUPPORTED => None,
        Ok(Err(error)) => Some(format!("with {error:?}, where `Error::unsupported` would say it")),
        Ok(Ok(())) => Some("it was carried out".to_owned()),
        Err(problem) => Some(problem),
    }
}

async fn known_verbs(hub: &HubHarness, manifest: &HubManifest) -> Vec<String> {
    let mut problems = Vec::new();
    let Some((listener, instance)) = local(hub).await else {
        return problems;
    };
    drop(listener);
    for (name, verb) in &manifest.verbs {
        let instance = match verb.target {
            VerbTarget::Instance => Some(&instance),
            // Without an instance to fail on it might do what it says.
            VerbTarget::Hub if !verb.read_only => continue,
            VerbTarget::Hub => None,
        };
        match within("the verb", control(hub, name, instance)).await {
            Ok(Err(error)) if error.code == ErrorCode::METHOD_NOT_SUPPORTED => {
                problems.push(format!("`{name}`: {error}"));
            }
            Ok(_) => {}
            Err(problem) => problems.push(format!("`{name}`: {problem}")),
        }
    }
    problems
}

async fn starts_nothing(hub: &HubHarness, manifest: &HubManifest) -> Option<String> {
    if manifest.start.is_some() {
        return None;
    }
    match within("`start`", hub.start(&context(), &json!({}))).await {
        Ok(Err(error)) if error.code == ErrorCode::METHOD_NOT_SUPPORTED => None,
        Ok(Err(error)) => Some(format!(
            "`start` answered {error:?}; describe `hub.start` or leave it out"
        )),
        Ok(Ok(instance)) => Some(format!("it started {}; describe `hub.start`", instance.id)),
        Err(problem) => Some(problem),
    }
}
