//! An appliance, started and stopped as a user would: through the `memstorm` command.

use std::env;
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;
use tempfile::TempDir;

use crate::host;
use crate::namespace::{GUEST, PREFIX, TAP};

/// How long a process has to be gone once it was told to end.
const PARTING: Duration = Duration::from_secs(10);

/// The `memstorm` command with a state directory of its own, so that its appliances are ours alone.
#[derive(Debug)]
pub struct Memstorm {
    binary: PathBuf,
    state: TempDir,
    /// Where its programs are looked for first.
    programs: Option<PathBuf>,
}

/// The options of `memstorm run`.
#[derive(Clone, Debug)]
pub struct Machine {
    /// `--vmm`.
    pub vmm: &'static str,
    /// `--accel`.
    pub accel: &'static str,
    /// `--machine`, for QEMU.
    pub machine: Option<&'static str>,
    /// `--cores`.
    pub cores: u32,
    /// `--memory`.
    pub memory: String,
    /// `--net`.
    pub net: Net,
    /// `--append`.
    pub append: String,
    /// Who refuses a wrong `append`.
    pub checked_by: CheckedBy,
}

/// Who refuses a wrong configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckedBy {
    /// `memstorm run`, before it boots anything.
    Host,
    /// The appliance.
    Guest,
}

/// The network of an appliance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Net {
    /// A loopback port that the VMM forwards.
    User,
    /// The tap of the namespace that the calling thread is in, and a static address.
    Tap,
    /// The same tap, and an address from DHCP, which nobody there serves.
    TapWithoutAddress,
    /// The vhost-user back end that listens there, and a static address.
    VhostUser(PathBuf),
}

impl Default for Machine {
    fn default() -> Machine {
        Machine {
            vmm: "qemu",
            accel: "kvm",
            machine: Some("microvm"),
            cores: 1,
            memory: "64M".to_owned(),
            net: Net::User,
            append: String::new(),
            checked_by: CheckedBy::Host,
        }
    }
}

impl Machine {
    /// The arguments of `memstorm run`.
    fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![
            format!("--vmm={}", self.vmm),
            format!("--accel={}", self.accel),
            format!("--cores={}", self.cores),
            format!("--memory={}", self.memory),
        ];
        arguments.extend(self.machine.map(|machine| format!("--machine={machine}")));
        let mut append = self.append.clone();
        match &self.net {
            Net::User => arguments.push("--port=0".to_owned()),
            Net::Tap => {
                arguments.push(format!("--net=tap:{TAP}"));
                append = format!("ip={GUEST}/{PREFIX} {append}");
            }
            Net::TapWithoutAddress => arguments.push(format!("--net=tap:{TAP}")),
            Net::VhostUser(socket) => {
                arguments.push(format!("--net=vhost-user:{}", socket.display()));
                append = format!("ip={GUEST}/{PREFIX} {append}");
            }
        }
        if !append.trim().is_empty() {
            arguments.push(format!("--append={}", append.trim()));
        }
        if self.checked_by == CheckedBy::Guest {
            arguments.push("--no-validate".to_owned());
        }
        arguments
    }
}

/// What `memstorm run --detach -o json` prints.
#[derive(Clone, Debug, Deserialize)]
pub struct Started {
    /// The instance's name.
    pub name: String,
    /// Where it serves.
    pub address: SocketAddr,
    /// Where it answers HTTP, if it does.
    pub http: Option<SocketAddr>,
    /// `qemu` or `uhyve`.
    pub vmm: String,
    /// `kvm` or `tcg`.
    pub accel: String,
    /// The VMM's process.
    pub pid: u32,
    /// From the exec of the VMM to the first answered request, in milliseconds.
    pub ready_ms: f64,
}

/// A command that has ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// What it printed, on both streams.
    pub console: String,
}

impl Memstorm {
    /// The command of this checkout, `target/release/memstorm`, or the one that `MEMSTORM` names.
    pub fn new() -> Result<Memstorm> {
        let binary = match env::var_os("MEMSTORM") {
            Some(binary) => PathBuf::from(binary),
            None => host::repository().join("target/release/memstorm"),
        };
        ensure!(binary.is_file(), "{} is missing: run ./memstorm --version", binary.display());
        Ok(Memstorm { binary, state: tempfile::Builder::new().prefix("memstorm-ci-").tempdir()?, programs: None })
    }

    /// The same, with a QEMU that gives the network device `queues` queue pairs and its own steering; the tap has to have as many.
    pub fn with_queues(queues: u32) -> Result<Memstorm> {
        const NAME: &str = "qemu-system-x86_64";
        let mut memstorm = Memstorm::new()?;
        let qemu = host::find_program(NAME).context("there is no qemu-system-x86_64")?;
        let folder = memstorm.state.path().join("programs");
        let script = folder.join(NAME);
        let options = "virtio-net-device,mq=on,rss=on,";
        let arguments = format!("args=(\"${{@/#tap,id=net,/tap,id=net,queues={queues},}}\")");
        let arguments = format!("{arguments}\nargs=(\"${{args[@]/#virtio-net-device,/{options}}}\")");
        fs::create_dir(&folder)?;
        fs::write(&script, format!("#!/bin/bash\n{arguments}\nexec {} \"${{args[@]}}\"\n", qemu.display()))?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
        memstorm.programs = Some(folder);
        Ok(memstorm)
    }

