//! What is measured on, in words.

use std::fs;
use std::thread::available_parallelism;

use orchestrator::{Host, KvmState};

/// Cores, processor, kernel and VMM of this host.
pub(super) fn describe() -> String {
    let cores = available_parallelism().map_or(1, |cores| cores.get());
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model(&cpuinfo).unwrap_or("an unknown processor");
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let host = Host::probe();
    let qemu = host.qemu.as_deref().and_then(Host::version_of).unwrap_or_else(|| "no QEMU".to_owned());
    let kvm = if host.kvm == KvmState::Works { "KVM" } else { "no KVM" };
    format!("{cores} cores of {model}, Linux {}, {qemu}, {kvm}", release.trim())
}

fn model(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim())
}

/// A command line without the folders of files: they are this host's, and some of them temporary.
pub(super) fn without_folders(line: &str) -> String {
    let words = line.split_inclusive([' ', '=', ',', '\'']);
    let name = |word: &str| match word.strip_prefix('/').and_then(|path| path.rsplit('/').next()) {
        Some(name) => name.to_owned(),
        None => word.to_owned(),
    };
    words.map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_go_and_addresses_stay() {
        let line =
            "/usr/bin/qemu -chardev socket,id=n,path=/run/user/0/v.sock -append 'ip=198.18.0.1/24 port=1' -initrd /a/b";
        let expected = "qemu -chardev socket,id=n,path=v.sock -append 'ip=198.18.0.1/24 port=1' -initrd b";
        assert_eq!(without_folders(line), expected);
    }

    #[test]
    fn the_host_is_described() {
        assert_eq!(model("processor : 0\nmodel name\t: A B\nmodel name\t: C\n"), Some("A B"));
        let text = describe();
        assert!(text.contains(" cores of ") && text.contains("Linux "), "{text}");
    }
}
