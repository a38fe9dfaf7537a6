//! Network namespaces of our own: wires that nothing else is on.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sched::{CloneFlags, setns};

/// Where `ip netns` keeps them.
const FOLDER: &str = "/run/netns";

/// A network namespace, removed with this value.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes a namespace, with its loopback up. Its name begins with `prefix`, which belongs to one kind of user: those of
    /// the same prefix that killed runs have left are removed. Needs root.
    pub fn create(prefix: &str) -> io::Result<Namespace> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        remove_abandoned(prefix)?;
        let name = format!("{prefix}-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        ip(&["netns", "add", &name])?;
        let namespace = Namespace { name };
        namespace.ip(&["link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `body` with the calling thread in the namespace: the sockets that it makes and the processes that it starts stay
    /// there.
    pub fn enter<T>(&self, body: impl FnOnce() -> T) -> io::Result<T> {
        let there = File::open(Path::new(FOLDER).join(&self.name))?;
        let here = File::open("/proc/thread-self/ns/net")?;
        setns(there, CloneFlags::CLONE_NEWNET)?;
        let _way_back = WayBack(here);
        Ok(body())
    }

    /// Moves the calling thread into the namespace, for good.
    pub fn stay(&self) -> io::Result<()> {
        Ok(setns(File::open(Path::new(FOLDER).join(&self.name))?, CloneFlags::CLONE_NEWNET)?)
    }

    /// Runs `ip` on the namespace, say `ip -n NAME neigh flush dev tap0`.
    pub fn ip(&self, arguments: &[&str]) -> io::Result<()> {
        ip(&[&["-n", &self.name], arguments].concat())
    }

    /// Has these cores take what a device receives, whichever core delivers it: Receive Packet Steering (Linux
    /// `Documentation/networking/scaling.rst`).
    pub fn steer_receive(&self, device: &str, cores: &[usize]) -> io::Result<()> {
        let file = PathBuf::from(format!("/sys/class/net/{device}/queues/rx-0/rps_cpus"));
        // /sys shows the namespace in which it was mounted: `ip netns exec` mounts another.
        let mut tee = Command::new("ip")
            .args(["netns", "exec", &self.name, "tee"])
            .arg(&file)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        let written = tee.stdin.take().map(|mut stdin| writeln!(stdin, "{}", mask(cores)));
        let status = tee.wait()?;
        written.transpose()?;
        if status.success() { Ok(()) } else { Err(io::Error::other(format!("cannot write to {}", file.display()))) }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // A failure here leaves the namespace to the next `create`.
        let _ = ip(&["netns", "delete", &self.name]);
    }
}

/// Brings the thread back where it was.
struct WayBack(File);

impl Drop for WayBack {
    fn drop(&mut self) {
        if setns(self.0.as_fd(), CloneFlags::CLONE_NEWNET).is_err() {
            // What follows would happen to the wrong devices.
            std::process::abort();
        }
    }
}

/// A set of cores, as the kernel reads it: words of 32 bits, separated by commas, the highest first.
fn mask(cores: &[usize]) -> String {
    let words = cores.iter().max().map_or(1, |last| last / 32 + 1);
    let word =
        |index| cores.iter().filter(|&core| core / 32 == index).fold(0_u32, |word, core| word | 1 << (core % 32));
    let words: Vec<String> = (0..words).rev().map(|index| format!("{:08x}", word(index))).collect();
    words.join(",")
}

fn ip(arguments: &[&str]) -> io::Result<()> {
    let output = Command::new("ip").args(arguments).output();
    let output = output.map_err(|error| io::Error::other(format!("cannot start ip (package iproute2): {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let error = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("ip {}: {}", arguments.join(" "), error.trim_end())))
}

/// Removes the namespaces of earlier runs that were killed before they could.
fn remove_abandoned(prefix: &str) -> io::Result<()> {
    let Ok(entries) = fs::read_dir(FOLDER) else { return Ok(()) };
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let rest = name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('-'));
        let Some(owner) = rest.and_then(|rest| rest.split('-').next()) else { continue };
        if owner.parse::<u32>().is_ok() && !Path::new("/proc").join(owner).exists() {
            ip(&["netns", "delete", &name])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_written_in_words() {
        assert_eq!(mask(&[0]), "00000001");
        assert_eq!(mask(&[5, 1]), "00000022");
        assert_eq!(mask(&[33, 0]), "00000002,00000001");
        assert_eq!(mask(&[95]), "80000000,00000000,00000000");
    }
}
