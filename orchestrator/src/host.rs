//! What this host offers.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use kvm_ioctls::Kvm;
use rustix::net::{AddressFamily, SocketType, netdevice, socket};

/// The KVM API that every kernel since 2.6.22 has (Linux `Documentation/virt/kvm/api.rst`, KVM_GET_API_VERSION).
const KVM_API_VERSION: i32 = 12;

/// Huge pages of the size that x86 has beside its small ones.
pub(crate) const HUGE_PAGE_MIB: u32 = 2;
const FREE_HUGE_PAGES: &str = "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages";

/// Whether KVM can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KvmState {
    /// A virtual machine could be created.
    Works,
    /// It could not: why.
    Fails(String),
}

/// The programs and devices that a plan may use.
#[derive(Clone, Debug)]
pub struct Host {
    /// `qemu-system-x86_64`.
    pub qemu: Option<PathBuf>,
    /// `uhyve`.
    pub uhyve: Option<PathBuf>,
    /// KVM.
    pub kvm: KvmState,
    /// Huge pages that were set aside and are free.
    pub free_huge_pages: u32,
}

impl Host {
    /// Looks at this host.
    pub fn probe() -> Host {
        Host {
            qemu: find_program("qemu-system-x86_64"),
            uhyve: find_program("uhyve"),
            kvm: probe_kvm(),
            free_huge_pages: free_huge_pages(),
        }
    }

    /// First line of what `program --version` prints.
    pub fn version_of(program: &Path) -> Option<String> {
        let output = Command::new(program).arg("--version").output().ok().filter(|output| output.status.success())?;
        String::from_utf8_lossy(&output.stdout).lines().next().map(str::to_owned)
    }

    /// The kind of KVM: the module that backs it.
    pub fn kvm_kind() -> Option<&'static str> {
        let loaded = |module: &&&str| Path::new("/sys/module").join(module).exists();
        ["kvm_intel", "kvm_amd", "kvm_pvm"].iter().find(loaded).copied()
    }

    /// Whether the calling thread's network namespace has this interface.
    pub fn has_interface(name: &str) -> bool {
        // Not by /sys/class/net: that shows the namespace in which /sys was mounted.
        let index = socket(AddressFamily::INET, SocketType::DGRAM, None)
            .and_then(|socket| netdevice::name_to_index(&socket, name));
        index.is_ok()
    }
}

/// None on a kernel without them.
fn free_huge_pages() -> u32 {
    fs::read_to_string(FREE_HUGE_PAGES).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// Creates a virtual machine, for a moment.
fn probe_kvm() -> KvmState {
    let kvm = match Kvm::new() {
        Ok(kvm) => kvm,
        Err(error) => return KvmState::Fails(format!("/dev/kvm: {}", io::Error::from(error))),
    };
    match (kvm.get_api_version(), kvm.create_vm()) {
        (KVM_API_VERSION, Ok(_)) => KvmState::Works,
        (KVM_API_VERSION, Err(error)) => KvmState::Fails(format!("KVM_CREATE_VM: {}", io::Error::from(error))),
        (version, _) => KvmState::Fails(format!("KVM has API version {version}, not {KVM_API_VERSION}")),
    }
}

/// The first executable of this name on the path, or where cargo installs programs.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo_home = cargo_home.or_else(|| Some(env::home_dir()?.join(".cargo")));
    let folders = env::split_paths(&path).chain(cargo_home.map(|home| home.join("bin")));
    first_executable(folders, OsStr::new(name))
}

fn first_executable(mut folders: impl Iterator<Item = PathBuf>, name: &OsStr) -> Option<PathBuf> {
    folders.find_map(|folder| {
        let file = folder.join(name);
        let metadata = file.metadata().ok()?;
        (metadata.is_file() && metadata.permissions().mode() & 0o111 != 0).then_some(file)
    })
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    #[test]
    fn finds_executables_only() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tool"), "").unwrap();
        let folders = || [PathBuf::from("/nowhere"), folder.path().to_owned()].into_iter();
        assert_eq!(first_executable(folders(), OsStr::new("tool")), None, "not executable");
        std::fs::set_permissions(folder.path().join("tool"), Permissions::from_mode(0o755)).unwrap();
        assert_eq!(first_executable(folders(), OsStr::new("tool")), Some(folder.path().join("tool")));
    }

    #[test]
    fn knows_interfaces() {
        assert!(Host::has_interface("lo"));
        assert!(!Host::has_interface("nosuchtap0"));
        assert!(!Host::has_interface("a-name-that-is-too-long-for-linux"));
    }
}
