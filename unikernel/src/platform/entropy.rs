//! Entropy for sequence numbers, hash seeds and the like: the CPU's generator, else a virtio-rng device.

#![allow(unsafe_code)] // DMA memory for virtio-drivers

use alloc::alloc::{alloc_zeroed, dealloc};
use core::alloc::Layout;
use core::ptr::NonNull;

use netdrv::pci::PciFunction;
use virtio_drivers::device::rng::VirtIORng;
use virtio_drivers::transport::mmio::{MmioTransport, VirtIOHeader};
use virtio_drivers::transport::pci::PciTransport;
use virtio_drivers::transport::pci::bus::{ConfigurationAccess, DeviceFunction, PciRoot};
use virtio_drivers::transport::{DeviceType, Transport};
use virtio_drivers::{BufferDirection, Hal, PhysAddr};

use super::acpi::dsdt::VirtioMmio;
use super::cpu;
use super::memory::{self, PAGE};
use super::pci::Function;

/// Bytes that the appliance starts with.
pub const SEED_BYTES: usize = 32;

/// A seed.
pub type Seed = [u8; SEED_BYTES];

/// Words from the CPU's generator; `None` if it has none.
pub fn from_cpu() -> Option<Seed> {
    let mut seed = [0; SEED_BYTES];
    for chunk in seed.chunks_exact_mut(8) {
        chunk.copy_from_slice(&cpu::random()?.to_le_bytes());
    }
    Some(seed)
}

/// Asks the virtio-rng device behind `device`, if it is one.
pub fn from_virtio_mmio(device: &VirtioMmio) -> Option<Seed> {
    // SAFETY: ACPI names it as the registers of a virtio device, which touches only memory that the driver gives it.
    let header = unsafe { memory::map_device(device.base, device.len) }.ok()?.cast::<VirtIOHeader>();
    // SAFETY: mapped above for as long as the system runs.
    let transport = unsafe { MmioTransport::new(header, device.len as usize) }.ok()?;
    ask(transport)
}

/// Asks the virtio-rng device behind `function`, if it is one.
pub fn from_virtio_pci(function: &Function) -> Option<Seed> {
    const VIRTIO_VENDOR: u16 = 0x1af4;
    const ENTROPY_DEVICE: u16 = 0x1044;
    if function.id() != (VIRTIO_VENDOR, ENTROPY_DEVICE) {
        return None;
    }
    function.enable();
    let mut root = PciRoot::new(OneFunction(*function));
    let address = DeviceFunction { bus: 0, device: 0, function: 0 };
    ask(PciTransport::new::<Dma, _>(&mut root, address).ok()?)
}

fn ask<T: Transport>(transport: T) -> Option<Seed> {
    if transport.device_type() != DeviceType::EntropySource {
        return None;
    }
    let mut device = VirtIORng::<Dma, T>::new(transport).ok()?;
    let mut seed = [0; SEED_BYTES];
    let mut filled = 0;
    while filled < SEED_BYTES {
        match device.request_entropy(&mut seed[filled..]).ok()? {
            0 => return None,
            n => filled += n,
        }
    }
    Some(seed)
}

/// The configuration space of one function, whatever address it is asked for.
struct OneFunction(Function);

impl ConfigurationAccess for OneFunction {
    fn read_word(&self, _: DeviceFunction, offset: u8) -> u32 {
        self.0.read_config(offset.into())
    }

    fn write_word(&mut self, _: DeviceFunction, offset: u8, data: u32) {
        self.0.write_config(offset.into(), data);
    }

    unsafe fn unsafe_clone(&self) -> OneFunction {
        OneFunction(self.0)
    }
}

/// Memory for virtio-drivers: from the heap, virtual = physical.
struct Dma;

// SAFETY: heap blocks are exclusive, page-aligned here, zeroed, and their addresses are the device's.
unsafe impl Hal for Dma {
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        let Some(layout) = pages_layout(pages) else { return (0, NonNull::dangling()) };
        // SAFETY: the layout is not empty: a queue has at least a page.
        let block = unsafe { alloc_zeroed(layout) };
        NonNull::new(block).map_or((0, NonNull::dangling()), |block| (block.as_ptr() as PhysAddr, block))
    }

    unsafe fn dma_dealloc(_: PhysAddr, block: NonNull<u8>, pages: usize) -> i32 {
        if let Some(layout) = pages_layout(pages) {
            // SAFETY: the caller's promise: from `dma_alloc` with this size.
            unsafe { dealloc(block.as_ptr(), layout) };
        }
        0
    }

    unsafe fn mmio_phys_to_virt(at: PhysAddr, len: usize) -> NonNull<u8> {
        // SAFETY: the caller's promise: registers of a virtio device. A refusal faults at the first access.
        unsafe { memory::map_device(at, len as u64) }.unwrap_or(NonNull::dangling())
    }

    unsafe fn share(buffer: NonNull<[u8]>, _: BufferDirection) -> PhysAddr {
        buffer.cast::<u8>().as_ptr() as PhysAddr
    }

    unsafe fn unshare(_: PhysAddr, _: NonNull<[u8]>, _: BufferDirection) {}
}

fn pages_layout(pages: usize) -> Option<Layout> {
    Layout::from_size_align(pages * PAGE as usize, PAGE as usize).ok()
}
