//! Drops what neither a boot nor a crash report needs: debug sections, comments, padding between sections.
//!
//! What is loaded stays as it is, byte by byte and at its offset. Of the rest only the symbol table and the two string
//! tables are kept; they move down behind the loaded part, and a new section header table ends the file.

use object::LittleEndian as LE;
use object::elf::{self, FileHeader64, SectionHeader64, Sym64, SymbolSection};
use object::pod::{bytes_of, from_bytes_mut};
use object::read::elf::{FileHeader as _, ProgramHeader as _, SectionHeader as _, Sym as _};

use crate::ImageError;
use crate::elf::Elf;

/// The file without what is not needed. Stripping twice is stripping once.
pub(crate) fn strip(elf: &Elf<'_>) -> Result<Vec<u8>, ImageError> {
    if elf.sections.is_empty() {
        return Err(ImageError::NoHeader);
    }
    let kept = kept_sections(elf)?;
    let mut out = elf.bytes[..loaded_end(elf)].to_vec();
    let mut headers = Vec::with_capacity(kept.len());
    for &index in &kept {
        let mut header = elf.sections[index];
        if header.sh_flags(LE).0 & elf::SHF_ALLOC.0 == 0 {
            move_section(elf, index, &kept, &mut header, &mut out)?;
        }
        headers.push(header);
    }
    append_headers(elf, &kept, &headers, &mut out)?;
    Ok(out)
}

/// Indices of the sections that stay: the null section, all that are loaded, the symbol table and the string tables.
fn kept_sections(elf: &Elf<'_>) -> Result<Vec<usize>, ImageError> {
    let mut tables = vec![0, section_names(elf)?];
    if let Some(symbols) = elf.symbol_table() {
        tables.extend([symbols, elf.string_table(symbols)?]);
    }
    let stays = |index: &usize| elf.sections[*index].sh_flags(LE).0 & elf::SHF_ALLOC.0 != 0 || tables.contains(index);
    Ok((0..elf.sections.len()).filter(stays).collect())
}

/// Index of the table of section names.
fn section_names(elf: &Elf<'_>) -> Result<usize, ImageError> {
    let index = elf.header.shstrndx(LE, elf.bytes).map_err(|error| ImageError::Damaged(error.to_string()))?;
    Ok(index as usize)
}

/// End of the part of the file that is loaded, or that says what to load.
fn loaded_end(elf: &Elf<'_>) -> usize {
    let program_headers = elf.header.e_phoff(LE) as usize + size_of_val(elf.segments);
    let segments = elf.segments.iter().map(|segment| {
        let (offset, size) = segment.file_range(LE);
        (offset + size) as usize
    });
    let loaded = elf.sections.iter().filter(|section| section.sh_flags(LE).0 & elf::SHF_ALLOC.0 != 0);
    let sections = loaded.map(|section| elf.content(section).end);
    let file_header = size_of::<FileHeader64<LE>>();
    segments.chain(sections).chain([program_headers, file_header]).max().unwrap_or(file_header)
}

/// Appends the content of the section with this index and notes in `header` where it went.
fn move_section(
    elf: &Elf<'_>,
    index: usize,
    kept: &[usize],
    header: &mut SectionHeader64<LE>,
    out: &mut Vec<u8>,
) -> Result<(), ImageError> {
    if index == 0 {
        return Ok(());
    }
    pad(out);
    let offset = out.len();
    if Some(index) == elf.symbol_table() {
        let locals = append_symbols(elf, header, kept, out)?;
        header.sh_info.set(LE, locals);
        header.sh_link.set(LE, new_index(kept, elf.string_table(index)?));
    } else {
        out.extend_from_slice(&elf.bytes[elf.content(header)]);
    }
    header.sh_offset.set(LE, offset as u64);
    header.sh_size.set(LE, (out.len() - offset) as u64);
    Ok(())
}

