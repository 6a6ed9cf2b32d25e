//! `cargo up`: from a clone to a running host.

use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::{build, shell};

/// Builds, stages, serves.
pub(crate) fn run(debug: bool, no_serve: bool, serve: &[String]) -> anyhow::Result<()> {
    let plugins = build::plugins()?;
    let mut packages = plugins.clone();
    packages.push("gleitzeit".to_owned());
    let built = build::build(&packages, !debug)?;
    let directory = shell::root().join("plugins.d");
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(&directory)?;
    // A umask of 002 would make it writable by the group, and the host refuses that.
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o755))?;
    for plugin in &plugins {
        build::stage(built.file(plugin)?, &directory)?;
        println!("staged plugins.d/lib{}.so", plugin.replace('-', "_"));
    }
    let host = built.file("gleitzeit")?;
    println!(
        "host   {}",
        host.strip_prefix(shell::root()).unwrap_or(host).display()
    );
    if no_serve {
        return Ok(());
    }
    // Replaces this process, so that signals reach the host itself.
    Err(Command::new(host)
        .current_dir(shell::root())
        .arg("serve")
        .args(serve)
        .exec()
        .into())
}
