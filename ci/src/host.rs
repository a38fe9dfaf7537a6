//! What this machine offers, and where the repository lies on it.

use std::env;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the repository")
}

/// What keeps this machine from something, if anything does.
pub type Missing = Option<&'static str>;

/// Whether hardware virtualization can be used.
pub fn missing_kvm() -> Missing {
    let opens = OpenOptions::new().read(true).write(true).open("/dev/kvm").is_ok();
    if opens { None } else { Some("/dev/kvm") }
}

/// Whether taps can be made, in network namespaces of their own.
pub fn missing_tap() -> Missing {
    if !nix::unistd::Uid::effective().is_root() {
        return Some("root, for network namespaces");
    }
    if !Path::new("/dev/net/tun").exists() {
        return Some("/dev/net/tun");
    }
    missing_program("ip", "ip (iproute2)")
}

/// Whether `program` is on the path; `what` says where it comes from.
pub fn missing_program(program: &str, what: &'static str) -> Missing {
    if find_program(program).is_some() { None } else { Some(what) }
}

/// Where a program is on the path.
pub fn find_program(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}
