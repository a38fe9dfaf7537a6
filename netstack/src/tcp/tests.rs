//! Scripts of segments on a virtual clock, by phase.

mod ack;
mod body;
mod close;
mod connect;
mod data;
mod ecn;
mod expected;
mod handshake;
mod hoard;
mod keepalive;
mod loss;
mod options;
mod paws;
mod probe;
mod reset;
mod sack;
mod storm;
mod syn_flood;
mod window;
