//! The image header: a page-sized record in the appliance's read-only data that `memstorm build` patches.
//!
//! It carries the build id, which ties a crash report to the image it came from, and the configuration baked in by
//! `build`, which the kernel command line overrides key by key.

use core::str;

/// First bytes of the header.
pub const MAGIC: [u8; 8] = *b"MEMSTORM";
/// Version of this layout.
pub const VERSION: u32 = 1;
/// ELF section that holds the header and nothing else.
pub const SECTION: &str = ".memstorm.header";
/// Room for the configuration baked in, in bytes.
pub const CONFIG_BYTES: usize = 2048;

/// The header as it lies in the image, little-endian.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Header {
    /// [`MAGIC`].
    pub magic: [u8; 8],
    /// [`VERSION`].
    pub version: u32,
    /// Bytes of `config` in use.
    pub config_len: u32,
    /// Hash of the image with this field zeroed; all zero in an image that `build` has not written.
    pub build_id: [u8; 20],
    /// `key=value` words, as on the kernel command line.
    pub config: [u8; CONFIG_BYTES],
}

const _: () = assert!(size_of::<Header>() == 36 + CONFIG_BYTES);

impl Header {
    /// Offset of `build_id` within the header, in bytes.
    pub const BUILD_ID_OFFSET: usize = 16;
    /// Offset of `config_len` within the header, in bytes.
    pub const CONFIG_LEN_OFFSET: usize = 12;
    /// Offset of `config` within the header, in bytes.
    pub const CONFIG_OFFSET: usize = 36;

    /// The header of an image that `build` has not written yet.
    pub const EMPTY: Header =
        Header { magic: MAGIC, version: VERSION, config_len: 0, build_id: [0; 20], config: [0; CONFIG_BYTES] };

    /// The configuration baked in; `None` if the header is damaged.
    pub fn config(&self) -> Option<&str> {
        if self.magic != MAGIC || self.version != VERSION {
            return None;
        }
        let bytes = self.config.get(..self.config_len as usize)?;
        str::from_utf8(bytes).ok()
    }
}
