//! What a file is that is no ELF file, so that the refusal can say it.

/// What the file looks like by its first bytes.
pub(super) fn name(head: &[u8]) -> &'static str {
    const KNOWN: &[(&[u8], &str)] = &[
        (b"!<arch>\n", "a static library (.a or .rlib)"),
        (b"!<thin>\n", "a thin static library"),
        (b"#!", "a script"),
        (b"/* GNU ld script", "a linker script"),
        (b"MZ", "a Windows library"),
        (b"\xcf\xfa\xed\xfe", "a macOS library"),
        (b"\xce\xfa\xed\xfe", "a macOS library"),
        (b"\xca\xfe\xba\xbe", "a macOS universal library or a Java class"),
        (b"\0asm", "WebAssembly"),
        (b"\x1f\x8b", "gzip data"),
        (b"\x28\xb5\x2f\xfd", "zstd data"),
        (b"\xfd7zXZ", "xz data"),
        (b"PK\x03\x04", "a zip archive"),
        (b"version https://git-lfs", "a Git LFS pointer"),
        (b"<", "a web page or XML"),
    ];
    if let Some((_, name)) = KNOWN.iter().find(|(magic, _)| head.starts_with(magic)) {
        return name;
    }
    if head.iter().all(|&byte| byte == 0) {
        "nothing but zeroes"
    } else if head
        .iter()
        .all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace())
    {
        "text"
    } else {
        "unknown data"
    }
}
