//! Starting a VMM.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

use image::Image;
use rustix::process;

use crate::ending::Asked;
use crate::vmm;
use crate::{CommandLine, Ending, Error, Files, Host, Net, Plan, Process, Record, Reservation, StateDir, Tail, Vmm};

/// Variables by which uhyve, or the loggers in it, could be configured behind our back.
const HIDDEN_VARIABLES: &[&str] =
    &["HERMIT_CONFIG", "HERMIT_CPU_COUNT", "HERMIT_GDB_PORT", "HERMIT_MEMORY_SIZE", "RUST_LOG", "XDG_CONFIG_HOME"];

/// An appliance whose VMM runs as a child of ours.
#[derive(Debug)]
pub struct Booting {
    /// What is known of it.
    pub record: Record,
    /// Its files.
    pub files: Files,
    /// When the VMM was executed.
    pub(crate) executed: Instant,
    /// How it is reached.
    pub(crate) net: Net,
    /// The guest's port for HTTP; 0: none.
    pub(crate) http_port: u16,
    /// What it has printed so far, in lines.
    pub console: Vec<String>,
    tail: Tail,
    child: Child,
}

/// How long a VMM may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// Until it ends or is stopped, whatever becomes of us.
    Own,
    /// No longer than the thread that launches it, by whatever that is ended: it is to be one that lasts, as Linux asks for no
    /// process (prctl(2), PR_SET_PDEATHSIG).
    Launchers,
}

/// Writes the image, starts the VMM and makes the instance known. The VMM has a session of its own.
pub fn launch(
    state: &StateDir,
    reservation: Reservation,
    plan: &Plan,
    image: &Image,
    lifetime: Lifetime,
) -> Result<Booting, Error> {
    check_network(state, plan)?;
    let (name, files) = (reservation.name.clone(), reservation.files.clone());
    image.write_to(files.directory())?;
    let command_line = vmm::command_line(plan, &name, &files);
    let (child, executed) = start(plan.vmm, &command_line, &files, lifetime)?;
    let mut booting = Booting {
        record: Record::new(
            &name,
            plan,
            Process { pid: child.id(), start_ticks: 0 },
            command_line.to_string(),
            image.build_id.to_string(),
        ),
        tail: Tail::new(&files.console()),
        console: Vec::new(),
        files,
        executed,
        net: plan.net.clone(),
        http_port: plan.guest.http_port,
        child,
    };
    // A VMM that has ended already has no start time any more, and needs none.
    if let Some(process) = Process::running(booting.record.process.pid) {
        booting.record.process = process;
    }
    match reservation.record(&booting.record) {
        Ok(()) => Ok(booting),
        Err(error) => {
            booting.kill();
            Err(error)
        }
    }
}

impl Booting {
    /// Reads on in the console. Returns the index of the first new line in `console`.
    pub fn read_console(&mut self) -> Result<usize, Error> {
        let first = self.console.len();
        let lines = self.tail.lines().map_err(|error| self.console_failed(error))?;
        self.console.extend(lines);
        Ok(first)
    }

    /// How the appliance ended, if it has. Then its console is complete.
    pub fn try_wait(&mut self) -> Result<Option<Ending>, Error> {
        let status = self.child.try_wait().map_err(|error| self.console_failed(error))?;
        let Some(status) = status else { return Ok(None) };
        let lines = self.tail.finish().map_err(|error| self.console_failed(error))?;
        self.console.extend(lines);
        Ok(Some(self.ending(status)))
    }

    fn console_failed(&self, cause: io::Error) -> Error {
        Error::State { what: "cannot read", path: self.files.console(), cause }
    }

    /// The bare process: gone with all it has, no questions asked.
    fn kill(&mut self) {
        // It is our child: the number is its own until it is waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn ending(&self, status: ExitStatus) -> Ending {
        let asked = if self.files.stop_mark().exists() || !self.files.directory().exists() {
            Asked::ToStop
        } else {
            Asked::Nothing
        };
        let log = std::fs::read(self.files.vmm_log()).unwrap_or_default();
        Ending::decode(self.record.vmm, status, asked, &self.console, &String::from_utf8_lossy(&log))
    }
}

