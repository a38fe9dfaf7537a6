//! Wires: what carries requests to a server and answers back.

pub mod null;
pub mod sockets;
