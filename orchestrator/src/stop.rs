//! Ending an instance: first by asking, then by telling, then by force.

use std::fs;
use std::io;
use std::time::Duration;

use rustix::process::Signal;

use crate::{Entry, Error, StateDir, Vmm, qmp};

/// How long a VMM has for each.
const PATIENCE: Duration = Duration::from_secs(3);

/// Ends the instance and forgets it. One that has ended already is only forgotten.
pub fn stop(state: &StateDir, entry: &Entry) -> Result<(), Error> {
    if entry.is_running() {
        // Whoever watches the instance in the foreground is to know that its end is no failure. Without the mark that
        // would be a wrong message, no more.
        let _ = fs::write(entry.files.stop_mark(), "");
        end(entry)?;
    }
    state.forget(&entry.record)
}

fn end(entry: &Entry) -> Result<(), Error> {
    let process = &entry.record.process;
    let unstoppable = |why: String| Error::Unstoppable { name: entry.record.name.clone(), pid: process.pid, why };
    let failed = |error: io::Error| unstoppable(error.to_string());
    let asked = match entry.record.vmm {
        Vmm::Qemu => entry.files.qmp().is_some_and(|socket| qmp::quit(&socket).is_ok()),
        Vmm::Uhyve => false,
    };
    if asked && process.wait(PATIENCE).map_err(failed)? {
        return Ok(());
    }
    for signal in [Signal::TERM, Signal::KILL] {
        if !process.signal(signal).map_err(failed)? || process.wait(PATIENCE).map_err(failed)? {
            return Ok(());
        }
    }
    Err(unstoppable("it is still there after SIGKILL".to_owned()))
}
