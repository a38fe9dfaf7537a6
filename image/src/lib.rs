//! The image builder: takes the guest kernel as cargo linked it, and makes a bootable image of it.
//!
//! - [`build`] bakes the configuration and the build id into the image header and drops what a boot does not need;
//! - [`config`] reads `appliance.toml`;
//! - [`inspect`] says what is inside an image;
//! - [`Symbols`] turns the addresses of a crash report into function names.
//!
//! Called by `orchestrator` and `cli`; knows of the guest only what `abi` says.

pub mod config;

mod build;
mod build_id;
mod elf;
mod error;
mod format;
mod header;
mod inspect;
mod strip;
mod symbols;

pub use build::{FILE_NAME, Image, build};
pub use build_id::BuildId;
pub use config::check;
pub use error::ImageError;
pub use format::Format;
pub use inspect::{Inspection, Note, Section, Segment, inspect};
pub use symbols::{Function, Location, Symbols};

#[cfg(test)]
mod fixture;
