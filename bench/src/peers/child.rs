//! A process that does not outlive whoever holds it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child as Process, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::unistd::{SysconfVar, sysconf};

use super::PeerError;

/// By util-linux: has the kernel end a program when the thread that started it ends (prctl(2), PR_SET_PDEATHSIG).
const SETPRIV: [&str; 4] = ["setpriv", "--pdeathsig", "KILL", "--"];
/// Of what a program printed, so much is shown when it fails.
const SHOWN_LINES: usize = 3;

/// A running program, ended with this value; or with the thread that started it, however that ends.
#[derive(Debug)]
pub struct Child {
    process: Process,
    output: PathBuf,
    command_line: String,
}

impl Child {
    /// Starts a program. What it prints goes to the file `output`.
    pub fn start<A: AsRef<OsStr>>(program: &Path, arguments: &[A], output: PathBuf) -> Result<Child, PeerError> {
        let file = File::create(&output).map_err(|error| PeerError::file("cannot make", &output, error))?;
        let errors = file.try_clone().map_err(|error| PeerError::file("cannot use", &output, error))?;
        let [setpriv, before @ ..] = SETPRIV;
        let mut command = Command::new(setpriv);
        command.args(before).arg(program).args(arguments).stdin(Stdio::null()).stdout(file).stderr(errors);
        let process = command.spawn().map_err(|error| PeerError::system(format!("cannot start {setpriv}"), error))?;
        let words = std::iter::once(program.as_os_str()).chain(arguments.iter().map(AsRef::as_ref));
        let words: Vec<_> = words.map(OsStr::to_string_lossy).collect();
        Ok(Child { process, output, command_line: words.join(" ") })
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// What was started.
    pub fn command_line(&self) -> &str {
        &self.command_line
    }

    /// All that it has printed.
    pub fn printed(&self) -> String {
        fs::read(&self.output).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// An error with its last words, if it has ended.
    pub fn check(&mut self) -> Result<(), PeerError> {
        match self.process.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(PeerError::Silent(self.obituary(status))),
            Err(error) => Err(PeerError::system("waitpid", error)),
        }
    }

    fn obituary(&self, status: ExitStatus) -> String {
        let printed = self.printed();
        let lines: Vec<&str> = printed.lines().filter(|line| !line.trim().is_empty()).collect();
        let last = lines[lines.len().saturating_sub(SHOWN_LINES)..].join("; ");
        format!("{} ended with {status}: {last}", self.command_line)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It is our child: the number is its own until it is waited for.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// CPU time that a process has used, all of its threads: `utime` and `stime` of proc(5), which contain the time of a guest.
pub fn cpu_time(pid: u32) -> io::Result<Duration> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is the name in parentheses, and may itself hold blanks and parentheses.
    let fields = text.rfind(')').map(|end| text[end + 1..].split_ascii_whitespace());
    let ticks: Option<Vec<u64>> =
        fields.map(|fields| fields.skip(11).take(2).map_while(|word| word.parse().ok()).collect());
    let ticks_per_s = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100) as f64;
    match ticks.as_deref() {
        Some(&[user, system]) => Ok(Duration::from_secs_f64((user + system) as f64 / ticks_per_s)),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, format!("/proc/{pid}/stat has an unknown form"))),
    }
}

/// Memory of a process that is in RAM, shared memory included: `VmRSS` and `HugetlbPages` of proc(5).
pub fn resident_bytes(pid: u32) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let bytes = |name: &str| -> Option<u64> {
        let value = text.lines().find_map(|line| line.strip_prefix(name))?;
        Some(value.split_ascii_whitespace().next()?.parse::<u64>().ok()? << 10)
    };
    let resident = bytes("VmRSS:").ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no VmRSS"))?;
    // Linux counts huge pages that were set aside apart.
    Ok(resident + bytes("HugetlbPages:").unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread::sleep;

    fn exists(pid: u32) -> bool {
        Path::new("/proc").join(pid.to_string()).exists()
    }

    fn start(program: &str, arguments: &[&str]) -> (tempfile::TempDir, Child) {
        let folder = tempfile::tempdir().unwrap();
        let child = Child::start(Path::new(program), arguments, folder.path().join("log")).unwrap();
        (folder, child)
    }

    #[test]
    fn it_ends_with_its_holder() {
        let (_folder, mut child) = start("sleep", &["60"]);
        let pid = child.pid();
        child.check().unwrap();
        assert!(exists(pid) && cpu_time(pid).is_ok());
        drop(child);
        assert!(!exists(pid));
        assert!(cpu_time(pid).is_err() && resident_bytes(pid).is_err());
    }

    #[test]
    fn it_ends_with_the_thread_that_started_it() {
        let pid = std::thread::spawn(|| {
            let (_folder, child) = start("sleep", &["60"]);
            let pid = child.pid();
            while fs::read_to_string(format!("/proc/{pid}/comm")).unwrap().trim() != "sleep" {
                sleep(Duration::from_millis(1));
            }
            std::mem::forget(child);
            pid
        });
        let pid = pid.join().unwrap();
        let state = || fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        for _ in 0..2000 {
            // Nobody has waited for it: a zombie it may be.
            if state().is_empty() || state().contains(") Z ") {
                return;
            }
            sleep(Duration::from_millis(1));
        }
        panic!("it is still there: {}", state());
    }

    #[test]
    fn its_last_words_are_heard() {
        let (_folder, mut child) = start("/bin/sh", &["-c", "echo first; echo '' ; echo no room >&2; exit 3"]);
        let error = loop {
            match child.check() {
                Ok(()) => sleep(Duration::from_millis(1)),
                Err(error) => break error.to_string(),
            }
        };
        assert!(error.ends_with("ended with exit status: 3: first; no room"), "{error}");
        let (_folder, mut child) = start("/nowhere/server", &[]);
        while child.check().is_ok() {}
        assert!(child.check().unwrap_err().to_string().contains("No such file"), "setpriv says so");
    }

    #[test]
    fn time_and_memory_are_those_of_the_process() {
        let (_folder, child) = start("/bin/sh", &["-c", "while :; do :; done"]);
        while cpu_time(child.pid()).unwrap() < Duration::from_millis(30) {
            sleep(Duration::from_millis(5));
        }
        let resident = resident_bytes(child.pid()).unwrap();
        assert!((100 << 10..100 << 20).contains(&resident), "{resident}");
    }
}
