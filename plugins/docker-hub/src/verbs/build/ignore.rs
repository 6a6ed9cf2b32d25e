//! `.dockerignore`: what of a directory is not sent to be built from, by the rules of Docker's own client.
//!
//! Each line is a pattern, `#` begins a comment, and `!` an exception; the last line that fits decides. A pattern is held
//! against the whole path, and what is in a directory goes with it. `*` and `?` stay within one name, `**` does not,
//! `[…]` is one of several characters, and `\` takes the next one as it is.

use plugin_api::Error;

/// The patterns of a `.dockerignore`.
#[derive(Debug, Default)]
pub(super) struct Ignore {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    is_exception: bool,
    pattern: Vec<Token>,
}

/// A part of a pattern.
#[derive(Debug, Clone, PartialEq)]
enum Token {
    /// This character.
    Only(char),
    /// `?`: any but a slash.
    One,
    /// `*`: any number of those.
    Many,
    /// `[…]`: one of these, or none of these.
    Class { not: bool, ranges: Vec<(char, char)> },
    /// `**` at the end: anything.
    Anything,
    /// `**` before something: nothing, or what [`Directories`](Self::Directories) is.
    MaybeDirectories,
    /// Anything that ends with a slash. Always behind the one above.
    Directories,
}

impl Ignore {
    /// # Errors
    /// A line is no pattern.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut rules = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let pattern = line.trim();
            if line.starts_with('#') || pattern.is_empty() {
                continue;
            }
            let exception = pattern.strip_prefix('!').map(str::trim);
            let pattern = clean(exception.unwrap_or(pattern));
            let wrong = || {
                Error::invalid(format!(
                    "line {} of .dockerignore is no pattern: {line}",
                    index + 1
                ))
            };
            if exception == Some("") {
                return Err(wrong());
            }
            rules.push(Rule {
                is_exception: exception.is_some(),
                pattern: compile(&pattern).ok_or_else(wrong)?,
            });
        }
        Ok(Self { rules })
    }

    /// Whether a path below the directory is left out. It is written with slashes, without one at its beginning or end.
    pub(super) fn excludes(&self, path: &str) -> bool {
        let mut is_out = false;
        for rule in &self.rules {
            // A line that would change nothing need not be looked at.
            if rule.is_exception == is_out && with_parents(path).any(|path| fits(&rule.pattern, path)) {
                is_out = !rule.is_exception;
            }
        }
        is_out
    }

    /// Whether something in a directory that is left out may be taken all the same.
    pub(super) fn has_exceptions(&self) -> bool {
        self.rules.iter().any(|rule| rule.is_exception)
    }
}

/// A path, and those of the directories it is in.
fn with_parents(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| path.rsplit_once('/').map(|(parent, _)| parent))
}

