//! From what an operator writes to an engine.

use std::path::Path;
use std::sync::Arc;

use plugin_api::ResourceInstance;
use plugin_api::contract::instance::InstanceSettings;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;

use super::transport::Route;
use crate::config::InstanceConfig;
use crate::error::DockerError;

/// As the manifest lists them.
const SCHEMES: [&str; 2] = ["unix", "tcp"];

/// Where the instance keeps the names of its TLS files.
const TLS: &str = "tls";

/// Reads an entry of `instances`.
pub(crate) fn adopt(mut settings: InstanceSettings) -> Result<ResourceInstance, DockerError> {
    let config = Value::Object(std::mem::take(&mut settings.config));
    let config: InstanceConfig = serde_json::from_value(config).map_err(plugin_api::Error::from)?;
    settings.url = settings.url.trim().to_owned();
    let mut instance = instance(&settings)?;
    if config.is_given() {
        let tls = serde_json::to_value(&config).map_err(plugin_api::Error::from)?;
        instance.metadata.insert(TLS.to_owned(), tls);
    }
    route(&instance)?;
    Ok(instance)
}

/// An engine that was found at this URL.
pub(crate) fn found(url: &str) -> Result<ResourceInstance, DockerError> {
    let settings = InstanceSettings {
        url: url.to_owned(),
        ..InstanceSettings::default()
    };
    adopt(settings)
}

fn instance(settings: &InstanceSettings) -> Result<ResourceInstance, DockerError> {
    parse(&settings.url)?;
    Ok(ResourceInstance::from_settings_of(settings, &SCHEMES)?)
}

enum Place<'a> {
    Unix(&'a Path),
    Tcp(&'a str, u16),
}

fn parse(url: &str) -> Result<Place<'_>, DockerError> {
    let wrong = || DockerError::Url(url.to_owned());
    if let Some(path) = url.strip_prefix("unix://") {
        let path = Path::new(path);
        return if path.is_absolute() && path != Path::new("/") {
            Ok(Place::Unix(path))
        } else {
            Err(wrong())
        };
    }
    let authority = ["tcp://", "http://", "https://"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme))
        .ok_or_else(wrong)?
        .trim_end_matches('/');
    let (host, port) = authority.rsplit_once(':').ok_or_else(wrong)?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = port.parse().map_err(|_| wrong())?;
    if host.is_empty() || host.contains(['/', '@', '?', '#']) {
        return Err(wrong());
    }
    Ok(Place::Tcp(host, port))
}

/// The way to an engine, with its TLS files read.
pub(super) fn route(instance: &ResourceInstance) -> Result<Route, DockerError> {
    let url = instance
        .endpoint
        .as_ref()
        .map_or("", |endpoint| endpoint.url.as_str());
    let tls = instance.metadata.get(TLS).cloned();
    match (parse(url)?, tls) {
        (Place::Unix(path), None) => Ok(Route::Unix(path.to_owned())),
        (Place::Unix(_), Some(_)) => Err(DockerError::Tls {
            file: url.to_owned(),
            reason: "a socket needs no ca, cert or key".to_owned(),
        }),
        (Place::Tcp(host, port), None) => Ok(Route::Tcp {
            host: host.to_owned(),
            port,
        }),
        (Place::Tcp(host, port), Some(tls)) => {
            let tls: InstanceConfig = serde_json::from_value(tls).map_err(plugin_api::Error::from)?;
            Ok(Route::Tls {
                name: ServerName::try_from(host.to_owned()).map_err(|_| DockerError::Url(url.to_owned()))?,
                host: host.to_owned(),
                port,
                config: Arc::new(client(&tls)?),
            })
        }
    }
}

fn client(files: &InstanceConfig) -> Result<ClientConfig, DockerError> {
    let wrong = |file: &Path, reason: &dyn ToString| DockerError::Tls {
        file: file.display().to_string(),
        reason: reason.to_string(),
    };
    let missing = |what: &str| DockerError::Tls {
        file: what.to_owned(),
        reason: "is not set".to_owned(),
    };
    let certificates = |file: &Path| {
        let read = CertificateDer::pem_file_iter(file).map_err(|error| wrong(file, &error))?;
        read.collect::<Result<Vec<_>, _>>()
            .map_err(|error| wrong(file, &error))
    };
    let ca = files.ca.as_deref().ok_or_else(|| missing("ca"))?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca)? {
        roots.add(certificate).map_err(|error| wrong(ca, &error))?;
    }
    // Named, because a process in which several libraries bring a provider has no default.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(ca, &error))?
        .with_root_certificates(roots);
    match (files.cert.as_deref(), files.key.as_deref()) {
        (None, None) => Ok(config.with_no_client_auth()),
        (Some(_), None) => Err(missing("key")),
        (None, Some(_)) => Err(missing("cert")),
        (Some(cert), Some(key)) => {
            let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, &error))?;
            config
                .with_client_auth_cert(certificates(cert)?, secret)
                .map_err(|error| wrong(cert, &error))
        }
    }
}
