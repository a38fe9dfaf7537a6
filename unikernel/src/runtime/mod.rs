//! The run-to-completion loop of a core, and what goes on around it.
//!
//! ```text
//! shard   one turn: reclaim, mailbox, timers, receive, ingress, app, egress, doorbell
//! queues  a queue pair, or the way to another core's          steer   frames to the cores of their flow groups
//! mesh    the rings among all cores      message  what goes through them      ring  from one core to another
//! migrate flow groups that change cores       directory  who has which   control  who is to
//! nic_steering  the table that the NIC steers by
//! stages  what a turn's stages cost      blocks  what cores count, for each other to read
//! idle    spin, then halt until an interrupt, a message or the next timer     spin  for how long     bell  how a core is woken
//! launch  from a NIC to a shard for each core             serve   their loops
//! reflect   frames go back: the driver by itself
//! selftest  deliberate faults, to see the crash report
//! ```
//!
//! Called by the binary; calls `netdrv`, `netstack` and `platform`. Generic over NIC and application: nothing on a
//! packet's way is a trait object.

pub mod bell;
pub mod blocks;
pub mod control;
pub mod directory;
pub mod idle;
pub mod launch;
pub mod mesh;
pub mod message;
pub mod migrate;
pub mod nic_steering;
pub mod queues;
pub mod reflect;
pub mod ring;
pub mod selftest;
mod serve;
pub mod shard;
pub mod spin;
pub mod stages;
pub mod steer;
mod sync;
#[cfg(all(test, not(loom)))]
mod testbed;
