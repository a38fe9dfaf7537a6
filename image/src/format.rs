//! The formats of an image, as `--format` names them.

use std::fmt;
use std::str::FromStr;

use crate::ImageError;

/// A format of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// An ELF64 executable with PVH and Hermit notes: QEMU `-kernel` and uhyve.
    Elf,
    /// A Linux bzImage with a PE header: boot loaders, UEFI.
    Bzimage,
    /// A raw disk.
    Raw,
    /// An ISO 9660 image.
    Iso,
    /// A directory to serve by TFTP or HTTP.
    Pxe,
}

impl Format {
    /// This format, or an error that names those which this version can build.
    pub fn available(self) -> Result<Format, ImageError> {
        match self {
            Format::Elf => Ok(self),
            Format::Bzimage | Format::Raw | Format::Iso | Format::Pxe => Err(ImageError::Unavailable(self)),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Elf => "elf",
            Format::Bzimage => "bzimage",
            Format::Raw => "raw",
            Format::Iso => "iso",
            Format::Pxe => "pxe",
        })
    }
}

impl FromStr for Format {
    type Err = ImageError;

    fn from_str(word: &str) -> Result<Format, ImageError> {
        match word {
            "elf" => Ok(Format::Elf),
            "bzimage" => Ok(Format::Bzimage),
            "raw" => Ok(Format::Raw),
            "iso" => Ok(Format::Iso),
            "pxe" => Ok(Format::Pxe),
            _ => Err(ImageError::UnknownFormat(word.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_a_round_trip_and_only_elf_is_available() {
        for format in [Format::Elf, Format::Bzimage, Format::Raw, Format::Iso, Format::Pxe] {
            assert_eq!(format.to_string().parse::<Format>().unwrap(), format);
            assert_eq!(format.available().is_ok(), format == Format::Elf);
        }
        assert!("vmdk".parse::<Format>().unwrap_err().to_string().contains("'vmdk'"));
        assert!(Format::Iso.available().unwrap_err().to_string().contains("available: elf"));
    }
}
