//! The build id: what ties a crash report to the image it came from.

use std::fmt;

use abi::header::Header;
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

/// The first 20 bytes of the SHA-256 of an image whose build id is zeroed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BuildId(pub [u8; 20]);

impl BuildId {
    /// The build id of an image whose header begins at `header` within it. The header must lie within the image.
    pub(crate) fn of(image: &[u8], header: usize) -> BuildId {
        let id = header + Header::BUILD_ID_OFFSET;
        let mut hash = Sha256::new();
        hash.update(&image[..id]);
        hash.update([0; 20]);
        hash.update(&image[id + 20..]);
        let mut first = [0; 20];
        first.copy_from_slice(&hash.finalize()[..20]);
        BuildId(first)
    }
}

impl fmt::Display for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for BuildId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
