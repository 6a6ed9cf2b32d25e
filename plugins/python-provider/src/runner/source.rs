//! The runner's modules, packed into a command line that starts them.

use std::io::Write as _;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use serde_json::Value;

const BOOTSTRAP: &str = include_str!("../../runner/bootstrap.py");

macro_rules! modules {
    ($($name:literal),* $(,)?) => {
        [$((concat!("gleitzeit_runner.", $name), include_str!(concat!("../../runner/", $name, ".py")))),*]
    };
}

const MODULES: [(&str, &str); 23] = modules![
    "backend",
    "channel",
    "child",
    "collect",
    "encode",
    "execute",
    "figures",
    "frames",
    "host",
    "loop",
    "main",
    "oom",
    "reaper",
    "run",
    "spares",
    "spawn",
    "supervisor",
    "sweep",
    "sweeping",
    "system",
    "verdict",
    "wipe",
    "workdir"
];

/// The modules as one argument. They are packed once: the same text makes the same specification.
static PACKED: LazyLock<String> = LazyLock::new(|| {
    let package = ("gleitzeit_runner", include_str!("../../runner/__init__.py"));
    let sources: serde_json::Map<String, Value> = MODULES
        .into_iter()
        .chain([package])
        .map(|(name, source)| (name.to_owned(), source.into()))
        .collect();
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::best());
    // Writing to memory does not fail.
    let written = packed.write_all(Value::from(sources).to_string().as_bytes());
    let packed = written.and_then(|()| packed.finish()).unwrap_or_default();
    STANDARD.encode(packed)
});

/// The command that starts a runner with this configuration: isolated from the user's own Python settings, in UTF-8,
/// and writing no compiled files.
pub fn command(python: &str, config: &Value) -> Vec<String> {
    let flags = [python, "-I", "-B", "-X", "utf8", "-c", BOOTSTRAP, PACKED.as_str()];
    let config = config.to_string();
    flags.into_iter().map(str::to_owned).chain([config]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_argument_is_larger_than_the_kernel_takes() {
        for argument in command("python3", &Value::Null) {
            assert!(argument.len() < 100 << 10, "{} bytes", argument.len());
        }
    }
}
