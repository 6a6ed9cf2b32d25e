//! Verbs that carry files in and out, as tar archives.
//!
//! Nothing is unpacked on this machine: entries are read in memory, and links are left out.

use std::io::Read as _;
use std::path::{Component, Path};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard::query_parameters::{DownloadFromContainerOptionsBuilder, UploadToContainerOptionsBuilder};
use bytes::Bytes;
use futures_util::StreamExt as _;
use plugin_api::{Error, ErrorCode, Fault};
use serde_json::{Value, json};

use super::arguments::{Content, CopyIn, CopyOut};
use super::{Call, look};
use crate::error::DockerError;

/// How long carrying files may take.
const LIMIT: Duration = Duration::from_secs(5 * 60);

pub(super) async fn copy_in(mut call: Call<'_>) -> Result<Value, Error> {
    let CopyIn {
        container,
        path,
        files,
        tar,
        ..
    } = call.read()?;
    let count = files.len();
    let archive = match (tar, files.is_empty()) {
        (Some(tar), true) => decode(&tar)?,
        (None, false) => pack(files)?,
        _ => return Err(Error::invalid("give either `files` or `tar`")),
    };
    let engine = &call.engine;
    let found = look::find(engine, &container).await?;
    let host = found.host_config.unwrap_or_default();
    // An engine writes below such a directory, where nobody sees it, and says that all went well.
    if let Some(place) = host
        .tmpfs
        .iter()
        .flatten()
        .map(|(place, _)| place)
        .find(|place| Path::new(&path).starts_with(place))
    {
        return Err(Error::invalid(format!(
            "{place} of `{container}` is in memory, where engines cannot copy to"
        ))
        .hint("write it from inside: exec with `stdin`"));
    }
    let bytes = archive.len();
    let options = UploadToContainerOptionsBuilder::new()
        .path(&path)
        .no_overwrite_dir_non_dir("true")
        .build();
    let upload = engine.client().upload_to_container(
        &container,
        Some(options),
        bollard::body_full(Bytes::from(archive)),
    );
    engine.call_within("copy into a container", LIMIT, upload).await?;
    Ok(json!({ "container": container, "path": path, "files": count, "bytes": bytes }))
}

pub(super) async fn copy_out(mut call: Call<'_>) -> Result<Value, Error> {
    let CopyOut {
        container,
        path,
        tar,
        max_bytes,
        ..
    } = call.read()?;
    let engine = &call.engine;
    let options = DownloadFromContainerOptionsBuilder::new().path(&path).build();
    let mut chunks = Box::pin(engine.client().download_from_container(&container, Some(options)));
    let what = "copy out of a container";
    let download = async {
        let mut archive = Vec::new();
        while let Some(chunk) = chunks.next().await {
            archive.extend_from_slice(&chunk.map_err(|error| engine.explain(what, error))?);
            if archive.len() > max_bytes as usize {
                return Err(Error::new(
                    ErrorCode::TOO_LARGE,
                    Fault::Client,
                    format!("{path} is larger than {max_bytes} bytes"),
                )
                .hint("copy less at once, or raise `max_bytes`"));
            }
        }
        Ok(archive)
    };
    let archive = tokio::time::timeout(LIMIT, download)
        .await
        .map_err(|_| DockerError::TimedOut {
            engine: engine.url().to_owned(),
            what,
            limit: LIMIT,
        })??;
    if tar {
        return Ok(json!({ "tar": STANDARD.encode(&archive), "bytes": archive.len() }));
    }
    Ok(json!({ "files": unpack(&archive).map_err(|error| Error::invalid(format!("{path}: {error}")))? }))
}

pub(super) fn decode(base64: &str) -> Result<Vec<u8>, Error> {
    STANDARD
        .decode(base64)
        .map_err(|error| Error::invalid(format!("this is not base 64: {error}")))
}

fn pack(files: std::collections::BTreeMap<String, Content>) -> Result<Vec<u8>, Error> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let plain = !name.is_empty()
            && Path::new(&name)
                .components()
                .all(|part| matches!(part, Component::Normal(_)));
        if !plain {
            return Err(Error::invalid(format!(
                "`{name}` is no name of a file below the directory"
            )));
        }
        let bytes = match content {
            Content::Text(text) => text.into_bytes(),
            Content::Bytes(bytes) => decode(&bytes.base64)?,
        };
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive
            .append_data(&mut header, &name, bytes.as_slice())
            .map_err(|error| Error::invalid(format!("`{name}`: {error}")))?;
    }
    archive
        .into_inner()
        .map_err(|error| Error::plugin(error.to_string()))
}

/// The plain files of an archive; links and devices are named, not followed.
fn unpack(archive: &[u8]) -> std::io::Result<Vec<Value>> {
    let mut files = Vec::new();
    for entry in tar::Archive::new(archive).entries()? {
        let mut entry = entry?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let kind = entry.header().entry_type();
        if kind.is_dir() {
            continue;
        }
        if !kind.is_file() {
            files.push(json!({ "name": name, "skipped": "not a plain file" }));
            continue;
        }
        // Its header may promise any size; what is there is what counts.
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        files.push(json!({ "name": name, "size": bytes.len(), "base64": STANDARD.encode(&bytes) }));
    }
    Ok(files)
}
