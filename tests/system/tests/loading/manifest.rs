//! What is refused by what a plugin says of itself, before any of it runs.

use system::plugins::plugin;

use crate::elf::Elf;
use crate::yard::Yard;

/// Drops a plugin whose manifest was edited, and checks the refusal.
#[track_caller]
fn edited(from: &str, to: &str, refusal: &str) {
    let yard = Yard::new();
    let good = Elf::of(&plugin("zoo-good"));
    yard.drop_in("libgood.so", &good.edit_manifest(from, to).0);
    yard.refuses(refusal);
}

/// Drops a plugin with another text in place of its manifest, and checks the refusal.
#[track_caller]
fn rewritten(text: &str, refusal: &str) {
    let yard = Yard::new();
    let good = Elf::of(&plugin("zoo-good"));
    yard.drop_in("libgood.so", &good.redirect_manifest(text).0);
    yard.refuses(refusal);
}

/// A manifest that could be accepted, with this in the place of a line.
fn text(line: &str) -> String {
    let build = Elf::of(&plugin("zoo-good")).manifest();
    let build = &build[build.find("[build]").unwrap()..];
    let key = line.split([' ', '=']).next().unwrap();
    let lines = ["id = \"a\"", "version = \"1.0.0\"", "hub = { provides = \"a\" }"];
    let kept = lines
        .into_iter()
        .filter(|kept| !kept.starts_with(&format!("{key} ")));
    let head: Vec<_> = kept.chain([line]).collect();
    format!("{}\n{build}", head.join("\n"))
}

const REBUILD: &str = "correct the manifest and rebuild";

#[test]
fn a_manifest_written_with_nothing_wrong_in_it_is_accepted() {
    let yard = Yard::new();
    let good = Elf::of(&plugin("zoo-good"));
    yard.drop_in("libgood.so", &good.redirect_manifest(&text("id = \"other\"")).0);
    assert!(yard.scan().get("other").is_some(), "{:?}", yard.scan().refusals());
}

#[test]
fn a_library_without_a_manifest_is_no_plugin() {
    let yard = Yard::new();
    yard.drop_in("libgood.so", &Elf::of(&plugin("zoo-good")).rename_manifest().0);
    yard.refuses(
        "FILE: no manifest: section .gleitzeit.manifest is missing; call `export_plugin!` in its lib.rs, and \
         keep the section when stripping",
    );
}

#[test]
fn a_plugin_of_another_major_version_of_the_api_is_refused() {
    edited(
        "api = \"1.1.0\"",
        "api = \"2.0.0\"",
        "FILE: built for plugin API 2.0.0, expected 1.x (this host speaks 1.1.0); set gleitzeit-plugin-api = \
         \"1.1\" in its Cargo.toml and rebuild",
    );
    edited(
        "api = \"1.1.0\"",
        "api = \"0.9.0\"",
        "FILE: built for plugin API 0.9.0, expected 1.x (this host speaks 1.1.0); set gleitzeit-plugin-api = \
         \"1.1\" in its Cargo.toml and rebuild",
    );
}

#[test]
fn a_plugin_for_another_kind_of_system_is_refused() {
    let here = plugin_api::manifest::TARGET;
    let elsewhere = format!("{}?", &here[..here.len() - 1]);
    edited(
        &format!("target = {here:?}"),
        &format!("target = {elsewhere:?}"),
        &format!("FILE: built for target {elsewhere}, expected {here}; rebuild it with --target {here}"),
    );
}

#[test]
fn a_plugin_whose_panics_cannot_be_caught_is_refused() {
    edited(
        "panic = \"unwind\"",
        "panic = \"abort\" ",
        "FILE: built with panic = \"abort\": a panic in it would end this host; set panic = \"unwind\" in its \
         Cargo profile and rebuild",
    );
}

#[test]
fn a_plugin_for_a_better_processor_is_refused() {
    let yard = Yard::new();
    let good = Elf::of(&plugin("zoo-good"));
    let text = good.manifest().replace("cpu = \"", "cpu = \"telepathy ");
    yard.drop_in("libgood.so", &good.redirect_manifest(&text).0);
    yard.refuses(
        "FILE: built for processors with telepathy, which this one does not have; rebuild it without \
         target-cpu=native",
    );
}

