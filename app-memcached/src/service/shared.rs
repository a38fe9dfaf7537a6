//! What the cores of an appliance share: the items. It is made once, and each core's service from it.

use netdrv::pktbuf::Pool;

use super::{Error, Service, ServiceConfig};
use crate::protocol::{Server, Settings};
use crate::store::{Store, StoreConfig, StoreMemory};

/// The shared part of the services of all cores.
pub struct Shared {
    config: ServiceConfig,
    store: Option<Store>,
}

impl Shared {
    /// An empty store in `memory`, for the services of `config.threads` cores.
    pub fn new(config: ServiceConfig, memory: StoreMemory) -> Result<Shared, Error> {
        let store = Store::new(memory, StoreConfig { when_full: config.when_full, seed: config.seed })?;
        Ok(Shared { config, store: Some(store) })
    }

    /// The service of the next core, with its replies in buffers of `pool`, the pool that the core's received buffers come from
    /// too. Allocates its tables: [`bytes_per_connection`](Service::bytes_per_connection) for each of the connections that one
    /// core may have, and 24 bytes for each buffer of the pool.
    pub fn service(&mut self, pool: &'static Pool) -> Result<Service, Error> {
        let config = &self.config;
        let settings = Settings {
            max_item_size: config.max_item_size as usize,
            when_full: config.when_full,
            conn_limit: config.conn_limit,
            port: config.port,
            threads: config.threads,
        };
        let store = self.store.take().ok_or(Error::NoMoreCores)?;
        Ok(Service::new(Server::new(store, settings), config.conn_limit as usize, pool))
    }
}
