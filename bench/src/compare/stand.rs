//! A server on its wire, for as long as something is done with it.

use std::sync::atomic::AtomicBool;

use super::trial::TrialError;
use super::wires::Way;
use crate::load::LoadError;
use crate::peers::{Appliance, Cores, Needs, Peer, Server, start};

/// What is to be started, and where.
pub(super) struct Stand<'a> {
    pub(super) peer: &'a Peer,
    pub(super) needs: Needs,
    pub(super) cores: Cores,
    pub(super) image: &'a Appliance,
    /// For the appliance's command line.
    pub(super) words: &'a str,
    pub(super) interrupted: &'a AtomicBool,
}

/// What is kept of a server after its end.
pub(super) struct Ended {
    pub(super) version: String,
    pub(super) flags: String,
    pub(super) image_bytes: Option<u64>,
    pub(super) boot_ms: Option<f64>,
    pub(super) resident_bytes: u64,
}

impl Stand<'_> {
    /// Starts the server on its wire, does `work`, and ends it.
    pub(super) fn serve<R>(
        &self,
        work: impl FnOnce(&Way, &Server) -> Result<R, LoadError>,
    ) -> Result<(R, Ended), TrialError> {
        let way = Way::lay(self.peer, self.cores)?;
        let mut server =
            start(self.peer, &self.needs, self.cores, &way.reach, self.image, self.words, self.interrupted)?;
        match work(&way, &server) {
            Ok(result) => {
                server.check()?;
                let ended = Ended {
                    version: server.version.clone(),
                    flags: server.command_line.clone(),
                    image_bytes: server.boot.image_bytes,
                    boot_ms: server.boot.answered_ms,
                    resident_bytes: server.boot.resident_bytes,
                };
                Ok((result, ended))
            }
            Err(load) => match (server.check(), way.fault()) {
                (Err(error), _) => Err(TrialError::Both { load, server: error.to_string() }),
                (Ok(()), Some(fault)) => Err(TrialError::Both { load, server: fault }),
                (Ok(()), None) => Err(load.into()),
            },
        }
    }
}
