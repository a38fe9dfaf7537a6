//! Classic text commands, from several clients.

use crate::memcached::play;

pub(crate) fn run(input: &[u8]) {
    play::run(input, play::TEXT);
}
