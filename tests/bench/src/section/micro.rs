//! The criterion micro-benchmarks, run by cargo and read from what criterion leaves behind.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::contestant::stage;
use crate::options::Options;
use crate::report::Found;

/// The benches, each with its package.
const BENCHES: [(&str, &str); 3] = [
    ("gleitzeit-bench", "decide"),
    ("gleitzeit", "lease"),
    ("gleitzeit", "warm"),
];

/// Runs them, for a shorter time than criterion takes by itself, and collects the medians.
pub(crate) fn run(options: &Options) -> anyhow::Result<Vec<Found>> {
    let home = tempfile::tempdir()?;
    let plugins = tempfile::tempdir()?;
    stage(options, plugins.path())?;
    for (package, bench) in BENCHES {
        super::progress(&format!("micro-benchmarks: {bench}"));
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("CRITERION_HOME", home.path())
            .env("GLEITZEIT_BENCH_PLUGINS", plugins.path())
            .args([
                "bench",
                "--quiet",
                "--package",
                package,
                "--bench",
                bench,
                "--",
                "--noplot",
                "--warm-up-time",
                "0.5",
                "--measurement-time",
                "2",
            ])
            .args(options.check.then_some("--quick"));
        let output = command.output().context("cannot run cargo bench")?;
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        ensure!(output.status.success(), "the bench {bench} failed:\n{out}{err}");
    }
    super::progress("");
    let mut estimates = Vec::new();
    collect(home.path(), &mut estimates)?;
    estimates.sort();
    ensure!(!estimates.is_empty(), "criterion left no estimates");

    let mut found = Found::new(
        "micro",
        "Micro-benchmarks, ns",
        &["", "median", "95 % lie between"],
    );
    let mut samples = serde_json::Map::new();
    for path in estimates {
        let median = &serde_json::from_slice::<Value>(&std::fs::read(&path)?)?["median"];
        let name = path
            .strip_prefix(home.path())?
            .ancestors()
            .nth(2)
            .unwrap_or(Path::new(""))
            .display()
            .to_string();
        let number = |value: &Value| {
            value
                .as_f64()
                .with_context(|| format!("{} is not as expected", path.display()))
        };
        let (least, greatest) = (
            number(&median["confidence_interval"]["lower_bound"])?,
            number(&median["confidence_interval"]["upper_bound"])?,
        );
        let point = number(&median["point_estimate"])?;
        found.rows.push(vec![
            name.clone(),
            format!("{point:.0}"),
            format!("{least:.0}-{greatest:.0}"),
        ]);
        samples.insert(name, json!({"median": point, "lower": least, "upper": greatest}));
    }
    found.samples = samples.into();
    Ok(vec![found])
}

/// Every `new/estimates.json` below a directory.
fn collect(directory: &Path, into: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, into)?;
        } else if path.ends_with("new/estimates.json") {
            into.push(path);
        }
    }
    Ok(())
}
