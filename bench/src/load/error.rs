//! Why nothing was measured.

use std::time::Duration;

use super::protocol::Wrong;
use super::schedule::ScheduleError;
use super::wire::{Closed, WireError};
use super::workload::WorkloadError;

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The options make no sense together.
    #[error("{0}")]
    Impossible(String),
    /// The wire is of no use.
    #[error("{0}")]
    Wire(#[from] WireError),
    /// Nobody answers.
    #[error("no server: {}", .0.describe())]
    NoServer(Closed),
    /// The server ended a connection.
    #[error("{} while {during}", .reason.describe())]
    Closed {
        /// How.
        reason: Closed,
        /// What went on.
        during: &'static str,
    },
    /// The server says nothing more.
    #[error("the server has stalled: no answer for {} s while {during}", .after.as_secs_f64())]
    Stalled {
        /// How long was waited.
        after: Duration,
        /// What went on.
        during: &'static str,
    },
    /// The server does not speak the protocol, or gives values that nobody has stored.
    #[error("the server answers nonsense: {0}")]
    Wrong(#[from] Wrong),
    /// The records are not all there.
    #[error("{refused} of {records} records were not stored; has the server enough memory?")]
    NotStored {
        /// How many.
        refused: u64,
        /// Of how many.
        records: u64,
    },
    /// A thread has ended before its time.
    #[error("a thread of the generator has ended: {0}")]
    Thread(String),
}

impl Closed {
    /// As part of a sentence.
    fn describe(self) -> String {
        match self {
            Closed::Refused => "the connection was refused".into(),
            Closed::Reset => "the server has reset a connection".into(),
            Closed::Finished => "the server has closed a connection".into(),
            Closed::TimedOut => "nothing was heard in time".into(),
            Closed::Unreachable => "there is no way to it".into(),
            Closed::Failed(number) => std::io::Error::from_raw_os_error(number).to_string(),
        }
    }
}

impl From<WorkloadError> for LoadError {
    fn from(error: WorkloadError) -> LoadError {
        LoadError::Impossible(error.to_string())
    }
}

impl From<ScheduleError> for LoadError {
    fn from(error: ScheduleError) -> LoadError {
        LoadError::Impossible(error.to_string())
    }
}
