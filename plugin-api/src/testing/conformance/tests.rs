//! The kit passes what is right and catches what is wrong.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::contract::instance::InstanceSettings;
use crate::contract::probe::Probe;
use crate::provider::{BodyPlan, Decision, Forward, OwnedEntry, OwnedRequest, Reply, Request};
use crate::{Context, Error, Host, Hub, Provider, ResourceInstance};

const MANIFEST: &str = r#"
id = "good-hub"
version = "1.0.0"

[hub]
provides = "thing"
config = { type = "object", additionalProperties = false, properties = { port = { type = "integer", minimum = 0, maximum = 9 } } }

[hub.verbs.ping]
description = "Says hello"
"#;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default)]
    #[allow(dead_code)]
    port: u8,
}

/// A hub that probes by connecting, and with `ROGUE` does several things wrong.
struct Sample<const ROGUE: bool>;

impl<const ROGUE: bool> Hub for Sample<ROGUE> {
    type Config = Config;
    type Error = Error;

    fn new(_config: Config, _host: Host) -> Result<Self, Error> {
        Ok(Self)
    }

    fn adopt(&self, settings: InstanceSettings) -> Result<ResourceInstance, Error> {
        if ROGUE {
            assert!(!settings.url.is_empty(), "no url");
            return Ok(ResourceInstance::new(settings.url));
        }
        ResourceInstance::from_settings(&settings)
    }

    async fn probe(self: Arc<Self>, _: Context, instance: Arc<ResourceInstance>) -> Result<Probe, Error> {
        if ROGUE {
            tokio::spawn(std::future::pending::<()>());
            return Ok(Probe::default());
        }
        let url = instance.endpoint.as_ref().map_or("", |endpoint| &endpoint.url);
        let failed = |error: std::io::Error| Error::plugin(error.to_string());
        let stream = tokio::net::TcpStream::connect(url.trim_start_matches("http://"))
            .await
            .map_err(failed)?;
        stream.readable().await.map_err(failed)?;
        Ok(Probe::default())
    }

    async fn control(
        self: Arc<Self>,
        _context: Context,
        verb: String,
        _arguments: Value,
        _instance: Option<Arc<ResourceInstance>>,
        _progress: crate::hub::Progress,
    ) -> Result<Value, Error> {
        match verb.as_str() {
            "ping" if !ROGUE => Ok(json!("hello")),
            _ if ROGUE => Ok(Value::Null),
            _ => Err(Error::unsupported(verb)),
        }
    }
}

#[tokio::test]
async fn a_good_hub_passes() {
    let report = super::hub::<Sample<false>>(MANIFEST, &json!({ "port": 7 })).await;
    report.assert();
    assert!(report.checks.len() > 15, "{report}");
}

#[tokio::test]
async fn a_bad_hub_is_caught_at_each_of_its_faults() {
    let report = super::hub::<Sample<true>>(MANIFEST, &json!({})).await;
    for sentence in [
        "what the operator says of an instance is kept",
        "an instance that nobody answers for is not well",
        "a probe that is cancelled leaves nothing behind",
        "a verb that the manifest does not list is refused",
        "nothing of this made it panic",
    ] {
        assert!(report.fails(sentence), "not caught: {sentence}\n{report}");
    }
    assert!(!report.passed());
}

#[tokio::test]
async fn a_manifest_that_makes_no_sense_is_caught() {
    let manifest = r#"
        id = "Bad Hub"
        version = "one"
        colour = "red"
        [hub]
        provides = ""
        config = { type = "objekt" }
        [hub.verbs.pull]
        description = ""
        positional = "model"
    "#;
    let report = super::hub::<Sample<false>>(manifest, &json!({})).await;
    for sentence in [
        "the manifest has no key that nobody knows",
        "the id is lower case, digits and dashes",
        "the version is a semantic version",
        "every schema in the manifest is a JSON Schema",
        "every verb makes sense",
        "the hub says what it provides",
    ] {
        assert!(report.fails(sentence), "not caught: {sentence}\n{report}");
    }
    let unreadable = super::hub::<Sample<false>>("id = ", &json!({})).await;
    assert!(unreadable.fails("the manifest can be read"));
}

#[tokio::test]
async fn a_schema_that_promises_more_than_the_type_keeps_is_caught() {
    let manifest = MANIFEST
        .replace("maximum = 9", "maximum = 900")
        .replace("minimum = 0", "minimum = -5");
    let report = super::hub::<Sample<false>>(&manifest, &json!({})).await;
    assert!(
        report.fails("whatever the schema accepts, the type accepts"),
        "{report}"
    );
    let open = MANIFEST.replace("additionalProperties = false, ", "");
    let report = super::hub::<Sample<false>>(&open, &json!({})).await;
    assert!(
        report.fails("whatever the schema accepts, the type accepts"),
        "{report}"
    );
}

/// A provider that forwards everything, by a relay and a splice of this kind.
struct Forwarder<const GOOD: bool>;

impl<const GOOD: bool> Provider for Forwarder<GOOD> {
    type Config = Value;
    type Error = Error;

    fn new(_config: Value, _host: Host) -> Result<Self, Error> {
        Ok(Self)
    }

    fn decide(&self, request: &Request<'_>) -> Result<Decision, Error> {
        if GOOD && request.body.len() < 9 {
            return Err(Error::invalid("no body"));
        }
        let (relay, end) = if GOOD { ("chat", 9) } else { ("chatter", 5000) };
        Ok(Decision::Forward(Box::new(Forward {
            relay: (GOOD || request.body.is_empty()).then(|| relay.to_owned()),
            body: BodyPlan::Splice {
                start: end,
                end,
                with: String::new(),
            },
            ..Forward::default()
        })))
    }

    async fn work(self: Arc<Self>, _: Context, _: OwnedRequest) -> Result<Reply, Error> {
        Ok(Reply::json(&()))
    }
}

const PROVIDER: &str = r#"
id = "good-provider"
version = "1.0.0"
[provider]
protocol = "thing/v1"
[provider.methods."thing/do"]
description = "Does it"
aliases = ["thing/make"]
[provider.routes.chat]
methods = ["POST"]
path = "/api/{name}"
headers = ["accept"]
[provider.relays.chat]
meaningful = ["/text"]
"#;

fn sample() -> OwnedRequest {
    OwnedRequest {
        entry: OwnedEntry::Method {
            name: "thing/do".into(),
            stream: false,
        },
        headers: Vec::new(),
        body: r#"{"text":"x"}"#.into(),
    }
}

#[tokio::test]
async fn a_good_provider_passes() {
    let report = super::provider::<Forwarder<true>>(PROVIDER, &json!({}), &[sample()]).await;
    report.assert();
}

#[tokio::test]
async fn a_provider_whose_decisions_cannot_be_carried_out_is_caught() {
    let report = super::provider::<Forwarder<false>>(PROVIDER, &json!({}), &[sample()]).await;
    assert!(report.fails("every decision can be carried out"), "{report}");
    let told = report.to_string();
    assert!(
        told.contains("the relay `chatter` is not in the manifest"),
        "{told}"
    );
    assert!(
        told.contains("a splice of 5000..5000 in a body of 12 bytes"),
        "{told}"
    );
}