    /// A `memstorm` command, to be completed by its arguments.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.env("MEMSTORM_STATE_DIR", self.state.path()).current_dir(host::repository()).stdin(Stdio::null());
        if let Some(programs) = &self.programs {
            let path = env::var_os("PATH").unwrap_or_default();
            let folders = [programs.clone()].into_iter().chain(env::split_paths(&path));
            command.env("PATH", env::join_paths(folders).unwrap_or(path.clone()));
        }
        command
    }

    /// Runs a `memstorm` command that must succeed. Returns what it printed on standard output.
    pub fn call(&self, arguments: &[&str]) -> Result<String> {
        let output = self.command().args(arguments).output().context("cannot start memstorm")?;
        succeeded(&format!("memstorm {}", arguments.join(" ")), &output)
    }

    /// Starts an appliance and returns once it serves.
    pub fn start(&self, machine: &Machine) -> Result<Appliance<'_>> {
        let arguments = machine.arguments();
        let mut command = self.command();
        command.arg("run").args(&arguments).args(["--detach", "-o", "json"]);
        let output = command.output().context("cannot start memstorm")?;
        let json = succeeded(&format!("memstorm run {} --detach -o json", arguments.join(" ")), &output)?;
        let started = serde_json::from_str(&json).with_context(|| format!("memstorm run printed '{json}'"))?;
        Ok(Appliance { memstorm: self, started, stopped: false })
    }

    /// Runs an appliance in the foreground that must end by itself within `limit`.
    pub fn run_to_end(&self, machine: &Machine, limit: Duration) -> Result<Ended> {
        let mut command = self.command();
        command.arg("run").args(machine.arguments());
        run_to_end(command, limit)
    }

    /// Ends every appliance, and makes sure that no process of this state directory is left.
    pub fn finish(self) -> Result<()> {
        self.call(&["stop", "--all"])?;
        let deadline = Instant::now() + PARTING;
        loop {
            let left = self.processes()?;
            if left.is_empty() {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "still running after stop: {}", left.join(", "));
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The processes that carry this state directory in their environment, as `PID NAME`.
    fn processes(&self) -> Result<Vec<String>> {
        let mark = format!("MEMSTORM_STATE_DIR={}", self.state.path().display());
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let path = entry?.path();
            // Processes come and go, and kernel threads have no environment: what cannot be read is not ours. Nor is
            // a zombie's environment readable.
            let Ok(environment) = fs::read(path.join("environ")) else { continue };
            if environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes()) {
                let name = fs::read_to_string(path.join("comm")).unwrap_or_default();
                let pid = path.file_name().unwrap_or_default().to_string_lossy();
                found.push(format!("{pid} {}", name.trim_end()));
            }
        }
        Ok(found)
    }
}

/// A serving appliance, stopped with this value.
#[derive(Debug)]
pub struct Appliance<'a> {
    memstorm: &'a Memstorm,
    started: Started,
    stopped: bool,
}

impl Appliance<'_> {
    /// What `memstorm run` said of it.
    pub fn started(&self) -> &Started {
        &self.started
    }

    /// Where it serves.
    pub fn address(&self) -> SocketAddr {
        self.started.address
    }

    /// Its console so far.
    pub fn console(&self) -> Result<String> {
        self.memstorm.call(&["logs", &self.started.name])
    }

    /// Stops it, and makes sure that the VMM's process is gone.
    pub fn stop(mut self) -> Result<()> {
        self.stopped = true;
        self.memstorm.call(&["stop", &self.started.name])?;
        let deadline = Instant::now() + PARTING;
        while is_running(self.started.pid) {
            ensure!(Instant::now() < deadline, "the VMM, process {}, outlives stop", self.started.pid);
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Appliance<'_> {
    fn drop(&mut self) {
        if !self.stopped {
            // A test has failed already; its own error is the one to show.
            let _ = self.memstorm.call(&["stop", &self.started.name]);
        }
    }
}

/// Runs a command that must end by itself within `limit`.
pub fn run_to_end(mut command: Command, limit: Duration) -> Result<Ended> {
    let mut printed = tempfile::tempfile()?;
    command.stdin(Stdio::null()).stdout(printed.try_clone()?).stderr(printed.try_clone()?);
    let mut run = command.spawn().with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let ended = wait(&mut run, limit);
    if ended.is_none() {
        interrupt(&mut run);
    }
    let mut console = Vec::new();
    printed.seek(SeekFrom::Start(0))?;
    printed.read_to_end(&mut console)?;
    let console = String::from_utf8_lossy(&console).into_owned();
    let status = ended.with_context(|| format!("still running after {limit:?}; it printed:\n{console}"))?;
    Ok(Ended { code: status.code(), console })
}

/// Standard output of a command that must have succeeded.
pub fn succeeded(what: &str, output: &Output) -> Result<String> {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!("{what}: {}\n{text}{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(text)
}

/// A TCP port of loopback that nothing uses.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Whether the process exists and is not a zombie.
fn is_running(pid: u32) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

/// Waits for a process to end, for `limit` at most.
fn wait(process: &mut Child, limit: Duration) -> Option<std::process::ExitStatus> {
    let deadline = Instant::now() + limit;
    loop {
        match process.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(10)),
            Ok(None) | Err(_) => return None,
        }
    }
}

/// Ends a foreground run as Ctrl-C does, or else by force.
fn interrupt(run: &mut Child) {
    if let Ok(pid) = i32::try_from(run.id()) {
        let _ = kill(Pid::from_raw(pid), Signal::SIGINT);
    }
    if wait(run, PARTING).is_none() {
        let _ = run.kill();
        let _ = run.wait();
    }
}
