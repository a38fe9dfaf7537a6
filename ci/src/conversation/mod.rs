//! What a memcached server must answer, as conversations that any server of the dialect (memcached 1.6.18's classic
//! text protocol) can be held to. The tests hold Debian's memcached to them as well as the appliance.
//!
//! Every conversation uses keys of its own, begins with connecting, and leaves the server able to serve.

mod bad_input;
mod classic;
mod segments;

use std::net::SocketAddr;

use anyhow::{Context, Result};

/// A conversation with a server.
#[derive(Clone, Copy, Debug)]
pub struct Conversation {
    /// What it is about.
    pub name: &'static str,
    /// Holds it; the error says what the server did wrong.
    pub hold: fn(SocketAddr) -> Result<()>,
}

/// Every conversation.
pub fn all() -> impl Iterator<Item = &'static Conversation> {
    classic::ALL.iter().chain(segments::ALL).chain(bad_input::ALL)
}

/// Holds every conversation, up to the first that goes wrong.
pub fn hold_all(server: SocketAddr) -> Result<()> {
    all()
        .try_for_each(|conversation| (conversation.hold)(server).with_context(|| format!("in '{}'", conversation.name)))
}
