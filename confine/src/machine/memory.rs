//! How much memory a box uses, for machines whose control groups cannot tell.

use std::fs;

/// Memory of a process and all that come of it, in bytes; what is shared is divided among those who share it. What
/// cannot be read counts nothing: such a process has just ended.
pub fn of_tree(pid: u32) -> u64 {
    let mut bytes = 0;
    let mut left = vec![pid];
    while let Some(pid) = left.pop() {
        bytes += of_process(pid);
        // A thread's children are listed with the thread.
        let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
            continue;
        };
        for thread in threads.flatten() {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            left.extend(
                children
                    .split_ascii_whitespace()
                    .filter_map(|pid| pid.parse::<u32>().ok()),
            );
        }
    }
    bytes
}

fn of_process(pid: u32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let kibibytes = rollup
        .lines()
        .find_map(|line| line.strip_prefix("Pss:"))
        .and_then(|value| value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kibibytes.unwrap_or_default() << 10
}
