//! Why a measurement ended early.

use std::io;
use std::path::PathBuf;

use crate::load::workload::WorkloadError;
use crate::peers::PeerError;

/// Why a trace cannot be read, or a cache not be measured.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// A file.
    #[error("{what} {path}: {cause}")]
    File {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// Why it failed.
        cause: io::Error,
    },
    /// A line of a trace.
    #[error("{path}, line {number}: {wrong}: expected time,key,key size,value size,client,operation,TTL")]
    Line {
        /// The file.
        path: PathBuf,
        /// From 1 on.
        number: u64,
        /// What is wrong with it.
        wrong: &'static str,
    },
    /// A trace that cannot be made.
    #[error(transparent)]
    Workload(#[from] WorkloadError),
    /// The store does not fit.
    #[error("{bytes} bytes are too little for a store: it needs {needed}")]
    TooLittle {
        /// As given.
        bytes: usize,
        /// As much would do.
        needed: usize,
    },
    /// The server cannot be started, or has ended.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// The connection to the server.
    #[error("the connection to the cache: {0}")]
    Connection(#[from] io::Error),
    /// An answer that nobody understands.
    #[error("the cache answered '{0}'")]
    Nonsense(String),
}
