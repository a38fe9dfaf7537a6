//! The service through its events and calls.

mod lifecycle;
mod peer;
mod random;
mod segmentation;
mod shortage;
