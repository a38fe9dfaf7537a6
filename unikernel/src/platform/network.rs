//! Finding the network device.

#![allow(unsafe_code)] // device registers

use netdrv::Error;
use netdrv::registers::{Mmio, Registers};
use netdrv::virtio::transport::{MmioTransport, PciTransport};
use netdrv::virtio_net::{Interrupts as Delivery, VirtioNet};

use super::acpi::dsdt::VirtioMmio;
use super::interrupts::{Interrupts, Trigger};
use super::machine::Machine;
use super::memory;
use super::pci::{self, Function};
use crate::log;

/// PCI ids of virtio-net, modern and transitional.
const VIRTIO_VENDOR: u16 = 0x1af4;
const NETWORK_IDS: [u16; 2] = [0x1041, 0x1000];
/// The register of a virtio-mmio device that says what it is, and a network device's value (virtio 1.2, section 4.2.2).
const DEVICE_ID: usize = 8;
const NETWORK_DEVICE: u32 = 1;

/// A network device, by the driver it has.
pub enum FoundNic {
    /// virtio-net on PCI.
    VirtioPci(VirtioNet<PciTransport<Mmio>>),
    /// virtio-net on MMIO.
    VirtioMmio(VirtioNet<MmioTransport<Mmio>>),
}

/// The first network device that starts. One that does not is reported and passed over.
pub fn find(machine: &mut Machine) -> Option<FoundNic> {
    let Machine { acpi, functions, interrupts, apic_ids, is_uhyve, .. } = machine;
    let on_mmio = acpi.virtio_mmio.iter().filter_map(|device| match take_mmio(device, interrupts)? {
        Ok(nic) => Some(FoundNic::VirtioMmio(nic)),
        Err(error) => refuse(error),
    });
    if let Some(nic) = { on_mmio }.next() {
        return Some(nic);
    }
    let is_network = |function: &&Function| {
        let (vendor, device) = function.id();
        vendor == VIRTIO_VENDOR && NETWORK_IDS.contains(&device)
    };
    functions.iter().filter(is_network).find_map(|function| match take_pci(function, interrupts, apic_ids, *is_uhyve) {
        Ok(nic) => Some(FoundNic::VirtioPci(nic)),
        Err(error) => refuse(error),
    })
}

fn refuse(error: Error) -> Option<FoundNic> {
    log!(Warn, "a network device does not start: {error}");
    None
}

/// `None` if the device is not a network device.
fn take_mmio(
    device: &VirtioMmio,
    interrupts: &mut Interrupts,
) -> Option<Result<VirtioNet<MmioTransport<Mmio>>, Error>> {
    // SAFETY: firmware names it as the registers of a virtio device, whose driver lets it touch only memory it was given.
    let base = unsafe { memory::map_device(device.base, device.len) }.ok()?;
    // SAFETY: just mapped, for ever; registers are not Rust memory.
    let registers = unsafe { Mmio::new(base, device.len as usize) };
    if registers.read32(DEVICE_ID) != NETWORK_DEVICE {
        return None;
    }
    if interrupts.route_line(device.gsi, Trigger::Edge).is_none() {
        log!(Warn, "no interrupt line {}: the network is polled when a timer fires", device.gsi);
    }
    Some(MmioTransport::new(registers).and_then(|transport| VirtioNet::new(transport, Delivery::SharedLine)))
}

fn take_pci(
    function: &Function,
    interrupts: &mut Interrupts,
    apic_ids: &[u32],
    is_uhyve: bool,
) -> Result<VirtioNet<PciTransport<Mmio>>, Error> {
    function.enable();
    // Entry i interrupts core i.
    let messages = interrupts.messages(apic_ids);
    let delivery = match messages.and_then(|messages| pci::enable_msix(function, messages)) {
        Some(entries) if entries > 0 => Delivery::MsiX { first: 0, entries },
        _ => {
            // uhyve's line only pulses; a PCI line stays until acknowledged.
            let trigger = if is_uhyve { Trigger::Edge } else { Trigger::Level };
            let line = function.interrupt_line().into();
            if interrupts.route_line(line, trigger).is_none() {
                log!(Warn, "no interrupt line {line}: the network is polled when a timer fires");
            }
            Delivery::Line
        }
    };
    VirtioNet::new(PciTransport::new(function)?, delivery)
}
