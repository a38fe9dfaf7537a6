//! The image in memory: its regions, as `monitor/layout.ld` names them, and its header.

#![allow(unsafe_code)] // symbols of the linker script

use core::fmt;
use core::ops::Range;

use abi::header::Header;

/// The header, for `memstorm build` to patch.
#[used]
#[cfg_attr(not(test), unsafe(link_section = ".memstorm.header"))]
static HEADER: Header = Header::EMPTY;

unsafe extern "C" {
    static image_start: u8;
    static image_end: u8;
    static text_start: u8;
    static rodata_end: u8;
    static boot_stack_bottom: u8;
    static boot_stack_top: u8;
    static crash_stack_bottom: u8;
}

const PAGE: u64 = 4096;

/// A copy of the header as it lies in the image, patched or not.
pub fn header() -> Header {
    // SAFETY: a valid static; volatile, so that the compiler does not take the unpatched value for granted.
    unsafe { core::ptr::read_volatile(&HEADER) }
}

/// The build id, as it is printed.
pub fn build_id() -> impl fmt::Display {
    struct Hex([u8; 20]);
    impl fmt::Display for Hex {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
        }
    }
    Hex(header().build_id)
}

/// Where the image lies, its stacks included.
pub fn range() -> Range<u64> {
    address(&raw const image_start)..address(&raw const image_end)
}

/// Whether `address` is text or read-only data.
pub fn is_read_only(at: u64) -> bool {
    (address(&raw const text_start)..address(&raw const rodata_end)).contains(&at)
}

/// Whether `at` lies in the guard page of one of the image's stacks.
pub fn is_guard_page(at: u64) -> bool {
    let bottoms = [address(&raw const boot_stack_bottom), address(&raw const crash_stack_bottom)];
    bottoms.iter().any(|&bottom| (bottom - PAGE..bottom).contains(&at))
}

/// Whether `range` lies on the stack of the first core.
pub fn is_on_boot_stack(range: Range<u64>) -> bool {
    address(&raw const boot_stack_bottom) <= range.start && range.end <= address(&raw const boot_stack_top)
}

fn address(symbol: *const u8) -> u64 {
    symbol as u64
}
