//! What TCP lets its user choose.

/// Sizes and times of TCP. The default is what a cache wants.
#[derive(Clone, Copy, Debug)]
pub struct TcpSettings {
    /// The largest receive window, in bytes: at least 65,535, at most 2^30. A connection gets it only if it uses it.
    pub receive_window: u32,
}

impl Default for TcpSettings {
    fn default() -> TcpSettings {
        TcpSettings { receive_window: 1 << 20 }
    }
}
