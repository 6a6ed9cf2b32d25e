//! Plugins to load and programs to run, freshly built by cargo whenever a test asks for one.
//!
//! The build is a no-op where nothing has changed. Cargo's own lock keeps the processes of a test run, which all
//! ask, from building at the same time; within one process each is asked for once.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

use serde_json::Value;

static BUILT: LazyLock<Mutex<HashMap<Vec<String>, PathBuf>>> = LazyLock::new(Mutex::default);

/// The library of a plugin's package, such as `zoo-good` or `llm-provider`.
///
/// # Panics
/// It does not build; cargo's own messages are on standard error.
pub fn plugin(package: &str) -> PathBuf {
    let target = package.replace('-', "_");
    built(&["--package", package, "--lib"], &target)
}

/// A program of the workspace, such as `gleitzeit`.
///
/// # Panics
/// As [`plugin`].
pub fn program(package: &str) -> PathBuf {
    built(&["--package", package, "--bins"], package)
}

/// The plugin of the compatibility matrix that speaks this version of the API: `current`, `older`, `newer` or
/// `broken`.
///
/// # Panics
/// As [`plugin`].
pub fn matrix(variant: &str) -> PathBuf {
    let target = format!("matrix_{variant}");
    let mut arguments = vec!["--package", "zoo-matrix", "--example", &target];
    if variant != "current" {
        arguments.extend(["--features", variant]);
    }
    built(&arguments, &target)
}

fn built(arguments: &[&str], target: &str) -> PathBuf {
    let key = arguments.iter().map(|&argument| argument.to_owned()).collect();
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    built
        .entry(key)
        .or_insert_with(|| prebuilt(target).unwrap_or_else(|| build(arguments, target)))
        .clone()
}

/// What `cargo verify` built before the tests, so that hundreds of them need not ask cargo. It names a JSON file of
/// target names to paths.
fn prebuilt(target: &str) -> Option<PathBuf> {
    let list = std::fs::read(std::env::var_os("GLEITZEIT_PREBUILT")?).ok()?;
    let list: HashMap<String, PathBuf> = serde_json::from_slice(&list).ok()?;
    list.get(target).filter(|path| path.exists()).cloned()
}

fn build(arguments: &[&str], target: &str) -> PathBuf {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = inherited(&mut Command::new(cargo))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--quiet", "--message-format", "json-render-diagnostics"])
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo build {arguments:?} failed");
    let text = String::from_utf8(output.stdout).expect("cargo writes UTF-8");
    text.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == target)
        .filter_map(|message| file_in(&message))
        .next_back()
        .unwrap_or_else(|| panic!("{target} has no library: crate-type = [\"cdylib\"] is missing"))
}

/// The program or the library that a message of cargo's is about.
fn file_in(message: &Value) -> Option<PathBuf> {
    if let Some(program) = message["executable"].as_str() {
        return Some(program.into());
    }
    let names = message["filenames"].as_array()?.iter().filter_map(Value::as_str);
    names
        .map(PathBuf::from)
        .find(|name| name.extension().is_some_and(|extension| extension == "so"))
}

/// What cargo tells a test about itself would make a cargo below it build everything anew.
fn inherited(command: &mut Command) -> &mut Command {
    const OWN: [&str; 4] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if OWN.iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
    command
}
