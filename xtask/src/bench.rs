//! `cargo xtask bench`: builds everything in the fast profile and lets `gleitzeit-bench` measure it.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::{build, shell};

/// What to measure; `--help` is answered by who measures.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// Options of `gleitzeit-bench`, and `--without-host`, which does not even build it.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Builds, and becomes the one who measures.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let alone = options
        .arguments
        .iter()
        .any(|argument| argument == "--without-host" || argument == "--help");
    let plugins = if alone { Vec::new() } else { build::plugins()? };
    let mut packages = vec!["gleitzeit-bench".to_owned(), "gleitzeit-fakes".to_owned()];
    if !alone {
        packages.push("gleitzeit".to_owned());
        packages.extend(plugins.iter().cloned());
    }
    let built = build::build(&packages, true)?;
    if !alone {
        // Before anything is measured: a compiler at work would be measured with it.
        let status = shell::cargo()
            .args([
                "bench",
                "--quiet",
                "--no-run",
                "--package",
                "gleitzeit-bench",
                "--package",
                "gleitzeit",
            ])
            .status()?;
        anyhow::ensure!(status.success(), "the micro-benchmarks do not build");
    }
    let mut command = Command::new(built.file("gleitzeit-bench")?);
    command
        .args(&options.arguments)
        .arg("--fake-server")
        .arg(built.file("fake-server")?);
    if !alone {
        command.arg("--gleitzeit").arg(built.file("gleitzeit")?);
        for plugin in &plugins {
            command.arg("--plugin").arg(built.file(plugin)?);
        }
    }
    // Replaces this process, so that an interruption reaches who has children to end.
    Err(command.exec().into())
}
