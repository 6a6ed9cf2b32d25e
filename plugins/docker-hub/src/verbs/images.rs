//! Verbs about images.

use std::collections::HashMap;

use bollard::query_parameters::{
    PruneImagesOptionsBuilder, RemoveImageOptionsBuilder, TagImageOptionsBuilder,
};
use plugin_api::Error;
use serde_json::{Value, json};

use super::Call;
use super::arguments::{Image, Nothing, PruneImages, RemoveImage, Tag};
use crate::image;

pub(super) async fn list(mut call: Call<'_>) -> Result<Value, Error> {
    let Nothing {} = call.read()?;
    let images = image::all(&call.engine).await?;
    let rows = images.into_iter().map(|image| {
        json!({
            "id": image.id,
            "names": image.repo_tags,
            "digests": image.repo_digests,
            "size": image.size,
            "created": image.created,
        })
    });
    Ok(rows.collect())
}

pub(super) async fn pull(mut call: Call<'_>) -> Result<Value, Error> {
    let Image { image } = call.read()?;
    checked(&image)?;
    let report = |line: &bollard::models::CreateImageInfo| {
        let detail = line.progress_detail.as_ref();
        call.progress.report(json!({
            "status": line.status,
            "layer": line.id,
            "completed": detail.and_then(|detail| detail.current),
            "total": detail.and_then(|detail| detail.total),
        }));
    };
    image::pull(&call.engine, call.hub.host(), call.hub.config(), &image, report).await?;
    call.engine.pulls().forgive(&image);
    Ok(json!({ "image": image, "status": "success" }))
}

pub(super) async fn tag(mut call: Call<'_>) -> Result<Value, Error> {
    let Tag { image, name } = call.read()?;
    checked(&image)?;
    checked(&name)?;
    let (repository, tag) = split(&name);
    let options = TagImageOptionsBuilder::new().repo(repository).tag(tag).build();
    call.engine
        .call(
            "tag an image",
            call.engine.client().tag_image(&image, Some(options)),
        )
        .await?;
    Ok(json!({ "image": image, "name": name, "status": "tagged" }))
}

/// Takes a name away, which removes the image only where it is the last; or the image with all its names.
pub(super) async fn remove(mut call: Call<'_>, whole: bool) -> Result<Value, Error> {
    let RemoveImage { image, force } = call.read()?;
    checked(&image)?;
    let engine = &call.engine;
    let found = image::inspect(engine, &image).await?;
    let target = if whole {
        found.id.unwrap_or_else(|| image.clone())
    } else {
        image.clone()
    };
    let options = RemoveImageOptionsBuilder::new().force(force).build();
    let limit = call.hub.config().create_timeout.0;
    let removed = engine.client().remove_image(&target, Some(options), None);
    let removed = engine.call_within("remove an image", limit, removed).await?;
    let names = |field: fn(&bollard::models::ImageDeleteResponseItem) -> Option<&String>| {
        removed.iter().filter_map(field).collect::<Vec<_>>()
    };
    Ok(json!({
        "image": image,
        "untagged": names(|item| item.untagged.as_ref()),
        "deleted": names(|item| item.deleted.as_ref()),
    }))
}

pub(super) async fn inspect(mut call: Call<'_>) -> Result<Value, Error> {
    let Image { image } = call.read()?;
    checked(&image)?;
    Ok(json!(image::inspect(&call.engine, &image).await?))
}

pub(super) async fn prune(mut call: Call<'_>) -> Result<Value, Error> {
    let PruneImages { all } = call.read()?;
    let dangling = if all { "false" } else { "true" };
    let filters = HashMap::from([("dangling", vec![dangling])]);
    let options = PruneImagesOptionsBuilder::new().filters(&filters).build();
    let limit = call.hub.config().pull_timeout.0;
    let pruned = call
        .engine
        .call_within(
            "prune its images",
            limit,
            call.engine.client().prune_images(Some(options)),
        )
        .await?;
    Ok(json!({
        "deleted": pruned.images_deleted.unwrap_or_default().into_iter().filter_map(|item| item.deleted.or(item.untagged)).collect::<Vec<_>>(),
        "bytes": pruned.space_reclaimed.unwrap_or_default(),
    }))
}

/// That it can be a name: it becomes part of a path at the engine.
pub(super) fn checked(image: &str) -> Result<(), Error> {
    if image::is_reference(image) {
        return Ok(());
    }
    Err(Error::invalid(format!("`{image}` is no name of an image")))
}

/// Repository and tag of a name.
pub(super) fn split(name: &str) -> (&str, &str) {
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (name, "latest"),
    }
}
