//! From addresses to function names, for crash reports.

use object::LittleEndian as LE;
use object::elf;
use object::read::elf::{SectionHeader as _, Sym as _};
use rustc_demangle::demangle;

use crate::ImageError;
use crate::elf::Elf;

/// A function of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its first address.
    pub address: u64,
    /// Its name, demangled, without the compiler's hash.
    pub name: String,
}

/// A place within a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location<'a> {
    /// The function's name.
    pub name: &'a str,
    /// Bytes from its first address.
    pub offset: u64,
}

/// The functions of an image, by address.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    functions: Vec<Function>,
    text: Vec<std::ops::Range<u64>>,
}

impl Symbols {
    /// Reads the symbol table of an image. An image without one has no functions.
    pub fn parse(image: &[u8]) -> Result<Symbols, ImageError> {
        let elf = Elf::parse(image)?;
        let text = elf
            .sections
            .iter()
            .filter(|section| section.sh_flags(LE).0 & elf::SHF_EXECINSTR.0 != 0)
            .map(|section| section.sh_addr(LE)..section.sh_addr(LE).saturating_add(section.sh_size(LE)))
            .collect();
        let functions = match elf.symbol_table() {
            Some(table) => functions(&elf, table)?,
            None => Vec::new(),
        };
        Ok(Symbols::new(functions, text))
    }

    /// From a list of functions, and the address ranges that hold code.
    pub fn new(mut functions: Vec<Function>, text: Vec<std::ops::Range<u64>>) -> Symbols {
        functions.retain(|function| text.iter().any(|range| range.contains(&function.address)));
        functions.sort_by_key(|function| function.address);
        // Aliases: the name given first wins.
        functions.dedup_by_key(|function| function.address);
        Symbols { functions, text }
    }

    /// The function around `address`; `None` if there is no code, or none with a name.
    pub fn lookup(&self, address: u64) -> Option<Location<'_>> {
        let section = self.text.iter().find(|range| range.contains(&address))?;
        let after = self.functions.partition_point(|function| function.address <= address);
        let function = self.functions[..after].last().filter(|function| section.contains(&function.address))?;
        Some(Location { name: &function.name, offset: address - function.address })
    }
}

/// The symbols that name code: functions, and the labels of assembly, which have no type.
fn functions(elf: &Elf<'_>, table: usize) -> Result<Vec<Function>, ImageError> {
    let damaged = |error: object::read::Error| ImageError::Damaged(error.to_string());
    let strings = elf.sections[elf.string_table(table)?].strings(LE, elf.bytes).map_err(damaged)?.unwrap_or_default();
    let symbols: &[elf::Sym64<LE>] = elf.sections[table].data_as_array(LE, elf.bytes).map_err(damaged)?;
    let names_code = |symbol: &&elf::Sym64<LE>| {
        symbol.st_shndx(LE).index().is_some() && matches!(symbol.st_type(), elf::STT_FUNC | elf::STT_NOTYPE)
    };
    let mut found = Vec::new();
    for symbol in symbols.iter().filter(names_code) {
        let name = symbol.name(LE, strings).map_err(damaged)?;
        if !name.is_empty() {
            // The alternate form leaves the hash out.
            let name = format!("{:#}", demangle(&String::from_utf8_lossy(name)));
            found.push(Function { address: symbol.st_value(LE), name });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn finds_the_function_around_an_address() {
        let symbols = Symbols::parse(&fixture::kernel()).unwrap();
        let at = |offset| symbols.lookup(fixture::TEXT_ADDRESS + offset).map(|found| (found.name, found.offset));
        assert_eq!(at(0), Some(("first", 0)));
        assert_eq!(at(7), Some(("first", 7)));
        assert_eq!(at(8), Some(("unikernel::second", 0)), "demangled, without the hash");
        assert_eq!(at(15), Some(("unikernel::second", 7)));
        assert_eq!(at(fixture::TEXT.len() as u64), None, "behind the text");
        assert_eq!(symbols.lookup(fixture::DATA_ADDRESS), None, "data has no functions");
        assert_eq!(symbols.lookup(0), None);
        assert_eq!(symbols.lookup(u64::MAX), None);
    }

    #[test]
    fn an_address_is_never_named_after_another_sections_function() {
        let function = Function { address: 0x1000, name: "low".to_owned() };
        let symbols = Symbols::new(vec![function], vec![0x1000..0x1010, 0x2000..0x2010]);
        assert!(symbols.lookup(0x100f).is_some());
        assert_eq!(symbols.lookup(0x2004), None);
    }
}
