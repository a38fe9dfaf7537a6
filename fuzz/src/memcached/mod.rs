//! memcached as it should be: a model that says what is answered to any bytes, and plays that hold the application to it.
//!
//! ```text
//! play      inputs as operations: bytes in pieces, clock steps, clients that come, go, or do not read; what is answered is compared
//! datagrams the same for UDP, through the whole service
//! server    the application without a network: sessions over one store
//! memory    what all stores of a process lie in, one after the other
//!
//! talk      the model's side of a connection: what it makes of the bytes -> text | meta | binary
//! items     the model's items: a map, a clock, a CAS value
//! answer    what is to come, and whether it came
//! number    numbers as C's library reads them
//! ```
//!
//! The model follows memcached's protocol.txt and the binaries' recorded answers, with the exceptions of docs/differences.md; it shares no
//! code with the application. It is told nothing but the bytes, the clock and how much of the input was taken, and what chance
//! decides when memory is short ([`items::Luck`]).

mod answer;
mod binary;
pub(crate) mod datagrams;
mod items;
mod memory;
mod meta;
mod number;
pub(crate) mod play;
mod server;
mod talk;
mod template;
mod text;

#[cfg(test)]
mod tests;
