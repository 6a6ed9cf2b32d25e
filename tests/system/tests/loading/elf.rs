//! Libraries with a fault put into them: enough of ELF to change one thing and leave the rest.

use std::ops::Range;

/// A library as bytes. All positions are those of the 64-bit, little-endian form.
#[derive(Clone)]
pub(crate) struct Elf(pub(crate) Vec<u8>);

impl Elf {
    pub(crate) fn of(path: &std::path::Path) -> Self {
        Self(std::fs::read(path).unwrap())
    }

    /// The machine in the header.
    pub(crate) fn set_machine(mut self, machine: u16) -> Self {
        self.0[18..20].copy_from_slice(&machine.to_le_bytes());
        self
    }

    /// The kind of file in the header.
    pub(crate) fn set_kind(mut self, kind: u16) -> Self {
        self.0[16..18].copy_from_slice(&kind.to_le_bytes());
        self
    }

    /// Its first so many bytes.
    pub(crate) fn cut(mut self, length: usize) -> Self {
        self.0.truncate(length);
        self
    }

    pub(crate) fn manifest(&self) -> String {
        String::from_utf8(self.0[self.manifest_range()].to_vec()).unwrap()
    }

    /// Replaces something in the manifest by something as long, where the code reads it too.
    pub(crate) fn edit_manifest(mut self, from: &str, to: &str) -> Self {
        assert_eq!(from.len(), to.len(), "the section has no room for more");
        let text = self.manifest();
        assert_eq!(text.matches(from).count(), 1, "{from:?} in {text}");
        let range = self.manifest_range();
        self.0[range].copy_from_slice(text.replace(from, to).as_bytes());
        self
    }

    /// Gives the section another text, at the end of the file, so that the code still has the old one.
    pub(crate) fn redirect_manifest(mut self, text: &str) -> Self {
        let header = self.manifest_header();
        let start = self.0.len();
        self.0.extend_from_slice(text.as_bytes());
        self.put(header + 24, start);
        self.put(header + 32, text.len());
        self
    }

    /// Lets the section go by another name.
    pub(crate) fn rename_manifest(mut self) -> Self {
        let name = self.name_of(self.manifest_header());
        self.0[name] = b'_';
        self
    }

    fn manifest_range(&self) -> Range<usize> {
        let header = self.manifest_header();
        let start = self.get(header + 24);
        start..start + self.get(header + 32)
    }

    /// Where the section header of the manifest stands.
    fn manifest_header(&self) -> usize {
        const NAME: &[u8] = b".gleitzeit.manifest\0";
        (0..self.half(60))
            .map(|index| self.section(index))
            .find(|&header| self.0[self.name_of(header)..].starts_with(NAME))
            .expect("every zoo plugin has a manifest")
    }

    fn name_of(&self, header: usize) -> usize {
        let strings = self.get(self.section(self.half(62)) + 24);
        strings + self.word(header)
    }

    fn section(&self, index: usize) -> usize {
        self.get(40) + index * self.half(58)
    }

    fn half(&self, at: usize) -> usize {
        usize::from(u16::from_le_bytes([self.0[at], self.0[at + 1]]))
    }

    fn word(&self, at: usize) -> usize {
        u32::from_le_bytes(self.0[at..at + 4].try_into().unwrap()) as usize
    }

    fn get(&self, at: usize) -> usize {
        usize::try_from(u64::from_le_bytes(self.0[at..at + 8].try_into().unwrap())).unwrap()
    }

    fn put(&mut self, at: usize, value: usize) {
        self.0[at..at + 8].copy_from_slice(&(value as u64).to_le_bytes());
    }
}
