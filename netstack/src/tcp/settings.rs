//! What TCP lets its user choose.

use core::time::Duration;

use super::ecn::EcnUse;
use super::keepalive::Keepalive;

/// Sizes and times of TCP. The default is what a cache wants.
#[derive(Clone, Copy, Debug)]
pub struct TcpSettings {
    /// The largest receive window, in bytes: at least 65,535, at most 2^30. A connection gets it only if it uses it.
    pub receive_window: u32,
    /// Half-open connections that are kept at most; further SYNs are answered by cookies.
    pub syn_backlog: usize,
    /// How long a peer that we call may take to answer.
    pub connect_timeout: Duration,
    /// Whether and when to ask silent peers whether they are still there.
    pub keepalive: Option<Keepalive>,
    /// How long a peer may be silent between our close and its own.
    pub fin_wait_2: Duration,
    /// How long a peer may be silent while something waits for it, if that is to be shorter than ten timeouts.
    pub user_timeout: Option<Duration>,
    /// Whether routers may mark packets instead of dropping them.
    pub ecn: EcnUse,
}

impl Default for TcpSettings {
    fn default() -> TcpSettings {
        TcpSettings {
            receive_window: 1 << 20,
            syn_backlog: 256,
            connect_timeout: Duration::from_secs(30),
            keepalive: Some(Keepalive::default()),
            fin_wait_2: Duration::from_secs(60),
            user_timeout: None,
            ecn: EcnUse::Never,
        }
    }
}
