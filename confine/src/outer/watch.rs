//! Waiting: for the program's end, for the host's, for the first sign that it listens.

use std::fs::{self, File};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Mode, OFlags, fstat, openat};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};

use super::child::Child;
use crate::machine::memory;
use crate::refusal::While;
use crate::{Belt, CONTROL_DIRECTORY, CONTROL_SOCKET, Confinement, End, Event, Refusal};

/// Between two looks at whether the program listens, at first and later.
const EAGER: Duration = Duration::from_millis(1);
const PATIENT: Duration = Duration::from_millis(20);
const EAGER_FOR: Duration = Duration::from_secs(1);

/// Between two looks at how much memory the box uses, where no control group watches over it.
const MEMORY: Duration = Duration::from_millis(100);

/// Waits until the box is over, however that comes about, and leaves no process of it.
pub(super) fn until_its_end(
    mut child: Child,
    confinement: &Confinement,
    stdin: &File,
    tell: &dyn Fn(&Event),
) -> Result<End, Refusal> {
    let begun = Instant::now();
    let lifetime = confinement.workload.lifetime_seconds.map(Duration::from_secs);
    let watched = confinement
        .workload
        .limits
        .memory_bytes
        .filter(|_| confinement.belts.contains(&Belt::Memory));
    // Kept open for as long as we live: the path that was told leads over it.
    let mut listens: Option<OwnedFd> = None;
    let mut is_ready = false;
    let end = loop {
        let age = begun.elapsed();
        if lifetime.is_some_and(|lifetime| age >= lifetime) {
            break End::Lifetime;
        }
        if watched.is_some_and(|limit| memory::of_tree(child.pid()) > limit) {
            break End::Memory;
        }
        if !is_ready && let Some(socket) = socket(&child, confinement, &mut listens) {
            is_ready = true;
            child.seal()?;
            tell(&Event::Ready { socket });
        }
        let pauses = [
            lifetime.map(|lifetime| lifetime.saturating_sub(age)),
            watched.map(|_| MEMORY),
            (!is_ready).then_some(if age < EAGER_FOR { EAGER } else { PATIENT }),
        ];
        let pause = pauses.into_iter().flatten().min();
        let pause = pause.and_then(|pause| Timespec::try_from(pause).ok());
        // No interest in what standard input holds, only in its end; that is always told.
        let mut looked = [
            PollFd::new(stdin, PollFlags::empty()),
            PollFd::new(child.pidfd(), PollFlags::IN),
        ];
        match poll(&mut looked, pause.as_ref()) {
            Err(rustix::io::Errno::INTR) | Ok(0) => continue,
            Err(error) => return Err(Refusal::new("waiting for the program", error)),
            Ok(_) => {}
        }
        if !looked[1].revents().is_empty() {
            let status = child.wait().during("waiting for the program")?;
            break match (status.code(), status.signal()) {
                (Some(code), _) => End::Exited(code),
                (None, signal) => End::Killed(signal.unwrap_or_default()),
            };
        }
        if looked[0]
            .revents()
            .intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL)
        {
            break End::Stopped;
        }
    };
    child.kill();
    end_the_rest();
    Ok(end)
}

/// Where the program listens, once it does.
fn socket(child: &Child, confinement: &Confinement, listens: &mut Option<OwnedFd>) -> Option<String> {
    let Some(directory) = child.control() else {
        let path = confinement.control.as_ref()?.join(CONTROL_SOCKET);
        let path = path.to_str()?.to_owned();
        return is_listening("self", &path).then_some(path);
    };
    if listens.is_none() {
        // The thing itself, whatever is put in its place later; a link is not followed.
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let found = openat(directory, CONTROL_SOCKET, flags, Mode::empty()).ok()?;
        let kind = FileType::from_raw_mode(fstat(&found).ok()?.st_mode);
        if kind != FileType::Socket {
            return None;
        }
        *listens = Some(found);
    }
    let pid = child.pid().to_string();
    if !is_listening(&pid, &format!("{CONTROL_DIRECTORY}/{CONTROL_SOCKET}")) {
        return None;
    }
    let fd = listens.as_ref()?.as_raw_fd();
    Some(format!("/proc/{}/fd/{fd}", std::process::id()))
}

/// Whether a socket that was bound to this path accepts connections, without being one of them: the program may take
/// a connection for its last.
fn is_listening(process: &str, path: &str) -> bool {
    /// `__SO_ACCEPTCON` of the kernel.
    const ACCEPTS: &str = "00010000";
    let Ok(table) = fs::read_to_string(format!("/proc/{process}/net/unix")) else {
        return false;
    };
    table.lines().skip(1).any(|line| {
        let mut fields = line.split_ascii_whitespace();
        fields.nth(3) == Some(ACCEPTS) && fields.nth(3) == Some(path)
    })
}

/// Ends what a program without a box left behind. In a box there is nothing left.
fn end_the_rest() {
    loop {
        let own = std::process::id();
        let listed = fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
        for pid in listed
            .split_ascii_whitespace()
            .filter_map(|pid| Pid::from_raw(pid.parse().ok()?))
        {
            let _ = kill_process(pid, Signal::KILL);
        }
        // Each one's own children are ours after it; so until there are none.
        match wait(WaitOptions::empty()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
    }
}
