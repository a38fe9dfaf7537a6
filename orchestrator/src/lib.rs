//! The control plane on the host: boots appliances under a virtual machine monitor, knows which of them run, and ends
//! them.
//!
//! From a request to a running appliance:
//!
//! ```text
//! Spec -> Plan -> CommandLine -> Booting -> wait_ready -> Ready
//!  what    which   argv of the    the VMM    console, then a
//!  the     VMM,    VMM: pure      runs       `version` request
//!  user    which                             over the wire
//!  asked   accel
//! ```
//!
//! [`StateDir`] holds a directory per instance, where every later command finds it again. Called by `cli`; boots what
//! `image` builds, and reads the console and the exit codes that `abi` defines.

mod command_line;
mod console;
mod ending;
mod error;
mod files;
mod host;
mod launch;
mod pages;
mod plan;
mod process;
mod qmp;
mod readiness;
mod record;
mod spec;
mod state;
mod stop;
mod symbolise;
mod vmm;
mod wire;

pub use command_line::CommandLine;
pub use console::Tail;
pub use ending::Ending;
pub use error::Error;
pub use files::Files;
pub use host::{Host, KvmState, find_program};
pub use launch::{Booting, Lifetime, free_port, launch};
pub use plan::{Plan, plan};
pub use process::Process;
pub use readiness::{NotReady, wait_ready};
pub use record::{Phase, Ready, Record};
pub use spec::{Accel, Listen, Machine, Memory, Net, Pages, Spec, Validation, Vmm};
pub use state::{Entry, Reservation, StateDir};
pub use stop::stop;
pub use symbolise::annotate;
pub use vmm::{accelerate_qemu, command_line as vmm_command_line};
pub use wire::{stats, version};
