//! Function names beside the addresses of a crash report.

use abi::console::CRASH;
use image::{Location, Symbols};

/// Digits of an address of code in a crash report.
const DIGITS: usize = 16;

/// A line of the console, with `<function+0xoffset>` behind each address of code if it is of a crash report.
pub fn annotate(line: &str, symbols: &Symbols) -> String {
    if !line.starts_with(CRASH) {
        return line.to_owned();
    }
    let mut annotated = String::with_capacity(line.len() * 2);
    let mut rest = line;
    while let Some(at) = rest.find("0x") {
        let digits = &rest[at + 2..];
        let length = digits.bytes().take_while(u8::is_ascii_hexdigit).count();
        let end = at + 2 + length;
        annotated.push_str(&rest[..end]);
        if length == DIGITS {
            let address = u64::from_str_radix(&digits[..length], 16).unwrap_or(0);
            // A program counter names the instruction itself, a return address the one after the call.
            let found = if rest[..at].ends_with("rip=") { symbols.lookup(address) } else { caller(symbols, address) };
            if let Some(Location { name, offset }) = found {
                annotated.push_str(&format!(" <{name}+{offset:#x}>"));
            }
        }
        rest = &rest[end..];
    }
    annotated.push_str(rest);
    annotated
}

/// The function that a return address leads back into. If the call never returns, it may be that function's last
/// instruction, and the address that of the next function.
fn caller(symbols: &Symbols, address: u64) -> Option<Location<'_>> {
    let exact = symbols.lookup(address);
    if exact.is_some_and(|found| found.offset > 0) {
        return exact;
    }
    let call = symbols.lookup(address.checked_sub(1)?).map(|found| Location { offset: found.offset + 1, ..found });
    call.or(exact)
}

#[cfg(test)]
mod tests {
    use image::Function;

    use super::*;

    fn symbols() -> Symbols {
        let function = |address, name: &str| Function { address, name: name.to_owned() };
        let text = 0x1000..0x1100;
        Symbols::new(vec![function(0x1000, "first"), function(0x1010, "app::second")], [text].into())
    }

    #[test]
    fn names_stand_beside_addresses_of_code() {
        let line = "crash: rip=0x0000000000001012 rsp=0x0000000000700000 error=0x4";
        let expected = "crash: rip=0x0000000000001012 <app::second+0x2> rsp=0x0000000000700000 error=0x4";
        assert_eq!(annotate(line, &symbols()), expected);
    }

    #[test]
    fn a_return_address_behind_a_last_call_belongs_to_the_caller() {
        let at = |what: &str| annotate(&format!("crash: {what}0x0000000000001010"), &symbols());
        assert!(at("#1 ").ends_with("<first+0x10>"));
        assert!(at("rip=").ends_with("<app::second+0x0>"));
        let first = annotate("crash: #0 0x0000000000001000", &symbols());
        assert!(first.ends_with("<first+0x0>"), "nothing stands before it: {first}");
    }

    #[test]
    fn other_lines_and_other_numbers_stay_as_they_are() {
        for line in [
            "info: at 0x0000000000001012",
            "crash: cr2=0x1012",
            "crash: 0x00000000000010120",
            "crash: 0x",
            "crash: é0xé",
            "crash: 0xffffffffffffffff 0x0000000000000000",
        ] {
            assert_eq!(annotate(line, &symbols()), line);
        }
    }
}
