//! Mistakes in the settings, all of them at once, each with its place and the way out.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};
use serde_json::{Value, json};

use super::source::{Place, SourceMap};

/// One mistake.
#[derive(Debug, Clone, PartialEq)]
pub struct Mistake {
    /// What is wrong, in one sentence.
    pub message: String,
    /// Where, if it is anywhere.
    pub place: Option<Place>,
    /// What the caret says.
    pub label: String,
    /// What to do.
    pub help: Option<String>,
    /// Whether the text there could not even be parsed.
    pub(super) syntax: bool,
}

impl Mistake {
    /// A mistake that is nowhere in particular until [`at`](Self::at) says so.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            place: None,
            label: String::new(),
            help: None,
            syntax: false,
        }
    }

    /// Says where, and what to write at the caret.
    pub fn at(mut self, place: Option<Place>, label: impl Into<String>) -> Self {
        self.place = place;
        self.label = label.into();
        self
    }

    /// Says what to do.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// All mistakes of one reading, in the order of the texts.
#[derive(Debug, Clone, Default)]
pub struct Diagnostics {
    sources: Arc<SourceMap>,
    mistakes: Vec<Mistake>,
}

impl Diagnostics {
    /// These mistakes, sorted by place; what has no place comes first.
    pub fn new(sources: SourceMap, mut mistakes: Vec<Mistake>) -> Self {
        let sources = Arc::new(sources);
        mistakes.sort_by_key(|mistake| {
            mistake
                .place
                .as_ref()
                .map(|place| (sources.source(place).map(|s| s.name.clone()), place.span().start))
        });
        mistakes.dedup();
        only_the_cause(&sources, &mut mistakes);
        Self { sources, mistakes }
    }

    /// The mistakes.
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.mistakes.is_empty()
    }

    /// For people: every mistake with its line, a caret and a suggestion. `colour` is for terminals; without it
    /// the text is plain ASCII graphics.
    pub fn render(&self, colour: bool, width: usize) -> String {
        let mut theme = GraphicalTheme::unicode();
        if !colour {
            theme = GraphicalTheme::none();
            theme.characters.underbar = '^';
        }
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_width(width)
            .with_links(false)
            .with_context_lines(1)
            .with_break_words(false);
        let mut text = String::new();
        for mistake in &self.mistakes {
            let report = Report {
                mistake,
                source: mistake
                    .place
                    .as_ref()
                    .and_then(|place| self.sources.source(place))
                    .map(|source| NamedSource::new(&source.name, source.shown.clone())),
            };
            if handler.render_report(&mut text, &report).is_err() {
                text.push_str(&mistake.message);
            }
            text.push('\n');
        }
        let count = self.mistakes.len();
        text.push_str(&format!(
            "{count} {}\n",
            if count == 1 { "mistake" } else { "mistakes" }
        ));
        text
    }

    /// For scripts.
    pub fn to_json(&self) -> Value {
        let mistake = |mistake: &Mistake| {
            let place = mistake.place.as_ref();
            let position = place.and_then(|place| self.sources.line_and_column(place));
            json!({
                "message": mistake.message,
                "source": place.and_then(|place| self.sources.source(place)).map(|source| &source.name),
                "line": position.map(|(line, _)| line),
                "column": position.map(|(_, column)| column),
                "help": mistake.help,
            })
        };
        self.mistakes.iter().map(mistake).collect()
    }
}

/// On a line that could not be parsed, everything but the first thing the parser stumbled over is its echo.
fn only_the_cause(sources: &SourceMap, mistakes: &mut Vec<Mistake>) {
    let line = |mistake: &Mistake| {
        let place = mistake.place.as_ref()?;
        let (line, _) = sources.line_and_column(place)?;
        Some((place.source_index(), line))
    };
    let mut broken = BTreeMap::new();
    for (index, mistake) in mistakes.iter().enumerate().filter(|(_, mistake)| mistake.syntax) {
        if let Some(line) = line(mistake) {
            broken.entry(line).or_insert(index);
        }
    }
    let mut index = 0;
    mistakes.retain(|mistake| {
        let cause = line(mistake).and_then(|line| broken.get(&line));
        index += 1;
        cause.is_none_or(|cause| *cause == index - 1)
    });
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.render(false, 100))
    }
}

impl std::error::Error for Diagnostics {}

/// One mistake as miette wants it.
#[derive(Debug)]
struct Report<'a> {
    mistake: &'a Mistake,
    source: Option<NamedSource<String>>,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.mistake.message)
    }
}

impl std::error::Error for Report<'_> {}

impl miette::Diagnostic for Report<'_> {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.mistake
            .help
            .as_ref()
            .map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let text = self.source.as_ref()?.inner();
        let span = self.mistake.place.as_ref()?.span();
        // A caret points at one line: of a longer stretch, at its first.
        let start = span.start.min(text.len());
        let first_line = text
            .get(start..)
            .and_then(|rest| rest.find('\n'))
            .map_or(text.len(), |n| start + n);
        let end = span.end.clamp(start, first_line.max(start));
        let label = Some(self.mistake.label.clone()).filter(|label| !label.is_empty());
        Some(Box::new(std::iter::once(LabeledSpan::new(
            label,
            start,
            end - start,
        ))))
    }
}
