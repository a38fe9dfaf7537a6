//! Why a peer does not serve.

use std::io;
use std::path::{Path, PathBuf};

/// Why a peer cannot be started, or be looked at.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// Something that this host lacks: what, and what to do.
    #[error("{0}")]
    Missing(String),
    /// The wire and the server do not fit.
    #[error("{0}")]
    Unfit(String),
    /// A file or directory.
    #[error("{what} {path}: {cause}")]
    File {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// Why it failed.
        cause: io::Error,
    },
    /// A call of the operating system.
    #[error("{what}: {cause}")]
    System {
        /// What was tried.
        what: String,
        /// Why it failed.
        cause: io::Error,
    },
    /// It ended, or does not answer: what was seen.
    #[error("{0}")]
    Silent(String),
    /// The appliance's control plane failed.
    #[error(transparent)]
    Orchestrator(#[from] orchestrator::Error),
    /// Somebody asked us to stop.
    #[error("interrupted")]
    Interrupted,
}

impl PeerError {
    pub(super) fn file(what: &'static str, path: &Path, cause: io::Error) -> PeerError {
        PeerError::File { what, path: path.to_owned(), cause }
    }

    pub(super) fn system(what: impl Into<String>, cause: impl Into<io::Error>) -> PeerError {
        PeerError::System { what: what.into(), cause: cause.into() }
    }
}
