//! `memstorm doctor`: what this host offers, and what to do about what is missing.

use std::path::Path;

use orchestrator::{Host, KvmState, StateDir};
use serde::Serialize;

use crate::args::Output;
use crate::{FAILURE, kernel, output};

/// One thing that was looked at.
#[derive(Serialize)]
struct Check {
    name: &'static str,
    status: Status,
    found: String,
    /// What to do.
    advice: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    /// It is there and works.
    Good,
    /// It is missing; `run` does without it, slower or with less choice.
    Limited,
    /// It is missing, and `run` needs it.
    Missing,
}

/// Exits with 1 if something is missing that `run` needs.
pub(crate) fn doctor(format: Output) -> anyhow::Result<u8> {
    let host = Host::probe();
    let checks = [kvm(&host), qemu(&host), uhyve(&host), tap(), cargo(), guest_kernel(), state()];
    match format {
        Output::Json => output::json(&checks)?,
        Output::Table => {
            let row = |check: &Check| vec![check.name.to_owned(), check.status.word().to_owned(), check.found.clone()];
            output::table(&["CHECK", "STATUS", "FOUND"], checks.iter().map(row).collect(), &[])?;
            for check in &checks {
                if let Some(advice) = &check.advice {
                    output::line(&format!("{}: {advice}", check.name))?;
                }
            }
        }
    }
    let usable = checks.iter().all(|check| check.status != Status::Missing);
    Ok(if usable { 0 } else { FAILURE })
}

impl Check {
    fn good(name: &'static str, found: impl Into<String>) -> Check {
        Check { name, status: Status::Good, found: found.into(), advice: None }
    }

    fn lacking(name: &'static str, status: Status, found: impl Into<String>, advice: &str) -> Check {
        Check { name, status, found: found.into(), advice: Some(advice.to_owned()) }
    }
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Status::Good => "good",
            Status::Limited => "limited",
            Status::Missing => "missing",
        }
    }
}

fn kvm(host: &Host) -> Check {
    let kind = Host::kvm_kind();
    match &host.kvm {
        KvmState::Works => {
            let mut check = Check::good("kvm", kind.unwrap_or("works"));
            if kind == Some("kvm_pvm") {
                check.advice = Some(
                    "nested without hardware support: ring 3 is native, ring 0 is emulated; pc and q35 boot slowly"
                        .into(),
                );
            }
            check
        }
        KvmState::Fails(why) => Check::lacking(
            "kvm",
            Status::Limited,
            why.clone(),
            "without KVM appliances run under QEMU's translator, several times slower; load kvm_intel or kvm_amd, and be \
             a member of the group that owns /dev/kvm (`sudo usermod -aG kvm $USER`)",
        ),
    }
}

fn qemu(host: &Host) -> Check {
    let advice = "install it with `sudo apt-get install qemu-system-x86`";
    program("qemu", host.qemu.as_deref(), Status::Missing, advice)
}

fn uhyve(host: &Host) -> Check {
    let advice = "only --vmm uhyve needs it; install it with `cargo install --locked uhyve`";
    program("uhyve", host.uhyve.as_deref(), Status::Limited, advice)
}

fn cargo() -> Check {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("cargo")).find(|file| file.is_file());
    let advice = "only building from source needs it; install Rust from https://rustup.rs";
    program("cargo", found.as_deref(), Status::Limited, advice)
}

fn program(name: &'static str, path: Option<&Path>, without: Status, advice: &str) -> Check {
    match path.map(|path| (path, Host::version_of(path))) {
        Some((path, Some(version))) => Check::good(name, format!("{version} ({})", path.display())),
        Some((path, None)) => Check::lacking(name, without, format!("{} does not run", path.display()), advice),
        None => Check::lacking(name, without, "not on the path", advice),
    }
}

fn tap() -> Check {
    match std::fs::OpenOptions::new().read(true).write(true).open("/dev/net/tun") {
        Ok(_) => Check::good("tap", "/dev/net/tun"),
        Err(error) => Check::lacking(
            "tap",
            Status::Limited,
            format!("/dev/net/tun: {error}"),
            "only --net tap:NAME needs it; load the module with `sudo modprobe tun`, and make a tap of your own with \
             `sudo ip tuntap add NAME mode tap user $USER`",
        ),
    }
}

fn guest_kernel() -> Check {
    match kernel::find() {
        Ok(path) => match kernel::bootable(Some(&path)) {
            Ok(bootable) => Check::good("kernel", format!("{} ({} bytes)", path.display(), bootable.image.bytes.len())),
            Err(error) => Check::lacking("kernel", Status::Missing, format!("{error:#}"), "build it with ./memstorm"),
        },
        Err(error) => Check::lacking("kernel", Status::Missing, "none", &error.to_string()),
    }
}

fn state() -> Check {
    match StateDir::resolve() {
        Ok(state) => Check::good("state", state.root().display().to_string()),
        Err(error) => Check::lacking("state", Status::Missing, "unusable", &error.to_string()),
    }
}
