//! From what an operator writes to an instance.

use plugin_api::ResourceInstance;
use plugin_api::contract::instance::InstanceSettings;
use plugin_api::http::BaseUrl;
use serde_json::Value;

use crate::config::{InstanceConfig, PORT};
use crate::error::OllamaError;

/// What an Ollama server answers in.
pub(crate) const DIALECTS: [&str; 2] = ["ollama", "openai"];

/// Reads an entry of `instances`. `gpu1` and `gpu1:11434` are taken for `http://gpu1:11434`, because `OLLAMA_HOST` is
/// written so; without a port, plain HTTP means Ollama's own, and HTTPS the usual one of a proxy.
pub(crate) fn adopt(mut settings: InstanceSettings) -> Result<ResourceInstance, OllamaError> {
    let config = Value::Object(std::mem::take(&mut settings.config));
    let config: InstanceConfig = serde_json::from_value(config).map_err(plugin_api::Error::from)?;
    settings.url = base_url(&settings.url)?.to_string();
    let mut instance = ResourceInstance::from_settings(&settings)?;
    if let Some(endpoint) = &mut instance.endpoint {
        endpoint.headers = config.access.to_headers()?;
    }
    instance.dialects = DIALECTS.map(str::to_owned).into();
    Ok(instance)
}

fn base_url(text: &str) -> Result<BaseUrl, OllamaError> {
    let text = text.trim();
    let url = if text.contains("://") || text.is_empty() {
        BaseUrl::parse(text)
    } else {
        BaseUrl::parse(&format!("http://{text}"))
    };
    Ok(url?.or_port(PORT))
}

#[cfg(test)]
mod tests {
    use super::base_url;

    #[test]
    fn every_spelling_of_an_address_is_one() {
        for written in [
            "http://gpu1:11434",
            "http://gpu1:11434/",
            "HTTP://GPU1",
            "gpu1:11434",
            "gpu1",
            " gpu1/ ",
        ] {
            assert_eq!(
                base_url(written).unwrap().to_string(),
                "http://gpu1:11434",
                "{written}"
            );
        }
    }

    #[test]
    fn a_proxy_keeps_its_own_port_and_path() {
        let url = |text| base_url(text).unwrap().to_string();
        assert_eq!(
            url("https://ai.example.org/ollama/"),
            "https://ai.example.org/ollama"
        );
        assert_eq!(url("http://gpu1:80"), "http://gpu1:80");
        assert_eq!(url("[::1]"), "http://[::1]:11434");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "ftp://gpu1", "http://", "gpu1:99999", "http://me:secret@gpu1"] {
            assert!(base_url(text).is_err(), "{text}");
        }
    }
}
