//! The commands by number.

use super::super::sum::Direction;
use super::get::What;
use super::storage::Mode;
use super::{Frame, Malformed};

/// Whether success is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocol) enum Verbosity {
    Full,
    Quiet,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Get(What),
    Store(Mode),
    Delete,
    Add(Direction),
    Quit,
    Flush,
    NoOperation,
    Version,
    Statistics,
}

/// A command, quiet or not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opcode {
    pub(super) command: Command,
    pub(super) verbosity: Verbosity,
}

impl Opcode {
    /// The command of this number, if there is one. Without SASL its commands are not known, nor is `verbosity`, as in 1.6.18.
    pub(super) fn of(number: u8) -> Option<Opcode> {
        use Verbosity::{Full, Quiet};
        let (command, verbosity) = match number {
            0x00 => (Command::Get(What::Get), Full),
            0x09 => (Command::Get(What::Get), Quiet),
            0x0c => (Command::Get(What::GetWithKey), Full),
            0x0d => (Command::Get(What::GetWithKey), Quiet),
            0x1c => (Command::Get(What::Touch), Full),
            0x1d => (Command::Get(What::GetAndTouch), Full),
            0x1e => (Command::Get(What::GetAndTouch), Quiet),
            0x23 => (Command::Get(What::GetAndTouchWithKey), Full),
            0x24 => (Command::Get(What::GetAndTouchWithKey), Quiet),
            0x01 => (Command::Store(Mode::Set), Full),
            0x11 => (Command::Store(Mode::Set), Quiet),
            0x02 => (Command::Store(Mode::Add), Full),
            0x12 => (Command::Store(Mode::Add), Quiet),
            0x03 => (Command::Store(Mode::Replace), Full),
            0x13 => (Command::Store(Mode::Replace), Quiet),
            0x0e => (Command::Store(Mode::Append), Full),
            0x19 => (Command::Store(Mode::Append), Quiet),
            0x0f => (Command::Store(Mode::Prepend), Full),
            0x1a => (Command::Store(Mode::Prepend), Quiet),
            0x04 => (Command::Delete, Full),
            0x14 => (Command::Delete, Quiet),
            0x05 => (Command::Add(Direction::Up), Full),
            0x15 => (Command::Add(Direction::Up), Quiet),
            0x06 => (Command::Add(Direction::Down), Full),
            0x16 => (Command::Add(Direction::Down), Quiet),
            0x07 => (Command::Quit, Full),
            0x17 => (Command::Quit, Quiet),
            0x08 => (Command::Flush, Full),
            0x18 => (Command::Flush, Quiet),
            0x0a => (Command::NoOperation, Full),
            0x0b => (Command::Version, Full),
            0x10 => (Command::Statistics, Full),
            _ => return None,
        };
        Some(Opcode { command, verbosity })
    }

    /// Whether a frame has the parts that its command has.
    pub(super) fn check(self, frame: &Frame<'_>) -> Result<(), Malformed> {
        let (extras, has_key, has_value) = (frame.extras.len(), !frame.key.is_empty(), frame.value_len > 0);
        let fits = match self.command {
            Command::Get(What::Get | What::GetWithKey) => extras == 0 && has_key && !has_value,
            // What would be a value is the next frame to 1.6.18, and here too.
            Command::Get(_) => extras == 4 && has_key,
            Command::Store(Mode::Append | Mode::Prepend) => extras == 0 && has_key,
            Command::Store(_) => extras == 8 && has_key,
            Command::Delete => extras == 0 && has_key && !has_value,
            Command::Add(_) => extras == 20 && has_key && !has_value,
            Command::Flush => matches!(extras, 0 | 4) && !has_key && !has_value,
            Command::Statistics => extras == 0,
            Command::Quit | Command::NoOperation | Command::Version => extras == 0 && !has_key && !has_value,
        };
        if fits { Ok(()) } else { Err(Malformed) }
    }
}
