//! Virtio (OASIS virtio 1.2), modern devices only: what drivers of any type share. Called by [`crate::virtio_net`];
//! calls [`crate::registers`] and [`crate::pci`].
//!
//! ```text
//! transport/  the registers, over PCI (section 4.1) and MMIO (4.2)
//! device      reset, status, feature negotiation (3.1)
//! queue       the split virtqueue (2.7): rings (its memory), index (positions), in_flight (who holds which buffer)
//! ```

mod device;
mod features;
mod in_flight;
mod index;
mod queue;
mod rings;
pub mod transport;

pub use device::Device;
pub use features::{Features, Status};
pub use in_flight::InFlight;
pub use index::DescriptorId;
pub use queue::{Descriptor, SplitQueue, Suppression, Used, UsedIndex};
pub use rings::{DESC_NEXT, DESC_WRITE, NO_NOTIFICATION};

/// Device type of a network card (section 5.1.1).
pub const TYPE_NETWORK: u16 = 1;
