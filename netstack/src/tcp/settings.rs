//! What TCP lets its user choose.

use core::time::Duration;

/// Sizes and times of TCP. The default is what a cache wants.
#[derive(Clone, Copy, Debug)]
pub struct TcpSettings {
    /// The largest receive window, in bytes: at least 65,535, at most 2^30. A connection gets it only if it uses it.
    pub receive_window: u32,
    /// Half-open connections that are kept at most; further SYNs are answered by cookies.
    pub syn_backlog: usize,
    /// How long a peer that we call may take to answer.
    pub connect_timeout: Duration,
}

impl Default for TcpSettings {
    fn default() -> TcpSettings {
        TcpSettings { receive_window: 1 << 20, syn_backlog: 256, connect_timeout: Duration::from_secs(30) }
    }
}
