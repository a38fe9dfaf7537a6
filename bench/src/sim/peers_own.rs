//! Failures that are proven to be the peer's, by seed, each with its proof. Ours never stand here.

use super::Peer;

/// Peer, seed, and why it is the peer's fault.
const FAILURES: &[(Peer, u64, &str)] = &[];

/// Why the failure of this run is the peer's, if that is proven.
pub fn peers_own(peer: Peer, seed: u64) -> Option<&'static str> {
    FAILURES.iter().find(|failure| (failure.0, failure.1) == (peer, seed)).map(|failure| failure.2)
}
