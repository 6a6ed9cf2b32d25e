//! `cargo verify`: the whole test suite.

use anyhow::Context;
use containers::Image;

use crate::{build, shell};

/// Everything that tests run or load, so that they find it built.
const PARTS: [&str; 2] = ["gleitzeit", "gleitzeit-fakes"];

/// Builds what tests need, prepares the real engine, runs everything.
pub(crate) fn run(filter: Option<&str>) -> anyhow::Result<()> {
    let mut packages = build::plugins()?;
    packages.extend(PARTS.map(str::to_owned));
    let list = shell::root().join("target/prebuilt.json");
    build::build(&packages, false)?.write(&list)?;
    prepare_engine()?;
    prepare_images()?;
    let tests: &[&str] = if shell::has("cargo-nextest") {
        &["nextest", "run", "--workspace", "--no-fail-fast"]
    } else {
        &[
            "test",
            "--workspace",
            "--lib",
            "--bins",
            "--tests",
            "--no-fail-fast",
        ]
    };
    shell::run(
        shell::cargo()
            .env("GLEITZEIT_PREBUILT", &list)
            .args(tests)
            .args(filter),
    )?;
    if filter.is_none() {
        shell::run(shell::cargo().args(["test", "--quiet", "--doc", "--workspace"]))?;
    }
    Ok(())
}

/// The real engine and the real clients, in a virtual environment under `target`. Where they cannot be had, their
/// tests say so; in CI that is a failure.
fn prepare_engine() -> anyhow::Result<()> {
    let root = shell::root();
    let setup = std::process::Command::new("bash")
        .current_dir(&root)
        .arg("tests/engine/setup.sh")
        .arg(root.join("target/engine"))
        .status()
        .context("cannot run bash")?;
    if !setup.success() {
        let why = "the real engine could not be set up (it needs python3 with venv, and PyPI)";
        anyhow::ensure!(std::env::var_os("CI").is_none(), "{why}");
        eprintln!("note: {why}; its tests will be skipped");
    }
    Ok(())
}

/// The images that sandboxes start from. Where there is no container engine, the tests that need one say so; in CI that
/// is a failure.
fn prepare_images() -> anyhow::Result<()> {
    for image in Image::ALL {
        let made = containers::engine()
            .map_err(anyhow::Error::msg)
            .and_then(|engine| image.ensure(engine));
        if let Err(error) = made {
            let why = format!("no image {} to test sandboxes with: {error:#}", image.name());
            anyhow::ensure!(std::env::var_os("CI").is_none(), "{why}");
            eprintln!("note: {why}; its tests will be skipped");
        }
    }
    Ok(())
}
