//! The control channel of a box: how its first readiness is seen, and what runs along while it lives.
//!
//! Either way the hub holds the attached standard input for the box's whole life, because its end is how the box learns
//! that the host is gone.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bollard::container::{AttachContainerResults, LogOutput};
use bollard::errors::Error as ClientError;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::directory::{Directory, Pinned};
use crate::error::DockerError;

/// What is kept of a box's output, for the message that tells of its end.
const KEPT: usize = 2 << 10;

/// Between two looks at whether the socket is there: at first, and later on.
const LOOKS: (Duration, Duration) = (Duration::from_millis(3), Duration::from_millis(25));

type Output = Pin<Box<dyn Stream<Item = Result<LogOutput, ClientError>> + Send>>;
type Input = Pin<Box<dyn AsyncWrite + Send>>;

/// The last of what a box wrote.
///
/// Not the tail of [`plugin_api::output`]: that one reads a pipe to itself, and here the same stream carries the channel; and it
/// keeps whole lines, of which code that nobody trusts would make the longest, in every box there is.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    bytes: Mutex<Vec<u8>>,
}

impl Tail {
    fn push(&self, bytes: &[u8]) {
        let mut kept = self.bytes.lock();
        kept.extend_from_slice(&bytes[bytes.len().saturating_sub(KEPT)..]);
        let over = kept.len().saturating_sub(KEPT);
        kept.drain(..over);
    }

    /// For the end of a sentence: nothing, or a colon and the lines.
    pub(crate) fn told(&self) -> String {
        let text = String::from_utf8_lossy(&self.bytes.lock()).trim().to_owned();
        if text.is_empty() {
            text
        } else {
            format!(": {text}")
        }
    }
}

/// What runs along with a box. Dropping it closes the box's standard input.
#[derive(Debug)]
pub(crate) struct Line {
    tail: Arc<Tail>,
    ended: watch::Receiver<bool>,
    ready: watch::Receiver<bool>,
    _task: AbortOnDropHandle<()>,
}

impl Line {
    /// Holds the channel of a box that is spoken to over a socket of its own: its output is only kept for messages.
    pub(crate) fn holding(attached: AttachContainerResults) -> Self {
        Self::run(|tail, _| async move {
            let AttachContainerResults { mut output, input } = attached;
            while let Some(Ok(piece)) = output.next().await {
                tail.push(&piece.into_bytes());
            }
            drop(input);
        })
    }

    /// Bridges the channel of a box that is spoken to over standard input and output to a socket of this machine.
    pub(crate) fn bridging(attached: AttachContainerResults, listener: UnixListener) -> Self {
        Self::run(|tail, ready| async move {
            let AttachContainerResults { output, input } = attached;
            let from_box = FromBox {
                output,
                tail,
                pending: Bytes::new(),
            };
            let mut bridge = Bridge { from_box, input };
            if bridge.from_box.next().await {
                let _ = ready.send(true);
                while let Ok((connection, _)) = listener.accept().await {
                    if !bridge.serve(connection).await {
                        break;
                    }
                }
            }
        })
    }

    fn run<F: Future<Output = ()> + Send + 'static>(
        work: impl FnOnce(Arc<Tail>, watch::Sender<bool>) -> F,
    ) -> Self {
        let tail = Arc::new(Tail::default());
        let (ready_sender, ready) = watch::channel(false);
        let (ended_sender, ended) = watch::channel(false);
        let work = work(tail.clone(), ready_sender);
        let task = tokio::spawn(async move {
            work.await;
            let _ = ended_sender.send(true);
        });
        Self {
            tail,
            ended,
            ready,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// One that nothing runs along with.
    #[cfg(test)]
    pub(crate) fn idle() -> Self {
        Self::run(|_, _| std::future::pending())
    }

    /// The last of its output.
    pub(crate) fn tail(&self) -> Arc<Tail> {
        self.tail.clone()
    }

    /// Resolves when the engine closes the stream: the box has ended, or the engine has. Cancel safe.
    pub(crate) fn ended(&self) -> impl Future<Output = ()> + use<> {
        let mut ended = self.ended.clone();
        async move {
            // An error means that the task is gone, hence the stream.
            let _ = ended.wait_for(|ended| *ended).await;
        }
    }

    /// Resolves when the box has written its first byte. Never where it ends before.
    pub(crate) async fn spoke(&self) {
        let mut ready = self.ready.clone();
        if ready.wait_for(|ready| *ready).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Both directions between a box and whoever is connected, one at a time.
struct Bridge {
    from_box: FromBox,
    input: Input,
}

/// What a box says.
struct FromBox {
    output: Output,
    tail: Arc<Tail>,
    /// What no connection has taken yet.
    pending: Bytes,
}

impl FromBox {
    /// Waits for the next piece of standard output; what comes on standard error is kept for messages. `false` where
    /// there will be none. Cancel safe.
    async fn next(&mut self) -> bool {
        loop {
            match self.output.next().await {
                Some(Ok(LogOutput::StdErr { message })) => self.tail.push(&message),
                Some(Ok(piece)) => {
                    self.pending = piece.into_bytes();
                    if !self.pending.is_empty() {
                        return true;
                    }
                }
                Some(Err(_)) | None => return false,
            }
        }
    }

    /// Hands on what the box says; `false` once the box has ended, `true` where nobody takes it any more.
    async fn hand_on(&mut self, to: &mut OwnedWriteHalf) -> bool {
        loop {
            while !self.pending.is_empty() {
                match to.write(&self.pending).await {
                    Ok(written) => drop(self.pending.split_to(written)),
                    Err(_) => return true,
                }
            }
            if !self.next().await {
                return false;
            }
        }
    }
}

impl Bridge {
    /// Carries bytes until the connection ends; `false` once the box has.
    ///
    /// Neither direction waits for the other, or a box that writes before it reads on would stand still. What it says
    /// while nobody is connected stays where it is, and holds it back when the pipes are full.
    async fn serve(&mut self, connection: UnixStream) -> bool {
        let (mut from, mut to) = connection.into_split();
        tokio::select! {
            alive = self.from_box.hand_on(&mut to) => alive,
            alive = hand_in(&mut from, &mut self.input) => alive,
        }
    }
}

/// Hands a connection's bytes to the box; `false` once the box has ended, `true` once the connection has.
async fn hand_in(from: &mut OwnedReadHalf, input: &mut Input) -> bool {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let Ok(read @ 1..) = from.read(&mut buffer).await else {
            return true;
        };
        if input.write_all(&buffer[..read]).await.is_err() || input.flush().await.is_err() {
            return false;
        }
    }
}

/// Waits until the guest's socket takes a connection, and takes hold of it.
pub(crate) async fn await_socket(directory: &Directory) -> Result<Pinned, std::io::Error> {
    let mut pause = LOOKS.0;
    loop {
        if let Some(pinned) = directory.pin()?
            && UnixStream::connect(pinned.path()).await.is_ok()
        {
            return Ok(pinned);
        }
        tokio::time::sleep(pause).await;
        pause = (pause + LOOKS.0).min(LOOKS.1);
    }
}

/// A socket of ours for the bridge, and its path.
pub(crate) fn listen(directory: &Directory) -> Result<(UnixListener, PathBuf), DockerError> {
    let path = directory.socket();
    let listener = UnixListener::bind(&path).map_err(|error| DockerError::StateDirectory {
        path: path.display().to_string(),
        reason: error.to_string(),
    })?;
    Ok((listener, path))
}
