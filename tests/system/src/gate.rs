//! A door between a program and its container engine that holds one request, so that a test can do something exactly there.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// On which side of the engine's work the door is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The engine does not get the request.
    Before,
    /// The engine has done what it was asked to, and the asker does not get the answer.
    After,
}

/// A running door. Dropping it closes the connections that are held.
#[derive(Debug)]
pub struct Gate {
    held: watch::Receiver<Option<String>>,
    open: watch::Sender<bool>,
    accepting: AbortHandle,
}

/// Whether a request, by its method and its path without the query, is the one to hold.
type Wanted = Box<dyn Fn(&str, &str) -> bool + Send + Sync>;

/// What every connection of a door knows.
struct Rule {
    side: Side,
    wanted: Wanted,
    /// Only the first is held.
    is_used: AtomicBool,
    held: watch::Sender<Option<String>>,
    open: watch::Receiver<bool>,
}

impl Gate {
    /// Listens at one socket for another, and holds the first request that is wanted, by its method and its path.
    ///
    /// # Panics
    /// The socket cannot be made.
    pub fn start(
        at: &Path,
        to: &str,
        side: Side,
        wanted: impl Fn(&str, &str) -> bool + Send + Sync + 'static,
    ) -> Self {
        let listener = UnixListener::bind(at).expect("a socket");
        let (sender, held) = watch::channel(None);
        let (open, opened) = watch::channel(false);
        let rule = Arc::new(Rule {
            side,
            wanted: Box::new(wanted),
            is_used: AtomicBool::new(false),
            held: sender,
            open: opened,
        });
        let to = to.to_owned();
        let accepting = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                if let Ok(far) = UnixStream::connect(&to).await {
                    tokio::spawn(rule.clone().pass(near, far));
                }
            }
        });
        Self {
            held,
            open,
            accepting: accepting.abort_handle(),
        }
    }

    /// Waits until a request is held, and returns its target, query included.
    ///
    /// # Panics
    /// None is held within a minute.
    pub async fn held(&self) -> String {
        let mut held = self.held.clone();
        let found = held.wait_for(Option::is_some);
        let found = tokio::time::timeout(std::time::Duration::from_secs(60), found).await;
        let found = found.expect("the request comes").expect("the door is there");
        found.clone().unwrap_or_default()
    }

    /// Lets what is held go on.
    pub fn open(&self) {
        self.open.send_replace(true);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Rule {
    /// One connection, until either end is over.
    async fn pass(self: Arc<Self>, near: UnixStream, far: UnixStream) {
        let (near_read, near_write) = near.into_split();
        let (far_read, far_write) = far.into_split();
        let (holding, held) = watch::channel(None);
        tokio::select! {
            _ = self.requests(near_read, far_write, &holding) => {}
            _ = self.answers(far_read, near_write, held) => {}
        }
    }

    async fn requests(
        &self,
        mut near: OwnedReadHalf,
        mut far: OwnedWriteHalf,
        holding: &watch::Sender<Option<String>>,
    ) -> std::io::Result<()> {
        let mut bytes = vec![0; 64 << 10];
        loop {
            let count = near.read(&mut bytes).await?;
            if count == 0 {
                far.shutdown().await?;
                if holding.borrow().is_some() {
                    return Ok(());
                }
                // What the engine still says is passed on until it ends.
                return std::future::pending().await;
            }
            let mut request = bytes[..count].to_vec();
            if let Some(target) = self.target(&request) {
                match self.side {
                    Side::After => drop(holding.send_replace(Some(target))),
                    Side::Before => {
                        self.held.send_replace(Some(target));
                        if !self.opened(&mut near, &mut request).await? {
                            return Ok(());
                        }
                    }
                }
            }
            far.write_all(&request).await?;
        }
    }

    /// Waits until the door is opened, and meanwhile takes what else is sent. Returns whether the asker still lives.
    async fn opened(&self, near: &mut OwnedReadHalf, request: &mut Vec<u8>) -> std::io::Result<bool> {
        let mut open = self.open.clone();
        let mut more = vec![0; 64 << 10];
        loop {
            tokio::select! {
                opened = open.wait_for(|open| *open) => return Ok(opened.is_ok()),
                count = near.read(&mut more) => match count? {
                    0 => return Ok(false),
                    count => request.extend_from_slice(&more[..count]),
                },
            }
        }
    }

    async fn answers(
        &self,
        mut far: OwnedReadHalf,
        mut near: OwnedWriteHalf,
        held: watch::Receiver<Option<String>>,
    ) -> std::io::Result<()> {
        let mut bytes = vec![0; 64 << 10];
        loop {
            let count = far.read(&mut bytes).await?;
            if count == 0 {
                return near.shutdown().await;
            }
            let target = held.borrow().clone();
            if let Some(target) = target {
                self.held.send_replace(Some(target));
                let _ = self.open.clone().wait_for(|open| *open).await;
            }
            near.write_all(&bytes[..count]).await?;
        }
    }

    /// The target of a request that is to be held, if these bytes begin one. Clients wait for an answer before they send
    /// another request, so that a request is where a read begins.
    fn target(&self, bytes: &[u8]) -> Option<String> {
        let end = bytes.iter().position(|byte| *byte == b'\r')?;
        let line = std::str::from_utf8(&bytes[..end]).ok()?;
        let mut words = line.split(' ');
        let (method, target) = (words.next()?, words.next()?);
        let path = target.split('?').next().unwrap_or_default();
        let is_first = || !self.is_used.swap(true, Ordering::Relaxed);
        (words.next()?.starts_with("HTTP/") && (self.wanted)(method, path) && is_first())
            .then(|| target.to_owned())
    }
}
