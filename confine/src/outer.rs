//! The outer part: starts the inner one, waits, and sees to it that nothing outlives the host.

mod child;
pub(crate) use child::{Go, Orders, Word};
pub(crate) mod identity;
mod inherited;
mod seal;
mod watch;

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;

use crate::refusal::While;
use crate::{Confinement, End, Event, Refusal, frame};

/// The exit code where nothing was started.
const REFUSED: u8 = 125;

/// Reads a description from standard input, runs it, and tells of it on standard output.
pub(crate) fn run() -> ExitCode {
    // Whoever reads the events may be gone, which standard input tells as well.
    let tell = |event: &Event| {
        let _ = tell(event);
    };
    match supervise(&tell) {
        Ok(end) => {
            let code = exit_code(&end);
            tell(&Event::Ended(end));
            ExitCode::from(code)
        }
        Err(refusal) => {
            tell(&Event::Refused(refusal));
            ExitCode::from(REFUSED)
        }
    }
}

fn supervise(tell: &dyn Fn(&Event)) -> Result<End, Refusal> {
    inherited::close();
    // Unbuffered: what follows the description is the program's.
    let stdin = io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .during("standard input")?;
    let stdin = File::from(stdin);
    let confinement: Confinement = frame::read(&stdin).during("reading the description")?;
    confinement.check()?;
    let child = child::Child::start(&confinement)?;
    tell(&Event::Started {
        pid: child.pid(),
        ids: child.ids(),
    });
    watch::until_its_end(child, &confinement, &stdin, tell)
}

fn tell(event: &Event) -> io::Result<()> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    let mut out = io::stdout().lock();
    out.write_all(&line)?;
    out.flush()
}

/// The program's own code, as a shell would tell it.
fn exit_code(end: &End) -> u8 {
    match end {
        End::Exited(code) => u8::try_from(*code).unwrap_or(1),
        End::Killed(signal) => u8::try_from(128 + signal).unwrap_or(128),
        End::Lifetime | End::Memory | End::Stopped => 137,
    }
}
