//! What a guest must not do. The device ends with the first one.

use std::fmt;

/// Why a queue was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A ring lies outside of the memory that the VMM shares, or is not aligned, or has an impossible size.
    Ring,
    /// The available index is further ahead than the ring is long.
    AvailableIndex,
    /// The available ring or a descriptor names a descriptor that there is not.
    NoSuchDescriptor,
    /// A chain has more descriptors than the ring: it is a loop.
    Loop,
    /// A buffer lies outside of the memory that the VMM shares.
    OutsideMemory,
    /// A buffer to read is one to write, or the other way round.
    Direction,
    /// A buffer has no room for a frame and its header, or a frame no header.
    Length,
    /// A frame asks for what was not negotiated.
    Header,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Ring => "a ring lies outside of the shared memory, or is not aligned",
            Fault::AvailableIndex => "the available index is further ahead than the ring is long",
            Fault::NoSuchDescriptor => "there is no such descriptor",
            Fault::Loop => "a descriptor chain is a loop",
            Fault::OutsideMemory => "a buffer lies outside of the shared memory",
            Fault::Direction => "a buffer to read is one to write, or the other way round",
            Fault::Length => "a buffer has no room for a frame, or a frame no header",
            Fault::Header => "a frame asks for what was not negotiated",
        })
    }
}

impl std::error::Error for Fault {}
