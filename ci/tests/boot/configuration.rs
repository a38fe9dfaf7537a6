//! Starts that must fail: each with its own exit code and a line that says why, none by hanging.

use std::process::Command;
use std::time::Duration;

use abi::exit::{DEBUG_EXIT_PORT, Exit};
use anyhow::{Context, Result, ensure};
use ci::appliance::{CheckedBy, Ended, Machine, Memstorm, Net, run_to_end};
use ci::host;
use ci::namespace::Namespace;
use libtest_mimic::Trial;

/// How long a start that fails may take.
const LIMIT: Duration = Duration::from_secs(20);
/// The same where the appliance waits for a DHCP server first.
const DHCP_LIMIT: Duration = Duration::from_secs(60);
/// `memstorm`'s own exit code for a wrong command line.
const USAGE: i32 = 2;

pub(crate) fn trials() -> Vec<Trial> {
    let kvm = host::missing_kvm();
    vec![
        crate::trial("an unknown key", kvm, || appended("prt=1", &["unknown key 'prt'", "did you mean 'port'?"])),
        crate::trial("an unknown value", kvm, || {
            appended("console=warm", &["key 'console'", "unknown value 'warm'", "did you mean 'warn'?"])
        }),
        crate::trial("a malformed value", kvm, || appended("port=65536", &["key 'port'", "'65536'"])),
        crate::trial("too little memory", kvm, too_little_memory),
        crate::trial("no NIC", kvm, no_nic),
        crate::trial("no address", kvm.or(host::missing_tap()), no_address),
        crate::trial("an unknown option", None, unknown_option),
        crate::trial("an unknown option's value", None, unknown_option_value),
    ]
}

fn ends_with(machine: &Machine, limit: Duration, exit: Exit, said: &[&str]) -> Result<()> {
    let memstorm = Memstorm::new()?;
    let ended = memstorm.run_to_end(machine, limit)?;
    check(&ended, i32::from(exit.code()), said)?;
    memstorm.finish()
}

fn check(ended: &Ended, code: i32, said: &[&str]) -> Result<()> {
    ensure!(ended.code == Some(code), "expected exit code {code}, got {:?}:\n{}", ended.code, ended.console);
    for words in said {
        ensure!(ended.console.contains(words), "expected \"{words}\" in:\n{}", ended.console);
    }
    Ok(())
}

/// Both refuse it in the same words, with exit codes of their own.
fn appended(append: &str, said: &[&str]) -> Result<()> {
    let machine = Machine { append: append.to_owned(), ..Machine::default() };
    let ended = Memstorm::new()?.run_to_end(&machine, LIMIT)?;
    check(&ended, USAGE, said).context("checked by the host")?;
    let machine = Machine { checked_by: CheckedBy::Guest, ..machine };
    ends_with(&machine, LIMIT, Exit::BadConfig, said).context("checked by the guest")
}

fn too_little_memory() -> Result<()> {
    ends_with(
        &Machine { memory: "6M".to_owned(), ..Machine::default() },
        LIMIT,
        Exit::TooLittleMemory,
        &["too little memory"],
    )
}

/// `memstorm run` always gives a NIC, so this starts QEMU itself.
fn no_nic() -> Result<()> {
    let memstorm = Memstorm::new()?;
    let folder = tempfile::tempdir()?;
    memstorm.call(&["build", "--format", "elf", "-o", &folder.path().display().to_string()])?;
    let mut qemu = Command::new("qemu-system-x86_64");
    qemu.args("-nodefaults -no-user-config -no-reboot -display none -serial stdio -m 64M".split(' '));
    qemu.args("-M microvm,acpi=on,rtc=on,isa-serial=on,pit=on -global virtio-mmio.force-legacy=false".split(' '));
    qemu.args("-accel kvm -cpu host,-arch-capabilities -device virtio-rng-device".split(' '));
    qemu.arg("-device").arg(format!("isa-debug-exit,iobase={DEBUG_EXIT_PORT:#x},iosize=2"));
    qemu.arg("-kernel").arg(folder.path().join("memstorm.elf"));
    let ended = run_to_end(qemu, LIMIT)?;
    let exit = ended.code.and_then(Exit::from_qemu_status);
    ensure!(exit == Some(Exit::NoNic), "expected {:?}, got {:?}:\n{}", Exit::NoNic, ended.code, ended.console);
    ensure!(ended.console.contains(abi::console::EXIT), "no exit line in:\n{}", ended.console);
    memstorm.finish()
}

fn no_address() -> Result<()> {
    let namespace = Namespace::create()?;
    let machine = Machine { net: Net::TapWithoutAddress, ..Machine::default() };
    namespace.run(|| ends_with(&machine, DHCP_LIMIT, Exit::NoAddress, &["DHCP"]))
}

fn usage(arguments: &[&str], said: &[&str]) -> Result<()> {
    let output = Memstorm::new()?.command().args(arguments).output()?;
    let console = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    check(&Ended { code: output.status.code(), console }, USAGE, said)
}

fn unknown_option() -> Result<()> {
    usage(&["run", "--memroy", "64M"], &["--memroy", "--memory"])
}

fn unknown_option_value() -> Result<()> {
    usage(&["run", "--vmm", "qemo"], &["qemo", "qemu"])
}
