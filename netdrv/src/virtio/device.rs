//! Starting and stopping a device (virtio 1.2, section 3.1.1), whatever it is and wherever it sits.

use core::sync::atomic::{AtomicBool, Ordering};

use super::features::{Features, Status};
use super::transport::Transport;
use crate::Error;

/// Reads of a register before a wait for it ends: 0.1 s on a PCIe bus, a few seconds where each read leaves the guest.
const MAX_READS: u32 = 100_000;

/// A device that a driver has taken. It is reset when it is dropped, or before.
pub struct Device<T: Transport> {
    transport: T,
    running: AtomicBool,
}

impl<T: Transport> Device<T> {
    /// Takes a device of type `wanted`: resets it and says that there is a driver for it (steps 1 to 3).
    pub fn take(transport: T, wanted: u16) -> Result<Device<T>, Error> {
        let found = transport.device_type();
        if found != wanted {
            return Err(Error::WrongType { wanted, found });
        }
        let device = Device { transport, running: AtomicBool::new(true) };
        device.reset()?;
        device.running.store(true, Ordering::Relaxed);
        // One bit at a time: uhyve takes the steps only in separate writes.
        device.transport.write_status(Status::ACKNOWLEDGE);
        device.transport.write_status(Status::ACKNOWLEDGE | Status::DRIVER);
        Ok(device)
    }

    /// Accepts what the device offers of `wanted` (steps 4 to 6). Returns what was accepted, always with VERSION_1.
    pub fn negotiate(&self, wanted: Features) -> Result<Features, Error> {
        let offered = Features::from_bits_truncate(self.transport.read_features());
        let accepted = (offered & (wanted | Features::VERSION_1)).consistent();
        if !accepted.contains(Features::VERSION_1) {
            return Err(Error::LegacyOnly);
        }
        self.transport.write_features(accepted.bits());
        self.transport.write_status(Status::ACKNOWLEDGE | Status::DRIVER | Status::FEATURES_OK);
        if !self.transport.read_status().contains(Status::FEATURES_OK) {
            return Err(Error::FeaturesRefused);
        }
        Ok(accepted)
    }

    /// Lets the device run (step 8). Its queues are set up.
    pub fn run(&self) {
        let ready = Status::ACKNOWLEDGE | Status::DRIVER | Status::FEATURES_OK | Status::DRIVER_OK;
        self.transport.write_status(ready);
    }

    /// Resets the device, once: when it returns `Ok`, the device uses no memory of ours any more (section 2.4).
    ///
    /// Any core may ask for it, and several at once: the device is reset more than once then, and each waits for it.
    ///
    /// uhyve 0.10 panics when a device that runs is reset: under it, a driver is dropped only to end the guest.
    pub fn reset(&self) -> Result<(), Error> {
        if !self.running.load(Ordering::Acquire) {
            return Ok(());
        }
        self.transport.write_status(Status::empty());
        for _ in 0..MAX_READS {
            if self.transport.read_status().is_empty() {
                self.running.store(false, Ordering::Release);
                return Ok(());
            }
            core::hint::spin_loop();
        }
        Err(Error::Timeout { register: T::STATUS_REGISTER })
    }

    /// The registers.
    pub fn transport(&self) -> &T {
        &self.transport
    }
}

impl<T: Transport> Drop for Device<T> {
    fn drop(&mut self) {
        // There is nobody to tell of a failure, and no buffer is at stake: the queues, which hold them, reset the device
        // before they let go of any.
        let _ = self.reset();
    }
}
