//! What is refused by the look of the file: its place, its owner, its form.

use std::fs;
use std::os::unix::net::UnixListener;

use system::plugins::plugin;

use crate::elf::Elf;
use crate::yard::{Yard, assert_line, set_mode};

#[test]
fn a_whole_plugin_is_accepted() {
    let yard = Yard::new();
    let path = yard.drop_in("libgood.so", &Elf::of(&plugin("zoo-good")).0);
    let catalogue = yard.scan();
    assert_eq!(catalogue.refusals(), []);
    let entry = catalogue.get("zoo-good").unwrap();
    assert_eq!(entry.verified().path(), path);
    assert_eq!(entry.manifest().hub.as_ref().unwrap().provides, "echo-server");
}

#[test]
fn a_library_cut_anywhere_is_truncated() {
    let good = Elf::of(&plugin("zoo-good"));
    let whole = good.0.len();
    let cuts = (0..18).map(|cut| cut * whole / 18).chain([1, 63, 64, whole - 1]);
    for cut in cuts {
        let yard = Yard::new();
        yard.drop_in("libgood.so", &good.clone().cut(cut).0);
        let refusal = &yard.scan().refusals()[0];
        let line = refusal.to_string();
        assert!(line.contains(": truncated: "), "cut at {cut} of {whole}: {line}");
        assert!(line.contains(&format!("the file at byte {cut};")), "{line}");
    }
}

#[test]
fn the_refusal_of_a_truncated_library_says_what_is_missing_and_what_to_do() {
    let yard = Yard::new();
    yard.drop_in("libgood.so", &Elf::of(&plugin("zoo-good")).cut(20).0);
    yard.refuses(
        "FILE: truncated: its header ends at byte 64, the file at byte 20; copy it again under another name, \
         then rename it",
    );
}

#[test]
fn a_library_whose_tail_was_never_written_is_refused() {
    let yard = Yard::new();
    let mut good = Elf::of(&plugin("zoo-good"));
    let half = good.0.len() / 2;
    good.0[half..].fill(0);
    yard.drop_in("libgood.so", &good.0);
    let catalogue = yard.scan();
    assert_eq!(catalogue.entries().count(), 0);
    assert_eq!(catalogue.refusals().len(), 1);
}

#[test]
fn what_is_not_elf_is_named() {
    let forms: [(&[u8], &str); 5] = [
        (b"!<arch>\nlibgood.o/", "a static library (.a or .rlib)"),
        (b"#!/bin/sh\n", "a script"),
        (b"just some words\n", "text"),
        (&[0; 4096], "nothing but zeroes"),
        (&[0x7f, b'E', b'L', b'G', 1, 2, 3], "unknown data"),
    ];
    for (bytes, found) in forms {
        let yard = Yard::new();
        yard.drop_in("libgood.so", bytes);
        yard.refuses(&format!(
            "FILE: not ELF: found {found}, expected a shared library; build it with crate-type = [\"cdylib\"] \
             and copy the .so"
        ));
    }
}

#[test]
fn a_library_for_another_architecture_is_refused() {
    const S390: u16 = 22;
    let yard = Yard::new();
    yard.drop_in("libgood.so", &Elf::of(&plugin("zoo-good")).set_machine(S390).0);
    let target = plugin_api::manifest::TARGET;
    let here = std::env::consts::ARCH;
    yard.refuses(&format!(
        "FILE: built for another architecture: found s390x, 64 bits, little-endian, expected {here}, 64 bits, \
         little-endian; rebuild it with --target {target}"
    ));
}

#[test]
fn a_library_of_another_width_is_refused() {
    let yard = Yard::new();
    let mut good = Elf::of(&plugin("zoo-good"));
    good.0[4] = 1;
    yard.drop_in("libgood.so", &good.0);
    let line = yard.scan().refusals()[0].to_string();
    let here = std::env::consts::ARCH;
    assert!(
        line.contains(&format!("found {here}, 32 bits, little-endian")),
        "{line}"
    );
}

#[test]
fn a_program_is_no_library() {
    const EXECUTABLE: u16 = 2;
    let yard = Yard::new();
    yard.drop_in("libgood.so", &Elf::of(&plugin("zoo-good")).set_kind(EXECUTABLE).0);
    yard.refuses(
        "FILE: not a shared library: found a program; build it with crate-type = [\"cdylib\"] and copy the .so",
    );
}

#[test]
fn a_file_that_others_may_write_is_refused() {
    for mode in [0o666, 0o664, 0o646] {
        let yard = Yard::new();
        let path = yard.drop_in("libgood.so", &Elf::of(&plugin("zoo-good")).0);
        set_mode(&path, mode);
        yard.refuses(&format!(
            "FILE: others may write to it (mode {mode:04o}); run `chmod go-w` on it"
        ));
    }
}

