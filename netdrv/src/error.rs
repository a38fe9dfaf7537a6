//! Why a device does not start.

use core::fmt;

/// Why a device does not start. Nothing here happens after start-up: the data path counts instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The registers are not those of a virtio device.
    NotVirtio {
        /// The PCI vendor and device id, or the MMIO magic value.
        id: u32,
    },
    /// A virtio device of another type.
    WrongType {
        /// The type the driver is for (virtio 1.2, section 5).
        wanted: u16,
        /// The type found; 0 is an empty slot.
        found: u16,
    },
    /// The device has only the interface from before virtio 1.0.
    LegacyOnly,
    /// A PCI capability that the driver needs is missing, malformed, or names a window that cannot be mapped.
    BadCapability {
        /// The structure that it should lead to.
        structure: &'static str,
    },
    /// A register did not take the value that was waited for.
    Timeout {
        /// The register, as the specification names it.
        register: &'static str,
    },
    /// The device does not offer a feature that the driver needs.
    MissingFeature {
        /// The feature, as the specification names it.
        feature: &'static str,
    },
    /// The device did not accept the features that the driver chose among those it offers.
    FeaturesRefused,
    /// A field of the configuration space has an impossible value.
    BadConfig {
        /// The field, as the specification names it.
        field: &'static str,
        /// Its value.
        value: u64,
    },
    /// The device lacks a queue that the driver needs, or offers it with too few descriptors.
    MissingQueue {
        /// Index of the queue.
        queue: u16,
    },
    /// A queue is in use already.
    QueueInUse {
        /// Index of the queue.
        queue: u16,
    },
    /// The device does not route the interrupts of a queue to an MSI-X entry.
    NoVector {
        /// Index of the queue.
        queue: u16,
        /// The entry of the MSI-X table that was asked for.
        entry: u16,
    },
    /// The device did not answer a command in time.
    NoAnswer {
        /// The command, as the specification names it.
        command: &'static str,
    },
    /// The device answered a command with something that is no answer.
    BadAnswer {
        /// The command, as the specification names it.
        command: &'static str,
    },
    /// The device refused a command.
    CommandRefused {
        /// The command, as the specification names it.
        command: &'static str,
    },
    /// The steering that was asked for names a queue pair that there is not.
    NoSuchPair {
        /// The queue pair.
        pair: u8,
    },
    /// No memory for the rings.
    OutOfMemory {
        /// Bytes asked for.
        bytes: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Error::NotVirtio { id } => write!(f, "not a virtio device (id {id:#010x})"),
            Error::WrongType { wanted, found } => write!(f, "virtio device of type {found}, not {wanted}"),
            Error::LegacyOnly => write!(f, "the device offers only legacy virtio; version 1 is needed"),
            Error::BadCapability { structure } => write!(f, "no usable PCI capability for the {structure} structure"),
            Error::Timeout { register } => write!(f, "timeout waiting for register {register}"),
            Error::MissingFeature { feature } => write!(f, "the device does not offer {feature}"),
            Error::FeaturesRefused => write!(f, "the device refuses the features chosen"),
            Error::BadConfig { field, value } => write!(f, "the device reports {field} = {value:#x}"),
            Error::MissingQueue { queue } => write!(f, "the device lacks queue {queue}"),
            Error::QueueInUse { queue } => write!(f, "queue {queue} is in use already"),
            Error::NoVector { queue, entry } => write!(f, "no MSI-X entry {entry} for queue {queue}"),
            Error::NoAnswer { command } => write!(f, "the device does not answer {command}"),
            Error::BadAnswer { command } => write!(f, "the device answers {command} with nonsense"),
            Error::CommandRefused { command } => write!(f, "the device refuses {command}"),
            Error::NoSuchPair { pair } => {
                write!(f, "frames are to be steered to queue pair {pair}, which there is not")
            }
            Error::OutOfMemory { bytes } => write!(f, "no memory for a ring of {bytes} bytes"),
        }
    }
}

impl core::error::Error for Error {}
