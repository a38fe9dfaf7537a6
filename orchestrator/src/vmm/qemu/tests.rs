use std::path::PathBuf;

use abi::config::Config;

use super::*;
use crate::{Listen, Memory, Vmm};

fn plan() -> Plan {
    Plan {
        vmm: Vmm::Qemu,
        program: "qemu-system-x86_64".into(),
        accel: Accel::Kvm,
        machine: Machine::Microvm,
        net: Net::User,
        cores: 2,
        memory: Memory { mib: 64 },
        pages: Pages::Small,
        listen: Listen::on_loopback(21211),
        http: None,
        words: String::new(),
        guest: Config::default(),
    }
}

fn line(plan: &Plan) -> String {
    command_line(plan, "memstorm", &Files::new("/run/m".into())).to_string()
}

#[test]
fn microvm_under_kvm() {
    let expected = "qemu-system-x86_64 -nodefaults -no-user-config -no-reboot -display none -name memstorm \
        -M microvm,acpi=on,rtc=on,isa-serial=on,pit=on -global virtio-mmio.force-legacy=false \
        -accel kvm -cpu host,-arch-capabilities -smp 2 -m 64M \
        -chardev file,id=console,path=/run/m/console.log -serial chardev:console \
        -device isa-debug-exit,iobase=0x501,iosize=2 -qmp unix:/run/m/qmp.sock,server=on,wait=off \
        -netdev user,id=net,restrict=on,ipv6=off,hostfwd=tcp:127.0.0.1:21211-10.0.2.15:11211 \
        -device virtio-net-device,netdev=net,mac=52:54:00:00:00:00 -device virtio-rng-device \
        -kernel /run/m/memstorm.elf";
    // The address is a hash: its form has a test of its own.
    let expected = expected.replace("52:54:00:00:00:00", &mac("memstorm"));
    assert_eq!(line(&plan()), expected);
}

#[test]
fn pci_machines_have_pci_devices() {
    for machine in [Machine::Pc, Machine::Q35] {
        let line = line(&Plan { machine, accel: Accel::Tcg, ..plan() });
        assert!(line.contains(&format!("-M {machine} -accel tcg -cpu max ")), "{line}");
        assert!(line.contains("-device virtio-net-pci,disable-legacy=on,romfile=,netdev=net,mac="), "{line}");
        assert!(line.contains("-device virtio-rng-pci,disable-legacy=on "), "{line}");
        assert!(!line.contains("virtio-mmio"), "{line}");
    }
}

#[test]
fn a_tap_is_taken_as_it_is() {
    let line = line(&Plan { net: Net::Tap("tap7".to_owned()), ..plan() });
    assert!(line.contains("-netdev tap,id=net,ifname=tap7,script=no,downscript=no "), "{line}");
    assert!(!line.contains("hostfwd"), "{line}");
}

#[test]
fn vhost_user_shares_the_memory() {
    let line = line(&Plan { net: Net::VhostUser(PathBuf::from("/tmp/a,b")), ..plan() });
    assert!(line.contains("pit=on,memory-backend=ram "), "{line}");
    assert!(line.contains("-object memory-backend-memfd,id=ram,size=64M,share=on "), "{line}");
    assert!(line.contains("-chardev socket,id=net-back-end,path=/tmp/a,,b -netdev vhost-user,id=net,"), "{line}");
}

#[test]
fn huge_pages_are_those_set_aside() {
    let private = line(&Plan { pages: Pages::Huge, ..plan() });
    assert!(private.contains("pit=on,memory-backend=ram "), "{private}");
    assert!(private.contains("size=64M,share=off,hugetlb=on,hugetlbsize=2M "), "{private}");
    let net = Net::VhostUser(PathBuf::from("/tmp/a"));
    let shared = line(&Plan { pages: Pages::Huge, net, ..plan() });
    assert!(shared.contains("size=64M,share=on,hugetlb=on,hugetlbsize=2M "), "{shared}");
}

#[test]
fn vhost_user_has_a_queue_pair_for_each_core() {
    let net = Net::VhostUser(PathBuf::from("/tmp/a"));
    let two = line(&Plan { net: net.clone(), ..plan() });
    assert!(two.contains("chardev=net-back-end,queues=2 "), "{two}");
    assert!(two.contains(",mq=on -device virtio-rng-device"), "{two}");
    let one = line(&Plan { net: net.clone(), cores: 1, ..plan() });
    assert!(one.contains("chardev=net-back-end,queues=1 ") && !one.contains("mq=on"), "{one}");
    let pci = line(&Plan { net, machine: Machine::Q35, ..plan() });
    assert!(pci.contains(",mq=on,vectors=6 "), "{pci}");
}

#[test]
fn the_forwarded_port_follows_the_guests_configuration() {
    let mut guest = Config::default();
    guest.apply("port=11300 ip=10.0.2.99/24").unwrap();
    let words = "port=11300 ip=10.0.2.99/24".to_owned();
    let line = line(&Plan { guest, words, ..plan() });
    assert!(line.contains("hostfwd=tcp:127.0.0.1:21211-10.0.2.99:11300 "), "{line}");
    assert!(line.ends_with("-append 'port=11300 ip=10.0.2.99/24'"), "{line}");
}

#[test]
fn datagrams_are_forwarded_from_the_port_of_the_same_number() {
    let mut guest = Config::default();
    guest.apply("udp-port=11222").unwrap();
    let line = line(&Plan { guest, words: "udp-port=11222".to_owned(), ..plan() });
    let forwards = "hostfwd=tcp:127.0.0.1:21211-10.0.2.15:11211,hostfwd=udp:127.0.0.1:21211-10.0.2.15:11222 ";
    assert!(line.contains(forwards) && line.contains("restrict=off,"), "{line}");
}

#[test]
fn a_path_too_long_for_a_socket_goes_without_one() {
    let files = Files::new(PathBuf::from(format!("/{}", "d".repeat(120))));
    assert!(!command_line(&plan(), "memstorm", &files).to_string().contains("-qmp"));
}

#[test]
fn addresses_differ_by_name_and_are_unicast() {
    assert_ne!(mac("tap0"), mac("tap1"));
    assert!(mac("tap0").starts_with("52:54:00:"));
    assert_eq!(mac("tap0").len(), 17);
}

#[test]
fn every_address_of_the_host_is_forwarded() {
    let mut guest = Config::default();
    guest.apply("udp-port=11222").unwrap();
    let address = |text: &str| text.parse().unwrap();
    let listen = Listen { tcp: vec![address("127.0.0.1:1"), address("0.0.0.0:2")], udp: vec![address("127.0.0.2:3")] };
    let line = line(&Plan { guest, listen, ..plan() });
    let forwards = "hostfwd=tcp:127.0.0.1:1-10.0.2.15:11211,hostfwd=tcp:0.0.0.0:2-10.0.2.15:11211,\
                    hostfwd=udp:127.0.0.2:3-10.0.2.15:11222 ";
    assert!(line.contains(forwards), "{line}");
}

#[test]
fn a_port_for_http_is_forwarded() {
    let mut guest = Config::default();
    guest.apply("http-port=8080").unwrap();
    let line = line(&Plan { guest, http: Some("127.0.0.1:18080".parse().unwrap()), ..plan() });
    let expected = "hostfwd=tcp:127.0.0.1:21211-10.0.2.15:11211,hostfwd=tcp:127.0.0.1:18080-10.0.2.15:8080 ";
    assert!(line.contains("restrict=on") && line.contains(expected), "{line}");
}
