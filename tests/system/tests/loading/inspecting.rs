//! Looking at a plugin without running it.

use gleitzeit::plugin::inspect;
use system::plugins::plugin;

use crate::elf::Elf;
use crate::yard::{Yard, set_mode};

#[test]
fn a_manifest_is_read_with_the_facts_of_the_build() {
    let inspection = inspect(&plugin("zoo-good")).unwrap();
    assert_eq!(inspection.manifest.id, "zoo-good");
    let build = inspection.manifest.build.unwrap();
    assert_eq!(build.api, plugin_api::manifest::API_VERSION);
    assert_eq!(build.target, plugin_api::manifest::TARGET);
    assert_eq!(build.panic, "unwind");
    assert!(build.rustc.starts_with("rustc "), "{}", build.rustc);
    assert!(
        inspection.text.starts_with("id = \"zoo-good\"\n"),
        "as the author wrote it"
    );
}

#[test]
fn equal_contents_have_equal_hashes() {
    let yard = Yard::new();
    let good = Elf::of(&plugin("zoo-good"));
    let one = inspect(&yard.drop_in("a.so", &good.0)).unwrap();
    let two = inspect(&yard.drop_in("b.so", &good.0)).unwrap();
    let three = inspect(&yard.drop_in("c.so", &good.edit_manifest("0.1.0", "0.1.1").0)).unwrap();
    assert_eq!(one.hash, two.hash);
    assert_ne!(one.hash, three.hash);
}

#[test]
fn a_file_that_others_may_change_is_shown_with_a_warning() {
    let yard = Yard::new();
    let path = yard.drop_in("a.so", &Elf::of(&plugin("zoo-good")).0);
    assert_eq!(inspect(&path).unwrap().concern, None);
    set_mode(&path, 0o666);
    let concern = inspect(&path).unwrap().concern.unwrap();
    assert!(
        concern.contains("others may write to it (mode 0666)"),
        "{concern}"
    );
}

#[test]
fn nothing_of_the_file_runs() {
    let yard = Yard::new();
    let path = yard.drop_in("a.so", &Elf::of(&plugin("zoo-constructor")).0);
    inspect(&path).unwrap();
    assert!(!path.with_extension("so.opened").exists());
}
