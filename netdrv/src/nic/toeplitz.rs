//! The Toeplitz hash of receive-side scaling, as NICs compute it (virtio 1.2, section 5.1.6.4.3).
//!
//! Each set bit of the input adds, by exclusive or, the 32 bits of the key that begin at its position. Here the sums of all
//! values of a byte are tabulated once per position, so that a hash is one load for each byte of input.

use super::steering::KEY_BYTES;

/// Bytes of input: two IPv4 addresses and two ports.
const INPUT_BYTES: usize = 12;

/// A hash function, for one key: 12 KiB of tables, of which flows to one address and port touch little.
#[derive(Clone)]
pub struct Toeplitz {
    sums: [[u32; 256]; INPUT_BYTES],
}

impl Toeplitz {
    /// The hash by `key`.
    pub fn new(key: &[u8; KEY_BYTES]) -> Toeplitz {
        let mut sums = [[0; 256]; INPUT_BYTES];
        for (position, table) in sums.iter_mut().enumerate() {
            // The five bytes that the windows of this position's eight bits lie in.
            let window = key[position..position + 5].iter().fold(0, |window, byte| window << 8 | u64::from(*byte));
            for value in 1..256_usize {
                // Without its lowest bit, a value has been tabulated already.
                let lowest = value.trailing_zeros();
                table[value] = table[value & (value - 1)] ^ (window >> (lowest + 1)) as u32;
            }
        }
        Toeplitz { sums }
    }

    /// The hash of a TCP or UDP packet over IPv4, of its addresses and ports as numbers.
    pub fn with_ports(&self, source: u32, destination: u32, source_port: u16, destination_port: u16) -> u32 {
        let ports = u32::from(source_port) << 16 | u32::from(destination_port);
        self.addresses(source, destination) ^ self.word(8, ports)
    }

    /// The hash of any other packet over IPv4.
    pub fn addresses(&self, source: u32, destination: u32) -> u32 {
        self.word(0, source) ^ self.word(4, destination)
    }

    /// What four bytes of input from `position` on add.
    fn word(&self, position: usize, word: u32) -> u32 {
        let bytes = word.to_be_bytes();
        (0..4).fold(0, |sum, i| sum ^ self.sums[position + i][usize::from(bytes[i])])
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    /// The key of Microsoft's "Verifying the RSS hash calculation".
    const KEY: [u8; KEY_BYTES] = [
        0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca,
        0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b,
        0xbe, 0xac, 0x01, 0xfa,
    ];

    #[test]
    fn the_published_vectors() {
        let vectors = [
            ([66, 9, 149, 187], 2794, [161, 142, 100, 80], 1766, 0x323e_8fc2, 0x51cc_c178),
            ([199, 92, 111, 2], 14230, [65, 69, 140, 83], 4739, 0xd718_262a, 0xc626_b0ea),
            ([24, 19, 198, 95], 12898, [12, 22, 207, 184], 38024, 0xd2d0_a5de, 0x5c2b_394a),
            ([38, 27, 205, 30], 48228, [209, 142, 163, 6], 2217, 0x8298_9176, 0xafc7_327f),
            ([153, 39, 163, 191], 44251, [202, 188, 127, 2], 1303, 0x5d18_09c5, 0x10e8_28a2),
        ];
        let hash = Toeplitz::new(&KEY);
        for (source, source_port, destination, destination_port, addresses, with_ports) in vectors {
            let [source, destination] = [source, destination].map(|address: [u8; 4]| Ipv4Addr::from(address).into());
            assert_eq!(hash.addresses(source, destination), addresses);
            assert_eq!(hash.with_ports(source, destination, source_port, destination_port), with_ports);
        }
    }

    /// The definition: a window of the key slides along the input's bits.
    fn by_definition(key: &[u8; KEY_BYTES], input: &[u8]) -> u32 {
        let bit = |bytes: &[u8], i: usize| bytes[i / 8] >> (7 - i % 8) & 1 == 1;
        let window = |at: usize| (at..at + 32).fold(0, |window, i| window << 1 | u32::from(bit(key, i)));
        (0..input.len() * 8).filter(|i| bit(input, *i)).fold(0, |hash, i| hash ^ window(i))
    }

    proptest! {
        #[test]
        fn tables_say_what_the_definition_says(key: [u8; 20], more: [u8; 20], source: u32, to: u32, port: u16, at: u16) {
            let mut whole = [0; KEY_BYTES];
            whole[..20].copy_from_slice(&key);
            whole[20..].copy_from_slice(&more);
            let hash = Toeplitz::new(&whole);
            let input = [&source.to_be_bytes()[..], &to.to_be_bytes(), &port.to_be_bytes(), &at.to_be_bytes()].concat();
            prop_assert_eq!(hash.with_ports(source, to, port, at), by_definition(&whole, &input));
            prop_assert_eq!(hash.addresses(source, to), by_definition(&whole, &input[..8]));
        }
    }
}
