//! Why a command line is refused, and memcached's exit code for it.

use std::fmt;

/// memcached's `EXIT_FAILURE`.
pub(super) const EXIT_FAILURE: u8 = 1;
/// `EX_USAGE` of sysexits.h.
pub(super) const EX_USAGE: u8 = 64;
/// `EX_OSERR` of sysexits.h.
pub(super) const EX_OSERR: u8 = 71;

/// A refusal.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: u8,
    why: String,
}

impl Refusal {
    pub(super) fn new(code: u8, why: impl Into<String>) -> Refusal {
        Refusal { code, why: why.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}
