use std::fs::File;
use std::io::Write;

use proptest::prelude::*;

use super::{Reason, defines, manifest_text};

const MANIFEST: &str = "id = \"tiny\"";

/// The smallest library that passes: a header, one segment, and three sections (none, names, manifest).
fn tiny() -> Vec<u8> {
    const NAMES: &[u8] = b"\0.shstrtab\0.gleitzeit.manifest\0";
    let mut bytes = vec![0; 64];
    bytes[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1, 1]);
    bytes[16] = 3; // a shared library
    bytes[18..20].copy_from_slice(&machine().to_le_bytes());
    bytes[20] = 1;
    put(&mut bytes, 32, 64); // the segment table follows the header
    bytes[52] = 64;
    bytes[54] = 56;
    bytes[56] = 1;
    bytes[58] = 64;
    bytes[60] = 3;
    bytes[62] = 1;
    let mut segment = vec![0; 56];
    segment[0] = 1; // to be loaded
    put(&mut segment, 32, 64);
    put(&mut segment, 40, 64);
    bytes.extend(segment);
    let names = bytes.len();
    bytes.extend(NAMES);
    let manifest = bytes.len();
    bytes.extend(MANIFEST.as_bytes());
    let sections = bytes.len();
    put(&mut bytes, 40, sections);
    bytes.extend([0; 64]);
    bytes.extend(section(1, 3, names, NAMES.len()));
    bytes.extend(section(11, 1, manifest, MANIFEST.len()));
    bytes
}

fn machine() -> u16 {
    if cfg!(target_arch = "aarch64") { 183 } else { 62 }
}

fn section(name: u8, kind: u8, start: usize, size: usize) -> Vec<u8> {
    let mut header = vec![0; 64];
    header[0] = name;
    header[4] = kind;
    put(&mut header, 24, start);
    put(&mut header, 32, size);
    header
}

fn put(bytes: &mut [u8], at: usize, value: usize) {
    bytes[at..at + 8].copy_from_slice(&(value as u64).to_le_bytes());
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

#[test]
fn the_manifest_is_read_from_its_section() {
    assert_eq!(manifest_text(&file(&tiny())), Ok(MANIFEST.to_owned()));
}

#[test]
fn a_library_without_symbols_defines_none() {
    assert_eq!(defines(&file(&tiny()), "anything"), Ok(false));
}

#[test]
fn every_cut_is_noticed() {
    let whole = tiny();
    for length in 0..whole.len() {
        let reason = manifest_text(&file(&whole[..length])).unwrap_err();
        assert!(
            matches!(reason, Reason::Truncated { .. }),
            "cut at {length}: {reason}"
        );
    }
}

#[test]
fn a_library_without_a_section_table_has_no_manifest() {
    let mut bytes = tiny();
    put(&mut bytes, 40, 0);
    assert_eq!(manifest_text(&file(&bytes)), Err(Reason::NoManifest));
}

#[test]
fn sizes_that_overflow_are_damage_and_not_a_panic() {
    for at in [32, 40, 72, 96] {
        let mut bytes = tiny();
        put(&mut bytes, at, usize::MAX);
        let reason = manifest_text(&file(&bytes)).unwrap_err();
        assert!(
            matches!(reason, Reason::Damaged { .. } | Reason::Truncated { .. }),
            "{at}: {reason}"
        );
    }
}

#[test]
fn a_library_that_loads_nothing_is_damaged() {
    let mut bytes = tiny();
    bytes[64] = 0;
    let reason = manifest_text(&file(&bytes)).unwrap_err();
    assert!(matches!(reason, Reason::Damaged { .. }), "{reason}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn whatever_is_in_the_file_is_read_or_refused(
        edits in prop::collection::vec((0usize..400, any::<u8>()), 0..12),
        length in 0usize..500,
    ) {
        let mut bytes = tiny();
        for (at, value) in edits {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        bytes.resize(length.max(1), 0);
        let file = file(&bytes);
        // Neither may panic, nor ask for more memory than the file has bytes.
        let _ = manifest_text(&file);
        let _ = defines(&file, "gleitzeit_plugin_tiny");
    }
}
