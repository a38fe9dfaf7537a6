//! The VMMs: each turns a plan into a command line, and touches nothing.

mod qemu;
mod uhyve;

pub use qemu::accelerate as accelerate_qemu;

use crate::{CommandLine, Files, Plan, Vmm};

/// The command line that runs `plan`, for the instance of this name with these files.
pub fn command_line(plan: &Plan, name: &str, files: &Files) -> CommandLine {
    match plan.vmm {
        Vmm::Qemu => qemu::command_line(plan, name, files),
        Vmm::Uhyve => uhyve::command_line(plan, files),
    }
}
