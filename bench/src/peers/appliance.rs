//! The appliance, by the control plane's library.

use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use image::Image;
use orchestrator::{
    Accel, Booting, Ending, Entry, Host, Lifetime, Listen, Net, NotReady, Ready, Spec, StateDir, Validation,
};

use super::network::{GUEST_TAP, PREFIX};
use super::{Needs, PeerError, Reach, machine_memory};

/// How long a boot may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Lines of a console that a failed boot shows.
const SHOWN_LINES: usize = 3;

/// What to boot.
#[derive(Debug)]
pub struct Appliance {
    /// The image.
    pub image: Image,
    /// The configuration baked into it.
    pub baked: String,
    /// Words for its command line, beside those that follow from the comparison.
    pub append: String,
}

/// An appliance that runs, ended with this value.
#[derive(Debug)]
pub(super) struct Instance {
    state: StateDir,
    booting: Booting,
}

impl Instance {
    /// Boots it, in the calling thread's namespace and on its cores.
    pub(super) fn launch(
        appliance: &Appliance,
        needs: &Needs,
        address: SocketAddr,
        accel: Accel,
        reach: &Reach,
        words: &str,
    ) -> Result<Instance, PeerError> {
        let spec = spec(appliance, needs, address, accel, reach, words);
        let plan = orchestrator::plan(&spec, &Host::probe(), &appliance.baked)?;
        let state = StateDir::resolve()?;
        // A name by which it can be found should we be killed: `memstorm ps`, `memstorm stop`.
        let reservation = state.reserve(Some(&format!("bench-{}", std::process::id())))?;
        let booting = orchestrator::launch(&state, reservation, &plan, &appliance.image, Lifetime::Own)?;
        Ok(Instance { state, booting })
    }

    /// Waits until it serves: over shared memory until it says so, else until it has answered.
    pub(super) fn wait_ready(&mut self, interrupted: &AtomicBool) -> Result<Ready, PeerError> {
        match orchestrator::wait_ready(&self.state, &mut self.booting, PATIENCE, interrupted) {
            Ok(ready) => Ok(ready),
            Err(NotReady::Interrupted) => Err(PeerError::Interrupted),
            Err(NotReady::Failed(error)) => Err(error.into()),
            Err(NotReady::Ended(ending)) => Err(self.ended(&ending)),
            Err(NotReady::TimedOut(what)) => Err(PeerError::Silent(what)),
        }
    }

    /// An error with its last words, if it has ended.
    pub(super) fn check(&mut self) -> Result<(), PeerError> {
        match self.booting.try_wait()? {
            None => Ok(()),
            Some(ending) => Err(self.ended(&ending)),
        }
    }

    fn ended(&self, ending: &Ending) -> PeerError {
        let console = &self.booting.console;
        let last = console[console.len().saturating_sub(SHOWN_LINES)..].join("; ");
        PeerError::Silent(format!("the appliance ended: {ending}: {last}"))
    }

    pub(super) fn pid(&self) -> u32 {
        self.booting.record.process.pid
    }

    pub(super) fn command_line(&self) -> &str {
        &self.booting.record.command_line
    }

    pub(super) fn build_id(&self) -> &str {
        &self.booting.record.build_id
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

fn spec(appliance: &Appliance, needs: &Needs, address: SocketAddr, accel: Accel, reach: &Reach, words: &str) -> Spec {
    let mut append = format!(
        "ip={}/{PREFIX} port={} conn-limit={} memory-limit={}",
        address.ip(),
        address.port(),
        needs.connection_limit(),
        needs.memory_mib
    );
    for more in [words, &appliance.append].into_iter().filter(|more| !more.is_empty()) {
        append += " ";
        append += more;
    }
    let net = match reach {
        Reach::Socket(path) => Net::VhostUser(path.clone()),
        Reach::Network(_) | Reach::Loopback => Net::Tap(GUEST_TAP.to_owned()),
    };
    Spec {
        vmm: None,
        accel: Some(accel),
        machine: None,
        net,
        cores: needs.cores as u32,
        memory: machine_memory(needs),
        pages: None,
        listen: Listen::on_loopback(0),
        append,
        validation: Validation::Host,
    }
}
