//! The appliance under QEMU's translator, which counts instructions.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::namespace::{GUEST, PREFIX, TAP};
use crate::soak::check_interrupted;

const PORT: u16 = 11211;
/// How long the boot may take: the firmware's instructions are counted, too.
const BOOT: Duration = Duration::from_secs(60);
/// Cores do not halt between requests: what their timers would be set to ends the others' slices.
const WORDS: &str = "stage-clock=alone spin=1000000";

/// A running appliance, ended with this value.
#[derive(Debug)]
pub(super) struct Machine {
    vmm: Child,
    folder: TempDir,
}

/// Where it serves.
pub(super) fn address() -> SocketAddr {
    (GUEST, PORT).into()
}

impl Machine {
    /// Boots `image` on the tap of this thread's namespace, which has several queues unless there is but one core. Returns once
    /// it serves.
    pub(super) fn boot(image: &Path, cores: u32) -> Result<Machine> {
        let folder = tempfile::tempdir()?;
        let console = folder.path().join("console");
        let log = fs::File::create(folder.path().join("log"))?;
        let mut qemu = Command::new("qemu-system-x86_64");
        qemu.args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-M", "q35", "-m", "256M"]);
        qemu.args(["-accel", "tcg", "-icount", "shift=0", "-cpu", "max", "-smp", &cores.to_string()]);
        qemu.arg("-chardev").arg(format!("file,id=console,path={}", console.display()));
        qemu.args(["-serial", "chardev:console", "-device", "virtio-rng-pci,disable-legacy=on"]);
        qemu.args(network(cores)).arg("-kernel").arg(image);
        qemu.arg("-append").arg(format!("ip={GUEST}/{PREFIX} port={PORT} {WORDS}"));
        qemu.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let vmm = qemu.spawn().context("cannot start qemu-system-x86_64 (package qemu-system-x86)")?;
        let mut machine = Machine { vmm, folder };
        machine.wait_ready()?;
        Ok(machine)
    }

    /// What it has printed, and what QEMU has.
    pub(super) fn console(&self) -> String {
        let read = |path: PathBuf| fs::read(path).unwrap_or_default();
        let printed = [read(self.folder.path().join("console")), read(self.folder.path().join("log"))].concat();
        String::from_utf8_lossy(&printed).into_owned()
    }

    fn wait_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + BOOT;
        while !self.console().lines().any(|line| line.starts_with(abi::console::READY)) {
            check_interrupted()?;
            if let Some(status) = self.vmm.try_wait()? {
                bail!("QEMU has ended: {status}\n{}", self.console());
            }
            if Instant::now() > deadline {
                bail!("not ready within {BOOT:?}:\n{}", self.console());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It is our child, so its number is its own until it is waited for.
        let _ = self.vmm.kill();
        let _ = self.vmm.wait();
    }
}

/// A queue pair for each core, with an interrupt each, steered by RSS.
fn network(cores: u32) -> [String; 4] {
    let (mut tap, mut nic) = (
        format!("tap,id=net,ifname={TAP},script=no,downscript=no"),
        "virtio-net-pci,disable-legacy=on,romfile=,netdev=net".to_owned(),
    );
    if cores > 1 {
        tap += &format!(",queues={cores}");
        // A vector for each queue, the control queue, and changes of the configuration.
        nic += &format!(",mq=on,rss=on,vectors={}", 2 * cores + 2);
    }
    ["-netdev".to_owned(), tap, "-device".to_owned(), nic]
}
