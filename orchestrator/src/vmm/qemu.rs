//! QEMU's command line.

use std::ffi::OsString;
use std::net::SocketAddrV4;
use std::path::Path;

use abi::config::Address;
use abi::exit::DEBUG_EXIT_PORT;

use crate::{Accel, CommandLine, Files, Machine, Net, Pages, Plan};

/// The address that QEMU's user network gives its first guest by DHCP.
const USER_NET_GUEST: &str = "10.0.2.15";

/// See [`super::command_line`].
pub(super) fn command_line(plan: &Plan, name: &str, files: &Files) -> CommandLine {
    let mut line = CommandLine::new(&plan.program);
    for flag in ["-nodefaults", "-no-user-config", "-no-reboot"] {
        line.arg(flag);
    }
    line.option("-display", "none");
    line.option("-name", name);
    machine(plan, &mut line);
    console(files, &mut line);
    line.option("-device", format!("isa-debug-exit,iobase={DEBUG_EXIT_PORT:#x},iosize=2"));
    if let Some(socket) = files.qmp() {
        line.option("-qmp", with_path("unix:", &socket, ",server=on,wait=off"));
    }
    network(plan, name, &mut line);
    line.option("-device", device(plan, "virtio-rng", ""));
    line.option("-kernel", files.image());
    if !plan.words.is_empty() {
        line.option("-append", &plan.words);
    }
    line
}

/// Machine, accelerator, cores and memory.
fn machine(plan: &Plan, line: &mut CommandLine) {
    let machine = match plan.machine {
        // ACPI names the cores (MADT). The legacy devices that remain: the serial port is the console, the RTC gives
        // wall time, the PIT calibrates the clock where no other source does.
        Machine::Microvm => "microvm,acpi=on,rtc=on,isa-serial=on,pit=on".to_owned(),
        other => other.to_string(),
    };
    // A vhost-user back end is another process: it can reach guest memory only if that is shared.
    let share = if matches!(plan.net, Net::VhostUser(_)) { "on" } else { "off" };
    let pages = if plan.pages == Pages::Huge { ",hugetlb=on,hugetlbsize=2M" } else { "" };
    if share == "on" || plan.pages == Pages::Huge {
        line.option("-M", machine + ",memory-backend=ram");
        let size = plan.memory.mib;
        line.option("-object", format!("memory-backend-memfd,id=ram,size={size}M,share={share}{pages}"));
    } else {
        line.option("-M", machine);
    }
    if plan.machine == Machine::Microvm {
        // Else its virtio-mmio devices are of virtio 0.9.
        line.option("-global", "virtio-mmio.force-legacy=false");
    }
    accelerate(plan.accel, line);
    line.option("-smp", plan.cores.to_string());
    line.option("-m", format!("{}M", plan.memory.mib));
}

/// What executes a guest, and as which processor.
pub fn accelerate(accel: Accel, line: &mut CommandLine) {
    match accel {
        Accel::Kvm => {
            line.option("-accel", "kvm");
            // QEMU aborts where KVM offers the MSR of arch-capabilities but cannot set it.
            line.option("-cpu", "host,-arch-capabilities");
        }
        Accel::Tcg => {
            line.option("-accel", "tcg");
            line.option("-cpu", "max");
        }
    }
}

/// The first serial port is the console, and the console is a file.
fn console(files: &Files, line: &mut CommandLine) {
    line.option("-chardev", with_path("file,id=console,path=", &files.console(), ""));
    line.option("-serial", "chardev:console");
}

fn network(plan: &Plan, name: &str, line: &mut CommandLine) {
    let seed = match &plan.net {
        Net::User => {
            let guest = match plan.guest.address {
                Address::Static { ip, .. } => ip.to_string(),
                Address::Dhcp => USER_NET_GUEST.to_owned(),
            };
            // Nothing but the forwarded ports goes in. Restricted, nothing goes out either: not even answers to datagrams.
            let forward = |protocol: &str, from: &[SocketAddrV4], to: u16| -> String {
                from.iter().map(|from| format!(",hostfwd={protocol}:{from}-{guest}:{to}")).collect()
            };
            let mut forwards = forward("tcp", &plan.listen.tcp, plan.guest.port);
            let mut restrict = "on";
            if plan.guest.udp_port != 0 {
                forwards += &forward("udp", &plan.listen.udp, plan.guest.udp_port);
                restrict = "off";
            }
            if let Some(http) = plan.http {
                forwards += &forward("tcp", &[http], plan.guest.http_port);
            }
            line.option("-netdev", format!("user,id=net,restrict={restrict},ipv6=off{forwards}"));
            name
        }
        Net::Tap(interface) => {
            line.option("-netdev", format!("tap,id=net,ifname={interface},script=no,downscript=no"));
            interface
        }
        Net::VhostUser(socket) => {
            line.option("-chardev", with_path("socket,id=net-back-end,path=", socket, ""));
            let pairs = plan.cores;
            line.option("-netdev", format!("vhost-user,id=net,chardev=net-back-end,queues={pairs}"));
            name
        }
    };
    let options = format!(",netdev=net,mac={}{}", mac(seed), queue_pairs(plan));
    line.option("-device", device(plan, "virtio-net", &options));
}

/// Options of a network device with a queue pair for each core, where the back end has as many.
fn queue_pairs(plan: &Plan) -> String {
    let several = matches!(plan.net, Net::VhostUser(_)) && plan.cores > 1;
    match plan.machine {
        _ if !several => String::new(),
        Machine::Microvm => ",mq=on".to_owned(),
        // An interrupt for each queue, for the control queue, and for changes of the configuration.
        Machine::Pc | Machine::Q35 => format!(",mq=on,vectors={}", 2 * plan.cores + 2),
    }
}

/// A virtio device, on the bus that the machine has.
fn device(plan: &Plan, kind: &str, options: &str) -> String {
    match plan.machine {
        Machine::Microvm => format!("{kind}-device{options}"),
        // A network device without a boot ROM: the firmware need not run it.
        Machine::Pc | Machine::Q35 if kind == "virtio-net" => format!("{kind}-pci,disable-legacy=on,romfile={options}"),
        Machine::Pc | Machine::Q35 => format!("{kind}-pci,disable-legacy=on{options}"),
    }
}

/// An address under QEMU's prefix that two appliances on one bridge do not share: 24 bits of the FNV-1a hash of `seed`.
fn mac(seed: &str) -> String {
    let hash = seed.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let [_, a, b, c] = hash.to_be_bytes();
    format!("52:54:00:{a:02x}:{b:02x}:{c:02x}")
}

/// An option's value with a path in it. A comma in the path is doubled, as QEMU wants it.
fn with_path(before: &str, path: &Path, after: &str) -> OsString {
    use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
    let mut value = before.as_bytes().to_vec();
    for &byte in path.as_os_str().as_bytes() {
        value.push(byte);
        if byte == b',' {
            value.push(byte);
        }
    }
    value.extend_from_slice(after.as_bytes());
    OsString::from_vec(value)
}

#[cfg(test)]
mod tests;
