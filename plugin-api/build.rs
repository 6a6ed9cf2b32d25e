//! Records the compiler and the target, which a plugin's manifest states and a host checks.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let version = Command::new(rustc)
        .arg("--version")
        .output()
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .unwrap_or_else(|| "unknown".into());
    println!("cargo::rustc-env=PLUGIN_API_RUSTC={}", version.trim());
    println!(
        "cargo::rustc-env=PLUGIN_API_TARGET={}",
        std::env::var("TARGET").unwrap_or_default()
    );
}
