//! A peer that runs.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::appliance::Instance;
use super::host::Program;
use super::{
    Appliance, Child, Cores, Kind, Needs, PORT, Peer, PeerError, Reach, SERVER, cpu_time, guest, host, on_cores,
    resident_bytes,
};

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long one request may take before another connection is tried.
const ANSWER: Duration = Duration::from_millis(250);
/// How often a server that does not answer yet is asked.
const POLL: Duration = Duration::from_millis(1);

/// A server that answers, ended with this value.
#[derive(Debug)]
pub struct Server {
    /// Where it serves.
    pub address: SocketAddr,
    /// What it is, with its version.
    pub version: String,
    /// How it was started.
    pub command_line: String,
    /// What its start took.
    pub boot: Boot,
    process: Process,
    _folder: TempDir,
}

/// What a start took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Boot {
    /// From the start of the process to the first answer to a request; over shared memory, until the guest said that it is
    /// ready. `None` where nothing tells.
    pub answered_ms: Option<f64>,
    /// Bytes of what is booted: of a guest's image or kernel and file system.
    pub image_bytes: Option<u64>,
    /// Memory of the process when it had answered, in bytes: an empty server.
    pub resident_bytes: u64,
}

#[derive(Debug)]
enum Process {
    Child(Child),
    Instance(Box<Instance>),
}

/// Starts a peer on its core and waits until it answers, or until `interrupted` is set. Over shared memory nobody can be
/// asked but by the client: then a Linux guest is not waited for.
///
/// `words` are for the appliance's command line.
pub fn start(
    peer: &Peer,
    needs: &Needs,
    cores: Cores,
    reach: &Reach,
    appliance: &Appliance,
    words: &str,
    interrupted: &AtomicBool,
) -> Result<Server, PeerError> {
    let folder = tempfile::tempdir().map_err(|error| PeerError::system("cannot make a temporary folder", error))?;
    let address = match reach {
        Reach::Network(_) | Reach::Socket(_) => SocketAddr::from((SERVER, PORT)),
        Reach::Loopback => host::loopback()?,
    };
    // Outside of the namespace: Debian's packages may have to be downloaded.
    let linux = match (peer.kind, peer.accel) {
        (Kind::MemcachedGuest, Some(accel)) => Some(guest::prepare(folder.path(), needs, address, accel, reach)?),
        _ => None,
    };
    let start = || {
        on_cores(&cores.serving(), || match &linux {
            Some(boot) => spawn_linux(boot, folder.path()),
            None => spawn(peer, needs, address, reach, appliance, words, folder.path()),
        })
    };
    let began = Instant::now();
    let spawned = match reach {
        Reach::Network(network) => within(network.server().enter(start))?,
        Reach::Socket(_) | Reach::Loopback => start()?,
    };
    let Spawned { mut process, version, image_bytes } = spawned;
    let mut wait = || process.wait(peer.kind, address, reach, began, interrupted);
    let answered_ms = match reach {
        Reach::Network(network) => within(network.client().enter(wait))?,
        Reach::Socket(_) | Reach::Loopback => wait()?,
    };
    let resident_bytes =
        resident_bytes(process.pid()).map_err(|error| PeerError::system("cannot read its memory", error))?;
    let boot = Boot { answered_ms, image_bytes, resident_bytes };
    let command_line = process.command_line().to_owned();
    Ok(Server { address, version, command_line, boot, process, _folder: folder })
}

fn within<T>(entered: std::io::Result<Result<T, PeerError>>) -> Result<T, PeerError> {
    entered.map_err(|error| PeerError::system("cannot enter the network namespace", error))?
}