#[test]
fn a_directory_that_others_may_write_is_not_looked_into() {
    for mode in [0o777, 0o775, 0o1777] {
        let yard = Yard::new();
        yard.drop_in("libgood.so", &Elf::of(&plugin("zoo-good")).0);
        set_mode(&yard.plugins(), mode);
        let catalogue = yard.scan();
        assert_eq!(catalogue.entries().count(), 0);
        let refusals = catalogue.refusals();
        assert_eq!(refusals.len(), 1);
        assert_eq!(refusals[0].path, yard.plugins().canonicalize().unwrap());
        assert_line(
            &refusals[0],
            &format!("FILE: others may write to it (mode {mode:04o}); run `chmod go-w` on it"),
        );
    }
}

#[test]
fn a_directory_below_one_that_others_may_write_is_not_looked_into() {
    let yard = Yard::new();
    let below = yard.plugins().join("below");
    fs::create_dir(&below).unwrap();
    fs::copy(plugin("zoo-good"), below.join("libgood.so")).unwrap();
    set_mode(&below, 0o755);
    set_mode(&yard.plugins(), 0o777);
    let catalogue = gleitzeit::plugin::Catalogue::scan(&[below]);
    assert_eq!(catalogue.entries().count(), 0);
    let refusal = &catalogue.refusals()[0];
    assert_eq!(refusal.path, yard.plugins().canonicalize().unwrap());
}

#[test]
fn a_link_is_followed_to_a_directory_that_must_be_as_safe() {
    let yard = Yard::new();
    let elsewhere = Yard::new();
    let real = elsewhere.drop_in("libgood.so", &Elf::of(&plugin("zoo-good")).0);
    std::os::unix::fs::symlink(&real, yard.plugins().join("linked.so")).unwrap();
    assert!(yard.scan().get("zoo-good").is_some(), "a link to a safe place");
    set_mode(&elsewhere.plugins(), 0o777);
    let catalogue = yard.scan();
    assert!(
        catalogue.get("zoo-good").is_none(),
        "a link to where others may write"
    );
    assert_eq!(
        catalogue.refusals()[0].path,
        elsewhere.plugins().canonicalize().unwrap()
    );
}

#[test]
fn what_is_no_file_is_refused_and_holds_nobody_up() {
    let yard = Yard::new();
    let _socket = UnixListener::bind(yard.plugins().join("socket.so")).unwrap();
    let pipe = yard.plugins().join("pipe.so");
    let made = std::process::Command::new("mkfifo")
        .arg("-m")
        .arg("644")
        .arg(&pipe)
        .status()
        .unwrap();
    assert!(made.success());
    let refusals = yard.scan().refusals();
    assert_eq!(refusals.len(), 2, "{refusals:?}");
    assert_line(
        &refusals[0],
        "FILE: is not a regular file; put the library itself there",
    );
}

#[test]
fn a_link_to_nothing_is_refused() {
    let yard = Yard::new();
    std::os::unix::fs::symlink("nowhere", yard.plugins().join("linked.so")).unwrap();
    yard.refuses(
        "FILE: cannot be read: No such file or directory (os error 2); check that it exists and that this user \
         may read it",
    );
}

#[test]
fn junk_beside_the_plugins_is_passed_over_in_silence() {
    let yard = Yard::new();
    let good = Elf::of(&plugin("zoo-good"));
    let junk = [
        "libgood.so.tmp",
        "libgood.so~",
        ".libgood.so.swp",
        ".libgood.so",
        "libgood.so.part",
        "libgood.dll",
        "README.md",
        "so",
        "libgood.SO",
        "#libgood.so#",
    ];
    for name in junk {
        yard.drop_in(name, &good.0);
    }
    fs::create_dir(yard.plugins().join("directory.so")).unwrap();
    let catalogue = yard.scan();
    assert_eq!(catalogue.refusals(), []);
    assert_eq!(catalogue.entries().count(), 0);
}

#[test]
fn a_directory_that_does_not_exist_holds_no_plugins() {
    let yard = Yard::new();
    let catalogue = gleitzeit::plugin::Catalogue::scan(&[yard.plugins().join("later")]);
    assert_eq!(catalogue.refusals(), []);
}

#[test]
fn a_long_path_still_gives_one_short_line() {
    let yard = Yard::new();
    let name = format!("{}.so", "x".repeat(200));
    yard.drop_in(&name, b"just some words\n");
    let line = yard.scan().refusals()[0].to_string();
    assert!(line.chars().count() < 300, "{line}");
    assert!(line.starts_with("…xxx"), "{line}");
    assert!(line.contains(".so: not ELF"), "{line}");
}
