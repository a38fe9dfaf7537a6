//! A process, known beyond its death: a number alone may come back as another process.

use std::fs;
use std::io;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// A process by number and start time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// When it started, in clock ticks since the boot (proc(5), `/proc/PID/stat`, starttime).
    pub start_ticks: u64,
}

/// What `/proc/PID/stat` says.
struct Stat {
    state: char,
    start_ticks: u64,
}

impl Process {
    /// The process that has this number now; `None` if there is none, or only a zombie.
    pub fn running(pid: u32) -> Option<Process> {
        let stat = read_stat(pid).filter(|stat| stat.state != 'Z' && stat.state != 'X')?;
        Some(Process { pid, start_ticks: stat.start_ticks })
    }

    /// Whether this very process runs.
    pub fn is_running(&self) -> bool {
        Process::running(self.pid) == Some(*self)
    }

    /// Sends a signal. Returns whether the process was there to get it.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<bool> {
        let Some(handle) = self.handle()? else { return Ok(false) };
        match pidfd_send_signal(handle, signal) {
            Ok(()) => Ok(true),
            Err(Errno::SRCH) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until the process has ended, for `limit` at most. Returns whether it has.
    pub(crate) fn wait(&self, limit: Duration) -> io::Result<bool> {
        let Some(handle) = self.handle()? else { return Ok(true) };
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
            // A process handle is readable once the process has ended (pidfd_open(2)).
            match poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&timeout)) {
                Ok(0) => return Ok(false),
                Ok(_) => return Ok(true),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// A handle on this very process; `None` if it has ended. Taken before the start time is compared, so that the handle
    /// cannot be that of a successor.
    fn handle(&self) -> io::Result<Option<OwnedFd>> {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else { return Ok(None) };
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(handle) => Ok(self.is_running().then_some(handle)),
            Err(Errno::SRCH) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn read_stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the name in parentheses, and may itself hold blanks and parentheses.
    let mut fields = text[text.rfind(')')? + 1..].split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let start_ticks = fields.nth(18)?.parse().ok()?;
    Some(Stat { state, start_ticks })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn follows_a_process_to_its_end() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let process = Process::running(child.id()).unwrap();
        assert!(process.is_running());
        assert!(!process.wait(Duration::from_millis(5)).unwrap());
        assert!(process.signal(Signal::TERM).unwrap());
        assert!(process.wait(Duration::from_secs(5)).unwrap());
        assert!(!process.is_running(), "a zombie does not run");
        child.wait().unwrap();
        assert_eq!(Process::running(child.id()), None);
        assert!(!process.signal(Signal::TERM).unwrap());
    }

    #[test]
    fn a_successor_with_the_same_number_is_left_alone() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let now = Process::running(child.id()).unwrap();
        let earlier = Process { start_ticks: now.start_ticks - 1, ..now };
        assert!(!earlier.is_running());
        assert!(!earlier.signal(Signal::KILL).unwrap());
        assert!(earlier.wait(Duration::ZERO).unwrap());
        assert!(now.is_running());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn impossible_numbers_do_not_run() {
        for pid in [0, u32::MAX] {
            let process = Process { pid, start_ticks: 0 };
            assert!(!process.is_running());
            assert!(!process.signal(Signal::TERM).unwrap());
        }
    }
}