impl Server {
    /// An error with its last words, if it has ended.
    pub fn check(&mut self) -> Result<(), PeerError> {
        self.process.check()
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// CPU time that its process has used.
    pub fn cpu_time(&self) -> Result<Duration, PeerError> {
        cpu_time(self.pid()).map_err(|error| PeerError::system("cannot read its CPU time", error))
    }

    /// Memory that its process has in RAM.
    pub fn resident_bytes(&self) -> Result<u64, PeerError> {
        resident_bytes(self.pid()).map_err(|error| PeerError::system("cannot read its memory", error))
    }
}

struct Spawned {
    process: Process,
    version: String,
    image_bytes: Option<u64>,
}

fn spawn(
    peer: &Peer,
    needs: &Needs,
    address: SocketAddr,
    reach: &Reach,
    appliance: &Appliance,
    words: &str,
    folder: &Path,
) -> Result<Spawned, PeerError> {
    let accel = || peer.accel.ok_or_else(|| PeerError::Unfit(format!("{peer}: nothing to execute a guest")));
    match peer.kind {
        Kind::Memcached => native(host::memcached(needs, address)?, folder),
        Kind::Redis => native(host::redis(needs, address)?, folder),
        Kind::MemcachedGuest => Err(PeerError::Unfit(format!("{peer}: nothing to execute a guest"))),
        Kind::Memstorm | Kind::Reflector | Kind::UdpEcho | Kind::TcpEcho => {
            let instance = Instance::launch(appliance, needs, address, accel()?, reach, words)?;
            let version = format!("memstorm {}, build {}", env!("CARGO_PKG_VERSION"), instance.build_id());
            let image_bytes = Some(appliance.image.bytes.len() as u64);
            Ok(Spawned { process: Process::Instance(Box::new(instance)), version, image_bytes })
        }
    }
}

fn spawn_linux(boot: &guest::Boot, folder: &Path) -> Result<Spawned, PeerError> {
    let child = Child::start(&boot.line.program, &boot.line.arguments, folder.join("log"))?;
    let image_bytes = Some(boot.image_bytes);
    Ok(Spawned { process: Process::Child(child), version: boot.version.clone(), image_bytes })
}

fn native(program: Program, folder: &Path) -> Result<Spawned, PeerError> {
    let child = Child::start(&program.path, &program.arguments, folder.join("log"))?;
    Ok(Spawned { process: Process::Child(child), version: program.version, image_bytes: None })
}

impl Process {
    fn pid(&self) -> u32 {
        match self {
            Process::Child(child) => child.pid(),
            Process::Instance(instance) => instance.pid(),
        }
    }

    fn command_line(&self) -> &str {
        match self {
            Process::Child(child) => child.command_line(),
            Process::Instance(instance) => instance.command_line(),
        }
    }

    fn check(&mut self) -> Result<(), PeerError> {
        match self {
            Process::Child(child) => child.check(),
            Process::Instance(instance) => instance.check(),
        }
    }

    /// Waits until it answers. Returns the milliseconds from its start to then, where they can be told.
    fn wait(
        &mut self,
        kind: Kind,
        address: SocketAddr,
        reach: &Reach,
        began: Instant,
        interrupted: &AtomicBool,
    ) -> Result<Option<f64>, PeerError> {
        match (self, reach) {
            (Process::Instance(instance), _) => Ok(Some(instance.wait_ready(interrupted)?.ready_ms)),
            (Process::Child(_), Reach::Socket(_)) => Ok(None),
            (Process::Child(child), Reach::Network(_) | Reach::Loopback) => {
                while let Err(error) = ask(kind, address) {
                    child.check()?;
                    if interrupted.load(Ordering::Relaxed) {
                        return Err(PeerError::Interrupted);
                    }
                    if began.elapsed() > PATIENCE {
                        let name = kind.name();
                        return Err(PeerError::Silent(format!("{name} does not answer on {address}: {error}")));
                    }
                    sleep(POLL);
                }
                Ok(Some(began.elapsed().as_secs_f64() * 1e3))
            }
        }
    }
}

/// One request, over kernel sockets.
fn ask(kind: Kind, address: SocketAddr) -> std::io::Result<()> {
    if kind != Kind::Redis {
        return orchestrator::version(address, ANSWER).map(|_| ());
    }
    let mut stream = TcpStream::connect_timeout(&address, ANSWER)?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.write_all(b"PING\r\n")?;
    let mut answer = [0; 7];
    stream.read_exact(&mut answer)?;
    let expected = b"+PONG\r\n";
    if &answer == expected { Ok(()) } else { Err(std::io::ErrorKind::InvalidData.into()) }
}
