//! Images: looked at before use, fetched where the operator allows it.

use std::sync::Arc;

use bollard::auth::DockerCredentials;
use bollard::models::{CreateImageInfo, ImageConfig, ImageInspect, ImageSummary};
use bollard::query_parameters::{CreateImageOptionsBuilder, ListImagesOptionsBuilder};
use futures_util::StreamExt as _;
use plugin_api::Host;

use crate::config::{Config, Pull};
use crate::engine::Engine;
use crate::error::DockerError;

mod rest;

use rest::Failure;
pub(crate) use rest::Pulls;

/// The registry of names that say none.
const DEFAULT_REGISTRY: &str = "docker.io";

/// An image as an engine has it.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    /// What it is, whatever its names come to mean.
    pub(crate) id: String,
    pub(crate) config: ImageConfig,
}

/// Whether it can be the name, digest or id of an image, and nothing else: it becomes part of a path at the engine.
pub(crate) fn is_reference(name: &str) -> bool {
    let fits =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'/' | b':' | b'@');
    name.len() <= 512
        && name
            .bytes()
            .next()
            .is_some_and(|first| first.is_ascii_alphanumeric())
        && name.bytes().all(fits)
        && !name.contains("..")
        && !name.contains("//")
}

/// The image under this name, fetched before where that is the policy.
///
/// Fetching goes on when the future is dropped: whoever asks next, as a warm pool does after its own time limit, finds
/// so much more of it there.
///
/// # Errors
/// It is not there and may not be fetched, or cannot be.
pub(crate) async fn ensure(
    engine: &Arc<Engine>,
    host: &Host,
    config: &Arc<Config>,
    name: &str,
) -> Result<Image, DockerError> {
    if !is_reference(name) {
        return Err(DockerError::Refused(format!("`{name}` is no name of an image")));
    }
    if config.pull == Pull::Always {
        fetch(engine, host, config, name).await?;
    }
    match inspect(engine, name).await {
        Err(error) if error.is_absent() && config.pull == Pull::Missing => {
            fetch(engine, host, config, name).await?;
            read(inspect(engine, name).await?)
        }
        Err(error) if error.is_absent() => Err(DockerError::NoImage {
            image: name.to_owned(),
            engine: engine.url().to_owned(),
        }),
        found => read(found?),
    }
}

/// Pulls an image because a container needs it: one at a time for all who wait meanwhile, and after a failure not again before
/// it has rested.
async fn fetch(
    engine: &Arc<Engine>,
    host: &Host,
    config: &Arc<Config>,
    name: &str,
) -> Result<(), DockerError> {
    let (engine, host, config, name) = (engine.clone(), host.clone(), config.clone(), name.to_owned());
    let gate = engine.pulls().gate(&name);
    let before = gate.successes();
    let work = tokio::spawn(async move {
        let mut failure = gate.failure.lock().await;
        // Whoever held the gate before has done it.
        if gate.successes() != before {
            return Ok(());
        }
        // Or somebody has who does not need the gate.
        if config.pull == Pull::Missing && inspect(&engine, &name).await.is_ok() {
            return Ok(());
        }
        if let Some(failure) = failure.as_ref().filter(|failure| !failure.rest().is_zero()) {
            return Err(resting(&name, failure));
        }
        if failure.is_none() {
            tracing::info!(engine = engine.instance(), image = name, "pulling an image");
        }
        match pull(&engine, &host, &config, &name, |_| ()).await {
            Err(DockerError::Pull { reason, .. }) => {
                let next = Failure::new(failure.as_ref(), reason);
                tell(&engine, &name, &next);
                Err(resting(&name, failure.insert(next)))
            }
            Ok(()) => {
                gate.succeeded();
                *failure = None;
                Ok(())
            }
            other => {
                *failure = None;
                other
            }
        }
    });
    work.await
        .unwrap_or_else(|error| Err(plugin_api::Error::plugin(error.to_string()).into()))
}

fn resting(image: &str, failure: &Failure) -> DockerError {
    DockerError::Pull {
        image: image.to_owned(),
        reason: failure.reason().to_owned(),
        again: Some(failure.rest()),
    }
}

/// A warning at the first failure in a row: the others say the same.
fn tell(engine: &Engine, image: &str, failure: &Failure) {
    let (engine, reason) = (engine.instance(), failure.reason());
    if failure.is_first() {
        tracing::warn!(
            engine,
            image,
            reason,
            "an image cannot be pulled, so nothing that needs it can be started; {WAYS_OUT}. It is tried again every so \
             often, and not told again until it has succeeded"
        );
    } else {
        tracing::debug!(engine, image, reason, rest = ?failure.rest(), "an image still cannot be pulled");
    }
}

