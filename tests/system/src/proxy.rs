//! A unix socket between two programs, which a test cuts or stalls without touching either.

use std::path::Path;
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// What it does with connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Passes everything on.
    Pass,
    /// Takes connections and answers nothing; those there are pass nothing more.
    Stall,
    /// Closes those there are, and new ones at once.
    Cut,
}

/// A running proxy. Dropping it closes every connection.
#[derive(Debug)]
pub struct Proxy {
    mode: Arc<watch::Sender<Mode>>,
    accepting: AbortHandle,
}

impl Proxy {
    /// Listens at one socket for another.
    ///
    /// # Panics
    /// The socket cannot be made.
    pub fn start(at: &Path, to: &str) -> Self {
        let listener = UnixListener::bind(at).expect("a socket");
        let mode = Arc::new(watch::Sender::new(Mode::Pass));
        let (modes, to) = (mode.clone(), to.to_owned());
        let accepting = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(pass(near, to.clone(), modes.subscribe()));
            }
        });
        Self {
            mode,
            accepting: accepting.abort_handle(),
        }
    }

    /// Changes what it does, also with the connections there are.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.mode.send_replace(Mode::Cut);
    }
}

/// One connection, until either end or the test ends it.
async fn pass(mut near: UnixStream, to: String, mut modes: watch::Receiver<Mode>) {
    let Ok(mut far) = UnixStream::connect(to).await else {
        return;
    };
    loop {
        let mode = *modes.borrow_and_update();
        match mode {
            Mode::Cut => return,
            // Cancelled in the middle it may have read what it did not write; but then nothing was to arrive.
            Mode::Pass => tokio::select! {
                _ = copy_bidirectional(&mut near, &mut far) => return,
                changed = modes.changed() => if changed.is_err() { return },
            },
            Mode::Stall => {
                if modes.changed().await.is_err() {
                    return;
                }
            }
        }
    }
}
