//! The machine: what there is, and how to reach it.
//!
//! Called by the binary at boot and by `runtime` to idle; calls `monitor`. Parsers of what firmware and VMMs hand over take
//! bytes and run on the host too.

pub mod console;
pub mod cpu;
pub mod image;
#[cfg(not(test))]
mod memory_functions;
pub mod port;
pub mod power;
