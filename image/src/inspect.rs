//! What is inside an image.

use object::LittleEndian as LE;
use object::elf::{self, ProgramFlags};
use object::read::elf::{FileHeader as _, ProgramHeader as _, SectionHeader as _};
use serde::Serialize;

use crate::elf::Elf;
use crate::{BuildId, ImageError, header};

/// Type of the Xen note that names the 32-bit PVH entry (Xen's `xen/elfnote.h`, XEN_ELFNOTE_PHYS32_ENTRY).
const XEN_PHYS32_ENTRY: u32 = 18;
/// Type of the note that says which Hermit entry convention an image follows (crate `hermit-entry`).
const HERMIT_ENTRY_VERSION: u32 = 0x5a00;

/// The description of an image.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// `elf`.
    pub format: &'static str,
    /// Size of the file, in bytes.
    pub size: u64,
    /// Build id; `None` if `build` has not written this file.
    pub build_id: Option<BuildId>,
    /// Whether the build id is that of this very content.
    pub intact: bool,
    /// Configuration baked in, as on a kernel command line.
    pub config: String,
    /// Entry of the ELF header: 64-bit, taken by uhyve.
    pub entry: u64,
    /// Entry of the PVH note: 32-bit, taken by QEMU.
    pub pvh_entry: Option<u64>,
    /// Version of the Hermit entry convention.
    pub hermit_entry_version: Option<u8>,
    /// Bytes of memory that the loaded segments span.
    pub memory: u64,
    /// Program headers.
    pub segments: Vec<Segment>,
    /// Sections, without the null section.
    pub sections: Vec<Section>,
    /// Notes.
    pub notes: Vec<Note>,
    /// What is wrong with it: memory both writable and executable, a missing way in.
    pub findings: Vec<String>,
}

/// A program header.
#[derive(Clone, Debug, Serialize)]
pub struct Segment {
    /// `load`, `note`, or the type's number.
    pub kind: String,
    /// Physical address.
    pub address: u64,
    /// Bytes in the file.
    pub file_size: u64,
    /// Bytes in memory.
    pub memory_size: u64,
    /// `r`, `w`, `x`, with `-` for those it lacks.
    pub permissions: String,
}

/// A section.
#[derive(Clone, Debug, Serialize)]
pub struct Section {
    /// Its name.
    pub name: String,
    /// Address; 0 if it is not loaded.
    pub address: u64,
    /// Bytes in memory, or in the file if it is not loaded.
    pub size: u64,
    /// As a segment's; all `-` if it is not loaded.
    pub permissions: String,
}

/// A note.
#[derive(Clone, Debug, Serialize)]
pub struct Note {
    /// Whose type this is.
    pub owner: String,
    /// Its type.
    pub kind: u32,
    /// Its content.
    #[serde(skip)]
    pub content: Vec<u8>,
}

/// Describes an image, or a kernel that `build` has not written yet.
pub fn inspect(image: &[u8]) -> Result<Inspection, ImageError> {
    let elf = Elf::parse(image)?;
    let range = header::locate(&elf)?;
    let build_id = header::build_id(&image[range.clone()]);
    let notes = notes(&elf)?;
    let mut inspection = Inspection {
        format: "elf",
        size: image.len() as u64,
        build_id,
        intact: build_id == Some(BuildId::of(image, range.start)),
        config: header::config(&image[range])?.to_owned(),
        entry: elf.header.e_entry(LE),
        pvh_entry: pvh_entry(&notes),
        hermit_entry_version: hermit_entry_version(&notes),
        memory: memory(&elf),
        segments: segments(&elf),
        sections: sections(&elf),
        notes,
        findings: Vec::new(),
    };
    inspection.findings = findings(&inspection);
    Ok(inspection)
}

fn segments(elf: &Elf<'_>) -> Vec<Segment> {
    let describe = |segment: &elf::ProgramHeader64<LE>| Segment {
        kind: match segment.p_type(LE) {
            elf::PT_LOAD => "load".to_owned(),
            elf::PT_NOTE => "note".to_owned(),
            elf::PT_GNU_STACK => "stack".to_owned(),
            other => format!("{:#x}", other.0),
        },
        address: segment.p_paddr(LE),
        file_size: segment.p_filesz(LE),
        memory_size: segment.p_memsz(LE),
        permissions: segment_permissions(segment.p_flags(LE)),
    };
    elf.segments.iter().map(describe).collect()
}

fn sections(elf: &Elf<'_>) -> Vec<Section> {
    let describe = |(index, section): (usize, &elf::SectionHeader64<LE>)| Section {
        name: elf.name(index).to_owned(),
        address: section.sh_addr(LE),
        size: section.sh_size(LE),
        permissions: section_permissions(section.sh_flags(LE).0),
    };
    elf.sections.iter().enumerate().skip(1).map(describe).collect()
}

