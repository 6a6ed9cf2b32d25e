//! Directories of this machine as archives for a build.

use std::fs;
use std::io::{self, Read as _, Write};
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;
use plugin_api::Error;
use tokio::sync::mpsc;

use super::ignore::Ignore;

/// How much is collected before it is sent on.
const PIECE: usize = 256 << 10;

/// More than this is no Dockerfile and no list of patterns.
const TEXT: u64 = 1 << 20;

/// What says which files are not sent.
const IGNORE: &str = ".dockerignore";

/// A directory to build from.
#[derive(Debug)]
pub(super) struct Tree {
    directory: PathBuf,
    /// Where its Dockerfile is in it.
    dockerfile: String,
    ignore: Ignore,
}

impl Tree {
    /// # Errors
    /// It is none, or its `.dockerignore` cannot be read.
    pub(super) fn open(directory: PathBuf, dockerfile: &str) -> Result<Self, Error> {
        if !directory.is_absolute() || !directory.is_dir() {
            return Err(Error::invalid(format!(
                "{} is not the absolute path of a directory",
                directory.display()
            )));
        }
        let ignore = match text(&directory.join(IGNORE))? {
            Some(text) => Ignore::parse(&text)?,
            None => Ignore::default(),
        };
        let plain = |component| match component {
            Component::Normal(name) => name.to_str(),
            _ => None,
        };
        let parts: Vec<&str> = Path::new(dockerfile).components().filter_map(plain).collect();
        Ok(Self {
            directory,
            dockerfile: parts.join("/"),
            ignore,
        })
    }

    /// The text of its Dockerfile, where there is one as far as can be seen.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub(super) fn dockerfile(&self) -> Result<Option<String>, Error> {
        text(&self.directory.join(&self.dockerfile))
    }

    /// The archive, made as fast as it is read. Links are packed as links, so nothing outside gets in.
    pub(super) fn pack(self) -> mpsc::Receiver<io::Result<Bytes>> {
        let (sender, receiver) = mpsc::channel(4);
        tokio::task::spawn_blocking(move || {
            let mut pieces = Pieces {
                sender,
                buffer: Vec::with_capacity(PIECE),
            };
            let mut archive = tar::Builder::new(&mut pieces);
            archive.follow_symlinks(false);
            let packed = self.append(&mut archive, "").and_then(|()| archive.finish());
            drop(archive);
            if let Err(error) = packed.and_then(|()| pieces.flush()) {
                // Where nobody listens any more nobody wants to know.
                let _ = pieces.sender.blocking_send(Err(error));
            }
        });
        receiver
    }

    /// Appends what is in a directory, named by its path in the tree. The directories of what is sent out of one that is
    /// not are made by the engine.
    fn append<W: Write>(&self, archive: &mut tar::Builder<W>, within: &str) -> io::Result<()> {
        let mut names: Vec<_> = fs::read_dir(self.directory.join(within))?.collect::<io::Result<_>>()?;
        names.sort_by_key(fs::DirEntry::file_name);
        for entry in names {
            let name = entry.file_name();
            let full = entry.path();
            let kind = entry.file_type()?;
            let Some(name) = name.to_str() else {
                // Patterns are text, and so are the names in archives as engines read them.
                return Err(io::Error::other(format!(
                    "{} is no name in UTF-8",
                    full.display()
                )));
            };
            let path = if within.is_empty() {
                name.to_owned()
            } else {
                format!("{within}/{name}")
            };
            let left_out = self.leaves_out(&path);
            if kind.is_dir() {
                if !left_out {
                    archive.append_dir(&path, &full)?;
                }
                if !left_out || self.may_hold_some(&path) {
                    self.append(archive, &path)?;
                }
            } else if !left_out && is_packed(kind) {
                archive.append_path_with_name(&full, &path)?;
            }
        }
        Ok(())
    }

    /// The engine reads these two itself, and leaves them out of what is copied where they are named.
    fn leaves_out(&self, path: &str) -> bool {
        path != IGNORE && path != self.dockerfile && self.ignore.excludes(path)
    }

    /// Whether something in a directory that is left out is sent all the same.
    fn may_hold_some(&self, path: &str) -> bool {
        let holds_the_dockerfile = self
            .dockerfile
            .strip_prefix(path)
            .is_some_and(|rest| rest.starts_with('/'));
        holds_the_dockerfile || self.ignore.has_exceptions()
    }
}

/// Sockets and the like are no files to build from.
fn is_packed(kind: fs::FileType) -> bool {
    kind.is_file() || kind.is_symlink()
}

/// The text of a file of the tree. A link may lead out of it, so it is not followed.
fn text(path: &Path) -> Result<Option<String>, Error> {
    let wrong = |error: io::Error| Error::invalid(format!("{}: {error}", path.display()));
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() => {}
        _ => return Ok(None),
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(wrong)?;
    file.take(TEXT).read_to_end(&mut bytes).map_err(wrong)?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
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

#[cfg(test)]
mod tests {
    use super::*;

    async fn packed(files: &[(&str, &str)], dockerfile: &str) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        std::os::unix::fs::symlink("/etc/passwd", directory.path().join("link")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(directory.path().join("socket")).unwrap();
        let mut pieces = Tree::open(directory.path().to_owned(), dockerfile)
            .unwrap()
            .pack();
        let mut bytes = Vec::new();
        while let Some(piece) = pieces.recv().await {
            bytes.extend_from_slice(&piece.unwrap());
        }
        let mut archive = tar::Archive::new(&bytes[..]);
        let entries = archive.entries().unwrap().map(Result::unwrap);
        let name = |entry: tar::Entry<'_, &[u8]>| entry.path().unwrap().display().to_string();
        entries.map(name).collect()
    }

    #[tokio::test]
    async fn everything_is_sent_where_nothing_is_said() {
        let files = [("Dockerfile", ""), ("src/main.rs", ""), ("target/x", "")];
        assert_eq!(
            packed(&files, "Dockerfile").await,
            ["Dockerfile", "link", "src", "src/main.rs", "target", "target/x"]
        );
    }

    #[tokio::test]
    async fn what_is_named_is_not_sent_but_for_exceptions_and_what_the_engine_reads_itself() {
        let files = [
            (".dockerignore", "**\n!src\nsrc/secret\n!target/keep/this\n"),
            ("build/Dockerfile", ""),
            ("build/other", ""),
            ("src/main.rs", ""),
            ("src/secret/key", ""),
            ("target/keep/that", ""),
            ("target/keep/this", ""),
        ];
        assert_eq!(
            packed(&files, "./build/Dockerfile").await,
            [
                ".dockerignore",
                "build/Dockerfile",
                "src",
                "src/main.rs",
                "target/keep/this"
            ]
        );
    }

    #[test]
    fn a_dockerfile_that_is_a_link_is_not_read_through() {
        let directory = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc/passwd", directory.path().join("Dockerfile")).unwrap();
        let open = |name| Tree::open(directory.path().to_owned(), name).unwrap();
        assert_eq!(open("Dockerfile").dockerfile().unwrap(), None);
        assert_eq!(open("../../../../etc/passwd").dockerfile().unwrap(), None);
    }
}
