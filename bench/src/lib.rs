//! Running the dataplane on the host: for correctness on a bad network, and for speed.
//!
//! ```text
//! turn       one core's turn, as the appliance takes it
//! load       the load generator
//! stack      what a request costs the server
//! budgets    what it may cost, and whether it does
//! cache      what a cache keeps in so much memory, ours beside memcached
//! sim        two stacks back to back over a link that loses, reorders, duplicates and corrupts, on a virtual clock
//! vhost      the other end of a guest's virtio-net, in memory that the two share
//! tap        the stack in real time against Linux, on a tap device or behind a forwarder that loses and delays
//! peers      servers to compare with, started and ended
//! namespace  network namespaces with wires of our own
//! processor  its cycle counter, and requests to Callgrind
//! ```
//!
//! Called by `cli` and `ci`; calls `netstack` and `netdrv`, whose test kit it runs against. smoltcp's TCP, which shares
//! nothing with ours, is the other peer.

pub mod budgets;
pub mod cache;
pub mod compare;
pub mod load;
pub mod namespace;
pub mod peers;
mod processor;
pub mod report;
pub mod sim;
pub mod stack;
pub mod tap;
pub mod turn;
pub mod vhost;