fn notes(elf: &Elf<'_>) -> Result<Vec<Note>, ImageError> {
    let damaged = |error: object::read::Error| ImageError::Damaged(format!("notes: {error}"));
    let mut found = Vec::new();
    for segment in elf.segments {
        let Some(mut notes) = segment.notes(LE, elf.bytes).map_err(damaged)? else { continue };
        while let Some(note) = notes.next().map_err(damaged)? {
            found.push(Note {
                owner: String::from_utf8_lossy(note.name()).into_owned(),
                kind: note.n_type(LE).0,
                content: note.desc().to_vec(),
            });
        }
    }
    Ok(found)
}

fn pvh_entry(notes: &[Note]) -> Option<u64> {
    let note = notes.iter().find(|note| note.owner == "Xen" && note.kind == XEN_PHYS32_ENTRY)?;
    let entry = note.content.first_chunk::<4>()?;
    Some(u64::from(u32::from_le_bytes(*entry)))
}

fn hermit_entry_version(notes: &[Note]) -> Option<u8> {
    let note = notes.iter().find(|note| note.owner == "HERMIT" && note.kind == HERMIT_ENTRY_VERSION)?;
    note.content.first().copied()
}

/// Bytes from the first loaded address to the last.
fn memory(elf: &Elf<'_>) -> u64 {
    let loaded = || elf.segments.iter().filter(|segment| segment.p_type(LE) == elf::PT_LOAD);
    let start = loaded().map(|segment| segment.p_paddr(LE)).min().unwrap_or(0);
    let end = loaded().map(|segment| segment.p_paddr(LE).saturating_add(segment.p_memsz(LE))).max().unwrap_or(0);
    end.saturating_sub(start)
}

fn findings(image: &Inspection) -> Vec<String> {
    let mut findings = Vec::new();
    let loaded = image.segments.iter().filter(|segment| segment.kind == "load");
    for segment in loaded.filter(|segment| segment.permissions.contains("wx")) {
        findings.push(format!("the segment at {:#x} is both writable and executable", segment.address));
    }
    for section in image.sections.iter().filter(|section| section.permissions.contains("wx")) {
        findings.push(format!("the section {} is both writable and executable", section.name));
    }
    if image.pvh_entry.is_none() {
        findings.push("no PVH note: QEMU cannot boot it".to_owned());
    }
    if image.hermit_entry_version.is_none() {
        findings.push("no HERMIT note: uhyve cannot boot it".to_owned());
    }
    match (image.build_id, image.intact) {
        (None, _) => findings.push("no build id: `memstorm build` has not written it".to_owned()),
        (Some(_), false) => findings.push("the build id is not that of the content: the file was changed".to_owned()),
        (Some(_), true) => {}
    }
    findings
}

fn segment_permissions(flags: ProgramFlags) -> String {
    permissions([flags.0 & elf::PF_R.0 != 0, flags.0 & elf::PF_W.0 != 0, flags.0 & elf::PF_X.0 != 0])
}

fn section_permissions(flags: u64) -> String {
    let loaded = flags & elf::SHF_ALLOC.0 != 0;
    permissions([loaded, loaded && flags & elf::SHF_WRITE.0 != 0, loaded && flags & elf::SHF_EXECINSTR.0 != 0])
}

fn permissions(granted: [bool; 3]) -> String {
    granted.into_iter().zip("rwx".chars()).map(|(granted, letter)| if granted { letter } else { '-' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{build, fixture};

    #[test]
    fn says_what_is_inside() {
        let image = build(&fixture::kernel(), "port=11300").unwrap();
        let seen = inspect(&image.bytes).unwrap();
        assert_eq!(seen.size, image.bytes.len() as u64);
        assert_eq!(seen.config, "port=11300");
        assert_eq!(seen.entry, fixture::TEXT_ADDRESS);
        assert_eq!(seen.pvh_entry, Some(fixture::TEXT_ADDRESS + 8));
        assert_eq!(seen.hermit_entry_version, Some(4));
        assert_eq!(seen.findings, Vec::<String>::new());
        let permissions: Vec<_> = seen.segments.iter().map(|s| (s.kind.as_str(), s.permissions.as_str())).collect();
        assert_eq!(permissions, [("load", "r-x"), ("load", "r--"), ("load", "rw-"), ("note", "r--")]);
        assert!(seen.sections.iter().any(|s| s.name == ".symtab" && s.permissions == "---"));
    }

    #[test]
    fn a_kernel_not_yet_built_says_so() {
        let seen = inspect(&fixture::kernel()).unwrap();
        assert_eq!((seen.build_id, seen.config.as_str(), seen.intact), (None, "", false));
        assert!(seen.findings[0].starts_with("no build id"));
    }

    #[test]
    fn finds_memory_both_writable_and_executable() {
        let seen = inspect(&fixture::writable_text()).unwrap();
        assert!(seen.findings.iter().any(|f| f.contains("segment at 0x100000 is both writable and executable")));
        assert!(seen.findings.iter().any(|f| f.contains("section .text is both writable and executable")));
    }

    #[test]
    fn json_has_the_build_id_in_hexadecimal() {
        let image = build(&fixture::kernel(), "").unwrap();
        let json = serde_json::to_value(inspect(&image.bytes).unwrap()).unwrap();
        assert_eq!(json["build_id"], image.build_id.to_string());
        assert_eq!(json["segments"][0]["permissions"], "r-x");
    }
}
