//! What one step of a session comes to, and what it needs.

/// A command line that does not end within this many bytes closes the connection, unless it is a `get` or `gets`.
pub const LINE_LIMIT: usize = 2048;

/// Bytes of [`Output::room`](super::Output::room) with which any command can answer, or begin to.
pub const REPLY_ROOM: usize = 1024;

/// What a session waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// More input.
    NeedInput,
    /// More room in the output, [`REPLY_ROOM`] or any.
    NeedRoom,
    /// To be called again in the next turn, with the same input: there is much to do.
    Pause,
    /// To be called again in a while: something may have happened that it watches.
    Watch,
    /// To be closed, after what was written.
    Quit,
    /// To be closed, after what was written: what came is no request.
    Malformed,
    /// To be closed: a command line did not end.
    LongLine,
}

/// One step of a session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// Bytes of the input that are done with.
    pub(super) consumed: usize,
    /// Whether there may be another step.
    pub(super) next: Next,
}

impl Step {
    pub(super) fn go_on(consumed: usize) -> Step {
        Step { consumed, next: Next::GoOn }
    }

    pub(super) fn stop(status: Status) -> Step {
        Step { consumed: 0, next: Next::Stop(status) }
    }
}

/// Whether a session goes on by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It does.
    GoOn,
    /// It waits, or ends.
    Stop(Status),
}

/// Where a request begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Home {
    Line,
    Frame,
}

/// What is due after the end of a discarded line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// `END`.
    End,
    /// Nothing.
    Nothing,
}
