//! The corpora of the fuzz targets, replayed.

use std::fs;
use std::path::{Path, PathBuf};

/// The corpora stay small enough to be kept in the repository.
const LARGEST_CORPUS_BYTES: u64 = 256 << 10;

fn inputs(target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files
}

fn replay(name: &str) {
    let target = fuzz::TARGETS.iter().find(|target| target.name == name).unwrap();
    for file in inputs(name) {
        println!("{}", file.display()); // shown if it panics
        (target.run)(&fs::read(file).unwrap());
    }
}

#[test]
fn frame() {
    replay("frame");
}

#[test]
fn tcp_options() {
    replay("tcp_options");
}

#[test]
fn dhcp() {
    replay("dhcp");
}

#[test]
fn arp() {
    replay("arp");
}

#[test]
fn corpora_are_small() {
    for target in fuzz::TARGETS {
        let bytes: u64 = inputs(target.name).iter().map(|file| fs::metadata(file).unwrap().len()).sum();
        assert!(bytes <= LARGEST_CORPUS_BYTES, "{}: {bytes} bytes", target.name);
    }
}

#[test]
fn text() {
    replay("text");
}

#[test]
fn meta() {
    replay("meta");
}

#[test]
fn binary() {
    replay("binary");
}

#[test]
fn udp() {
    replay("udp");
}