/// Appends the symbols of the sections that stay. Returns how many are local: those come first (ELF, "Symbol Table").
fn append_symbols(
    elf: &Elf<'_>,
    header: &SectionHeader64<LE>,
    kept: &[usize],
    out: &mut Vec<u8>,
) -> Result<u32, ImageError> {
    let symbols: &[Sym64<LE>] =
        header.data_as_array(LE, elf.bytes).map_err(|error| ImageError::Damaged(error.to_string()))?;
    let mut locals = 0;
    for symbol in symbols {
        let mut symbol = *symbol;
        if let Some(section) = symbol.st_shndx(LE).index() {
            let Ok(section) = kept.binary_search(&usize::from(section)) else { continue };
            symbol.st_shndx.set(LE, SymbolSection::new(section as u32));
        }
        locals += u32::from(symbol.st_bind() == elf::STB_LOCAL);
        out.extend_from_slice(bytes_of(&symbol));
    }
    Ok(locals)
}

/// Appends the section header table and points the file header at it.
fn append_headers(
    elf: &Elf<'_>,
    kept: &[usize],
    headers: &[SectionHeader64<LE>],
    out: &mut Vec<u8>,
) -> Result<(), ImageError> {
    pad(out);
    let table = out.len() as u64;
    headers.iter().for_each(|header| out.extend_from_slice(bytes_of(header)));
    let names = SymbolSection::new(new_index(kept, section_names(elf)?));
    let (file_header, _) =
        from_bytes_mut::<FileHeader64<LE>>(out).map_err(|()| ImageError::Damaged("no file header".to_owned()))?;
    file_header.e_shoff.set(LE, table);
    file_header.e_shnum.set(LE, headers.len() as u16);
    file_header.e_shstrndx.set(LE, names);
    Ok(())
}

/// Where a section that stays stands among those that stay.
fn new_index(kept: &[usize], index: usize) -> u32 {
    kept.binary_search(&index).unwrap_or(0) as u32
}

/// Pads to the alignment that symbol tables and headers need.
fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(8), 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Symbols, fixture};

    fn names<'a>(elf: &Elf<'a>) -> Vec<&'a str> {
        (0..elf.sections.len()).map(|index| elf.name(index)).collect()
    }

    #[test]
    fn keeps_what_is_loaded_and_the_symbols() {
        let kernel = fixture::kernel();
        let before = Elf::parse(&kernel).unwrap();
        assert!(names(&before).contains(&".debug_info"));

        let stripped = strip(&before).unwrap();
        let after = Elf::parse(&stripped).unwrap();
        let expected = ["", ".text", ".memstorm.header", ".note", ".data", ".bss", ".symtab", ".strtab", ".shstrtab"];
        assert_eq!(names(&after), expected);
        for name in [".text", ".memstorm.header", ".note", ".data"] {
            let [old, new] = [&before, &after].map(|elf| {
                let section = &elf.sections[elf.section(name).unwrap()];
                (section.sh_addr(LE), &elf.bytes[elf.content(section)])
            });
            assert_eq!(old, new, "{name}");
        }
        assert!(stripped.len() < kernel.len());
        let symbols = Symbols::parse(&stripped).unwrap();
        assert_eq!(symbols.lookup(fixture::TEXT_ADDRESS + 2).unwrap().name, "first");
    }

    #[test]
    fn symbols_of_dropped_sections_go_and_the_others_keep_their_section() {
        let kernel = fixture::kernel();
        let stripped = strip(&Elf::parse(&kernel).unwrap()).unwrap();
        let elf = Elf::parse(&stripped).unwrap();
        let table = &elf.sections[elf.symbol_table().unwrap()];
        let symbols: &[Sym64<LE>] = table.data_as_array(LE, elf.bytes).unwrap();
        let sections: Vec<_> = symbols
            .iter()
            .filter_map(|symbol| symbol.st_shndx(LE).index())
            .map(|index| elf.name(index.into()))
            .collect();
        assert_eq!(sections, [".text", ".text", ".data"]);
        assert_eq!(table.sh_info(LE), 2, "the null symbol and one local");
    }

    #[test]
    fn twice_is_once() {
        let kernel = fixture::kernel();
        let once = strip(&Elf::parse(&kernel).unwrap()).unwrap();
        assert_eq!(strip(&Elf::parse(&once).unwrap()).unwrap(), once);
    }
}
