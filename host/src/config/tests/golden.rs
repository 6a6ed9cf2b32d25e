//! Broken files and what is said about each.
//!
//! `golden/NAME.toml` is the file, `golden/NAME.txt` what `gleitzeit check` says. After a deliberate change of
//! words, `GLEITZEIT_BLESS=1 cargo test` writes the new ones, to be read before they are committed.

use std::path::Path;

use super::fixture;

#[test]
fn every_broken_file_is_explained_as_the_golden_text_has_it() {
    let bless = std::env::var_os("GLEITZEIT_BLESS").is_some();
    let mut wrong = Vec::new();
    let mut count = 0;
    for (name, text) in broken_files() {
        let said = fixture::file(&text).variable("EMPTY", " ").mistakes();
        let golden = directory().join(format!("{name}.txt"));
        if bless {
            std::fs::write(&golden, &said).unwrap();
        }
        let expected = std::fs::read_to_string(&golden).unwrap_or_default();
        if said != expected {
            wrong.push(format!("{name}: expected\n{expected}\nbut said\n{said}"));
        }
        count += 1;
    }
    assert!(count >= 30, "only {count} broken files were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_mistake_has_a_line_a_column_a_caret_and_a_way_out() {
    for (name, text) in broken_files() {
        let mistakes = fixture::file(&text).variable("EMPTY", " ").load().unwrap_err();
        for mistake in mistakes.to_json().as_array().unwrap() {
            assert!(
                mistake["line"].is_u64() && mistake["column"].is_u64(),
                "{name}: no place in {mistake}"
            );
        }
        let count = mistakes.mistakes().len();
        let shown = mistakes.render(false, 400);
        assert_eq!(shown.matches("plugins.toml:").count(), count, "{name}: {shown}");
        let carets = shown
            .lines()
            .filter(|line| line.trim_start().starts_with(':') && line.contains('^'));
        assert_eq!(carets.count(), count, "{name}: {shown}");
        for mistake in mistakes.mistakes() {
            let says_what_is_right = mistake.message.contains(" must be ");
            assert!(
                mistake.help.is_some() || says_what_is_right,
                "{name}: no way out of {mistake:?}"
            );
        }
    }
}

fn directory() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/config/tests/golden"))
}

fn broken_files() -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(directory())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}
