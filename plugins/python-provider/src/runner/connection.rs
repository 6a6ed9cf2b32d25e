//! The one connection to a runner. It outlives the lease and serves the next one of the same box.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::frames::{Bad, Frame, Kind, put, take};
use super::messages::{Control, Hello, Job};

/// How long a runner that is ready may take to take the call and say its name.
const GREETING: Duration = Duration::from_secs(10);

/// More is not read from a runner that nobody has asked.
const UNASKED: usize = 64 << 10;

/// A connection to a runner.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    held: BytesMut,
    next: u32,
    hello: Hello,
}

/// Why a runner cannot be talked to.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// It has hung up, or never took the call.
    #[error("the connection to the runner was lost: {0}")]
    Gone(#[from] io::Error),
    /// It says nothing.
    #[error("the runner did not answer in time")]
    Silent,
    /// It talks nonsense.
    #[error("the runner sent {0}")]
    Nonsense(#[from] Bad),
}

impl Connection {
    /// Calls the runner at this socket, which is ready.
    ///
    /// # Errors
    /// It does not answer, or not as a runner does.
    pub async fn open(path: &str) -> Result<Self, Lost> {
        let opening = async {
            let mut connection = Self {
                stream: UnixStream::connect(path).await?,
                held: BytesMut::with_capacity(16 << 10),
                next: fastrand::u32(..),
                hello: Hello {
                    protocol: 0,
                    python: String::new(),
                    implementation: String::new(),
                    preimported: Default::default(),
                },
            };
            let frame = connection.frame().await?;
            if frame.kind != Kind::Hello {
                return Err(Bad::Protocol.into());
            }
            connection.hello =
                serde_json::from_slice(&frame.payload).map_err(|error| Bad::Json(error.to_string()))?;
            if connection.hello.protocol != 1 {
                return Err(Bad::Protocol.into());
            }
            Ok(connection)
        };
        match tokio::time::timeout(GREETING, opening).await {
            Ok(opened) => opened,
            Err(_) => Err(Lost::Silent),
        }
    }

    /// What the runner says of itself.
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Whether the other end is still there and has said nothing since, as is right between two runs.
    pub fn is_idle(&self) -> bool {
        let mut byte = [0];
        let quiet = matches!(self.stream.try_read(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        quiet && self.held.is_empty()
    }

    /// Whether the other end has hung up, as far as can be told without waiting. What it has said is kept.
    pub fn has_ended(&mut self) -> bool {
        if self.held.len() >= UNASKED {
            return false;
        }
        self.held.reserve(1 << 10);
        match self.stream.try_read_buf(&mut self.held) {
            Ok(read) => read == 0,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }

    /// Sends a run, and gives back its number.
    ///
    /// # Errors
    /// The runner has hung up.
    pub async fn send(
        &mut self,
        control: &Control<'_>,
        job: &Job<'_>,
        files: &[(String, Vec<u8>)],
        stdin: &[u8],
    ) -> Result<u32, Lost> {
        self.next = self.next.wrapping_add(1).max(1);
        let run = self.next;
        let plain = |error: serde_json::Error| Lost::Nonsense(Bad::Json(error.to_string()));
        let (control, job) = (
            serde_json::to_vec(control).map_err(plain)?,
            serde_json::to_vec(job).map_err(plain)?,
        );
        let mut out = BytesMut::new();
        let length = u32::try_from(control.len()).unwrap_or(u32::MAX).to_be_bytes();
        put(&mut out, Kind::Run, run, &[&length, &control, &job]);
        for (name, contents) in files {
            // Names were checked: none is longer than 4096 bytes.
            let length = u16::try_from(name.len()).unwrap_or(u16::MAX).to_be_bytes();
            put(&mut out, Kind::File, run, &[&length, name.as_bytes(), contents]);
        }
        if !stdin.is_empty() {
            put(&mut out, Kind::Stdin, run, &[stdin]);
        }
        put(&mut out, Kind::Go, run, &[]);
        self.stream.write_all(&out).await?;
        Ok(run)
    }

    /// Asks for the end of a run.
    ///
    /// # Errors
    /// The runner has hung up.
    pub async fn cancel(&mut self, run: u32) -> Result<(), Lost> {
        let mut out = BytesMut::new();
        put(&mut out, Kind::Cancel, run, &[]);
        Ok(self.stream.write_all(&out).await?)
    }

    /// Asks whether the runner is there: it answers with a `Pong`.
    ///
    /// # Errors
    /// The runner has hung up.
    pub async fn ping(&mut self, run: u32) -> Result<(), Lost> {
        let mut out = BytesMut::new();
        put(&mut out, Kind::Ping, run, &[]);
        Ok(self.stream.write_all(&out).await?)
    }

    /// The next frame. Cancel safe: what has come of a frame is kept.
    ///
    /// # Errors
    /// The runner has hung up, or talks nonsense: the connection is of no more use.
    pub async fn frame(&mut self) -> Result<Frame, Lost> {
        loop {
            if let Some(frame) = take(&mut self.held)? {
                if frame.kind == Kind::Fault {
                    let text = String::from_utf8_lossy(&frame.payload).into_owned();
                    return Err(Bad::Fault(text).into());
                }
                return Ok(frame);
            }
            self.held.reserve(16 << 10);
            if self.stream.read_buf(&mut self.held).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
    }
}
