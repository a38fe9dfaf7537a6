//! What can go wrong on the host.

use std::io;
use std::net::{SocketAddr, SocketAddrV4};
use std::path::PathBuf;

use image::ImageError;
use thiserror::Error;

/// Why the control plane could not do what was asked. Each says what to do about it, where there is something to do.
#[derive(Debug, Error)]
pub enum Error {
    /// Options that exclude each other, or a value that no VMM takes.
    #[error("{0}")]
    Usage(String),
    /// A program, device or interface that this host lacks.
    #[error("{what}: {advice}")]
    Missing {
        /// What is missing, and for what.
        what: String,
        /// What to do.
        advice: String,
    },
    /// The port is in use.
    #[error("port {} on {} is in use{}: choose another with --port", .address.port(), .address.ip(), by(.user))]
    PortTaken {
        /// The port.
        address: SocketAddrV4,
        /// The instance of ours that has it.
        user: Option<String>,
    },
    /// The port cannot be listened at.
    #[error("port {} on {} cannot be used ({cause}): choose another with --port", .address.port(), .address.ip())]
    PortUnusable {
        /// The port.
        address: SocketAddrV4,
        /// Why not.
        cause: io::Error,
    },
    /// An instance of this name runs.
    #[error("an instance named '{0}' is running: choose another --name, or stop it with `memstorm stop {0}`")]
    NameTaken(String),
    /// No instance of this name.
    #[error("no instance named '{name}'{}", list(.known))]
    NoSuchInstance {
        /// The name asked for.
        name: String,
        /// Those that exist.
        known: Vec<String>,
    },
    /// No name given, and not exactly one instance to mean.
    #[error("{}", ambiguous(.0))]
    WhichInstance(Vec<String>),
    /// The state directory, or a file in it, cannot be used.
    #[error("{what} {path}: {cause}; another state directory can be set with MEMSTORM_STATE_DIR")]
    State {
        /// What was tried.
        what: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why it failed.
        cause: io::Error,
    },
    /// The image cannot be built or read.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The VMM cannot be started.
    #[error("cannot start {program}: {cause}")]
    Start {
        /// The VMM.
        program: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// A process would not end.
    #[error("process {pid} of instance '{name}' does not end: {why}")]
    Unstoppable {
        /// The instance.
        name: String,
        /// Its VMM.
        pid: u32,
        /// What happened.
        why: String,
    },
    /// The appliance does not answer as memcached does.
    #[error("no answer from {address}: {cause}")]
    Wire {
        /// Where it should answer.
        address: SocketAddr,
        /// Why not.
        cause: io::Error,
    },
}

impl Error {
    /// Whether the command line is at fault, and not the host.
    pub fn is_usage(&self) -> bool {
        match self {
            Error::Usage(_) => true,
            Error::Image(error) => error.is_usage(),
            _ => false,
        }
    }
}

fn by(user: &Option<String>) -> String {
    user.as_ref().map(|name| format!(" by the instance '{name}'")).unwrap_or_default()
}

fn list(known: &[String]) -> String {
    if known.is_empty() { "; there is none".to_owned() } else { format!("; there is: {}", known.join(", ")) }
}

fn ambiguous(names: &[String]) -> String {
    if names.is_empty() {
        "no instance is running: start one with `memstorm run --detach`".to_owned()
    } else {
        format!("several instances are running, name one: {}", names.join(", "))
    }
}
