//! Debian's memcached, with its own defaults but for `-m`, on a socket of the file system.

use std::ffi::OsStr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::remote::Remote;
use super::replay::{Cache, Tally};
use super::trace::Request;
use super::{CacheError, Held};
use crate::peers::{Child, PeerError, resident_bytes};

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is asked until then.
const POLL: Duration = Duration::from_millis(5);
/// Whom it runs as: by changing it, it would lose the signal that ends it with us.
const USER: &str = "root";

/// A memcached that runs, ended with this value.
pub struct Memcached {
    server: Child,
    remote: Remote<UnixStream>,
    _folder: TempDir,
}

impl Memcached {
    /// Starts one that may use `memory_mib` MiB for items.
    pub fn start(memory_mib: u32) -> Result<Memcached, CacheError> {
        let folder = tempfile::tempdir()?;
        let socket = folder.path().join("socket");
        let program = orchestrator::find_program("memcached").ok_or_else(|| {
            PeerError::Missing("memcached is not on this host: install it with `apt-get install memcached`".to_owned())
        })?;
        let memory = memory_mib.to_string();
        let arguments: [&OsStr; 6] =
            ["-m".as_ref(), memory.as_ref(), "-u".as_ref(), USER.as_ref(), "-s".as_ref(), socket.as_ref()];
        let mut server = Child::start(&program, &arguments, folder.path().join("log"))?;
        let remote = Remote::new(connect(&mut server, &socket)?);
        Ok(Memcached { server, remote, _folder: folder })
    }

    /// Memory that its process has in RAM.
    pub fn resident_bytes(&self) -> Result<u64, CacheError> {
        Ok(resident_bytes(self.server.pid())?)
    }

    /// Says what became of the server, where that is the reason.
    fn explained<T>(&mut self, result: Result<T, CacheError>) -> Result<T, CacheError> {
        match result {
            Err(CacheError::Connection(error)) => self.server.check().map_err(CacheError::Peer).and(Err(error.into())),
            result => result,
        }
    }
}

impl Cache for Memcached {
    fn play(&mut self, requests: &[Request], tally: &mut Tally) -> Result<(), CacheError> {
        let played = self.remote.play(requests, tally);
        self.explained(played)
    }

    fn finish(&mut self, tally: &mut Tally) -> Result<Held, CacheError> {
        let held = self.remote.finish(tally);
        self.explained(held)
    }
}

fn connect(server: &mut Child, socket: &Path) -> Result<UnixStream, CacheError> {
    let began = Instant::now();
    loop {
        match UnixStream::connect(socket) {
            Ok(stream) => {
                stream.set_read_timeout(Some(PATIENCE))?;
                return Ok(stream);
            }
            Err(error) if began.elapsed() > PATIENCE => return Err(error.into()),
            Err(_) => server.check()?,
        }
        sleep(POLL);
    }
}
