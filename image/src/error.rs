//! What can go wrong with an image.

use std::io;
use std::path::PathBuf;

use abi::header;
use thiserror::Error;

use crate::Format;

/// Why an image could not be built, read or understood.
#[derive(Debug, Error)]
pub enum ImageError {
    /// A file could not be read.
    #[error("cannot read {path}: {cause}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// A file or directory could not be written.
    #[error("cannot write {path}: {cause}")]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The bytes are no executable for x86-64.
    #[error("not an x86-64 ELF executable: {0}")]
    NotExecutable(String),
    /// An ELF file that contradicts itself, as a truncated one does.
    #[error("damaged ELF file: {0}")]
    Damaged(String),
    /// An ELF file that is not Memstorm's.
    #[error(
        "not a Memstorm kernel: it has no section {}; build the kernel with \
         `cargo build --profile appliance -p unikernel --target-dir target/guest`",
        header::SECTION
    )]
    NoHeader,
    /// The image header is not of the version that this builder knows.
    #[error("the image header is damaged or of another version: build the kernel and `memstorm` from the same sources")]
    BadHeader,
    /// The configuration is not valid.
    #[error("configuration: {0}")]
    Config(String),
    /// The configuration does not fit into the image header.
    #[error(
        "configuration: {bytes} bytes do not fit into the image header, which has room for {}",
        header::CONFIG_BYTES
    )]
    ConfigTooLong {
        /// Its length.
        bytes: usize,
    },
    /// A format that this version cannot build.
    #[error("format '{0}' is not available in this version; available: elf")]
    Unavailable(Format),
    /// A word that names no format.
    #[error("unknown format '{0}': expected elf, bzimage, raw, iso or pxe")]
    UnknownFormat(String),
}

impl ImageError {
    /// Whether what the user asked for is at fault, and not a file or the host.
    pub fn is_usage(&self) -> bool {
        match self {
            ImageError::Config(_)
            | ImageError::ConfigTooLong { .. }
            | ImageError::Unavailable(_)
            | ImageError::UnknownFormat(_) => true,
            ImageError::Read { .. }
            | ImageError::Write { .. }
            | ImageError::NotExecutable(_)
            | ImageError::Damaged(_)
            | ImageError::NoHeader
            | ImageError::BadHeader => false,
        }
    }
}
