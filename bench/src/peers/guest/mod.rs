//! memcached in a Linux guest: Debian's kernel, and a first file system that holds little else.
//!
//! ```text
//! packages   the kernel and busybox, from Debian       modules  what the network device takes, in order
//! initramfs  all of it as an archive: cpio
//! ```

mod cpio;
mod initramfs;
mod modules;
mod packages;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use orchestrator::{Accel, CommandLine, Host};

use self::initramfs::Init;
use self::packages::Packages;
use super::host::{memcached_arguments, program};
use super::network::{GUEST_TAP, PREFIX};
use super::{Needs, PeerError, Reach, machine_memory};

/// What a guest is booted from.
#[derive(Debug)]
pub(super) struct Boot {
    pub(super) line: CommandLine,
    pub(super) version: String,
    /// Bytes of kernel and file system.
    pub(super) image_bytes: u64,
}

/// Writes the guest's file system into `folder`, and says how to boot it.
pub(super) fn prepare(
    folder: &Path,
    needs: &Needs,
    address: SocketAddr,
    accel: Accel,
    reach: &Reach,
) -> Result<Boot, PeerError> {
    let qemu = Host::probe().qemu.ok_or_else(|| {
        PeerError::Missing("qemu is not on this host: install it with `apt-get install qemu-system-x86`".to_owned())
    })?;
    let memcached = program("memcached", "memcached")?;
    let packages = Packages::obtain()?;
    let init = Init { address: format!("{}/{PREFIX}", address.ip()), arguments: memcached_arguments(needs, address) };
    let archive = initramfs::build(&packages, &memcached, &init)?;
    let (kernel, initramfs) = (packages.kernel()?, folder.join("initramfs.cpio"));
    fs::write(&initramfs, &archive).map_err(|error| PeerError::file("cannot write", &initramfs, error))?;
    let size = fs::metadata(&kernel).map_err(|error| PeerError::file("cannot read", &kernel, error))?.len();
    let server = Host::version_of(&memcached).unwrap_or_default();
    Ok(Boot {
        line: command_line(qemu, needs, accel, reach, [&kernel, &initramfs]),
        version: format!("{server}, Linux {}", packages.release()?),
        image_bytes: size + archive.len() as u64,
    })
}

/// QEMU's. The machine is q35: on microvm, Debian's kernel finds no clock to calibrate against.
fn command_line(
    qemu: PathBuf,
    needs: &Needs,
    accel: Accel,
    reach: &Reach,
    [kernel, initramfs]: [&Path; 2],
) -> CommandLine {
    let mib = machine_memory(needs).mib;
    let mut line = CommandLine::new(qemu);
    for flag in ["-nodefaults", "-no-user-config", "-no-reboot"] {
        line.arg(flag);
    }
    line.option("-display", "none");
    line.option("-serial", "stdio");
    orchestrator::accelerate_qemu(accel, &mut line);
    line.option("-smp", needs.cores.to_string());
    line.option("-m", format!("{mib}M"));
    match reach {
        Reach::Socket(path) => {
            line.option("-M", "q35,memory-backend=ram");
            line.option("-object", format!("memory-backend-memfd,id=ram,size={mib}M,share=on"));
            line.option("-chardev", format!("socket,id=net-back-end,path={}", path.display()));
            line.option("-netdev", "vhost-user,id=net,chardev=net-back-end");
        }
        Reach::Network(_) | Reach::Loopback => {
            line.option("-M", "q35");
            line.option("-netdev", format!("tap,id=net,ifname={GUEST_TAP},script=no,downscript=no"));
        }
    }
    line.option("-device", "virtio-net-pci,disable-legacy=on,romfile=,netdev=net");
    line.option("-device", "virtio-rng-pci,disable-legacy=on");
    line.option("-kernel", kernel);
    line.option("-initrd", initramfs);
    line.option("-append", "console=ttyS0 quiet panic=1");
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_wire_have_their_device() {
        let needs = Needs { memory_mib: 64, connections: 4, cores: 1 };
        let line = |accel, reach: &Reach| {
            command_line("qemu".into(), &needs, accel, reach, [Path::new("/k"), Path::new("/i")]).to_string()
        };
        let shared = line(Accel::Tcg, &Reach::Socket("/run/v.sock".into()));
        assert!(shared.contains("-netdev vhost-user,id=net,chardev=net-back-end") && shared.contains("share=on"));
        assert!(shared.contains("path=/run/v.sock") && shared.contains("-accel tcg"));
        let tap = line(Accel::Kvm, &Reach::Loopback);
        assert!(tap.contains("ifname=guest0") && tap.contains("-accel kvm") && !tap.contains("memfd"));
        assert!(tap.ends_with("-kernel /k -initrd /i -append 'console=ttyS0 quiet panic=1'"));
    }
}
