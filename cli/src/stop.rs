//! `memstorm stop`.

use orchestrator::StateDir;

/// Ends one instance or all. That there is none to end is no error for `--all`.
pub(crate) fn stop(name: Option<&str>, all: bool) -> anyhow::Result<u8> {
    let state = StateDir::resolve()?;
    let entries = if all { state.list()? } else { vec![state.find(name)?] };
    let mut failed = None;
    for entry in entries {
        match orchestrator::stop(&state, &entry) {
            Ok(()) => eprintln!("stopped {}", entry.record.name),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(0),
    }
}
