//! What only BuildKit understands. Engines offer it to their own client, over a session that nobody else speaks; here
//! their older builder works, and says of such lines something that helps nobody, or says it after half an hour.

use plugin_api::Error;

/// What to do about it.
const HINT: &str = "build it where the engine is, by its own client (`docker build`, `docker buildx build --load`), and name the \
    image here; or write the Dockerfile without";

/// The options that make a line one for BuildKit.
const OPTIONS: [(&str, &[&str]); 3] = [
    ("RUN", &["--mount", "--network", "--security", "--device"]),
    ("COPY", &["--link", "--chmod", "--parents", "--exclude"]),
    (
        "ADD",
        &[
            "--link",
            "--chmod",
            "--checksum",
            "--keep-git-dir",
            "--exclude",
            "--unpack",
        ],
    ),
];

/// Refuses a Dockerfile that the engine's own builder cannot do.
pub(super) fn refuse(dockerfile: &str) -> Result<(), Error> {
    match first(dockerfile) {
        Some((line, what)) => Err(Error::invalid(format!(
            "line {line} of the Dockerfile has `{what}`, which needs BuildKit"
        ))
        .hint(HINT)),
        None => Ok(()),
    }
}

/// Says so where a build failed that was meant for BuildKit.
pub(super) fn explain(error: Error, dockerfile: Option<&str>) -> Error {
    let frontend = dockerfile.and_then(frontend);
    if let Some(frontend) = frontend {
        return error.hint(format!(
            "its first line asks for {frontend}, a part of BuildKit that this builder does not have: {HINT}"
        ));
    }
    if error.message.to_ascii_lowercase().contains("buildkit") {
        return error.hint(HINT);
    }
    error
}

/// The first line that needs it, and what of it does.
fn first(dockerfile: &str) -> Option<(usize, String)> {
    let escape = directives(dockerfile)
        .find(|(name, _)| name.eq_ignore_ascii_case("escape"))
        .map_or("\\", |(_, value)| value);
    let mut goes_on = false;
    for (index, line) in dockerfile.lines().enumerate() {
        let line = line.trim();
        // Comments and empty lines may stand within an instruction.
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let is_first = !std::mem::replace(&mut goes_on, line.ends_with(escape));
        let mut words = line.split_ascii_whitespace();
        let Some(instruction) = words.next().filter(|_| is_first) else {
            continue;
        };
        let known = OPTIONS
            .iter()
            .find(|(name, _)| instruction.eq_ignore_ascii_case(name));
        let Some((name, options)) = known else { continue };
        for word in words {
            let option = word.split('=').next().unwrap_or(word);
            if options.contains(&option) {
                return Some((index + 1, format!("{name} {option}")));
            }
            if is_heredoc(word) {
                return Some((index + 1, format!("{name} {word}")));
            }
            if !word.starts_with("--") {
                break;
            }
        }
    }
    None
}

/// A text in the Dockerfile itself in the place of a command or a file: `<<EOF`.
fn is_heredoc(word: &str) -> bool {
    let name = word
        .strip_prefix("<<")
        .map(|name| name.strip_prefix('-').unwrap_or(name));
    name.is_some_and(|name| name.starts_with(|first: char| first.is_alphabetic() || "_\"'".contains(first)))
}

/// What `# syntax=` names.
fn frontend(dockerfile: &str) -> Option<&str> {
    directives(dockerfile)
        .find(|(name, _)| name.eq_ignore_ascii_case("syntax"))
        .map(|(_, value)| value)
}

/// The settings at the very beginning, `# name=value`; anything else ends them.
fn directives(dockerfile: &str) -> impl Iterator<Item = (&str, &str)> {
    dockerfile.lines().map_while(|line| {
        let (name, value) = line.trim().strip_prefix('#')?.split_once('=')?;
        let name = name.trim();
        (!name.is_empty() && !name.contains(char::is_whitespace)).then(|| (name, value.trim()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(dockerfile: &str) -> Option<String> {
        refuse(dockerfile).err().map(|error| error.message)
    }

    #[test]
    fn lines_for_buildkit_are_told_before_anything_is_sent() {
        for (dockerfile, line, what) in [
            (
                "FROM a\nRUN --mount=type=cache,target=/x make\n",
                2,
                "RUN --mount",
            ),
            ("FROM a\nrun --network=none make", 2, "RUN --network"),
            ("FROM a\n\nCOPY --from=b --link x /x", 3, "COPY --link"),
            ("FROM a\nADD --checksum=sha256:1 http://x /x", 2, "ADD --checksum"),
            ("FROM a\nRUN <<EOF\nmake\nEOF\n", 2, "RUN <<EOF"),
            ("FROM a\nCOPY <<-'END' /x\nEND\n", 2, "COPY <<-'END'"),
            (
                "# escape=`\nFROM a\nRUN a `\n  b\nRUN --mount=type=tmpfs,target=/t true",
                5,
                "RUN --mount",
            ),
        ] {
            let told = told(dockerfile).unwrap();
            assert!(told.contains(&format!("line {line} of")), "{dockerfile}: {told}");
            assert!(told.contains(&format!("`{what}`")), "{dockerfile}: {told}");
        }
    }

    #[test]
    fn other_lines_are_none_of_its_business() {
        for dockerfile in [
            "# syntax=docker/dockerfile:1\nFROM a\nRUN make --mount=x",
            "FROM a\nCOPY --from=b --chown=1:1 x /x\nRUN make && \\\n  RUN --mount=x\n",
            "FROM a\n# RUN --mount=x\nRUN cat < <(echo x); echo a<<EOF\nENV X=--link\n",
            "",
        ] {
            assert_eq!(told(dockerfile), None, "{dockerfile}");
        }
    }

    #[test]
    fn a_build_that_failed_and_was_meant_for_buildkit_is_explained() {
        let failed = || Error::invalid("unknown instruction: EOF");
        let hint = |dockerfile| explain(failed(), Some(dockerfile)).hint;
        let told = hint("# escape=\\\n# syntax=docker/dockerfile:1.7\nFROM a").unwrap();
        assert!(
            told.contains("docker/dockerfile:1.7") && told.contains("docker build"),
            "{told}"
        );
        assert_eq!(hint("FROM a\n# syntax=docker/dockerfile:1\n"), None);
        let said = Error::invalid("the --mount option requires BuildKit");
        assert!(explain(said, None).hint.is_some());
    }
}