/// Fails early, and with a clear word, where the VMM would fail late.
fn check_network(state: &StateDir, plan: &Plan) -> Result<(), Error> {
    match &plan.net {
        Net::User => {
            let taken = |address: SocketAddrV4| move |error| port_taken(state, address, error);
            // Bound, and let go of again: it is the VMM that listens.
            for &address in &plan.listen.tcp {
                TcpListener::bind(address).map_err(taken(address))?;
            }
            let udp = if plan.guest.udp_port == 0 { &[][..] } else { &plan.listen.udp };
            for &address in udp {
                UdpSocket::bind(address).map_err(taken(address))?;
            }
            Ok(())
        }
        Net::Tap(name) if !Host::has_interface(name) => Err(Error::Missing {
            what: format!("there is no network interface '{name}'"),
            advice: format!("make it with `ip tuntap add {name} mode tap && ip link set {name} up`, as root"),
        }),
        Net::VhostUser(socket) if !socket.exists() => Err(Error::Missing {
            what: format!("there is no socket {}", socket.display()),
            advice: "start the vhost-user back end first; it makes the socket".to_owned(),
        }),
        Net::Tap(_) | Net::VhostUser(_) => Ok(()),
    }
}

fn port_taken(state: &StateDir, address: SocketAddrV4, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::AddrInUse => Error::PortTaken { address, user: state.user_of_port(address.port()) },
        _ => Error::PortUnusable { address, cause: error },
    }
}

/// Executes the VMM. Returns it, and when that was.
fn start(vmm: Vmm, line: &CommandLine, files: &Files, lifetime: Lifetime) -> Result<(Child, Instant), Error> {
    let create = |path: &Path| {
        File::create(path).map_err(|cause| Error::State { what: "cannot make", path: path.to_owned(), cause })
    };
    let log = create(&files.vmm_log())?;
    let failed = |cause| Error::Start { program: line.program.clone(), cause };
    let output = match vmm {
        Vmm::Qemu => log.try_clone().map_err(failed)?,
        Vmm::Uhyve => create(&files.console())?,
    };
    let mut command = Command::new(&line.program);
    command.args(&line.arguments).stdin(Stdio::null()).stdout(output).stderr(log);
    // uhyve reads a configuration file from where it is started.
    command.current_dir(files.directory());
    HIDDEN_VARIABLES.iter().for_each(|name| {
        command.env_remove(name);
    });
    detach(&mut command, lifetime);
    let executed = Instant::now();
    Ok((command.spawn().map_err(failed)?, executed))
}

/// Gives the command a session of its own, so that neither Ctrl-C nor the terminal's end reaches it, and none of our open
/// files but the standard ones: whoever waits for a pipe of ours to close would wait for the appliance. Only the kernel's word
/// that we are gone reaches it, if its lifetime is ours.
#[allow(unsafe_code)] // std has no safe way to act between fork and exec
fn detach(command: &mut Command, lifetime: Lifetime) {
    const FIRST_PRIVATE: u32 = 3;
    let launcher = process::getpid();
    // SAFETY:
    // - between fork and exec only async-signal-safe calls are allowed: setsid, prctl, getppid and close_range are, as bare calls
    //   of the kernel; the closure makes no other and allocates nothing;
    // - close_range only marks files to be closed by the exec, so that std's own, which still reports a failed exec, works.
    unsafe {
        command.pre_exec(move || {
            process::setsid()?;
            if lifetime == Lifetime::Launchers {
                process::set_parent_process_death_signal(Some(process::Signal::KILL))?;
                // Whoever was gone before that has sent no signal, and will not.
                if process::getppid() != Some(launcher) {
                    return Err(rustix::io::Errno::SRCH.into());
                }
            }
            // Linux before 5.9 has no such call: then files leak that their owner did not mark himself.
            libc::close_range(FIRST_PRIVATE, u32::MAX, libc::CLOSE_RANGE_CLOEXEC as i32);
            Ok(())
        });
    }
}

/// A port of loopback that nothing uses now.
pub fn free_port() -> Result<u16, Error> {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    port.map(|address| address.port()).map_err(|error| Error::Missing {
        what: format!("there is no free port on 127.0.0.1 ({error})"),
        advice: "name one with --port".to_owned(),
    })
}
