//! The hub: from a URL to an instance, and a look at it.

use std::sync::Arc;

use plugin_api::contract::instance::{Capability, Endpoint, InstanceSettings};
use plugin_api::contract::probe::Probe;
use plugin_api::http::{BaseUrl, Client, Method};
use plugin_api::{Context, Error, Host, Hub, ResourceInstance};
use serde_json::Value;

use crate::config::{Config, InstanceConfig, Look};
use crate::error::OpenaiError;
use crate::models;

/// OpenAI-compatible servers.
#[derive(Debug)]
pub struct OpenaiHub {
    client: Client,
}

impl Hub for OpenaiHub {
    type Config = Config;
    type Error = OpenaiError;

    fn new(_: Config, _: Host) -> Result<Self, OpenaiError> {
        let client = Client::new(concat!("gleitzeit-openai-hub/", env!("CARGO_PKG_VERSION")))?;
        Ok(Self { client })
    }

    /// The base URL is taken with `/v1` or without, because clients are told the first and servers the second.
    fn adopt(&self, mut settings: InstanceSettings) -> Result<ResourceInstance, OpenaiError> {
        let config = Value::Object(std::mem::take(&mut settings.config));
        let config: InstanceConfig = serde_json::from_value(config).map_err(Error::from)?;
        let mut url = BaseUrl::parse(&settings.url)?;
        if config.v1 {
            url.strip_path_suffix("/v1");
        }
        settings.url = url.to_string();
        let mut instance = ResourceInstance::from_settings(&settings)?;
        instance.endpoint = Some(Endpoint {
            url: settings.url,
            headers: config.access.to_headers()?,
            rewrites: if config.v1 {
                Vec::new()
            } else {
                vec![("/v1".into(), String::new())]
            },
        });
        instance.dialects = vec!["openai".into()];
        instance.capabilities = config.look.models.iter().map(|id| models::named(id)).collect();
        if let Value::Object(look) = serde_json::to_value(&config.look).map_err(Error::from)? {
            instance.metadata = look;
        }
        Ok(instance)
    }

    async fn probe(
        self: Arc<Self>,
        _: Context,
        instance: Arc<ResourceInstance>,
    ) -> Result<Probe, OpenaiError> {
        let endpoint = instance
            .endpoint
            .as_ref()
            .ok_or_else(|| Error::plugin("an instance without a URL"))?;
        let look: Look =
            serde_json::from_value(Value::Object(instance.metadata.clone())).map_err(Error::from)?;
        if let Some(path) = &look.health {
            self.client.call(Method::GET, endpoint, path).bytes().await?;
        }
        let url = endpoint.url_of("/v1/models");
        let listed = match self
            .client
            .call(Method::GET, endpoint, "/v1/models")
            .json::<Value>()
            .await
        {
            Ok(answer) => models::capabilities(&answer, &url)?,
            Err(error) if error.status() == Some(404) && look.models.is_empty() => {
                return Err(OpenaiError::NoList(url));
            }
            Err(error) if error.status() == Some(404) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        Ok(Probe {
            capabilities: Some(offered(listed, &look.models)),
            ..Probe::default()
        })
    }
}

/// What is listed; where the operator named models, those of them that are, or all of them if nothing is.
fn offered(listed: Vec<Capability>, named: &[String]) -> Vec<Capability> {
    if named.is_empty() {
        listed
    } else if listed.is_empty() {
        named.iter().map(|id| models::named(id)).collect()
    } else {
        listed
            .into_iter()
            .filter(|model| named.contains(&model.name))
            .collect()
    }
}
