//! The run-to-completion loop of a core, and what goes on around it.
//!
//! ```text
//! shard   one turn: expire timers, poll, ingress, app, egress, doorbell
//! idle    spin, then halt until an interrupt or the next timer
//! mesh    the rings among all cores      ring  from one core to another      bell  how a core that halts is woken
//! launch  from a started NIC to a serving shard
//! selftest  deliberate faults, to see the crash report
//! ```
//!
//! Called by the binary; calls `netdrv`, `netstack` and `platform`. Generic over NIC and application: nothing on a
//! packet's way is a trait object.

pub mod bell;
pub mod idle;
pub mod launch;
pub mod mesh;
pub mod ring;
pub mod selftest;
pub mod shard;
mod sync;
