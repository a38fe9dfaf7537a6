//! The memcached application: protocol, store, and the service that joins them to the stack.
//!
//! ```text
//! events -> service -> protocol -> store        recv: parse in place -> look up -> compose in the packet buffer
//! calls  <- service <- protocol <- store
//! ```
//!
//! What happens on the way is told to watchers on a board beside them (`watch`). Each layer knows only the one to its right: `store` knows no protocol, `protocol` no TCP. Memory, time and the random
//! seed are passed in. Nothing allocates after the start.

#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod count;
pub mod protocol;
pub mod service;
pub mod store;
pub mod watch;
