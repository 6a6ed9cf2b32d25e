//! Verbs that make images.

use std::path::PathBuf;
use std::time::Duration;

use bollard::models::ErrorDetail;
use bollard::query_parameters::{BuildImageOptionsBuilder, CreateImageOptionsBuilder};
use bytes::Bytes;
use futures_util::StreamExt as _;
use plugin_api::{Error, ErrorCode, Fault};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;

use super::Call;
use super::arguments::{Build, Import};
use super::files::decode;
use super::images::{checked, split};
use crate::DockerError;
use crate::image;
use crate::sandbox::admit::{host_path, is_name};

mod buildkit;
mod ignore;
mod tree;

/// Pieces of an archive on their way to the engine.
type Archive = mpsc::Receiver<std::io::Result<Bytes>>;

pub(super) async fn build(mut call: Call<'_>) -> Result<Value, Error> {
    let build: Build = call.read()?;
    checked(&build.name)?;
    if !is_name(&build.network) || build.network == "host" {
        let message = format!("`{}` is no network for the steps of a build", build.network);
        return Err(DockerError::Refused(message).into());
    }
    let (context, dockerfile) = match (&build.directory, &build.tar, &build.dockerfile) {
        (Some(directory), None, None) => {
            let tree = tree::Tree::open(host_path(call.hub.config(), directory)?, &build.file)?;
            let dockerfile = tree.dockerfile()?;
            (tree.pack(), dockerfile)
        }
        (None, Some(tar), None) => (whole(decode(tar)?), None),
        (None, None, Some(text)) => (whole(tree::only(&build.file, text)?), Some(text.clone())),
        _ => return Err(Error::invalid("give one of `directory`, `tar` and `dockerfile`")),
    };
    // Podman's own builder knows these lines.
    let is_docker = !call.engine.report().await?.is_podman();
    let dockerfile = dockerfile.as_deref().filter(|_| is_docker);
    dockerfile.map_or(Ok(()), buildkit::refuse)?;
    let mut options = BuildImageOptionsBuilder::new()
        .dockerfile(&build.file)
        .t(&build.name)
        .rm(true)
        .forcerm(true)
        .nocache(build.no_cache)
        .networkmode(&build.network)
        .buildargs(&build.arguments.clone().into_iter().collect());
    if let Some(target) = &build.target {
        options = options.target(target);
    }
    let engine = &call.engine;
    let steps = async {
        let body = bollard::body_try_stream(stream(context));
        let mut lines = Box::pin(engine.client().build_image(options.build(), None, Some(body)));
        while let Some(line) = lines.next().await {
            let line = line.map_err(|error| failed(engine.explain("build an image", error)))?;
            if let Some(text) = line.stream.or(line.status) {
                call.progress.report(json!({ "status": text.trim_end() }));
            }
        }
        Ok(())
    };
    within(Duration::from_secs(u64::from(build.timeout)), steps)
        .await
        .map_err(|error| buildkit::explain(error, dockerfile))?;
    let id = image::inspect(engine, &build.name).await?.id;
    Ok(json!({ "name": build.name, "id": id, "status": "built" }))
}

pub(super) async fn import(mut call: Call<'_>) -> Result<Value, Error> {
    let Import {
        name,
        file,
        tar,
        changes,
    } = call.read()?;
    checked(&name)?;
    let content = match (file, tar) {
        (Some(file), None) => read(host_path(call.hub.config(), &file)?).await?,
        (None, Some(tar)) => whole(decode(&tar)?),
        _ => return Err(Error::invalid("give one of `file` and `tar`")),
    };
    let (repository, tag) = split(&name);
    let options = CreateImageOptionsBuilder::new()
        .from_src("-")
        .repo(repository)
        .tag(tag)
        .changes(changes)
        .build();
    let engine = &call.engine;
    let steps = async {
        let body = bollard::body_try_stream(stream(content));
        let mut lines = Box::pin(engine.client().create_image(Some(options), Some(body), None));
        while let Some(line) = lines.next().await {
            let line = line.map_err(|error| failed(engine.explain("import an image", error)))?;
            if let Some(ErrorDetail {
                message: Some(message),
                ..
            }) = line.error_detail
            {
                return Err(Error::invalid(message));
            }
            call.progress.report(json!({ "status": line.status }));
        }
        Ok(())
    };
    within(call.hub.config().pull_timeout.0, steps).await?;
    let id = image::inspect(engine, &name).await?.id;
    Ok(json!({ "name": name, "id": id, "status": "imported" }))
}

/// What an engine says in the middle of a build is about the build.
fn failed(error: DockerError) -> Error {
    match error {
        DockerError::Nonsense { reason, .. } => Error::invalid(reason),
        error => error.into(),
    }
}

async fn within(limit: Duration, work: impl Future<Output = Result<(), Error>>) -> Result<(), Error> {
    tokio::time::timeout(limit, work).await.map_err(|_| {
        Error::new(
            ErrorCode::TIMEOUT,
            Fault::Client,
            format!("not done within {}", humantime::format_duration(limit)),
        )
    })?
}

fn stream(archive: Archive) -> impl futures_util::Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    futures_util::stream::unfold(archive, async |mut archive| {
        Some((archive.recv().await?, archive))
    })
}

fn whole(bytes: Vec<u8>) -> Archive {
    let (sender, receiver) = mpsc::channel(1);
    // The channel is new, hence has room.
    let _ = sender.try_send(Ok(Bytes::from(bytes)));
    receiver
}

async fn read(path: PathBuf) -> Result<Archive, Error> {
    let mut file = tokio::fs::File::open(&path)
        .await
        .map_err(|error| Error::invalid(format!("{}: {error}", path.display())))?;
    let (sender, receiver) = mpsc::channel(4);
    tokio::spawn(async move {
        loop {
            let mut piece = vec![0; 256 << 10];
            let read = file.read(&mut piece).await.map(|read| {
                piece.truncate(read);
                Bytes::from(piece)
            });
            let over = read.as_ref().map_or(true, Bytes::is_empty);
            let is_end = read.as_ref().is_ok_and(Bytes::is_empty);
            if is_end || sender.send(read).await.is_err() || over {
                return;
            }
        }
    });
    Ok(receiver)
}
