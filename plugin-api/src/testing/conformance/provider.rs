//! A provider behind the boundary.

use serde_json::Value;

use super::life::{end, garbage, name, within};
use super::report::Report;
use crate::manifest::ProviderManifest;
use crate::provider::{BodyPlan, Decision, Entry, Forward, OwnedEntry, OwnedRequest, Phase, Request};
use crate::testing::{Harness, ProviderHarness};
use crate::{Context, Error, ErrorCode, Fault, Provider};

/// Bodies that clients send, by mistake or on purpose.
const BODIES: [&[u8]; 9] = [
    b"",
    b"{}",
    b"[]",
    b"null",
    b"{",
    br#"{"model":7,"messages":"x","stream":"yes"}"#,
    br#"{"model":"","model":"\u0000"}"#,
    b"\xff\xfe\x00",
    &[b'['; 4096],
];

pub(super) async fn check<P: Provider>(
    manifest: &ProviderManifest,
    config: &Value,
    samples: &[OwnedRequest],
    report: &mut Report,
) {
    const BUILT: &str = "the provider can be built with the configuration";
    let name = name();
    let provider = match Harness::new().name(&name).workers(1).provider::<P>(config) {
        Ok(provider) => provider,
        Err(error) => {
            report.failed(BUILT, error);
            return;
        }
    };
    report.check(BUILT, []);
    report.check(
        "every decision can be carried out",
        decisions(&provider, manifest),
    );
    report.check(
        "every sample is understood, and its decision can be carried out",
        understood(&provider, manifest, samples),
    );
    report.check("every error can be rendered", renders(&provider, manifest));
    report.check(
        "work without instances comes to an end",
        works(&provider, samples).await,
    );
    let messages = garbage(provider.raw(), &[], &["work"]).await;
    report.check("messages that nobody sends are refused", messages);
    report.check(
        "an extension that nobody offers is not offered",
        provider
            .raw()
            .has_extension("nobody.offers.this/1")
            .then(|| "it is".to_owned()),
    );
    let panics = provider.host().logged();
    let panics = panics.iter().filter(|record| record.panic).map(|record| {
        format!(
            "{} ({})",
            record.message,
            record.location.as_deref().unwrap_or("?")
        )
    });
    report.check("nothing of this made it panic", panics.collect::<Vec<_>>());
    let ended = end(&name, provider.raw(), provider.host(), async || {
        provider.shutdown().await
    })
    .await;
    report.check("it ends in time, for good, and leaves no thread", ended);
}

/// What it decides of whatever bodies, at every method and route.
fn decisions(provider: &ProviderHarness, manifest: &ProviderManifest) -> Vec<String> {
    let methods = manifest.methods.keys().flat_map(|name| {
        [false, true].map(|stream| OwnedEntry::Method {
            name: name.clone(),
            stream,
        })
    });
    let routes = manifest.routes.iter().flat_map(|(id, route)| {
        route.methods.iter().map(|method| OwnedEntry::Route {
            id: id.clone(),
            method: method.clone(),
            path: route.path.replace(['{', '}', '*'], ""),
            query: None,
        })
    });
    let mut problems = Vec::new();
    for entry in methods.chain(routes) {
        for body in BODIES {
            if let Ok(Decision::Forward(forward)) = decide(provider, &entry, &[], body) {
                problems.extend(
                    impossible(manifest, &forward, body).map(|problem| format!("{entry:?}: {problem}")),
                );
            }
        }
    }
    problems
}

fn understood(
    provider: &ProviderHarness,
    manifest: &ProviderManifest,
    samples: &[OwnedRequest],
) -> Vec<String> {
    let mut problems = Vec::new();
    for sample in samples {
        let known = match &sample.entry {
            OwnedEntry::Method { name, .. } => manifest.methods.contains_key(name),
            OwnedEntry::Route { id, .. } => manifest.routes.contains_key(id),
        };
        if !known {
            problems.push(format!("{:?} is not in the manifest", sample.entry));
        }
        match decide(provider, &sample.entry, &sample.headers, &sample.body) {
            Ok(Decision::Work) => {}
            Ok(Decision::Forward(forward)) => problems.extend(impossible(manifest, &forward, &sample.body)),
            Err(error) => problems.push(format!("{:?} is refused: {error}", sample.entry)),
        }
    }
    problems
}

fn decide(
    provider: &ProviderHarness,
    entry: &OwnedEntry,
    headers: &[(String, String)],
    body: &[u8],
) -> Result<Decision, Error> {
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let entry = match entry {
        OwnedEntry::Method { name, stream } => Entry::Method {
            name,
            stream: *stream,
        },
        OwnedEntry::Route {
            id,
            method,
            path,
            query,
        } => Entry::Route {
            id,
            method,
            path,
            query: query.as_deref(),
        },
    };
    provider.decide(&Request {
        entry,
        headers: &headers,
        body,
    })
}

/// Why the host could not do what was decided.
fn impossible(manifest: &ProviderManifest, forward: &Forward, body: &[u8]) -> Option<String> {
    if let Some(relay) = &forward.relay
        && !manifest.relays.contains_key(relay)
    {
        return Some(format!("the relay `{relay}` is not in the manifest"));
    }
    match &forward.body {
        BodyPlan::Splice { start, end, .. } if start > end || *end > body.len() => Some(format!(
            "a splice of {start}..{end} in a body of {} bytes",
            body.len()
        )),
        BodyPlan::Splice { start, end, with } => {
            let spliced = [&body[..*start], with.as_bytes(), &body[*end..]].concat();
            let was = serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok();
            let is = serde_json::from_slice::<serde::de::IgnoredAny>(&spliced).is_ok();
            (was && !is).then(|| format!("a splice of {start}..{end} that makes the body no JSON"))
        }
        _ => None,
    }
}

fn renders(provider: &ProviderHarness, manifest: &ProviderManifest) -> Vec<String> {
    let errors = [
        Error::invalid("not like this"),
        Error::not_found("no such model").hint("pull it"),
        Error::new(ErrorCode::NOT_AVAILABLE, Fault::Host, "nothing is routable"),
        Error::new(ErrorCode(-12345), Fault::Instance, "something \"new\"\n"),
    ];
    let mut problems = Vec::new();
    for id in manifest.routes.keys() {
        for error in &errors {
            for phase in [Phase::Before, Phase::Streaming] {
                match provider.render_error(id, phase, error) {
                    Ok(rendered) if phase == Phase::Before && !(400..600).contains(&rendered.status) => {
                        problems.push(format!("`{id}`: a failure with status {}", rendered.status));
                    }
                    Ok(rendered) if rendered.body.is_empty() => {
                        problems.push(format!("`{id}`: nothing to read, {phase:?}, for {error}"));
                    }
                    Ok(_) => {}
                    Err(error) => problems.push(format!("`{id}`: {error}")),
                }
            }
        }
    }
    problems
}

async fn works(provider: &ProviderHarness, samples: &[OwnedRequest]) -> Vec<String> {
    let mut problems = Vec::new();
    for sample in samples {
        let context = Context::background("conformance");
        match within("the work", provider.work(&context, sample)).await {
            Ok(Err(error)) if error.code == ErrorCode::PANICKED => problems.push(error.to_string()),
            // An answer or a refusal: without instances both may be right.
            Ok(_) => {}
            Err(problem) => problems.push(format!("{:?}: {problem}", sample.entry)),
        }
    }
    problems
}
