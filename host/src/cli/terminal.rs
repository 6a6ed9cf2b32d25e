//! Where a command writes, and how much colour that can take.

use std::io::{self, IsTerminal, Write};

use serde_json::Value;

use super::table::{Table, Tone};
use super::{Exit, Failure};

/// Where a command writes: results to `out`, everything else to `err`.
pub struct Terminal {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    /// Why results cannot be written any more.
    unwritten: Option<io::Error>,
    /// Results as JSON.
    pub json: bool,
    /// Whether `out` takes colours and the cursor may be moved.
    pub colour: bool,
    /// Whether progress bars may be drawn on standard error.
    pub interactive: bool,
}

impl Terminal {
    /// This process's. Colours only for a terminal, and not where `NO_COLOR` is set.
    pub fn of_process() -> Self {
        let set = |variable: &str| std::env::var_os(variable).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            out: Box::new(io::stdout()),
            err: Box::new(io::stderr()),
            unwritten: None,
            json: false,
            colour: io::stdout().is_terminal() && !set("NO_COLOR") && !dumb,
            interactive: io::stderr().is_terminal() && !dumb,
        }
    }

    /// One that writes elsewhere, without colours, for tests.
    pub fn to(out: Box<dyn Write + Send>, err: Box<dyn Write + Send>) -> Self {
        Self {
            out,
            err,
            unwritten: None,
            json: false,
            colour: false,
            interactive: false,
        }
    }

    /// Writes a line of a result.
    pub fn line(&mut self, text: impl AsRef<str>) {
        self.print(&format!("{}\n", text.as_ref()));
    }

    /// Writes text of a result as it is. A reader that has gone (`| head`) is no failure; any other is told by
    /// [`written`](Self::written).
    pub fn print(&mut self, text: &str) {
        let written = self
            .out
            .write_all(text.as_bytes())
            .and_then(|()| self.out.flush());
        if let Err(error) = written {
            self.out = Box::new(io::sink());
            if error.kind() != io::ErrorKind::BrokenPipe {
                self.unwritten = Some(error);
            }
        }
    }

    /// Whether everything that was printed has arrived. Asked once, at the end of a command.
    ///
    /// # Errors
    /// A part of the result was lost, for instance because a disk is full.
    pub fn written(&mut self) -> Result<(), Failure> {
        match self.unwritten.take() {
            None => Ok(()),
            Some(error) => {
                let what = format!("the result could not be written to standard output: {error}");
                Err(Failure::new(Exit::Failed, what).hint("make room, or send it elsewhere"))
            }
        }
    }

    /// Writes text that is not part of the result as it is.
    pub fn print_err(&mut self, text: &str) {
        // As with `note`.
        let _ = self
            .err
            .write_all(text.as_bytes())
            .and_then(|()| self.err.flush());
    }

    /// Writes a line that is not part of the result.
    pub fn note(&mut self, text: impl AsRef<str>) {
        // Where even this cannot be written there is nobody to tell.
        let _ = writeln!(self.err, "{}", text.as_ref());
    }

    /// Writes a table.
    pub fn table(&mut self, table: &Table) {
        let text = table.render(self.colour);
        self.print(&text);
    }

    /// Writes a JSON result: on one line for scripts, spread out for people.
    pub fn value(&mut self, value: &Value) {
        let text = match value {
            Value::String(text) if !self.json => text.clone(),
            value if self.json => value.to_string(),
            value => serde_json::to_string_pretty(value).unwrap_or_default(),
        };
        self.line(text);
    }

    /// Says why a command failed.
    pub fn failure(&mut self, failure: &Failure) {
        if self.json {
            self.note(failure.to_json().to_string());
            return;
        }
        if failure.report {
            self.note(failure.message.trim_end());
            return;
        }
        let error = self.paint("error:", Tone::Bad);
        self.note(format!("{error} {}", failure.message));
        if let Some(whose) = failure.whose() {
            self.note(format!("fault: {whose}"));
        }
        if let Some(hint) = &failure.hint {
            self.note(format!("next:  {hint}"));
        }
    }

    /// Answers a command line that is wrong, or that asks for help.
    pub(super) fn usage(&mut self, error: &clap::Error) -> Exit {
        let text = if self.colour {
            error.render().ansi().to_string()
        } else {
            error.render().to_string()
        };
        if error.use_stderr() {
            self.note(text.trim_end());
            Exit::Usage
        } else {
            self.print(&text);
            Exit::Ok
        }
    }

    /// Text in colour, where colours can be taken.
    pub fn paint(&self, text: &str, tone: Tone) -> String {
        tone.paint(text, self.colour)
    }
}
