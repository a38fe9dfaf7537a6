//! What the cores of an appliance share: the items, the counters, the limit of connections. It is made once, and each core's
//! service from it.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering};

use netdrv::pktbuf::Pool;

use super::{Error, Service};
use crate::protocol::{Server, Settings, Tallies};
use crate::store::{self, StoreConfig, StoreMemory};

/// The shared part of the services of all cores.
pub struct Shared {
    settings: Settings,
    store: Arc<store::Shared>,
    tallies: Arc<Tallies>,
    places: Arc<Places>,
    services: usize,
}

impl Shared {
    /// An empty store in `memory`, for the services of `settings.threads` cores; `seed` is the item hash's secret.
    pub fn new(settings: Settings, seed: u64, memory: StoreMemory) -> Result<Shared, Error> {
        let cores = settings.threads as usize;
        let store = store::Shared::new(memory, StoreConfig { cores, when_full: settings.when_full, seed })?;
        let places = Arc::new(Places { taken: AtomicU32::new(0), limit: settings.conn_limit });
        Ok(Shared { settings, store, tallies: Tallies::new(cores, settings.conn_limit as usize), places, services: 0 })
    }

    /// The service of the next core, with its replies in buffers of `pool`, the pool that the core's received buffers come from
    /// too. May be made on another core than the one it is for. Allocates its tables:
    /// [`bytes_per_connection`](Service::bytes_per_connection) for each of `conn_limit` connections, as one core may come to have
    /// them all, and 24 bytes for each buffer of the pool.
    pub fn service(&mut self, pool: &'static Pool) -> Result<Service, Error> {
        let core = self.services;
        let store = self.store.handle().ok_or(Error::NoMoreCores)?;
        self.services += 1;
        let server = Server::new(store, self.settings, self.tallies.clone(), core);
        Ok(Service::new(server, self.places.clone(), self.settings.conn_limit as usize, pool))
    }
}

/// The places for connections of all cores. Taking one is an atomic addition that all cores contend for, once a connection.
pub(super) struct Places {
    taken: AtomicU32,
    limit: u32,
}

impl Places {
    /// Takes a place. Whether there was one.
    pub(super) fn take(&self) -> bool {
        let take = |taken: u32| if taken < self.limit { Some(taken + 1) } else { None };
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }

    /// Gives a place back.
    pub(super) fn give_back(&self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
    }
}
