//! Wires: what carries requests to a server and answers back.
//!
//! ```text
//! sockets  the kernel's    own  our stack, on a tap device or at a guest's queues    null  none
//! ```

pub mod null;
pub mod own;
pub mod sockets;
