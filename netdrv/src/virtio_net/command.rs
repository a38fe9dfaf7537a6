//! Commands for the control queue, as bytes (virtio 1.2, section 5.1.6.5).

use super::config::HASH_TYPES;
use crate::nic::steering::{FLOW_GROUPS, KEY_BYTES, RssConfig};

/// Bytes of the longest command.
pub(super) const MAX_COMMAND_BYTES: usize = 2 + 4 + 2 + 2 + 2 * FLOW_GROUPS + 2 + 1 + KEY_BYTES;

/// Class VIRTIO_NET_CTRL_MQ, and its commands.
const MQ: u8 = 4;
const VQ_PAIRS_SET: u8 = 0;
const RSS_CONFIG: u8 = 1;

/// A command.
pub(super) enum Command<'a> {
    /// Use so many queue pairs, and steer as the device likes (section 5.1.6.5.5).
    UsePairs(u16),
    /// Use so many queue pairs, and steer by our table (section 5.1.6.5.7.1).
    Steer {
        /// Key and table.
        rss: &'a RssConfig,
        /// Queue pairs.
        queue_pairs: u16,
    },
}

impl Command<'_> {
    /// Its name in the specification.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Command::UsePairs(_) => "VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET",
            Command::Steer { .. } => "VIRTIO_NET_CTRL_MQ_RSS_CONFIG",
        }
    }

    /// Writes its bytes, one after the other, at most [`MAX_COMMAND_BYTES`].
    pub(super) fn emit(&self, mut write: impl FnMut(u8)) {
        let mut bytes = |bytes: &[u8]| bytes.iter().for_each(|byte| write(*byte));
        match *self {
            Command::UsePairs(pairs) => {
                bytes(&[MQ, VQ_PAIRS_SET]);
                bytes(&pairs.to_le_bytes());
            }
            Command::Steer { rss, queue_pairs } => {
                bytes(&[MQ, RSS_CONFIG]);
                bytes(&u32::from(HASH_TYPES).to_le_bytes());
                bytes(&(FLOW_GROUPS as u16 - 1).to_le_bytes()); // the mask of the table's indices
                bytes(&0_u16.to_le_bytes()); // the queue of what has no hash
                rss.table.iter().for_each(|pair| bytes(&u16::from(*pair).to_le_bytes()));
                bytes(&queue_pairs.to_le_bytes());
                bytes(&[KEY_BYTES as u8]);
                bytes(&rss.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn emitted(command: &Command<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        command.emit(|byte| bytes.push(byte));
        bytes
    }

    #[test]
    fn commands_are_laid_out_as_specified() {
        assert_eq!(emitted(&Command::UsePairs(0x102)), [4, 0, 2, 1]);
        let mut rss = RssConfig { key: [0xab; 40], table: [0; 128] };
        rss.table[127] = 3;
        let bytes = emitted(&Command::Steer { rss: &rss, queue_pairs: 4 });
        assert_eq!(bytes.len(), MAX_COMMAND_BYTES);
        assert_eq!(bytes[..10], [4, 1, 7, 0, 0, 0, 127, 0, 0, 0]);
        assert_eq!(bytes[10 + 254..][..5], [3, 0, 4, 0, 40]);
        assert_eq!(bytes[10 + 254 + 5..], [0xab; 40]);
    }
}
