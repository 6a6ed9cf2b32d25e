//! What the kit found.

use std::fmt;

/// What the kit found: every check by its sentence, with what speaks against it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The checks in the order they were made.
    pub checks: Vec<Check>,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What should hold.
    pub sentence: &'static str,
    /// What speaks against it; empty where it holds.
    pub problems: Vec<String>,
}

impl Report {
    /// Whether everything holds.
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.problems.is_empty())
    }

    /// Fails the test unless everything holds.
    ///
    /// # Panics
    /// Something does not; the message is the whole report.
    pub fn assert(&self) {
        assert!(self.passed(), "the plugin does not conform:\n{self}");
    }

    /// Whether this check was made and does not hold.
    pub fn fails(&self, sentence: &str) -> bool {
        let mut checks = self.checks.iter();
        checks.any(|check| check.sentence == sentence && !check.problems.is_empty())
    }

    /// Records that something holds unless one of these speaks against it.
    pub(super) fn check(&mut self, sentence: &'static str, problems: impl IntoIterator<Item = String>) {
        let problems = problems.into_iter().collect();
        self.checks.push(Check { sentence, problems });
    }

    pub(super) fn failed(&mut self, sentence: &'static str, problem: impl fmt::Display) {
        self.check(sentence, [problem.to_string()]);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for check in &self.checks {
            if check.problems.is_empty() {
                writeln!(formatter, "  ok      {}", check.sentence)?;
            } else {
                writeln!(formatter, "  FAILED  {}", check.sentence)?;
            }
            for problem in &check.problems {
                writeln!(formatter, "          - {problem}")?;
            }
        }
        Ok(())
    }
}
