//! A kernel for the tests: small, but with all the parts of the real one, and some debug sections to be dropped.

use abi::header::{self, Header};
use object::LittleEndian as LE;
use object::elf::{self, FileHeader64, ProgramHeader64, SectionHeader64, Sym64};
use object::endian::{U16, U32, U64};
use object::pod::bytes_of;

/// Code: two functions of 8 bytes.
pub(crate) const TEXT: [u8; 16] = *b"\xf4\xeb\xfd\x90\x90\x90\x90\x90\xfa\xf4\xeb\xfc\x90\x90\x90\x90";
/// Where the code is loaded.
pub(crate) const TEXT_ADDRESS: u64 = 0x10_0000;
/// Where the data is loaded.
pub(crate) const DATA_ADDRESS: u64 = 0x10_4000;

const READ_ONLY_ADDRESS: u64 = 0x10_2000;
const CODE: u64 = elf::SHF_ALLOC.0 | elf::SHF_EXECINSTR.0;
const WRITABLE: u64 = elf::SHF_ALLOC.0 | elf::SHF_WRITE.0;

struct Part {
    name: &'static str,
    kind: elf::SectionType,
    flags: u64,
    address: u64,
    content: Vec<u8>,
    link: u32,
    info: u32,
}

impl Part {
    fn new(name: &'static str, flags: u64, address: u64, content: &[u8]) -> Part {
        Part { name, kind: elf::SHT_PROGBITS, flags, address, content: content.to_vec(), link: 0, info: 0 }
    }
}

/// As cargo links it.
pub(crate) fn kernel() -> Vec<u8> {
    link(parts())
}

/// Without the image header.
pub(crate) fn without_header() -> Vec<u8> {
    let mut parts = parts();
    parts[2].name = ".other";
    link(parts)
}

/// With code that can be written to.
pub(crate) fn writable_text() -> Vec<u8> {
    let mut parts = parts();
    parts[1].flags |= WRITABLE;
    link(parts)
}

/// The sections, in the order of their indices.
fn parts() -> Vec<Part> {
    let mut header = vec![0; size_of::<Header>()];
    header[..8].copy_from_slice(&header::MAGIC);
    header[8..12].copy_from_slice(&header::VERSION.to_le_bytes());
    let (strings, symbols) = symbols();
    let mut parts = vec![
        Part::new("", 0, 0, b""),
        Part::new(".text", CODE, TEXT_ADDRESS, &TEXT),
        Part::new(header::SECTION, elf::SHF_ALLOC.0, READ_ONLY_ADDRESS, &header),
        Part::new(".note", elf::SHF_ALLOC.0, READ_ONLY_ADDRESS + 0x1000, &notes()),
        Part::new(".comment", 0, 0, b"a compiler\0"),
        Part::new(".data", WRITABLE, DATA_ADDRESS, b"datadata"),
        Part::new(".bss", WRITABLE, DATA_ADDRESS + 8, b""),
        Part::new(".debug_info", 0, 0, &[7; 300]),
        Part::new(".symtab", 0, 0, &symbols),
        Part::new(".strtab", 0, 0, &strings),
        Part::new(".shstrtab", 0, 0, b""),
    ];
    parts[0].kind = elf::SHT_NULL;
    parts[3].kind = elf::SHT_NOTE;
    parts[6].kind = elf::SHT_NOBITS;
    parts[8].kind = elf::SHT_SYMTAB;
    (parts[8].link, parts[8].info) = (9, 3);
    parts[9].kind = elf::SHT_STRTAB;
    parts[10].kind = elf::SHT_STRTAB;
    parts
}

/// The notes by which QEMU and uhyve find their entries.
fn notes() -> Vec<u8> {
    let mut notes = Vec::new();
    let pvh_entry = TEXT_ADDRESS as u32 + 8;
    for (owner, kind, content) in [("Xen\0", 18, pvh_entry.to_le_bytes().to_vec()), ("HERMIT\0", 0x5a00, vec![4])] {
        for word in [owner.len() as u32, content.len() as u32, kind] {
            notes.extend_from_slice(&word.to_le_bytes());
        }
        for bytes in [owner.as_bytes(), &content] {
            notes.extend_from_slice(bytes);
            notes.resize(notes.len().next_multiple_of(4), 0);
        }
    }
    notes
}

