//! Meta commands, among classic ones.

use crate::memcached::play;

pub(crate) fn run(input: &[u8]) {
    play::run(input, play::META);
}
