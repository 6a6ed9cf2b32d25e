//! Where engines usually are.

use std::collections::HashSet;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use plugin_api::ResourceInstance;
use plugin_api::contract::instance::Origin;

use super::address;

/// The engines of this machine, and the one that `DOCKER_HOST` names. A socket that two names lead to is one engine.
///
/// Sockets are there while an engine is set up, not only while it runs: so an engine that has ended stays in status, and
/// says why it is not used.
pub(crate) fn look() -> Vec<ResourceInstance> {
    let named = std::env::var("DOCKER_HOST").ok().filter(|url| !url.is_empty());
    let sockets = usual().into_iter().filter(|path| is_socket(path));
    let sockets = sockets.map(|path| format!("unix://{}", path.display()));
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    for url in named.into_iter().chain(sockets) {
        if !seen.insert(place(&url)) {
            continue;
        }
        match address::found(&url) {
            Ok(mut instance) => {
                instance.origin = Origin::Discovered;
                found.push(instance);
            }
            Err(error) => tracing::warn!(url, %error, "DOCKER_HOST is no engine that could be used"),
        }
    }
    found
}

/// What a URL leads to, so that `/var/run` and `/run` are one.
pub(crate) fn place(url: &str) -> String {
    match url.strip_prefix("unix://") {
        Some(path) => {
            std::fs::canonicalize(path).map_or_else(|_| url.to_owned(), |path| path.display().to_string())
        }
        None => url.to_owned(),
    }
}

fn usual() -> Vec<PathBuf> {
    let mut paths = vec![PathBuf::from("/var/run/docker.sock")];
    if let Some(runtime) = std::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
    {
        paths.push(runtime.join("docker.sock"));
        paths.push(runtime.join("podman/podman.sock"));
    }
    paths.push(PathBuf::from("/run/podman/podman.sock"));
    paths
}

fn is_socket(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|data| data.file_type().is_socket())
}
