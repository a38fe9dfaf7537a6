//! Capture files for Wireshark and tcpdump: classic pcap with nanosecond timestamps.

use std::io::{self, Write};

/// Magic number of files with nanosecond timestamps, in the writer's byte order.
const MAGIC_NANOSECONDS: u32 = 0xa1b2_3c4d;
/// Format version.
const VERSION: (u16, u16) = (2, 4);
/// The longest frame stored whole.
const SNAP_LEN: u32 = 65_535;
/// Link type: Ethernet.
const LINKTYPE_ETHERNET: u32 = 1;

/// Writes frames into a capture file.
#[derive(Debug)]
pub struct Pcap<W: Write> {
    out: W,
}

impl<W: Write> Pcap<W> {
    /// Writes the file's header.
    pub fn new(mut out: W) -> io::Result<Pcap<W>> {
        let mut header = Vec::with_capacity(24);
        header.extend(MAGIC_NANOSECONDS.to_le_bytes());
        header.extend(VERSION.0.to_le_bytes());
        header.extend(VERSION.1.to_le_bytes());
        header.extend([0; 8]); // time zone and accuracy: always 0
        header.extend(SNAP_LEN.to_le_bytes());
        header.extend(LINKTYPE_ETHERNET.to_le_bytes());
        out.write_all(&header)?;
        Ok(Pcap { out })
    }

    /// Writes an Ethernet frame, without its check sequence, seen `nanos` nanoseconds after the epoch, which may be any.
    pub fn record(&mut self, nanos: u64, frame: &[u8]) -> io::Result<()> {
        let stored = frame.get(..SNAP_LEN as usize).unwrap_or(frame);
        let seconds = (nanos / 1_000_000_000) as u32;
        let fraction = (nanos % 1_000_000_000) as u32;
        for word in [seconds, fraction, stored.len() as u32, frame.len() as u32] {
            self.out.write_all(&word.to_le_bytes())?;
        }
        self.out.write_all(stored)
    }

    /// Flushes what was written, and returns the file.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_one_frame() {
        let mut pcap = Pcap::new(Vec::new()).unwrap();
        pcap.record(3_000_000_007, &[0xab; 60]).unwrap();
        let file = pcap.finish().unwrap();
        assert_eq!(file.len(), 24 + 16 + 60);
        assert_eq!(file[..8], [0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0]);
        assert_eq!(file[20..24], [1, 0, 0, 0]);
        assert_eq!(file[24..40], [3, 0, 0, 0, 7, 0, 0, 0, 60, 0, 0, 0, 60, 0, 0, 0]);
        assert_eq!(file[40..], [0xab; 60]);
    }

    #[test]
    fn a_long_frame_is_cut_and_says_so() {
        let mut pcap = Pcap::new(Vec::new()).unwrap();
        pcap.record(0, &vec![0; 70_000]).unwrap();
        let file = pcap.finish().unwrap();
        assert_eq!(file.len(), 24 + 16 + 65_535);
        assert_eq!(file[36..40], 70_000_u32.to_le_bytes());
    }
}
