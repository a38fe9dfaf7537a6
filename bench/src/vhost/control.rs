//! The requests of the VMM (vhost-user protocol, QEMU's `docs/interop/vhost-user.rst`), carried out.

use std::fs::File;
use std::sync::Arc;

use netdrv::virtio::Features;
use vhost::VhostUserMemoryRegionBase;
use vhost::vhost_user::message::{
    VhostTransferStateDirection, VhostTransferStatePhase, VhostUserConfigFlags, VhostUserInflight, VhostUserLog,
    VhostUserMemoryRegion, VhostUserProtocolFeatures, VhostUserShMemConfig, VhostUserSharedMsg,
    VhostUserSingleMemoryRegion, VhostUserVirtioFeatures, VhostUserVringAddrFlags, VhostUserVringState,
};
use vhost::vhost_user::{Error, GpuBackend, Result, VhostUserBackendReqHandlerMut};

use super::memory::{Memory, Place};
use super::ring::{Addresses, Ring};
use super::seat::Seat;

/// What is offered to the guest. Checksums may be left out both ways, as no wire lies between. Notifications by ring position
/// (EVENT_IDX) are not offered: with both sides polling, flags cost less.
pub(super) const OFFERED: Features = Features::VERSION_1
    .union(Features::NET_CSUM)
    .union(Features::NET_GUEST_CSUM)
    .union(Features::NET_MAC)
    .union(Features::NET_STATUS)
    .union(Features::NET_CTRL_VQ)
    .union(Features::NET_MQ);

/// A queue, as far as the VMM has described it.
#[derive(Debug, Default)]
struct Queue {
    size: u32,
    addresses: Addresses,
    base: u16,
    is_kicked: bool,
    is_enabled: bool,
    /// Whether it was handed to its poller.
    is_running: bool,
}

/// The device, as the VMM sees it.
#[derive(Debug)]
pub(super) struct Control {
    memory: Option<Arc<Memory>>,
    /// Whether the VMM has said which features count.
    has_features: bool,
    queues: Vec<Queue>,
    seats: Arc<[Arc<Seat>]>,
}

impl Control {
    /// The device whose queues are polled behind `seats`: receive and transmit queues in turn, as the guest names them.
    pub(super) fn new(seats: Arc<[Arc<Seat>]>) -> Control {
        Control { memory: None, has_features: false, queues: seats.iter().map(|_| Queue::default()).collect(), seats }
    }

    /// Whether the VMM has said which features count.
    pub(super) fn has_features(&self) -> bool {
        self.has_features
    }

    fn queue(&mut self, index: u32) -> Result<&mut Queue> {
        self.queues.get_mut(index as usize).ok_or(Error::InvalidParam)
    }

    /// Hands a queue to its poller, if all is known of it.
    fn start_if_ready(&mut self, index: usize) -> Result<()> {
        let (Some(memory), Some(queue)) = (&self.memory, self.queues.get_mut(index)) else { return Ok(()) };
        if queue.is_running || !queue.is_kicked || !queue.is_enabled {
            return Ok(());
        }
        let refused = |_| Error::InvalidParam;
        let ring = Ring::new(memory, queue.addresses, queue.size, queue.base).map_err(refused)?;
        self.seats[index].start(ring);
        queue.is_running = true;
        Ok(())
    }

    /// Takes a queue back from its poller.
    fn stop(&mut self, index: usize) -> Result<()> {
        let Some(queue) = self.queues.get_mut(index).filter(|queue| queue.is_running) else { return Ok(()) };
        queue.base = self.seats[index].stop().ok_or(Error::BackendInternalError)?;
        queue.is_running = false;
        Ok(())
    }

    /// Takes all queues back, as the VMM is gone.
    pub(super) fn stop_all(&mut self) {
        for index in 0..self.queues.len() {
            let _ = self.stop(index); // a poller that is gone has nothing to give back
            self.queues[index] = Queue::default();
        }
        self.memory = None;
    }
}

impl VhostUserBackendReqHandlerMut for Control {
    fn set_owner(&mut self) -> Result<()> {
        Ok(())
    }

    fn reset_owner(&mut self) -> Result<()> {
        Ok(())
    }

    fn reset_device(&mut self) -> Result<()> {
        self.stop_all();
        Ok(())
    }

    fn get_features(&mut self) -> Result<u64> {
        Ok(OFFERED.bits() | VhostUserVirtioFeatures::PROTOCOL_FEATURES.bits())
    }

    /// What the guest accepts changes nothing here: it understands partial checksums, or has not asked for any.
    fn set_features(&mut self, features: u64) -> Result<()> {
        let known = OFFERED.bits() | VhostUserVirtioFeatures::PROTOCOL_FEATURES.bits();
        if features & !known != 0 {
            return Err(Error::InvalidParam);
        }
        self.has_features = true;
        // Without that feature queues are enabled from the start.
        if features & VhostUserVirtioFeatures::PROTOCOL_FEATURES.bits() == 0 {
            self.queues.iter_mut().for_each(|queue| queue.is_enabled = true);
        }
        Ok(())
    }

