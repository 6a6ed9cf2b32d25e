//! The images that tests start from, made here from Debian's own packages: no registry is needed.

use std::fs::{self, File, OpenOptions};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use sha2::{Digest, Sha256};

use crate::Engine;

/// The label that says from which recipe an image was made.
const RECIPE: &str = "gleitzeit-test.recipe";

/// An image for tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Image {
    /// Debian with Python, and no more.
    Plain,
    /// And with numpy and matplotlib.
    Science,
    /// The Debian after it, whose Python is that of the official images of today.
    Later,
}

impl Image {
    /// All of them.
    pub const ALL: [Image; 3] = [Image::Plain, Image::Science, Image::Later];

    /// Its name in the engine.
    pub fn name(self) -> &'static str {
        match self {
            Image::Plain => "gleitzeit-test/plain",
            Image::Science => "gleitzeit-test/science",
            Image::Later => "gleitzeit-test/later",
        }
    }

    fn packages(self) -> &'static str {
        match self {
            Image::Plain | Image::Later => "python3",
            Image::Science => "python3,python3-numpy,python3-matplotlib",
        }
    }

    fn release(self) -> &'static str {
        match self {
            Image::Plain | Image::Science => "bookworm",
            Image::Later => "trixie",
        }
    }

    /// Changes whenever the image has to be made anew.
    fn recipe(self) -> String {
        let digest = Sha256::digest(format!("1 minbase {} {}", self.release(), self.packages()));
        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether the engine has it, made by the recipe of today.
    fn is_there(self, engine: Engine) -> bool {
        let template = format!("{{{{index .Config.Labels {RECIPE:?}}}}}");
        engine
            .inspect(self.name(), &template)
            .is_ok_and(|recipe| recipe == self.recipe())
    }

    /// Makes it where the engine has none, which takes minutes, debootstrap and root. Of several who ask at once, one
    /// makes it and the others wait.
    ///
    /// # Errors
    /// It could not be made: what failed.
    pub fn ensure(self, engine: Engine) -> anyhow::Result<()> {
        if self.is_there(engine) {
            return Ok(());
        }
        let _turn = turn()?;
        if self.is_there(engine) {
            return Ok(());
        }
        eprintln!("making the image {} (minutes, once)", self.name());
        let place = std::env::temp_dir().join(format!("gleitzeit-test-image-{}", std::process::id()));
        let made = self.make(engine, &place);
        // An image that was made is made, even if something of its making stays behind.
        let _ = fs::remove_dir_all(&place);
        made
    }

    fn make(self, engine: Engine, place: &Path) -> anyhow::Result<()> {
        let root = place.join("root");
        fs::create_dir_all(&root).with_context(|| format!("cannot create {}", root.display()))?;
        let log = File::create(place.join("log"))?;
        let status = Command::new("debootstrap")
            .args(["--variant=minbase", "--include", self.packages(), self.release()])
            .arg(&root)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .status()
            .context("cannot run debootstrap (apt-get install debootstrap)")?;
        ensure!(
            status.success(),
            "debootstrap failed: {}",
            end_of(&place.join("log"))
        );
        let mut tar = Command::new("tar")
            .arg("-C")
            .arg(&root)
            .args(["--exclude=./var/cache/apt/archives/*.deb", "-c", "."])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run tar")?;
        let content = tar.stdout.take().context("tar has no output")?;
        let label = format!("LABEL {RECIPE}={}", self.recipe());
        let arguments = ["import", "--change", &label, "-", self.name()];
        let output = engine.command().args(arguments).stdin(content).output()?;
        ensure!(tar.wait()?.success(), "tar failed");
        crate::engine::said(&arguments, &output)?;
        Ok(())
    }
}

/// Whoever holds it makes images. It ends with the process, however that ends.
fn turn() -> anyhow::Result<File> {
    let path = std::env::temp_dir().join("gleitzeit-test-images.lock");
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    file.lock()
        .with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

fn end_of(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(5)..].join("; ")
}
