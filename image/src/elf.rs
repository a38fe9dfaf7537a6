//! An ELF64 executable for x86-64, checked once so that the rest of the crate can index it freely.

use std::ops::Range;

use object::LittleEndian as LE;
use object::elf::{self, FileHeader64, ProgramHeader64, SectionHeader64};
use object::read::elf::{FileHeader as _, ProgramHeader as _, SectionHeader as _};

use crate::ImageError;

/// A checked view of the file: every range that a program or section header names lies within it.
pub(crate) struct Elf<'a> {
    /// The whole file.
    pub(crate) bytes: &'a [u8],
    /// The file header.
    pub(crate) header: &'a FileHeader64<LE>,
    /// Program headers.
    pub(crate) segments: &'a [ProgramHeader64<LE>],
    /// Section headers, with the null section first, or none at all.
    pub(crate) sections: &'a [SectionHeader64<LE>],
    names: Vec<&'a str>,
}

impl<'a> Elf<'a> {
    /// Checks `bytes` and takes a view of them.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Elf<'a>, ImageError> {
        let header = executable(bytes)?;
        let damaged = |error: object::read::Error| ImageError::Damaged(error.to_string());
        let segments = header.program_headers(LE, bytes).map_err(damaged)?;
        let table = header.sections(LE, bytes).map_err(damaged)?;
        let sections: &[_] = header.section_headers(LE, bytes).map_err(damaged)?;
        let names = sections
            .iter()
            .map(|section| Ok(std::str::from_utf8(table.section_name(LE, section).map_err(damaged)?).unwrap_or("?")))
            .collect::<Result<_, ImageError>>()?;
        let elf = Elf { bytes, header, segments, sections, names };
        elf.check_ranges()?;
        Ok(elf)
    }

    /// Name of the section with this index; it must exist.
    pub(crate) fn name(&self, index: usize) -> &'a str {
        self.names[index]
    }

    /// Index of the section with this name.
    pub(crate) fn section(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| *known == name)
    }

    /// Where a section's content lies in the file; empty if it has none there.
    pub(crate) fn content(&self, section: &SectionHeader64<LE>) -> Range<usize> {
        let (offset, size) = section.file_range(LE).unwrap_or((0, 0));
        offset as usize..(offset + size) as usize
    }

    /// Index of the symbol table.
    pub(crate) fn symbol_table(&self) -> Option<usize> {
        self.sections.iter().position(|section| section.sh_type(LE) == elf::SHT_SYMTAB)
    }

    /// Index of the string table of section `index`.
    pub(crate) fn string_table(&self, index: usize) -> Result<usize, ImageError> {
        let link = self.sections[index].sh_link(LE) as usize;
        match self.sections.get(link) {
            Some(section) if section.sh_type(LE) == elf::SHT_STRTAB => Ok(link),
            _ => Err(ImageError::Damaged(format!("section {}: no string table", self.name(index)))),
        }
    }

    fn check_ranges(&self) -> Result<(), ImageError> {
        let size = self.bytes.len() as u64;
        let outside = |offset: u64, length: u64| offset.checked_add(length).is_none_or(|end| end > size);
        for (i, segment) in self.segments.iter().enumerate() {
            let (offset, file_size) = segment.file_range(LE);
            if outside(offset, file_size) {
                return Err(ImageError::Damaged(format!("segment {i} reaches beyond the file's end ({size} bytes)")));
            }
            if segment.p_type(LE) == elf::PT_LOAD && segment.p_memsz(LE) < file_size {
                return Err(ImageError::Damaged(format!("segment {i} is larger in the file than in memory")));
            }
        }
        for (i, section) in self.sections.iter().enumerate() {
            if section.file_range(LE).is_some_and(|(offset, length)| outside(offset, length)) {
                let name = self.name(i);
                return Err(ImageError::Damaged(format!(
                    "section {name} reaches beyond the file's end ({size} bytes)"
                )));
            }
        }
        Ok(())
    }
}

/// The file header of an ELF64 little-endian executable for x86-64.
fn executable(bytes: &[u8]) -> Result<&FileHeader64<LE>, ImageError> {
    let refuse = |why: &str| Err(ImageError::NotExecutable(why.to_owned()));
    if !bytes.starts_with(&elf::ELFMAG) {
        return refuse("it does not begin with the ELF magic");
    }
    let header = match FileHeader64::<LE>::parse(bytes) {
        Ok(header) => header,
        Err(_) if bytes.len() < size_of::<FileHeader64<LE>>() => return refuse("it ends within the file header"),
        Err(_) => return refuse("it is not a 64-bit ELF file"),
    };
    if !header.is_little_endian() || header.e_machine(LE) != elf::EM_X86_64 {
        return refuse("it is for another machine");
    }
    if header.e_type(LE) != elf::ET_EXEC {
        return refuse("it is not linked as a static executable (ET_EXEC)");
    }
    Ok(header)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Symbols, build, fixture, inspect};

    /// Everything that reads an ELF file.
    fn read_all(bytes: &[u8]) {
        let _ = build(bytes, "port=11212");
        let _ = inspect(bytes);
        let _ = Symbols::parse(bytes);
    }

    #[test]
    fn refuses_what_is_no_kernel() {
        let refusal = |bytes: &[u8]| Elf::parse(bytes).err().expect("refused").to_string();
        assert!(refusal(b"").contains("magic"));
        assert!(refusal(b"#!/bin/sh").contains("magic"));
        assert!(refusal(&fixture::kernel()[..40]).contains("ends within"));
        let mut other_machine = fixture::kernel();
        other_machine[18] = 0xb7;
        assert!(refusal(&other_machine).contains("another machine"));
        let mut shared = fixture::kernel();
        shared[16] = 3;
        assert!(refusal(&shared).contains("ET_EXEC"));
    }

    #[test]
    fn every_truncation_is_an_error_and_not_a_panic() {
        let kernel = fixture::kernel();
        for length in 0..kernel.len() {
            assert!(Elf::parse(&kernel[..length]).is_err(), "{length} of {} bytes", kernel.len());
            read_all(&kernel[..length]);
        }
    }

    proptest! {
        #[test]
        fn damage_is_survived(position in 0..fixture::kernel().len(), values in any::<[u8; 8]>()) {
            let mut bytes = fixture::kernel();
            for (byte, value) in bytes[position..].iter_mut().zip(values) {
                *byte = value;
            }
            read_all(&bytes);
        }

        #[test]
        fn damaged_headers_are_survived(field in 0..64usize, table in any::<bool>(), value in any::<u64>()) {
            let mut bytes = fixture::kernel();
            let start = if table { bytes.len() - 8 * (field + 8) } else { field };
            bytes[start..start + 8].copy_from_slice(&value.to_le_bytes());
            read_all(&bytes);
        }
    }
}
