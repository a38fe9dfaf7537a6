//! The guest's only file system: busybox, the modules of its network device, and memcached with its libraries.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::{MEMCACHED_USER, PeerError};
use super::cpio::Archive;
use super::modules;
use super::packages::{Packages, run};

/// What the network device takes.
const MODULES: &[&str] = &["virtio_pci", "virtio_net"];

/// What memcached is run with in there.
#[derive(Clone, Debug)]
pub(super) struct Init {
    /// Address with the length of its prefix.
    pub(super) address: String,
    /// What memcached is run with.
    pub(super) arguments: Vec<String>,
}

/// The archive that the kernel unpacks. `memcached` is the host's.
pub(super) fn build(packages: &Packages, memcached: &Path, init: &Init) -> Result<Vec<u8>, PeerError> {
    let mut archive = Archive::default();
    let mut add = |from: &Path, to: &str| -> Result<(), PeerError> {
        archive.file(to, &fs::read(from).map_err(|error| PeerError::file("cannot read", from, error))?);
        Ok(())
    };
    add(&packages.busybox(), "bin/busybox")?;
    add(memcached, "bin/memcached")?;
    for library in libraries(memcached)? {
        add(&library, library.to_string_lossy().trim_start_matches('/'))?;
    }
    let mut loaded = Vec::new();
    for module in modules::collect_in_order(&packages.modules()?, MODULES)? {
        let name = format!("modules/{}", module.file_name().unwrap_or_default().to_string_lossy());
        add(&module, &name)?;
        loaded.push(name);
    }
    for mounted in ["proc", "sys", "dev"] {
        archive.directory(mounted);
    }
    archive.file("etc/passwd", format!("{MEMCACHED_USER}:x:0:0::/:/bin/sh\n").as_bytes());
    archive.file("init", script(init, &loaded).as_bytes());
    Ok(archive.finish())
}

/// What the kernel runs first: devices, address, memcached.
fn script(init: &Init, modules: &[String]) -> String {
    let mut script = "#!/bin/busybox sh\n".to_owned();
    for (kind, place) in [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev")] {
        script += &format!("/bin/busybox mount -t {kind} none {place}\n");
    }
    for module in modules {
        script += &format!("/bin/busybox insmod /{module}\n");
    }
    script += &format!("/bin/busybox ip addr add {} dev eth0\n", init.address);
    script += "/bin/busybox ip link set lo up\n/bin/busybox ip link set eth0 up\n";
    script += &format!("exec /bin/memcached {}\n", init.arguments.join(" "));
    script
}

/// The libraries that a program is linked with, its loader included.
fn libraries(program: &Path) -> Result<Vec<PathBuf>, PeerError> {
    let text = run(Command::new("ldd").arg(program))?;
    Ok(parse_ldd(&text))
}

/// Paths in what ldd prints: behind an arrow, or alone for the loader. The kernel's own (vdso) has none.
fn parse_ldd(text: &str) -> Vec<PathBuf> {
    let path = |line: &str| {
        let word = line.split("=>").last()?.split_whitespace().next()?;
        word.starts_with('/').then(|| PathBuf::from(word))
    };
    text.lines().filter_map(path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_ldd_prints() {
        let text = "\tlinux-vdso.so.1 (0x00007fff)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f1)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f2)\n\tlibx.so => not found\n";
        let expected = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"];
        assert_eq!(parse_ldd(text), expected.map(PathBuf::from));
        assert_eq!(parse_ldd("\tstatically linked\n"), [] as [PathBuf; 0]);
    }

    #[test]
    fn the_address_is_set_before_the_server_starts() {
        let arguments = ["-t", "1", "-m", "64"].map(str::to_owned).to_vec();
        let init = Init { address: "198.18.0.1/24".to_owned(), arguments };
        let script = script(&init, &["modules/virtio.ko".to_owned()]);
        let at = |what: &str| script.find(what).unwrap();
        assert!(at("insmod /modules/virtio.ko") < at("addr add 198.18.0.1/24 dev eth0"));
        assert!(script.ends_with("exec /bin/memcached -t 1 -m 64\n"));
    }
}
