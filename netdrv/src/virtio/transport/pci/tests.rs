use super::*;
use crate::testkit::virtio::{Flavour, NetDevice, Offer, PciModel};
use crate::virtio::Features;

/// Where the model's capabilities lie: common, ISR, device, notify (QEMU).
const COMMON_CAP: u16 = 0x60;
const NOTIFY_CAP: u16 = 0x60 + 3 * 0x18;

fn function(flavour: Flavour) -> PciModel {
    NetDevice::new(Offer::default()).pci(flavour)
}

fn refused(function: &PciModel) -> Error {
    PciTransport::new(function).unwrap_err()
}

#[test]
fn both_kinds_of_ids_name_a_type() {
    for flavour in [Flavour::Qemu, Flavour::Uhyve] {
        let function = function(flavour);
        assert_eq!(PciTransport::new(&function).unwrap().device_type(), 1);
        assert_eq!(function.peek(pci::COMMAND) & 0xffff, pci::COMMAND_MEMORY | pci::COMMAND_BUS_MASTER);
    }
}

#[test]
fn other_functions_are_refused() {
    let function = function(Flavour::Qemu);
    for id in [0x100e_8086, 0x1080_1af4, 0x0fff_1af4, u32::MAX] {
        function.poke(pci::ID, id);
        assert_eq!(refused(&function), Error::NotVirtio { id });
    }
}

#[test]
fn a_structure_without_a_usable_capability_is_named() {
    let common = Error::BadCapability { structure: "common configuration" };
    let spoil = |offset: u16, value: u32| {
        let function = function(Flavour::Qemu);
        function.poke(offset, value);
        refused(&function)
    };
    assert_eq!(spoil(pci::COMMAND, 0), common, "no list");
    assert_eq!(spoil(0x34, 0), common, "an empty list");
    assert_eq!(spoil(0x40, 0x4011), common, "a circle");
    assert_eq!(spoil(COMMON_CAP + 4, 6), common, "BAR 6");
    assert_eq!(spoil(COMMON_CAP + 4, 3), common, "a BAR that cannot be mapped");
    assert_eq!(spoil(COMMON_CAP + 12, 0x37), common, "too short");
    assert_eq!(spoil(NOTIFY_CAP, 0x0914_0009), Error::BadCapability { structure: "notification" });
    let legacy = function(Flavour::Qemu);
    legacy.poke(0x34, 0x40);
    legacy.poke(0x40, 0x0011);
    assert_eq!(refused(&legacy), common, "only MSI-X");
}

#[test]
fn a_doorbell_stays_in_its_window() {
    for multiplier in [0x1000, u32::MAX, 3] {
        let function = function(Flavour::Qemu);
        function.poke(NOTIFY_CAP + 16, multiplier);
        let transport = PciTransport::new(&function).unwrap();
        transport.select(1).unwrap();
        assert_eq!(transport.doorbell(1), Err(Error::BadCapability { structure: "notification" }));
        transport.select(0).unwrap();
        assert_eq!(transport.doorbell(0), Ok(Doorbell { offset: 0, queue: 0 }));
    }
}

#[test]
fn a_queue_that_the_device_lacks_is_never_selected() {
    let single = Offer { features: Features::NET_MAC.bits(), ..Offer::default() };
    let transport = PciTransport::new(&NetDevice::new(single).pci(Flavour::Uhyve)).unwrap();
    assert_eq!(transport.read_queue_size(2), Err(Error::MissingQueue { queue: 2 }));
    assert_eq!(transport.read_queue_size(1), Ok(256));
}

#[test]
fn vectors_are_checked() {
    let transport = PciTransport::new(&function(Flavour::Qemu)).unwrap();
    assert_eq!(transport.route_interrupt(0, 3), Ok(()));
    assert_eq!(transport.route_interrupt(0, 6), Err(Error::NoVector { queue: 0, entry: 6 }));
    assert_eq!(transport.route_interrupt(0, 0xffff), Err(Error::NoVector { queue: 0, entry: 0xffff }));
}
