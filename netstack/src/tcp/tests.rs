//! Scripts of segments on a virtual clock, by phase.

mod ack;
mod close;
mod data;
mod handshake;
mod loss;
mod options;
mod probe;
mod reset;
