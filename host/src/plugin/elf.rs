//! A look at a plugin file that trusts nothing in it and runs nothing of it.
//!
//! The system's loader maps a file before it has seen the end of it, so a truncated library kills the process
//! with SIGBUS instead of failing. And whatever is decided after `dlopen` is decided too late: constructors have
//! run. Hence this check of our own, which also fetches the manifest's text and looks for the way in.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use object::elf::{self, FileHeader64, PT_LOAD, SHT_DYNSYM};
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader, SectionTable, Sym};
use object::read::{ReadCache, ReadRef};
use object::{NativeEndian, U16};
use plugin_api::manifest::SECTION;

use self::machine::Machine;
use super::refusal::Reason;

mod lookalike;
mod machine;
#[cfg(test)]
mod tests;

/// No manifest is longer; a section that claims to be is damage or mischief.
const MAX_MANIFEST: u64 = 4 << 20;

/// How long the header is that every ELF file of 64 bits begins with.
const HEADER: u64 = 64;

type Header = FileHeader64<NativeEndian>;
type Cache<'a> = &'a ReadCache<&'a File>;
type Sections<'a> = SectionTable<'a, Header, Cache<'a>>;

/// Reads a file's manifest text, once everything the loader will touch is known to be in the file.
///
/// Moves the file's position; blocks on the disk; reads the tables and the manifest, not the code.
///
/// # Errors
/// The file is cut off, damaged, no shared library of this machine, or no plugin.
pub(super) fn manifest_text(file: &File) -> Result<String, Reason> {
    let length = file.metadata().map_err(|error| Reason::unreadable(&error))?.len();
    identify(file, length)?;
    let cache = ReadCache::new(file);
    let header = Header::parse(&cache).map_err(|_| damaged("its header"))?;
    segments_inside(header, &cache, length)?;
    let sections = sections_inside(header, &cache, length)?;
    manifest_section(&sections, &cache)
}

/// Whether the library defines this symbol for others. Asked about the entry that the manifest names, so that a
/// library without one is refused before anything of it has run.
///
/// Called after [`manifest_text`] found the file in order; as that, it blocks on the disk.
///
/// # Errors
/// The symbol table is damaged.
pub(super) fn defines(file: &File, symbol: &str) -> Result<bool, Reason> {
    let cache = ReadCache::new(file);
    let header = Header::parse(&cache).map_err(|_| damaged("its header"))?;
    let symbols = header
        .sections(NativeEndian, &cache)
        .and_then(|sections| sections.symbols(NativeEndian, &cache, SHT_DYNSYM))
        .map_err(|_| damaged("the symbol table"))?;
    Ok(symbols
        .iter()
        .filter(|found| found.is_definition(NativeEndian, symbols.strings()))
        .any(|found| found.name(NativeEndian, symbols.strings()) == Ok(symbol.as_bytes())))
}

/// Decides by the first bytes what the file is.
fn identify(mut file: &File, length: u64) -> Result<(), Reason> {
    let mut head = Vec::new();
    file.seek(SeekFrom::Start(0))
        .and_then(|_| file.take(HEADER).read_to_end(&mut head))
        .map_err(|error| Reason::unreadable(&error))?;
    // The beginning of the magic number is the very beginning of a library, not something else.
    if !head.starts_with(&elf::ELFMAG) && !elf::ELFMAG.starts_with(&head) {
        return Err(Reason::NotElf {
            found: lookalike::name(&head),
        });
    }
    let Ok(head) = <[u8; HEADER as usize]>::try_from(head) else {
        return Err(truncated("its header", HEADER, length));
    };
    let found = Machine::of(&head);
    if found != Machine::HERE {
        return Err(Reason::Architecture {
            found: found.to_string(),
            expected: Machine::HERE.to_string(),
        });
    }
    let kind = elf::FileType(U16::<NativeEndian>::from_bytes([head[16], head[17]]).get(NativeEndian));
    let found = match kind {
        elf::ET_DYN => return Ok(()),
        elf::ET_REL => "an object file",
        elf::ET_EXEC => "a program",
        elf::ET_CORE => "a core dump",
        _ => "an unknown kind of ELF file",
    };
    Err(Reason::NotShared { found })
}

/// Everything that the loader will map is in the file.
fn segments_inside(header: &Header, cache: Cache<'_>, length: u64) -> Result<(), Reason> {
    let table = u64::from(header.e_phentsize.get(NativeEndian)) * u64::from(header.e_phnum.get(NativeEndian));
    ends_inside(
        "the segment table",
        header.e_phoff.get(NativeEndian),
        table,
        length,
    )?;
    let segments = header
        .program_headers(NativeEndian, cache)
        .map_err(|_| damaged("the segment table"))?;
    if !segments
        .iter()
        .any(|segment| segment.p_type(NativeEndian) == PT_LOAD)
    {
        return Err(damaged("the segment table (nothing is to be loaded)"));
    }
    for segment in segments {
        let (start, size) = segment.file_range(NativeEndian);
        ends_inside("a segment", start, size, length)?;
    }
    Ok(())
}

/// The section table, and everything it points to, is in the file.
fn sections_inside<'a>(header: &'a Header, cache: Cache<'a>, length: u64) -> Result<Sections<'a>, Reason> {
    let start = header.e_shoff.get(NativeEndian);
    if start == 0 {
        // Without a section table there is no section to find.
        return Err(Reason::NoManifest);
    }
    let entry = u64::from(header.e_shentsize.get(NativeEndian));
    // The first entry says how many there are where the header's field is too small for it.
    ends_inside("the section table", start, entry, length)?;
    let count = header
        .shnum(NativeEndian, cache)
        .map_err(|_| damaged("the section table"))?;
    ends_inside("the section table", start, entry * u64::from(count), length)?;
    let sections = header
        .sections(NativeEndian, cache)
        .map_err(|_| damaged("the section table"))?;
    for section in sections.iter() {
        if let Some((start, size)) = section.file_range(NativeEndian) {
            ends_inside("a section", start, size, length)?;
        }
    }
    Ok(sections)
}

/// The text of the manifest section.
fn manifest_section<'a>(sections: &Sections<'a>, cache: Cache<'a>) -> Result<String, Reason> {
    let (_, section) = sections
        .section_by_name(NativeEndian, SECTION.as_bytes())
        .ok_or(Reason::NoManifest)?;
    let (start, size) = section.file_range(NativeEndian).ok_or(Reason::NoManifest)?;
    if size > MAX_MANIFEST {
        return Err(Reason::BadManifest {
            problem: format!("it is {size} bytes long, expected at most {MAX_MANIFEST}"),
        });
    }
    let bytes = cache
        .read_bytes_at(start, size)
        .map_err(|()| damaged("the manifest section"))?;
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(error) => Err(Reason::BadManifest {
            problem: format!("not UTF-8 at byte {}", error.valid_up_to()),
        }),
    }
}

fn ends_inside(what: &'static str, start: u64, size: u64, length: u64) -> Result<(), Reason> {
    match start.checked_add(size) {
        Some(end) if size == 0 || end <= length => Ok(()),
        Some(end) => Err(truncated(what, end, length)),
        None => Err(damaged(what)),
    }
}

fn truncated(what: &'static str, needs: u64, has: u64) -> Reason {
    Reason::Truncated { what, needs, has }
}

fn damaged(what: &'static str) -> Reason {
    Reason::Damaged { what }
}
