//! The private copy, which is all that is ever opened.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

use gleitzeit::plugin::stage::Generations;
use system::plugins::plugin;

use crate::elf::Elf;
use crate::yard::{Yard, assert_line, set_mode};

#[test]
fn a_copy_is_named_by_its_content_and_nobody_may_change_it() {
    let yard = Yard::new();
    let path = yard.drop_in("a.so", &Elf::of(&plugin("zoo-good")).0);
    let catalogue = yard.scan();
    let staged = Generations::new(&yard.state())
        .stage(catalogue.get("zoo-good").unwrap().verified())
        .unwrap();
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(staged.copy()), 0o500);
    assert_eq!(mode(staged.copy().parent().unwrap()), 0o700);
    assert_eq!(fs::read(staged.copy()).unwrap(), fs::read(&path).unwrap());
    let inspection = gleitzeit::plugin::inspect(&path).unwrap();
    assert_eq!(staged.hash(), inspection.hash);
    assert_eq!(
        yard.staged(),
        [format!("{}.so", inspection.hash)],
        "and no half-written ones"
    );
}

#[test]
fn equal_contents_share_a_copy() {
    let yard = Yard::new();
    let good = Elf::of(&plugin("zoo-good"));
    let generations = Generations::new(&yard.state());
    let mut copies = Vec::new();
    for name in ["a.so", "b.so"] {
        let path = yard.drop_in(name, &good.0);
        let catalogue = yard.scan();
        let staged = generations
            .stage(catalogue.get("zoo-good").unwrap().verified())
            .unwrap();
        copies.push(staged.copy().to_owned());
        fs::remove_file(path).unwrap();
    }
    assert_eq!(copies[0], copies[1]);
    assert_eq!(yard.staged().len(), 1);
}

#[test]
fn a_damaged_copy_mends_itself() {
    let yard = Yard::new();
    yard.drop_in("a.so", &Elf::of(&plugin("zoo-good")).0);
    let catalogue = yard.scan();
    let verified = catalogue.get("zoo-good").unwrap().verified();
    let generations = Generations::new(&yard.state());
    let copy = generations.stage(verified).unwrap().copy().to_owned();
    set_mode(&copy, 0o600);
    fs::write(&copy, b"damage").unwrap();
    generations.stage(verified).unwrap();
    assert_eq!(fs::read(&copy).unwrap(), fs::read(verified.path()).unwrap());
}

#[test]
fn a_file_replaced_between_the_look_and_the_copy_is_refused() {
    let yard = Yard::new();
    let good = Elf::of(&plugin("zoo-good"));
    yard.drop_in("a.so", &good.0);
    let catalogue = yard.scan();
    let verified = catalogue.get("zoo-good").unwrap().verified();
    yard.drop_in("a.so", &good.clone().edit_manifest("0.1.0", "0.6.6").0);
    let refusal = Generations::new(&yard.state()).stage(verified).unwrap_err();
    assert_line(
        &refusal,
        "FILE: changed while it was being taken in; copy it under another name, then rename it",
    );
    yard.drop_in("a.so", &good.cut(5000).0);
    let refusal = Generations::new(&yard.state()).stage(verified).unwrap_err();
    assert!(refusal.to_string().contains(": truncated: "), "{refusal}");
    assert_eq!(yard.staged(), [""; 0]);
}

#[test]
fn a_file_that_others_may_write_by_now_is_refused() {
    let yard = Yard::new();
    let path = yard.drop_in("a.so", &Elf::of(&plugin("zoo-good")).0);
    let catalogue = yard.scan();
    set_mode(&path, 0o666);
    let verified = catalogue.get("zoo-good").unwrap().verified();
    let refusal = Generations::new(&yard.state()).stage(verified).unwrap_err();
    assert!(
        refusal.to_string().contains("others may write to it"),
        "{refusal}"
    );
}

#[test]
fn a_state_directory_that_cannot_be_is_refused_with_its_name() {
    let yard = Yard::new();
    yard.drop_in("a.so", &Elf::of(&plugin("zoo-good")).0);
    fs::write(yard.state(), b"a file where the directory should be").unwrap();
    let catalogue = yard.scan();
    let verified = catalogue.get("zoo-good").unwrap().verified();
    let refusal = Generations::new(&yard.state()).stage(verified).unwrap_err();
    assert_line(
        &refusal,
        &format!(
            "FILE: cannot be copied to {}: Not a directory (os error 20); make room or permit writing there, or \
             set [host] state_dir",
            yard.state().join("generations").display()
        ),
    );
}

#[test]
fn a_state_directory_below_one_that_others_may_write_is_refused() {
    let yard = Yard::new();
    yard.drop_in("a.so", &Elf::of(&plugin("zoo-good")).0);
    let catalogue = yard.scan();
    let verified = catalogue.get("zoo-good").unwrap().verified();
    fs::create_dir(yard.state()).unwrap();
    set_mode(&yard.state(), 0o777);
    let refusal = Generations::new(&yard.state()).stage(verified).unwrap_err();
    assert!(
        refusal.to_string().contains("others may write to it (mode 0777)"),
        "{refusal}"
    );
}

#[test]
fn copies_that_nobody_has_staged_for_a_day_are_removed() {
    const DAY: Duration = Duration::from_hours(24);
    let yard = Yard::new();
    yard.drop_in("a.so", &Elf::of(&plugin("zoo-good")).0);
    let catalogue = yard.scan();
    let generations = Generations::new(&yard.state());
    let staged = generations
        .stage(catalogue.get("zoo-good").unwrap().verified())
        .unwrap();
    let directory = staged.copy().parent().unwrap();
    let old = format!("{}.so", "0123456789abcdef".repeat(4));
    for (name, age) in [
        (old.as_str(), 2 * DAY),
        (".part-abc", 2 * DAY),
        ("keep.so", 2 * DAY),
        (".part-new", DAY / 2),
    ] {
        let file = fs::File::create(directory.join(name)).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
    }
    generations.sweep();
    assert_eq!(
        yard.staged(),
        [
            ".part-new".to_owned(),
            format!("{}.so", staged.hash()),
            "keep.so".to_owned()
        ]
    );
}
