//! Every machine that the image runs on, with one, two and four cores: boot, talk memcached, stop, leave nothing.

use anyhow::{Result, ensure};
use ci::appliance::{Machine, Memstorm, Net};
use ci::host::{self, Missing};
use ci::namespace::Namespace;
use ci::{conversation, ping};
use libtest_mimic::Trial;

const CORES: [u32; 3] = [1, 2, 4];

pub(crate) fn trials() -> Vec<Trial> {
    let on = |vmm, machine, accel, net| Machine { vmm, machine, accel, net, ..Machine::default() };
    let uhyve = host::missing_kvm().or(host::missing_tap()).or(host::missing_program("uhyve", "uhyve"));
    let machines: [(&str, Missing, Machine); 6] = [
        ("microvm, KVM", host::missing_kvm(), on("qemu", Some("microvm"), "kvm", Net::User)),
        ("microvm, TCG", None, on("qemu", Some("microvm"), "tcg", Net::User)),
        ("pc, TCG", None, on("qemu", Some("pc"), "tcg", Net::User)),
        ("q35, TCG", None, on("qemu", Some("q35"), "tcg", Net::User)),
        ("uhyve, KVM, tap", uhyve, on("uhyve", None, "kvm", Net::Tap)),
        (
            "microvm, KVM, tap",
            host::missing_kvm().or(host::missing_tap()),
            on("qemu", Some("microvm"), "kvm", Net::Tap),
        ),
    ];
    let mut trials = Vec::new();
    for (name, missing, machine) in machines {
        for cores in CORES {
            let machine = Machine { cores, ..machine.clone() };
            trials.push(crate::trial(&format!("{name}, {cores} cores"), missing, move || serves(&machine)));
        }
    }
    trials
}

fn serves(machine: &Machine) -> Result<()> {
    match machine.net {
        Net::User | Net::VhostUser(_) => serves_here(machine),
        Net::Tap | Net::TapWithoutAddress => {
            let namespace = Namespace::create()?;
            namespace.run(|| serves_here(machine))
        }
    }
}

fn serves_here(machine: &Machine) -> Result<()> {
    let memstorm = Memstorm::new()?;
    let appliance = memstorm.start(machine)?;
    let started = appliance.started();
    ensure!(
        started.vmm == machine.vmm && started.accel == machine.accel,
        "asked for {} with {}, got {} with {}",
        machine.vmm,
        machine.accel,
        started.vmm,
        started.accel
    );
    let console = appliance.console()?;
    let ready = console.lines().find_map(|line| line.split_once(abi::console::READY)).map(|(_, ready)| ready);
    let cores = ready.and_then(|ready| abi::console::field(ready, "cores"));
    let expected = format!("{0}/{0}", machine.cores);
    ensure!(cores == Some(expected.as_str()), "expected cores={expected} in the ready line of:\n{console}");
    conversation::hold_all(appliance.address())?;
    if machine.net == Net::Tap {
        ping::ping(ci::namespace::GUEST)?;
    }
    appliance.stop()?;
    memstorm.finish()
}
