//! The service through its events and calls.

mod datagrams;
mod lifecycle;
mod peer;
mod random;
mod segmentation;
mod shortage;
mod slow;
mod watching;
