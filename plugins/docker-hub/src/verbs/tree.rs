//! Directories of this machine as archives for a build.

use std::io::{self, Write};
use std::path::PathBuf;

use bytes::Bytes;
use plugin_api::Error;
use tokio::sync::mpsc;

/// How much is collected before it is sent on.
const PIECE: usize = 256 << 10;

/// A directory as an archive, made as fast as it is read. Links are packed as links, so nothing outside gets in.
pub(super) fn pack(directory: PathBuf) -> Result<mpsc::Receiver<io::Result<Bytes>>, Error> {
    if !directory.is_absolute() || !directory.is_dir() {
        return Err(Error::invalid(format!(
            "{} is not the absolute path of a directory",
            directory.display()
        )));
    }
    let (sender, receiver) = mpsc::channel(4);
    tokio::task::spawn_blocking(move || {
        let mut pieces = Pieces {
            sender,
            buffer: Vec::with_capacity(PIECE),
        };
        let mut archive = tar::Builder::new(&mut pieces);
        archive.follow_symlinks(false);
        let packed = archive
            .append_dir_all(".", &directory)
            .and_then(|()| archive.finish());
        drop(archive);
        if let Err(error) = packed.and_then(|()| pieces.flush()) {
            // Where nobody listens any more nobody wants to know.
            let _ = pieces.sender.blocking_send(Err(error));
        }
    });
    Ok(receiver)
}

/// An archive of one file.
pub(super) fn only(name: &str, text: &str) -> Result<Vec<u8>, Error> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    archive
        .append_data(&mut header, name, text.as_bytes())
        .map_err(|error| Error::invalid(format!("`{name}`: {error}")))?;
    archive
        .into_inner()
        .map_err(|error| Error::plugin(error.to_string()))
}

struct Pieces {
    sender: mpsc::Sender<io::Result<Bytes>>,
    buffer: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let piece = Bytes::from(std::mem::take(&mut self.buffer));
        self.sender
            .blocking_send(Ok(piece))
            .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}