#[test]
fn a_plugin_whose_manifest_names_no_entry_of_its_is_refused() {
    edited(
        "entry = \"gleitzeit_plugin_zoo_good\"",
        "entry = \"gleitzeit_plugin_zoo_mood\"",
        "FILE: no entry point: its manifest names `gleitzeit_plugin_zoo_mood`, which it does not export; call \
         `export_plugin!` in its lib.rs, and keep the section when stripping",
    );
}

#[test]
fn a_key_that_nobody_knows_is_a_mistake() {
    rewritten(
        &text("hub = { provides = \"a\", provdes = \"b\" }"),
        &format!("FILE: bad manifest: unknown key `hub.provdes`; {REBUILD}"),
    );
}

#[test]
fn a_key_of_a_newer_api_is_none() {
    let yard = Yard::new();
    let newer = text("hub = { provides = \"a\", invented_later = \"b\" }").replace("\"1.1.0\"", "\"1.2.0\"");
    yard.drop_in(
        "libgood.so",
        &Elf::of(&plugin("zoo-good")).redirect_manifest(&newer).0,
    );
    assert!(yard.scan().get("a").is_some(), "{:?}", yard.scan().refusals());
}

#[test]
fn ids_become_names_of_files_and_are_kept_plain() {
    for id in [
        "",
        "A",
        "1a",
        "-a",
        "a_b",
        "a/b",
        "../a",
        "a b",
        "ä",
        &"a".repeat(41),
    ] {
        rewritten(
            &text(&format!("id = {id:?}")),
            &format!(
                "FILE: bad manifest: id {id:?} must be a lower-case letter, then letters, digits and dashes, at \
                 most 40 in all; {REBUILD}"
            ),
        );
    }
}

#[test]
fn what_every_manifest_must_say_is_asked_for() {
    let cases = [
        (
            "version = \"one\"",
            "version \"one\": unexpected character 'o' while parsing major version number",
        ),
        (
            "hub = { provides = \"\" }",
            "[hub] does not say what it `provides`",
        ),
        (
            "provider = { protocol = \"\" }",
            "[provider] does not name its `protocol`",
        ),
    ];
    for (line, problem) in cases {
        rewritten(&text(line), &format!("FILE: bad manifest: {problem}; {REBUILD}"));
    }
    let neither = text("id = \"a\"").replace("hub = { provides = \"a\" }", "");
    rewritten(
        &neither,
        &format!("FILE: bad manifest: it has neither a [hub] nor a [provider]; {REBUILD}"),
    );
}

#[test]
fn text_that_is_no_manifest_is_refused_in_one_line() {
    rewritten(
        "id = \"a\"\nversion = \"1.0.0\"\n",
        &format!("FILE: bad manifest: it has no [build] table, which `export_plugin!` adds; {REBUILD}"),
    );
    let line = |text: &str| {
        let yard = Yard::new();
        yard.drop_in(
            "libgood.so",
            &Elf::of(&plugin("zoo-good")).redirect_manifest(text).0,
        );
        let line = yard.scan().refusals()[0].to_string();
        assert!(!line.contains('\n') && line.chars().count() <= 400, "{line}");
        line
    };
    assert!(line("id = \n\n= [[").contains(": bad manifest: "));
    assert!(line("").contains("it has no [build] table"));
    assert!(line(&text("id = 7")).contains(": bad manifest: "));
    let endless = format!("id = \"{}\"", "x\u{1b}[2J\n".repeat(1000));
    assert!(line(&endless).contains(": bad manifest: "));
}

#[test]
fn a_manifest_that_is_no_text_is_refused() {
    let yard = Yard::new();
    let mut good = Elf::of(&plugin("zoo-good")).redirect_manifest("id = \"a?\"");
    let last = good.0.len() - 2;
    good.0[last] = 0xff;
    yard.drop_in("libgood.so", &good.0);
    yard.refuses(&format!("FILE: bad manifest: not UTF-8 at byte 7; {REBUILD}"));
}
