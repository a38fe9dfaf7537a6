//! The appliance, booted by the control plane with so much RAM, through its port on loopback.

use std::net::TcpStream;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use image::Image;
use orchestrator::{Booting, Entry, Host, Lifetime, Listen, Memory, Net, NotReady, Spec, StateDir, Validation};

use super::remote::Remote;
use super::replay::{Cache, Tally};
use super::trace::Request;
use super::{CacheError, Held};
use crate::peers::PeerError;

/// How long a boot may take.
const BOOT: Duration = Duration::from_secs(60);
/// Connections that it may have: memcached's default, for whose sake it sets memory aside as we do for ours.
const CONNECTIONS: u32 = 1024;
/// How long an answer may take: QEMU's network in user space is slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// An appliance that runs, ended with this value.
pub struct Booted {
    remote: Remote<TcpStream>,
    _instance: Instance,
}

struct Instance {
    state: StateDir,
    booting: Booting,
}

impl Booted {
    /// Boots `image`, into which the configuration `baked` is baked, on a machine of `memory_mib` MiB, all of it included.
    pub fn boot(image: &Image, baked: &str, memory_mib: u32, interrupted: &AtomicBool) -> Result<Booted, CacheError> {
        let mut instance = Instance::launch(image, baked, memory_mib)?;
        let ready = match orchestrator::wait_ready(&instance.state, &mut instance.booting, BOOT, interrupted) {
            Ok(ready) => ready,
            Err(NotReady::Interrupted) => return Err(PeerError::Interrupted.into()),
            Err(NotReady::Failed(error)) => return Err(PeerError::from(error).into()),
            Err(NotReady::TimedOut(what)) => return Err(PeerError::Silent(what).into()),
            Err(NotReady::Ended(ending)) => {
                let last = instance.booting.console.last().cloned().unwrap_or_default();
                return Err(PeerError::Silent(format!("the appliance ended: {ending}: {last}")).into());
            }
        };
        let stream = TcpStream::connect_timeout(&ready.address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Booted { remote: Remote::new(stream), _instance: instance })
    }
}

impl Cache for Booted {
    fn play(&mut self, requests: &[Request], tally: &mut Tally) -> Result<(), CacheError> {
        self.remote.play(requests, tally)
    }

    fn finish(&mut self, tally: &mut Tally) -> Result<Held, CacheError> {
        self.remote.finish(tally)
    }
}

impl Instance {
    fn launch(image: &Image, baked: &str, memory_mib: u32) -> Result<Instance, PeerError> {
        let spec = Spec {
            vmm: None,
            accel: None,
            machine: None,
            net: Net::User,
            cores: 1,
            memory: Memory { mib: memory_mib },
            pages: None,
            listen: Listen::on_loopback(orchestrator::free_port()?),
            append: format!("conn-limit={CONNECTIONS}"),
            validation: Validation::Host,
        };
        let plan = orchestrator::plan(&spec, &Host::probe(), baked)?;
        let state = StateDir::resolve()?;
        // A name by which it can be found should we be killed: `memstorm ps`, `memstorm stop`.
        let reservation = state.reserve(Some(&format!("bench-{}", std::process::id())))?;
        let booting = orchestrator::launch(&state, reservation, &plan, image, Lifetime::Own)?;
        Ok(Instance { state, booting })
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let entry = Entry { record: self.booting.record.clone(), files: self.booting.files.clone() };
        if let Err(error) = orchestrator::stop(&self.state, &entry) {
            eprintln!("{error}");
        }
        // It is our child: else it would stay as a zombie.
        let _ = self.booting.try_wait();
    }
}
