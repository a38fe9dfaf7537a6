//! Every frame goes into a digest, by which two runs are compared, and into a file if one is named.

use std::cell::Cell;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::rc::Rc;

use netdrv::testkit::link::{Observer, Passage, Sighting};
use netdrv::testkit::pcap::Pcap;

use super::host::Place;
use super::scenario::Role;

/// An observer that keeps `digest` up to date, and writes the frames that pass the server's end.
pub(super) fn observer(digest: Rc<Cell<u64>>, pcap: Option<&Path>) -> Observer {
    let mut pcap = pcap.map(|path| {
        let file = File::create(path).and_then(|file| Pcap::new(BufWriter::new(file)));
        file.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    });
    let server = Place::of(Role::Server).side;
    Box::new(move |sighting: Sighting<'_>| {
        let Sighting { at_ns, side, passage, frame } = sighting;
        let head = at_ns ^ (u64::from(side == server) << 63) ^ (u64::from(passage == Passage::Sent) << 62);
        let words = frame.chunks(8).map(|chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            u64::from_le_bytes(word)
        });
        digest.set(words.fold(super::digest(digest.get(), head), super::digest));
        if let Some(pcap) = pcap.as_mut().filter(|_| side == server) {
            let _ = pcap.record(at_ns, frame);
        }
    })
}
