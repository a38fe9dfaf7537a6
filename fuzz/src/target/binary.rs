//! Frames of the binary protocol.

use crate::memcached::play;

pub(crate) fn run(input: &[u8]) {
    play::run(input, play::BINARY);
}
