//! What the appliance and the host agree on: the configuration keys of the kernel command line, how memory is divided, the
//! lines of the console that the host reads, the exit codes, and the header that `memstorm build` writes into the image.
//!
//! Plain data, `no_std`, no allocation. Called by `unikernel` in the guest and by `image`, `orchestrator` and `cli` on
//! the host; calls nothing.

#![no_std]

pub mod config;
pub mod console;
pub mod exit;
pub mod header;
pub mod memory;
