//! What it was measured on, and what has to be there.

use std::fs;
use std::process::Command;

use anyhow::bail;
use serde::Serialize;

/// The machine and the versions.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    cpu: String,
    cores: usize,
    kernel: String,
    nginx: String,
    haproxy: String,
    wrk: String,
    rustc: String,
    commit: String,
    /// Runnable processes over the last minute, before the first measurement.
    load: String,
}

impl Machine {
    /// Looks around. Where gateways are measured, an error says what of them to install.
    pub(crate) fn look(gateways: bool) -> anyhow::Result<Self> {
        let tools = [("nginx", "nginx-light"), ("haproxy", "haproxy"), ("wrk", "wrk")];
        let missing: Vec<_> = tools
            .iter()
            .filter(|(tool, _)| says(tool, "-v").is_none())
            .map(|(_, package)| *package)
            .collect();
        if gateways && !missing.is_empty() {
            bail!(
                "the peers are not on this machine; on Debian: apt-get install {}",
                missing.join(" ")
            );
        }
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let cpu = cpu
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        let read = |path| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        Ok(Self {
            cpu: cpu.map_or_else(|| "unknown".to_owned(), |(_, model)| model.trim().to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: read("/proc/sys/kernel/osrelease"),
            nginx: says("nginx", "-v").unwrap_or_default(),
            haproxy: says("haproxy", "-v").unwrap_or_default(),
            wrk: says("wrk", "-v").unwrap_or_default(),
            rustc: says("rustc", "--version").unwrap_or_default(),
            commit: said_in_root("git", &["describe", "--always", "--dirty"]),
            load: read("/proc/loadavg")
                .split(' ')
                .next()
                .unwrap_or_default()
                .to_owned(),
        })
    }

    /// As a list.
    pub(crate) fn markdown(&self) -> String {
        format!(
            "- machine: {}, {} cores, Linux {}, load {} before the first measurement\n- {}; {}; {}; {}\n- commit {}\n",
            self.cpu,
            self.cores,
            self.kernel,
            self.load,
            self.nginx,
            self.haproxy,
            self.wrk,
            self.rustc,
            self.commit
        )
    }
}

/// The first line a program says, on either stream; `None` if it is not there.
fn says(program: &str, flag: &str) -> Option<String> {
    let output = Command::new(program).arg(flag).output().ok()?;
    let text = if output.stdout.is_empty() {
        output.stderr
    } else {
        output.stdout
    };
    String::from_utf8_lossy(&text).lines().next().map(str::to_owned)
}

fn said_in_root(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output();
    output
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default()
}