    fn set_mem_table(
        &mut self,
        regions: &[VhostUserMemoryRegion],
        files: Vec<File>,
        _postcopy_listening: Option<bool>,
    ) -> Result<Option<Vec<VhostUserMemoryRegionBase>>> {
        let running: Vec<usize> = (0..self.queues.len()).filter(|index| self.queues[*index].is_running).collect();
        running.iter().try_for_each(|index| self.stop(*index))?;
        let parts = regions.iter().zip(files).map(|(region, file)| {
            let (guest, user, len, start) =
                (region.guest_phys_addr, region.user_addr, region.memory_size, region.mmap_offset);
            (Place { guest, user, len }, file, start)
        });
        self.memory = Some(Arc::new(Memory::map(parts.collect()).map_err(Error::ReqHandlerError)?));
        running.iter().try_for_each(|index| self.start_if_ready(*index))?;
        Ok(None)
    }

    fn set_vring_num(&mut self, index: u32, num: u32) -> Result<()> {
        self.queue(index)?.size = num;
        Ok(())
    }

    fn set_vring_addr(
        &mut self,
        index: u32,
        _flags: VhostUserVringAddrFlags,
        descriptors: u64,
        used: u64,
        available: u64,
        _log: u64,
    ) -> Result<()> {
        self.queue(index)?.addresses = Addresses { descriptors, available, used };
        Ok(())
    }

    fn set_vring_base(&mut self, index: u32, base: u32) -> Result<()> {
        self.queue(index)?.base = base as u16;
        Ok(())
    }

    /// Stops the queue, too.
    fn get_vring_base(&mut self, index: u32) -> Result<VhostUserVringState> {
        self.stop(index as usize)?;
        let queue = self.queue(index)?;
        queue.is_kicked = false;
        Ok(VhostUserVringState::new(index, queue.base.into()))
    }

    /// Starts the queue. The notifications themselves are not wanted: it is polled.
    fn set_vring_kick(&mut self, index: u8, _fd: Option<File>) -> Result<()> {
        self.queue(index.into())?.is_kicked = true;
        self.start_if_ready(index.into())
    }

    fn set_vring_call(&mut self, index: u8, call: Option<File>) -> Result<()> {
        self.seats.get(usize::from(index)).ok_or(Error::InvalidParam)?.set_call(call);
        Ok(())
    }

    fn set_vring_err(&mut self, _index: u8, _fd: Option<File>) -> Result<()> {
        Ok(())
    }

    fn get_protocol_features(&mut self) -> Result<VhostUserProtocolFeatures> {
        Ok(VhostUserProtocolFeatures::MQ)
    }

    fn set_protocol_features(&mut self, _features: u64) -> Result<()> {
        Ok(())
    }

    /// Queue pairs, as QEMU understands it for a network device.
    fn get_queue_num(&mut self) -> Result<u64> {
        Ok(self.queues.len() as u64 / 2)
    }

    fn set_vring_enable(&mut self, index: u32, enable: bool) -> Result<()> {
        self.queue(index)?.is_enabled = enable;
        if enable { self.start_if_ready(index as usize) } else { self.stop(index as usize) }
    }

    // What was not offered is not asked for.

    fn get_config(&mut self, _offset: u32, _size: u32, _flags: VhostUserConfigFlags) -> Result<Vec<u8>> {
        Err(Error::InvalidOperation("configuration"))
    }

    fn set_config(&mut self, _offset: u32, _buf: &[u8], _flags: VhostUserConfigFlags) -> Result<()> {
        Err(Error::InvalidOperation("configuration"))
    }

    fn set_gpu_socket(&mut self, _gpu_backend: GpuBackend) -> Result<()> {
        Err(Error::InvalidOperation("graphics"))
    }

    fn get_shared_object(&mut self, _uuid: VhostUserSharedMsg) -> Result<File> {
        Err(Error::InvalidOperation("shared objects"))
    }

    fn get_inflight_fd(&mut self, _inflight: &VhostUserInflight) -> Result<(VhostUserInflight, File)> {
        Err(Error::InvalidOperation("tracking what is in flight"))
    }

    fn set_inflight_fd(&mut self, _inflight: &VhostUserInflight, _file: File) -> Result<()> {
        Err(Error::InvalidOperation("tracking what is in flight"))
    }

    fn get_max_mem_slots(&mut self) -> Result<u64> {
        Err(Error::InvalidOperation("memory slots"))
    }

    fn add_mem_region(
        &mut self,
        _region: &VhostUserSingleMemoryRegion,
        _fd: File,
        _postcopy_listening: Option<bool>,
    ) -> Result<Option<VhostUserMemoryRegionBase>> {
        Err(Error::InvalidOperation("memory slots"))
    }

    fn remove_mem_region(&mut self, _region: &VhostUserSingleMemoryRegion) -> Result<()> {
        Err(Error::InvalidOperation("memory slots"))
    }

    fn set_device_state_fd(
        &mut self,
        _direction: VhostTransferStateDirection,
        _phase: VhostTransferStatePhase,
        _fd: File,
    ) -> Result<Option<File>> {
        Err(Error::InvalidOperation("migration"))
    }

    fn check_device_state(&mut self) -> Result<()> {
        Err(Error::InvalidOperation("migration"))
    }

    fn get_shmem_config(&mut self) -> Result<VhostUserShMemConfig> {
        Err(Error::InvalidOperation("shared memory"))
    }

    fn set_log_base(&mut self, _log: &VhostUserLog, _file: File) -> Result<()> {
        Err(Error::InvalidOperation("migration"))
    }
}
