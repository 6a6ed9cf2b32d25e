//! The containers and processes of a host, seen from outside of it.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use containers::Engine;

/// All containers, running or not, that a host's process made.
pub(crate) fn containers_of(engine: Engine, pid: u32) -> Vec<String> {
    engine
        .containers(&[&format!("label=gleitzeit.process={pid}")])
        .unwrap()
}

/// Waits until something is so; fails with what it still is afterwards.
pub(crate) async fn eventually<T: std::fmt::Debug>(
    what: &str,
    within: Duration,
    look: impl Fn() -> T,
    so: impl Fn(&T) -> bool,
) {
    let begun = Instant::now();
    loop {
        let seen = look();
        if so(&seen) {
            return;
        }
        assert!(
            begun.elapsed() < within,
            "after {within:?} still not: {what}: {seen:?}"
        );
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

/// A process that is not confused with a later one of the same number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    began: String,
}

impl Process {
    /// Whether it runs; one that has ended and waits to be asked for does not.
    pub(crate) fn lives(&self) -> bool {
        stat(self.pid).is_some_and(|(state, _, began)| began == self.began && state != "Z")
    }
}

/// The process that has this number now.
pub(crate) fn process(pid: u32) -> Process {
    let began = stat(pid).map(|(_, _, began)| began).unwrap_or_default();
    Process { pid, began }
}

/// State, parent and beginning, from `/proc`.
fn stat(pid: u32) -> Option<(String, u32, String)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(") ")?.1.split(' ').collect();
    Some((
        fields[0].to_owned(),
        fields[1].parse().ok()?,
        (*fields.get(19)?).to_owned(),
    ))
}

/// All processes below one.
pub(crate) fn descendants(pid: u32) -> HashSet<Process> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(child) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if let Some((_, parent, _)) = stat(child) {
            children.entry(parent).or_default().push(child);
        }
    }
    let mut found = HashSet::new();
    let mut next = vec![pid];
    while let Some(parent) = next.pop() {
        for &child in children.get(&parent).into_iter().flatten() {
            next.push(child);
            found.insert(process(child));
        }
    }
    found
}

/// Directories of control groups that a host's process made: its number is in their names.
pub(crate) fn control_groups(pid: u32) -> Vec<String> {
    let output = std::process::Command::new("find")
        .args([
            "/sys/fs/cgroup",
            "-type",
            "d",
            "-path",
            &format!("*/gleitzeit/*.{pid}.*"),
        ])
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(str::to_owned)
        .collect()
}

/// Directories of control channels that a host's process made: its number is in their names.
pub(crate) fn directories(pid: u32) -> Vec<String> {
    let runtime =
        std::env::var_os("XDG_RUNTIME_DIR").map(|path| std::path::PathBuf::from(path).join("gleitzeit"));
    let places = [Some("/run/gleitzeit".into()), runtime];
    places
        .iter()
        .flatten()
        .filter_map(|place| std::fs::read_dir(place).ok())
        .flatten()
        .flatten()
        .map(|entry| entry.path().display().to_string())
        .filter(|path| path.contains(&format!(".{pid}.")))
        .collect()
}
