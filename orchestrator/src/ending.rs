//! How an appliance ended, from the exit status of its VMM and from what both have printed.

use std::fmt;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use abi::console::{self, EXIT};
use abi::exit::Exit;

use crate::Vmm;

/// How an appliance ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It powered off or crashed, and said so.
    Guest(Exit),
    /// It was asked to stop.
    Stopped,
    /// The machine was reset, and a reset ends the VMM: `on-crash=reboot`, or a triple fault.
    Reset,
    /// The VMM gave up.
    VmmFailed(String),
}

/// Whether someone asked the instance to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    ToStop,
    Nothing,
}

impl Ending {
    /// Decodes the end of a VMM that left with `status`, after the appliance had printed `console` and the VMM `vmm_log`.
    pub(crate) fn decode(vmm: Vmm, status: ExitStatus, asked: Asked, console: &[String], vmm_log: &str) -> Ending {
        let code = status.code();
        let exit = match vmm {
            Vmm::Qemu => code.and_then(Exit::from_qemu_status),
            Vmm::Uhyve => code.and_then(|code| u8::try_from(code).ok()).and_then(Exit::from_code),
        };
        // Status 1 is also QEMU's own failure, and 0 uhyve's word for a triple fault: for a power-off the console is the
        // witness.
        let exit = exit.filter(|exit| *exit != Exit::PowerOff || said(console) == Some(Exit::PowerOff));
        let telling = |line: &&str| !line.trim().is_empty() && !line.contains(": warning: ");
        let last_word = vmm_log.lines().rev().find(telling);
        match (exit, asked, last_word) {
            (Some(exit), ..) => Ending::Guest(exit),
            (None, Asked::ToStop, _) => Ending::Stopped,
            (None, Asked::Nothing, None) if code == Some(0) => Ending::Reset,
            (None, Asked::Nothing, last_word) => Ending::VmmFailed(describe(vmm, status, last_word)),
        }
    }

    /// The exit code of `memstorm run`: the appliance's own, 0 if it was asked to stop, else 1.
    pub fn code(&self) -> u8 {
        match self {
            Ending::Guest(exit) => exit.code(),
            Ending::Stopped => 0,
            Ending::Reset | Ending::VmmFailed(_) => 1,
        }
    }

    /// What the last lines of a console say about its end.
    pub fn from_console(console: &[String]) -> Option<Ending> {
        said(console).map(Ending::Guest)
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ending::Guest(exit) => write!(f, "{} (exit code {})", exit.describe(), exit.code()),
            Ending::Stopped => f.write_str("stopped"),
            Ending::Reset => f.write_str("the machine was reset: by on-crash=reboot, or by a triple fault"),
            Ending::VmmFailed(why) => f.write_str(why),
        }
    }
}

/// The code in the last `exit:` line.
fn said(console: &[String]) -> Option<Exit> {
    let line = console.iter().rev().find_map(|line| line.strip_prefix(EXIT))?;
    Exit::from_code(console::field(line, "code")?.parse().ok()?)
}

fn describe(vmm: Vmm, status: ExitStatus, last_word: Option<&str>) -> String {
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with status {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    };
    match last_word {
        Some(last_word) => format!("{vmm} {how}: {last_word}"),
        None => format!("{vmm} {how}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exited(code: i32) -> ExitStatus {
        ExitStatus::from_raw(code << 8)
    }

    fn decode(vmm: Vmm, status: ExitStatus, asked: Asked, console: &str, log: &str) -> Ending {
        let console: Vec<_> = console.lines().map(str::to_owned).collect();
        Ending::decode(vmm, status, asked, &console, log)
    }

    #[test]
    fn the_guests_code_comes_through_both_vmms() {
        for exit in Exit::ALL {
            let console = format!("info: a\nexit: code={} why", exit.code());
            let qemu = i32::from(exit.code()) << 1 | 1;
            assert_eq!(decode(Vmm::Qemu, exited(qemu), Asked::Nothing, &console, ""), Ending::Guest(*exit));
            let uhyve = i32::from(exit.code());
            assert_eq!(decode(Vmm::Uhyve, exited(uhyve), Asked::Nothing, &console, ""), Ending::Guest(*exit));
        }
        let crash_before_the_console = decode(Vmm::Qemu, exited(45 << 1 | 1), Asked::Nothing, "", "");
        assert_eq!(crash_before_the_console, Ending::Guest(Exit::WriteProtected));
    }

    #[test]
    fn a_failure_of_the_vmm_is_no_power_off() {
        let failed = decode(Vmm::Qemu, exited(1), Asked::Nothing, "", "qemu: -M foo: unsupported machine\n\n");
        assert_eq!(failed.to_string(), "qemu ended with status 1: qemu: -M foo: unsupported machine");
        assert_eq!(failed.code(), 1);
        let panicked = decode(Vmm::Uhyve, exited(101), Asked::Nothing, "", "thread 'main' panicked");
        assert!(matches!(panicked, Ending::VmmFailed(_)));
        let killed = decode(Vmm::Uhyve, ExitStatus::from_raw(9), Asked::Nothing, "", "");
        assert_eq!(killed.to_string(), "uhyve was ended by signal 9");
    }

    #[test]
    fn a_reset_and_a_stop_are_told_apart() {
        for vmm in [Vmm::Qemu, Vmm::Uhyve] {
            assert_eq!(decode(vmm, exited(0), Asked::Nothing, "info: a", ""), Ending::Reset);
            assert_eq!(decode(vmm, exited(0), Asked::ToStop, "info: a", "terminating"), Ending::Stopped);
            assert_eq!(decode(vmm, ExitStatus::from_raw(15), Asked::ToStop, "", ""), Ending::Stopped);
        }
        let told = decode(Vmm::Qemu, exited(0), Asked::Nothing, "", "qemu: terminating on signal 15 from pid 7");
        assert!(told.to_string().contains("signal 15 from pid 7"));
        let warned = decode(Vmm::Qemu, exited(0), Asked::Nothing, "", "qemu: -accel kvm: warning: 3 cores on 2 CPUs");
        assert_eq!(warned, Ending::Reset, "a warning is no reason");
    }
}
