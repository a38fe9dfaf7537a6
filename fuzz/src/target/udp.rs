//! Datagrams with requests of any protocol.

use crate::memcached::datagrams;

pub(crate) fn run(input: &[u8]) {
    datagrams::run(input);
}