/// The string table and the symbol table: a local symbol of a section to be dropped, then two functions and an object.
fn symbols() -> (Vec<u8>, Vec<u8>) {
    let mut strings = vec![0];
    let mut table = bytes_of(&Sym64::<LE>::default()).to_vec();
    let (text, data) = (TEXT_ADDRESS, DATA_ADDRESS);
    for (name, bind, kind, section, value) in [
        ("dropped", elf::STB_LOCAL, elf::STT_OBJECT, 7, 0),
        ("first", elf::STB_LOCAL, elf::STT_NOTYPE, 1, text),
        ("_ZN9unikernel6second17h0123456789abcdefE", elf::STB_GLOBAL, elf::STT_FUNC, 1, text + 8),
        ("object", elf::STB_GLOBAL, elf::STT_OBJECT, 5, data),
    ] {
        let mut symbol = Sym64::<LE> {
            st_name: U32::new(LE, strings.len() as u32),
            st_shndx: U16::new(LE, elf::SymbolSection::new(section)),
            st_value: U64::new(LE, value),
            ..Sym64::default()
        };
        symbol.set_st_info(bind, kind);
        table.extend_from_slice(bytes_of(&symbol));
        strings.extend_from_slice(name.as_bytes());
        strings.push(0);
    }
    (strings, table)
}

/// Lays the parts out behind the headers, the section header table last.
fn link(mut parts: Vec<Part>) -> Vec<u8> {
    let names: Vec<u32> = {
        let mut strings = Vec::new();
        let offsets = parts.iter().map(|part| {
            let offset = strings.len() as u32;
            strings.extend_from_slice(part.name.as_bytes());
            strings.push(0);
            offset
        });
        let offsets = offsets.collect();
        parts.last_mut().expect("parts").content = strings;
        offsets
    };
    let program_headers = 4 * size_of::<ProgramHeader64<LE>>();
    let mut out = vec![0; size_of::<FileHeader64<LE>>() + program_headers];
    let mut headers = Vec::new();
    for (part, name) in parts.iter().zip(names) {
        out.resize(out.len().next_multiple_of(16), 0);
        headers.push(SectionHeader64::<LE> {
            sh_name: U32::new(LE, name),
            sh_type: U32::new(LE, part.kind),
            sh_flags: U64::new(LE, elf::SectionFlags(part.flags)),
            sh_addr: U64::new(LE, part.address),
            sh_offset: U64::new(LE, out.len() as u64),
            sh_size: U64::new(LE, if part.name == ".bss" { 0x1000 } else { part.content.len() as u64 }),
            sh_link: U32::new(LE, part.link),
            sh_info: U32::new(LE, part.info),
            sh_addralign: U64::new(LE, 16),
            sh_entsize: U64::new(LE, if part.kind == elf::SHT_SYMTAB { 24 } else { 0 }),
        });
        out.extend_from_slice(&part.content);
    }
    out.resize(out.len().next_multiple_of(16), 0);
    let table = out.len() as u64;
    headers.iter().for_each(|header| out.extend_from_slice(bytes_of(header)));
    write_headers(&mut out, &headers, table);
    out
}

fn write_headers(out: &mut [u8], sections: &[SectionHeader64<LE>], table: u64) {
    let header = file_header(sections.len() as u16, table);
    let size = size_of_val(&header);
    out[..size].copy_from_slice(bytes_of(&header));
    let loads = [(1, elf::PT_LOAD, 0), (2, elf::PT_LOAD, 0), (5, elf::PT_LOAD, 0x1000), (3, elf::PT_NOTE, 0)];
    for (i, (section, kind, zeroed)) in loads.into_iter().enumerate() {
        let section = &sections[section];
        let flags = section.sh_flags.get(LE).0;
        let write = if flags & elf::SHF_WRITE.0 != 0 { elf::PF_W.0 } else { 0 };
        let execute = if flags & elf::SHF_EXECINSTR.0 != 0 { elf::PF_X.0 } else { 0 };
        let segment = ProgramHeader64::<LE> {
            p_type: U32::new(LE, kind),
            p_flags: U32::new(LE, elf::ProgramFlags(elf::PF_R.0 | write | execute)),
            p_offset: section.sh_offset,
            p_vaddr: section.sh_addr,
            p_paddr: section.sh_addr,
            p_filesz: section.sh_size,
            p_memsz: U64::new(LE, section.sh_size.get(LE) + zeroed),
            p_align: U64::new(LE, 4),
        };
        let at = size + i * size_of_val(&segment);
        out[at..at + size_of_val(&segment)].copy_from_slice(bytes_of(&segment));
    }
}

fn file_header(sections: u16, table: u64) -> FileHeader64<LE> {
    let size = size_of::<FileHeader64<LE>>();
    let mut header = [0; size_of::<FileHeader64<LE>>()];
    header[..8].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1, 1, 0]);
    for (at, value) in
        [(16, 2), (18, 62), (52, size as u16), (54, 56), (56, 4), (58, 64), (60, sections), (62, sections - 1)]
    {
        header[at..at + 2].copy_from_slice(&u16::to_le_bytes(value));
    }
    header[20] = 1;
    for (at, value) in [(24, TEXT_ADDRESS), (32, size as u64), (40, table)] {
        header[at..at + 8].copy_from_slice(&u64::to_le_bytes(value));
    }
    *object::pod::from_bytes::<FileHeader64<LE>>(&header).expect("the size of a header").0
}
