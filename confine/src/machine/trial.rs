//! A box that is built to see whether it can be.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use plugin_api::contract::workload::{Isolation, Syscalls, Workload};

use crate::refusal::While;
use crate::{Confinement, Event, FIRST_FREE_ID, Refusal, SUBCOMMAND, frame};

/// Builds one, with a program in it that does nothing.
pub(super) fn run() -> Result<(), Refusal> {
    const WHAT: &str = "trying a box";
    let confinement = Confinement {
        workload: Workload {
            command: ["sh", "-c", ":"].map(str::to_owned).into(),
            isolation: Isolation::System,
            syscalls: Syscalls::Strict,
            ..Workload::default()
        },
        groups: Vec::new(),
        belts: Default::default(),
        first_id: FIRST_FREE_ID,
        control: None,
    };
    let mut launcher = Command::new("/proc/self/exe")
        .arg(SUBCOMMAND)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .during(WHAT)?;
    let (Some(stdin), Some(stdout)) = (launcher.stdin.take(), launcher.stdout.take()) else {
        return Err(Refusal::new(WHAT, "no pipes"));
    };
    frame::write(&stdin, &confinement).during(WHAT)?;
    let last = BufReader::new(stdout)
        .lines()
        .map_while(Result::ok)
        .filter_map(|line| serde_json::from_str(&line).ok())
        .last();
    drop(stdin);
    launcher.wait().during(WHAT)?;
    match last {
        Some(Event::Ended(_)) => Ok(()),
        Some(Event::Refused(refusal)) => Err(refusal),
        other => Err(Refusal::new(
            WHAT,
            format!("it ended without a word after {other:?}"),
        )),
    }
}