/// The shortest path that leads to the same place, without a slash at its beginning.
fn clean(pattern: &str) -> String {
    let is_absolute = pattern.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in pattern.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            ".." if is_absolute => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn compile(pattern: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = pattern.chars().peekable();
    while let Some(next) = rest.next() {
        match next {
            '*' if rest.next_if_eq(&'*').is_some() => {
                rest.next_if_eq(&'/');
                if rest.peek().is_none() {
                    tokens.push(Token::Anything);
                } else {
                    tokens.extend([Token::MaybeDirectories, Token::Directories]);
                }
            }
            '*' => tokens.push(Token::Many),
            '?' => tokens.push(Token::One),
            '\\' => tokens.push(Token::Only(rest.next()?)),
            '[' => tokens.push(class(&mut rest)?),
            next => tokens.push(Token::Only(next)),
        }
    }
    Some(tokens)
}

/// The rest of a `[…]`.
fn class(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Token> {
    let not = rest.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    let one = |rest: &mut std::iter::Peekable<std::str::Chars<'_>>| match rest.next()? {
        '\\' => rest.next(),
        '-' | ']' => None,
        other => Some(other),
    };
    while rest.next_if_eq(&']').is_none() {
        let from = one(rest)?;
        let to = if rest.next_if_eq(&'-').is_some() {
            one(rest)?
        } else {
            from
        };
        ranges.push((from, to));
    }
    (!ranges.is_empty()).then_some(Token::Class { not, ranges })
}

/// Whether a pattern fits the whole of a path. All ways through the pattern are taken at once, so that none costs more than
/// its length times the path's.
fn fits(pattern: &[Token], path: &str) -> bool {
    let mut places = vec![false; pattern.len() + 1];
    enter(pattern, &mut places, 0);
    for next in path.chars() {
        let mut after = vec![false; pattern.len() + 1];
        for (at, token) in pattern.iter().enumerate().filter(|(at, _)| places[*at]) {
            let (stays, goes_on) = match token {
                Token::Only(only) => (false, *only == next),
                Token::One => (false, next != '/'),
                Token::Many => (next != '/', false),
                Token::Class { not, ranges } => {
                    let is_in = ranges.iter().any(|(from, to)| (*from..=*to).contains(&next));
                    (false, is_in != *not)
                }
                Token::Anything => (true, false),
                Token::MaybeDirectories => (false, false),
                Token::Directories => (true, next == '/'),
            };
            if stays {
                enter(pattern, &mut after, at);
            }
            if goes_on {
                enter(pattern, &mut after, at + 1);
            }
        }
        places = after;
    }
    places[pattern.len()]
}

/// Marks a place in a pattern, and those that are reached from it by nothing at all.
fn enter(pattern: &[Token], places: &mut [bool], at: usize) {
    if std::mem::replace(&mut places[at], true) {
        return;
    }
    match pattern.get(at) {
        Some(Token::Many | Token::Anything) => enter(pattern, places, at + 1),
        Some(Token::MaybeDirectories) => {
            enter(pattern, places, at + 1);
            enter(pattern, places, at + 2);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_out<'a>(text: &str, paths: &[&'a str]) -> Vec<&'a str> {
        let ignore = Ignore::parse(text).unwrap();
        paths
            .iter()
            .copied()
            .filter(|path| ignore.excludes(path))
            .collect()
    }

    #[test]
    fn a_pattern_is_of_the_whole_path_and_takes_what_is_in_a_directory_with_it() {
        let paths = [
            "target",
            "target/debug/x",
            "src/target",
            "targets",
            "a.log",
            "src/a.log",
        ];
        assert_eq!(left_out("target\n", &paths), ["target", "target/debug/x"]);
        assert_eq!(left_out("/target/\n", &paths), ["target", "target/debug/x"]);
        assert_eq!(left_out("./src/../target", &paths), ["target", "target/debug/x"]);
        assert_eq!(left_out("*.log", &paths), ["a.log"]);
        assert_eq!(left_out("*/*.log", &paths), ["src/a.log"]);
        assert_eq!(left_out("src/a.???", &paths), ["src/a.log"]);
    }

    #[test]
    fn two_asterisks_are_any_number_of_directories() {
        let paths = ["a.log", "x/a.log", "x/y/a.log", "x", "x/b", "xa.log"];
        assert_eq!(left_out("**/a.log", &paths), ["a.log", "x/a.log", "x/y/a.log"]);
        assert_eq!(
            left_out("**/*.log", &paths),
            ["a.log", "x/a.log", "x/y/a.log", "xa.log"]
        );
        assert_eq!(left_out("x/**", &paths), ["x/a.log", "x/y/a.log", "x/b"]);
        assert_eq!(left_out("x/**/a.log", &paths), ["x/a.log", "x/y/a.log"]);
        assert_eq!(left_out("x**a.log", &paths), ["x/a.log", "x/y/a.log", "xa.log"]);
        assert_eq!(left_out("**", &paths), paths);
    }

    #[test]
    fn the_last_line_that_fits_decides() {
        let paths = [
            "README.md",
            "README-secret.md",
            "doc/a.md",
            "doc/keep/b.md",
            "main.rs",
        ];
        let text = "*.md\n!README*.md\nREADME-secret.md\n";
        assert_eq!(left_out(text, &paths), ["README-secret.md"]);
        let text = "README-secret.md\n*.md\n!README*.md\n";
        assert_eq!(left_out(text, &paths), [""; 0]);
        assert_eq!(left_out("doc\n!doc/keep\n", &paths), ["doc/a.md"]);
        assert_eq!(left_out("**\n!*.rs\n", &paths), &paths[..4]);
    }

    #[test]
    fn comments_blanks_and_odd_characters_are_read_as_docker_reads_them() {
        let paths = ["#x", "x", "a b", "[x]", "+x", "c1", "c5", "d"];
        assert_eq!(left_out("\u{feff}# a comment\n\n   x  \n", &paths), ["x"]);
        // A comment begins at the very beginning.
        assert_eq!(left_out("  #x", &paths), ["#x"]);
        assert_eq!(left_out("\\#x", &paths), ["#x"]);
        assert_eq!(left_out("a b", &paths), ["a b"]);
        assert_eq!(left_out("\\[x\\]", &paths), ["[x]"]);
        assert_eq!(left_out("+x", &paths), ["+x"]);
        assert_eq!(left_out("c[0-4]", &paths), ["c1"]);
        assert_eq!(left_out("c[^0-4]", &paths), ["c5"]);
    }

    #[test]
    fn what_is_no_pattern_is_told_with_its_line() {
        for text in ["a\n!\n", "a\n[b\n", "a\nb\\\n", "a\n[]\n", "a\n[-]\n"] {
            let error = Ignore::parse(text).unwrap_err();
            assert!(error.message.contains("line 2"), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_pattern_full_of_asterisks_costs_no_more_than_others() {
        let ignore = Ignore::parse(&"**/a*".repeat(40)).unwrap();
        assert!(!ignore.excludes(&"a".repeat(4000)));
    }
}
