//! Receive-side scaling: which queue pair a frame arrives in.
//!
//! ```text
//! frame -> Toeplitz hash of its addresses and ports (see toeplitz) -> its low 7 bits: the flow group -> table -> queue pair
//! ```
//!
//! All frames of a flow are of one group, and a group is moved to another core by one entry of the table. Where the NIC
//! steers by rules that are not ours, software steers by the same hash and the same table.

/// Flow groups: entries of the indirection table.
pub const FLOW_GROUPS: usize = 128;

/// Bytes of the hash key: enough for IPv6's addresses and ports, and what NICs expect.
pub const KEY_BYTES: usize = 40;

/// The queue pair of each flow group.
pub type Table = [u8; FLOW_GROUPS];

/// How frames are to be steered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RssConfig {
    /// The hash key; random, so that nobody outside can aim at a group.
    pub key: [u8; KEY_BYTES],
    /// The queue pair of each flow group.
    pub table: Table,
}

/// The flow group of a hash.
pub const fn flow_group(hash: u32) -> usize {
    hash as usize % FLOW_GROUPS
}

/// How a NIC picks the queue of a received frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steering {
    /// By an [`RssConfig`]: by the hash of addresses and ports for TCP and UDP over IPv4, of the addresses for the rest of
    /// IPv4. Anything else arrives in pair 0.
    Rss,
    /// By rules of its own, or it has one queue pair: any queue may receive any flow.
    None,
}

/// Changes the table of a NIC that runs. It belongs to one core, which never waits: it submits, and polls for the answer.
///
/// Frames that the NIC steered by the old table may still be in the old queue when the answer comes, and arrive in the new
/// one before it.
pub trait SteeringControl {
    /// Asks for another table. Its entries name queue pairs that there are.
    fn submit(&mut self, table: &Table) -> Result<(), SubmitError>;

    /// What has become of the last request.
    fn poll(&mut self) -> Progress;
}

/// Why a table was not submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubmitError {
    /// The last request has not been answered yet.
    Busy,
    /// An entry names a queue pair that there is not.
    NoSuchPair,
}

/// What has become of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is none: an answer is told once.
    Idle,
    /// The NIC has not answered. How long to wait for it is up to the caller; there can be no other request meanwhile.
    Pending,
    /// The NIC steers by the new table.
    Done,
    /// The NIC refuses, and steers by the old table.
    Refused,
    /// The answer makes no sense. The NIC may steer by either table.
    Garbled,
}