/// What an operator can do where an image cannot be pulled.
pub(crate) const WAYS_OUT: &str = "give the engine an image (verbs `pull`, `build`, `import`), name that one and set \
    `pull = \"never\"`; or see to the image's name, the registry, and its credentials under `registries`";

pub(crate) async fn inspect(engine: &Engine, name: &str) -> Result<ImageInspect, DockerError> {
    engine
        .call("look at an image", engine.client().inspect_image(name))
        .await
}

/// All images of an engine that have names, or are used by none that has.
pub(crate) async fn all(engine: &Engine) -> Result<Vec<ImageSummary>, DockerError> {
    let images = engine
        .client()
        .list_images(Some(ListImagesOptionsBuilder::new().build()));
    engine.call("list its images", images).await
}

fn read(image: ImageInspect) -> Result<Image, DockerError> {
    Ok(Image {
        id: image
            .id
            .filter(|id| is_reference(id))
            .ok_or_else(|| DockerError::Refused("its image has no id".to_owned()))?,
        config: image.config.unwrap_or_default(),
    })
}

/// Fetches an image. Dropping the future ends it.
pub(crate) async fn pull(
    engine: &Engine,
    host: &Host,
    config: &Config,
    name: &str,
    mut report: impl FnMut(&CreateImageInfo),
) -> Result<(), DockerError> {
    let credentials = credentials(host, config, name).await?;
    let tagged = name.contains('@') || name.rsplit('/').next().is_some_and(|last| last.contains(':'));
    // Without a tag an engine fetches all there are.
    let from = if tagged {
        name.to_owned()
    } else {
        format!("{name}:latest")
    };
    let options = CreateImageOptionsBuilder::new().from_image(&from).build();
    let failed = |reason: String| DockerError::Pull {
        image: name.to_owned(),
        reason,
        again: None,
    };
    let pulling = async {
        let mut lines = Box::pin(engine.client().create_image(Some(options), None, credentials));
        while let Some(line) = lines.next().await {
            let line = line.map_err(|error| match engine.explain("pull an image", error) {
                DockerError::Answer { message, .. } => failed(message),
                DockerError::Nonsense { reason, .. } => failed(reason),
                error => error,
            })?;
            if let Some(error) = &line.error_detail {
                return Err(failed(error.message.clone().unwrap_or_default()));
            }
            report(&line);
        }
        Ok(())
    };
    match tokio::time::timeout(config.pull_timeout.0, pulling).await {
        Ok(pulled) => pulled,
        Err(_) => Err(failed(format!(
            "not done within {}",
            humantime::format_duration(config.pull_timeout.0)
        ))),
    }
}

async fn credentials(
    host: &Host,
    config: &Config,
    name: &str,
) -> Result<Option<DockerCredentials>, DockerError> {
    let registry = registry(name);
    let Some(settings) = config.registries.get(registry) else {
        return Ok(None);
    };
    let password = host.secret(&settings.password).await?;
    Ok(Some(DockerCredentials {
        username: Some(settings.username.clone()),
        password: Some(password.expose().to_owned()),
        serveraddress: Some(registry.to_owned()),
        ..DockerCredentials::default()
    }))
}

/// The registry a name leads to: its first part, where that looks like a machine's name.
pub(crate) fn registry(name: &str) -> &str {
    match name.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => first,
        _ => DEFAULT_REGISTRY,
    }
}

#[cfg(test)]
mod tests {
    use super::{is_reference, registry};

    #[test]
    fn a_name_of_an_image_is_never_a_way_to_something_else() {
        for name in [
            "python",
            "python:3.13-slim",
            "ghcr.io/me/box@sha256:0123",
            "localhost:5000/a/b:c_d",
            "sha256:3069bc",
        ] {
            assert!(is_reference(name), "{name}");
        }
        for name in [
            "",
            "../containers/json",
            "a/../../b",
            "a//b",
            "a?force=1",
            "a#b",
            "a b",
            "-a",
            "/a",
            "a%2fb",
        ] {
            assert!(!is_reference(name), "{name}");
        }
    }

    #[test]
    fn the_registry_is_the_first_part_that_looks_like_a_machine() {
        assert_eq!(registry("ghcr.io/me/box"), "ghcr.io");
        assert_eq!(registry("localhost/box"), "localhost");
        assert_eq!(registry("me/box"), "docker.io");
        assert_eq!(registry("python:3"), "docker.io");
    }
}
