//! The image header within an ELF file: where it lies, what it says, how it is patched.

use std::ops::Range;

use abi::header::{CONFIG_BYTES, Header, MAGIC, SECTION, VERSION};

use crate::elf::Elf;
use crate::{BuildId, ImageError};

/// Where the header lies in the file.
pub(crate) fn locate(elf: &Elf<'_>) -> Result<Range<usize>, ImageError> {
    let section = elf.section(SECTION).ok_or(ImageError::NoHeader)?;
    let range = elf.content(&elf.sections[section]);
    let valid = range.len() == size_of::<Header>() && {
        let bytes = &elf.bytes[range.clone()];
        bytes.starts_with(&MAGIC) && read_u32(bytes, MAGIC.len()) == VERSION
    };
    if valid { Ok(range) } else { Err(ImageError::BadHeader) }
}

/// The configuration baked into a header.
pub(crate) fn config(header: &[u8]) -> Result<&str, ImageError> {
    let length = read_u32(header, Header::CONFIG_LEN_OFFSET) as usize;
    let bytes = header[Header::CONFIG_OFFSET..].get(..length).ok_or(ImageError::BadHeader)?;
    std::str::from_utf8(bytes).map_err(|_| ImageError::BadHeader)
}

/// The build id in a header; `None` before `build` has written one.
pub(crate) fn build_id(header: &[u8]) -> Option<BuildId> {
    let mut id = [0; 20];
    id.copy_from_slice(&header[Header::BUILD_ID_OFFSET..][..20]);
    (id != [0; 20]).then_some(BuildId(id))
}

/// Writes the configuration into a header.
pub(crate) fn set_config(header: &mut [u8], config: &str) -> Result<(), ImageError> {
    if config.len() > CONFIG_BYTES {
        return Err(ImageError::ConfigTooLong { bytes: config.len() });
    }
    header[Header::CONFIG_LEN_OFFSET..][..4].copy_from_slice(&(config.len() as u32).to_le_bytes());
    let room = &mut header[Header::CONFIG_OFFSET..];
    room.fill(0);
    room[..config.len()].copy_from_slice(config.as_bytes());
    Ok(())
}

/// Writes the build id into a header.
pub(crate) fn set_build_id(header: &mut [u8], id: BuildId) {
    header[Header::BUILD_ID_OFFSET..][..20].copy_from_slice(&id.0);
}

fn read_u32(bytes: &[u8], offset: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[offset..offset + 4]);
    u32::from_le_bytes(word)
}
