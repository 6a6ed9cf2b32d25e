//! Tables for people: plain columns, a tone for each row.

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, ContentArrangement};

/// What a row or a word says at a glance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Nothing in particular.
    Plain,
    /// All is well.
    Good,
    /// Worth a look.
    Warning,
    /// Needs somebody.
    Bad,
    /// Of less interest.
    Faint,
}

impl Tone {
    /// Text in this tone's colour, or as it is.
    pub fn paint(self, text: &str, colour: bool) -> String {
        let code = match self {
            Tone::Plain => return text.to_owned(),
            Tone::Good => "32",
            Tone::Warning => "33",
            Tone::Bad => "31",
            Tone::Faint => "2",
        };
        if colour {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

/// A table. A row is one line, however wide: lines that are cut or wrapped cannot be searched.
#[derive(Debug)]
pub struct Table {
    table: comfy_table::Table,
    tones: Vec<Tone>,
}

impl Table {
    /// An empty table. A heading that begins with `>` has its column aligned to the right.
    pub fn new(headings: &[&str]) -> Self {
        let mut table = comfy_table::Table::new();
        table
            .load_style(NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header(
                headings
                    .iter()
                    .map(|heading| Cell::new(heading.trim_start_matches('>'))),
            );
        for (index, heading) in headings.iter().enumerate() {
            if let Some(column) = table.column_mut(index) {
                column.set_padding((0, 2));
                if heading.starts_with('>') {
                    column.set_cell_alignment(CellAlignment::Right);
                }
            }
        }
        Self {
            table,
            tones: Vec::new(),
        }
    }

    /// Adds a row. What comes from elsewhere is made fit for one line of a terminal.
    pub fn row(&mut self, tone: Tone, cells: impl IntoIterator<Item = String>) {
        self.table
            .add_row(cells.into_iter().map(|cell| Cell::new(one_line(&cell))));
        self.tones.push(tone);
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.tones.is_empty()
    }

    /// As text, each row a line.
    pub fn render(&self, colour: bool) -> String {
        let tones = std::iter::once(Tone::Faint).chain(self.tones.iter().copied());
        let lines = self.table.lines().zip(tones);
        lines
            .map(|(line, tone)| tone.paint(line.trim_end(), colour) + "\n")
            .collect()
    }
}

/// Text without line breaks and without control characters: what a server sends must not move the cursor.
pub(super) fn one_line(text: &str) -> String {
    let clean: String = text
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !c.is_control())
        .collect();
    clean.trim().to_owned()
}
