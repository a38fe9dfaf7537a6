//! Where unsafe code may stand: only where hardware or raw memory is touched, file by file.

use anyhow::Result;

use super::{SourceFile, rust};

/// A file (or, with a `/` at its end, a folder) and what it needs unsafe code for.
const ALLOWED: &[(&str, &str)] = &[
    ("app-memcached/src/store/arena.rs", "the memory that cores share"),
    ("app-memcached/src/store/memory.rs", "the arena that items lie in"),
    ("bench/src/processor.rs", "the cycle counter, and requests to Callgrind"),
    ("bench/src/stack/memory.rs", "an allocator that counts"),
    ("bench/src/tap/device.rs", "ioctls of tap devices"),
    ("bench/src/vhost/memory.rs", "memory shared with a guest"),
    ("bench/src/vhost/ring.rs", "rings shared with a guest"),
    ("bench/src/vhost/testbed.rs", "plays a guest in this process's memory"),
    ("fuzz/src/memcached/memory.rs", "the memory of one store becomes that of the next"),
    ("netdrv/src/cache.rs", "an instruction without a safe name"),
    ("netdrv/src/dma.rs", "memory shared with devices"),
    ("netdrv/src/fifo.rs", "slots of a ring, filled or not"),
    ("netdrv/src/pktbuf/attachment.rs", "item memory lent to frames"),
    ("netdrv/src/pktbuf/mod.rs", "packet buffers, shared with devices"),
    ("netdrv/src/pktbuf/parcel.rs", "memory handed from core to core"),
    ("netdrv/src/pktbuf/pool.rs", "the memory of packet buffers"),
    ("netdrv/src/pktbuf/whole.rs", "buffers that a device fills"),
    ("netdrv/src/registers.rs", "device registers"),
    ("netdrv/src/testkit/virtio/", "plays a device's DMA"),
    ("netdrv/src/virtio/rings.rs", "layouts shared with devices"),
    ("netdrv/src/virtio_net/tx.rs", "the header's layout, shared with devices"),
    ("orchestrator/src/launch.rs", "a call between fork and exec"),
    ("unikernel/src/bin/", "entry points, named for the linker"),
    ("unikernel/src/crash.rs", "walks the stack of the fault"),
    ("unikernel/src/entry.rs", "entry points, and the symbols that the compiler calls"),
    ("unikernel/src/main.rs", "hands memory to the store"),
    ("unikernel/src/monitor.rs", "the gate to ring 0"),
    ("unikernel/src/platform/", "ports, device registers, firmware tables, boot information"),
    ("unikernel/src/runtime/launch.rs", "hands memory to pools"),
    ("unikernel/src/runtime/ring.rs", "slots that change hands between cores"),
    ("unikernel/src/runtime/serve.rs", "hands shards to their cores"),
    ("unikernel/src/runtime/selftest.rs", "deliberate faults"),
];

/// The uses of unsafe code, and the permissions for it, in files that are not named above, a line each; also the names
/// above that no longer need to be there.
pub fn collect_violations(files: &[SourceFile]) -> Result<Vec<String>> {
    let mut violations = Vec::new();
    let mut used = vec![false; ALLOWED.len()];
    for file in files {
        // A test may contain what the crate may, and is covered by the lint.
        if file.is_test() {
            continue;
        }
        let contents = rust::read(file)?;
        let lines: Vec<usize> =
            [contents.unsafe_blocks, contents.unsafe_declarations, permissions(&file.text)].concat();
        if lines.is_empty() {
            continue;
        }
        match ALLOWED.iter().position(|(name, _)| covers(name, &file.path)) {
            Some(index) => used[index] = true,
            None => violations.extend(lines.iter().map(|line| format!("{}:{line}: unsafe code", file.path))),
        }
    }
    let unneeded = ALLOWED.iter().zip(used).filter(|(_, used)| !used);
    violations.extend(unneeded.map(|((name, _), _)| format!("{name}: allowed unsafe code, and has none")));
    Ok(violations)
}

fn covers(name: &str, path: &str) -> bool {
    if name.ends_with('/') { path.starts_with(name) } else { path == name }
}

/// The lines that lift the lint.
fn permissions(text: &str) -> Vec<usize> {
    let lifts = |line: &str| {
        let line = line.trim_start();
        line.starts_with("#") && (line.contains("allow(unsafe_code") || line.contains("expect(unsafe_code"))
    };
    text.lines().enumerate().filter(|(_, line)| lifts(line)).map(|(index, _)| index + 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsafe_code_needs_a_name() {
        let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
        let files = [
            file("netstack/src/tcp.rs", "#![allow(unsafe_code)]\nfn f() { unsafe { g() } }\n"),
            file("unikernel/src/platform/port.rs", "fn f() { unsafe { g() } }\n"),
        ];
        let found = collect_violations(&files).unwrap();
        assert_eq!(found[..2], ["netstack/src/tcp.rs:2: unsafe code", "netstack/src/tcp.rs:1: unsafe code"]);
        assert!(found[2..].iter().all(|line| line.ends_with("allowed unsafe code, and has none")));
        assert!(!found.iter().any(|line| line.starts_with("unikernel/src/platform/")));
    }
}
