//! Streams, asked by our own client: `wrk` cannot tell when the first byte of a body came.
//!
//! The client looks for the end of the head and the last chunk and leaves the rest unread, because on a machine of two
//! cores whatever the client costs is taken from what it measures.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::stats::quantile;

/// The end of a chunked body.
const LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";

/// A server that is silent for this long counts as one that will not answer.
const SILENCE: Duration = Duration::from_secs(5);

/// What the clients found; times in microseconds.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Found {
    /// Streams that ended well.
    pub(crate) streams: u64,
    /// Streams that did not.
    pub(crate) errors: u64,
    /// Over so many microseconds.
    pub(crate) micros: u64,
    /// To the first byte of the body.
    pub(crate) first_byte_p50: f64,
    /// To the first byte of the body.
    pub(crate) first_byte_p99: f64,
    /// To the last.
    pub(crate) whole_p50: f64,
    /// Between two arrivals of bytes.
    pub(crate) gap_p50: f64,
    /// Between two arrivals of bytes.
    pub(crate) gap_p99: f64,
}

/// What one client found.
#[derive(Debug, Default)]
struct Seen {
    first_bytes: Vec<f64>,
    wholes: Vec<f64>,
    gaps: Vec<f64>,
    errors: u64,
}

/// Asks from so many clients, one stream after the other, until the time is over; streams begun are ended.
pub(crate) async fn run(to: SocketAddr, request: &[u8], clients: usize, time: Duration) -> Found {
    let begun = Instant::now();
    let until = begun + time;
    let seen = join_all((0..clients).map(|_| client(to, request, until))).await;
    let micros = micros(begun.elapsed());
    let (mut first_bytes, mut wholes, mut gaps, mut errors) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for mut seen in seen {
        first_bytes.append(&mut seen.first_bytes);
        wholes.append(&mut seen.wholes);
        gaps.append(&mut seen.gaps);
        errors += seen.errors;
    }
    for values in [&mut first_bytes, &mut wholes, &mut gaps] {
        values.sort_by(f64::total_cmp);
    }
    Found {
        streams: wholes.len() as u64,
        errors,
        micros: micros as u64,
        first_byte_p50: quantile(&first_bytes, 0.5),
        first_byte_p99: quantile(&first_bytes, 0.99),
        whole_p50: quantile(&wholes, 0.5),
        gap_p50: quantile(&gaps, 0.5),
        gap_p99: quantile(&gaps, 0.99),
    }
}

async fn client(to: SocketAddr, request: &[u8], until: Instant) -> Seen {
    let mut seen = Seen::default();
    let mut connection = None;
    let mut buffer = vec![0; 64 << 10];
    while Instant::now() < until {
        let ended = async {
            let mut stream = match connection.take() {
                Some(stream) => stream,
                None => connect(to).await?,
            };
            one(&mut stream, request, &mut buffer, &mut seen).await?;
            io::Result::Ok(stream)
        };
        match ended.await {
            Ok(stream) => connection = Some(stream),
            Err(_) => {
                seen.errors += 1;
                // A server that refuses at once must not turn this into a busy loop.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }
    seen
}

async fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// One stream from request to last chunk.
async fn one(stream: &mut TcpStream, request: &[u8], buffer: &mut [u8], seen: &mut Seen) -> io::Result<()> {
    let begun = Instant::now();
    stream.write_all(request).await?;
    let mut answer = Answer::default();
    let mut last = None;
    loop {
        let read = tokio::time::timeout(SILENCE, stream.read(buffer)).await??;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let now = Instant::now();
        let ended = answer.push(&buffer[..read])?;
        if answer.has_body {
            match last.replace(now) {
                None => seen.first_bytes.push(micros(now - begun)),
                Some(before) => seen.gaps.push(micros(now - before)),
            }
        }
        if ended {
            seen.wholes.push(micros(now - begun));
            return Ok(());
        }
    }
}

/// Opens a stream and reads until its first byte has come; dropping the connection ends it.
pub(crate) async fn open(to: SocketAddr, request: &[u8]) -> io::Result<TcpStream> {
    let mut stream = connect(to).await?;
    stream.write_all(request).await?;
    let mut answer = Answer::default();
    let mut buffer = [0; 4096];
    while !answer.has_body {
        let read = tokio::time::timeout(SILENCE, stream.read(&mut buffer)).await??;
        if read == 0 || answer.push(&buffer[..read])? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(stream)
}

/// As much of an answer as has to be kept to see where its head and its body end.
#[derive(Debug, Default)]
struct Answer {
    head: Vec<u8>,
    has_head: bool,
    has_body: bool,
    tail: Vec<u8>,
}

impl Answer {
    /// Takes what came; true if the body has ended. An answer that is not 200 is an error.
    fn push(&mut self, mut bytes: &[u8]) -> io::Result<bool> {
        if !self.has_head {
            let before = self.head.len();
            self.head.extend_from_slice(bytes);
            let Some(at) = self.head.windows(4).position(|four| four == b"\r\n\r\n") else {
                return Ok(false);
            };
            if !self.head.starts_with(b"HTTP/1.1 200") {
                return Err(io::Error::other("not 200"));
            }
            self.has_head = true;
            bytes = &bytes[at + 4 - before..];
        }
        if bytes.is_empty() {
            return Ok(false);
        }
        self.has_body = true;
        let kept = bytes.len().min(LAST_CHUNK.len());
        self.tail.extend_from_slice(&bytes[bytes.len() - kept..]);
        let surplus = self.tail.len().saturating_sub(LAST_CHUNK.len());
        self.tail.drain(..surplus);
        Ok(self.tail == LAST_CHUNK)
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

#[cfg(test)]
mod tests {
    use super::Answer;

    const WHOLE: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";

    #[test]
    fn the_end_is_seen_however_the_bytes_are_cut() {
        for at in 1..WHOLE.len() {
            let mut answer = Answer::default();
            assert!(!answer.push(&WHOLE[..at]).unwrap(), "cut at {at}");
            assert!(answer.push(&WHOLE[at..]).unwrap(), "cut at {at}");
        }
    }

    #[test]
    fn it_is_seen_byte_by_byte_and_not_before() {
        let mut answer = Answer::default();
        let ends: Vec<bool> = WHOLE.iter().map(|byte| answer.push(&[*byte]).unwrap()).collect();
        assert_eq!(ends.iter().position(|end| *end), Some(WHOLE.len() - 1));
    }

    #[test]
    fn the_head_alone_is_no_body() {
        let mut answer = Answer::default();
        let head = WHOLE.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        assert!(!answer.push(&WHOLE[..head]).unwrap());
        assert!(!answer.has_body);
    }

    #[test]
    fn a_refusal_is_an_error() {
        let mut answer = Answer::default();
        assert!(
            answer
                .push(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n")
                .is_err()
        );
    }
}
