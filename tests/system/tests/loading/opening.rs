//! From a private copy to code in this process.

use std::fs;

use system::plugins::plugin;

use crate::elf::Elf;
use crate::yard::{Yard, assert_line};

#[tokio::test]
async fn a_good_plugin_is_loaded() {
    let yard = Yard::new();
    let path = yard.drop_in("a.so", &Elf::of(&plugin("zoo-good")).0);
    let library = yard.load("zoo-good").await.unwrap();
    assert_eq!(library.manifest().id, "zoo-good");
    assert_eq!(library.origin(), path);
    assert_eq!(yard.staged(), [format!("{}.so", library.hash())]);
    assert!(!yard.state().join("zoo-good.starting").exists(), "it came back");
}

#[tokio::test]
async fn the_same_content_is_opened_once() {
    let yard = Yard::new();
    yard.drop_in("a.so", &Elf::of(&plugin("zoo-good")).0);
    let catalogue = yard.scan();
    let loader = yard.loader();
    let entry = catalogue.get("zoo-good").unwrap();
    let (one, two) = tokio::join!(loader.load(entry), loader.load(entry));
    assert!(std::sync::Arc::ptr_eq(&one.unwrap(), &two.unwrap()));
}

#[tokio::test]
async fn two_plugins_do_not_get_in_each_others_way() {
    let yard = Yard::new();
    yard.drop_in("a.so", &Elf::of(&plugin("zoo-good")).0);
    yard.drop_in("b.so", &Elf::of(&plugin("zoo-misbehaves")).0);
    let catalogue = yard.scan();
    let loader = yard.loader();
    let mut ids = Vec::new();
    for (_, entry) in catalogue.entries() {
        ids.push(loader.load(entry).await.unwrap().manifest().id.clone());
    }
    assert_eq!(ids, ["zoo-good", "zoo-misbehaves"]);
}

#[tokio::test]
async fn a_new_version_under_the_old_name_is_the_new_version() {
    let yard = Yard::new();
    let good = Elf::of(&plugin("zoo-good"));
    yard.drop_in("a.so", &good.0);
    let loader = yard.loader();
    let old = loader.load(yard.scan().get("zoo-good").unwrap()).await.unwrap();
    let new = yard.drop_in("a.so.new", &good.edit_manifest("0.1.0", "0.2.0").0);
    fs::rename(new, yard.plugins().join("a.so")).unwrap();
    let new = loader.load(yard.scan().get("zoo-good").unwrap()).await.unwrap();
    assert_eq!(old.manifest().version, "0.1.0");
    assert_eq!(new.manifest().version, "0.2.0");
    assert_eq!(
        text_of(&old),
        ("0.1.0".into(), "0.1.0".into()),
        "the old code is still there"
    );
    assert_eq!(
        text_of(&new),
        ("0.2.0".into(), "0.2.0".into()),
        "and the new code is new"
    );
}

#[tokio::test]
async fn a_loaded_plugin_outlives_its_file() {
    let yard = Yard::new();
    let path = yard.drop_in("a.so", &Elf::of(&plugin("zoo-good")).0);
    let library = yard.load("zoo-good").await.unwrap();
    fs::write(&path, b"overwritten in place").unwrap();
    assert_eq!(text_of(&library).0, "0.1.0");
    fs::write(&path, b"").unwrap();
    assert_eq!(text_of(&library).0, "0.1.0");
    fs::remove_file(&path).unwrap();
    assert_eq!(text_of(&library).0, "0.1.0");
}

/// The version according to the code that runs, and according to the host.
fn text_of(library: &gleitzeit::plugin::Library) -> (String, String) {
    let text = (library.module().manifest())();
    let line = text.lines().find(|line| line.starts_with("version")).unwrap();
    let version = line.split('"').nth(1).unwrap().to_owned();
    (version, library.manifest().version.clone())
}

#[tokio::test]
async fn an_undefined_symbol_is_named_before_anything_runs() {
    let yard = Yard::new();
    yard.drop_in("a.so", &Elf::of(&plugin("zoo-undefined")).0);
    let refusal = yard.load("zoo-undefined").await.unwrap_err();
    assert_line(
        &refusal,
        "FILE: undefined symbol: gleitzeit_zoo_nobody_defines_this; link the library that defines it, and rebuild",
    );
    assert_eq!(refusal.plugin.as_deref(), Some("zoo-undefined"));
}

#[tokio::test]
async fn code_that_reports_another_manifest_is_refused() {
    let yard = Yard::new();
    let good = Elf::of(&plugin("zoo-good"));
    let text = good.manifest().replace("0.1.0", "9.9.9");
    yard.drop_in("a.so", &good.redirect_manifest(&text).0);
    let refusal = yard.load("zoo-good").await.unwrap_err();
    assert_line(
        &refusal,
        "FILE: its code reports another manifest than section .gleitzeit.manifest holds; rebuild it from clean \
         sources",
    );
}

#[tokio::test]
async fn constructors_of_a_plugin_run_when_it_is_opened_and_not_before() {
    let yard = Yard::new();
    yard.drop_in("a.so", &Elf::of(&plugin("zoo-constructor")).0);
    yard.scan();
    assert_eq!(yard.staged(), [""; 0], "a scan stages nothing");
    yard.load("zoo-constructor").await.unwrap();
    let traces = yard
        .staged()
        .iter()
        .filter(|name| name.ends_with(".opened"))
        .count();
    assert_eq!(traces, 1, "the trace that this plugin leaves can be seen");
}

#[tokio::test]
async fn a_refused_plugin_has_run_no_instruction() {
    for (from, to) in [
        ("api = \"1.1.0\"", "api = \"2.1.0\""),
        ("panic = \"unwind\"", "panic = \"abort\" "),
        ("entry = \"gleitzeit_", "entry = \"hleitzeit_"),
    ] {
        let yard = Yard::new();
        let path = yard.drop_in(
            "a.so",
            &Elf::of(&plugin("zoo-constructor")).edit_manifest(from, to).0,
        );
        let catalogue = yard.scan();
        assert!(catalogue.get("zoo-constructor").is_none());
        assert_eq!(yard.staged(), [""; 0]);
        assert!(!path.with_extension("so.opened").exists());
    }
}
