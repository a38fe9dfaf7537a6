//! The socket to the VMM, and the thread that answers it.

use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::unix::net::UnixListener;
use vhost::vhost_user::{BackendReqHandler, Error, VhostUserBackendReqHandlerMut as _};

use super::control::Control;
use super::early;
use super::seat::Seat;
use super::{Fault, Pairs};

/// How soon the order to stop is seen while no VMM is connected.
const TICK_MS: u16 = 50;
/// How soon the state is looked at again.
const LOOK: Duration = Duration::from_millis(1);

/// A vhost-user back end: a network device for one guest at a time.
#[derive(Debug)]
pub struct BackEnd {
    path: PathBuf,
    seats: Arc<[Arc<Seat>]>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    /// The connection to the VMM, while there is one.
    connection: Mutex<Option<UnixStream>>,
    /// What the VMM asked for that could not be done.
    refused: Mutex<Option<String>>,
}

impl BackEnd {
    /// Makes the socket at `path`, and answers whoever connects, for a device of so many queue pairs. Those are polled by
    /// whoever opens them.
    pub fn listen(path: &Path, pairs: usize) -> io::Result<(BackEnd, Pairs)> {
        let seats: Arc<[Arc<Seat>]> = (0..2 * pairs).map(|_| Arc::default()).collect();
        let listener = UnixListener::bind(path)?;
        let shared = Arc::new(Shared::default());
        let answer = {
            let (shared, seats) = (shared.clone(), seats.clone());
            move || serve(&listener, &shared, &seats)
        };
        let thread = Some(thread::Builder::new().name("vhost-user".to_owned()).spawn(answer)?);
        Ok((BackEnd { path: path.to_owned(), seats: seats.clone(), shared, thread }, Pairs(seats)))
    }

    /// Whether a VMM is connected.
    pub fn is_connected(&self) -> bool {
        self.shared.connection().is_some()
    }

    /// Queue pairs that are polled on both sides.
    pub fn running_pairs(&self) -> usize {
        self.seats.chunks_exact(2).filter(|pair| pair.iter().all(|seat| seat.is_polled())).count()
    }

    /// What the guest did that it must not, if it did: its queue is given up.
    pub fn fault(&self) -> Option<Fault> {
        self.seats.iter().find_map(|seat| seat.fault())
    }

    /// What the VMM asked for that could not be done, if there was something: then it was let go.
    pub fn refused(&self) -> Option<String> {
        self.shared.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until so many queue pairs run, while another thread polls them. Says whether they do.
    pub fn wait_for_pairs(&self, pairs: usize, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        while self.running_pairs() < pairs {
            if Instant::now() >= end {
                return false;
            }
            thread::sleep(LOOK);
        }
        true
    }
}

impl Drop for BackEnd {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(connection) = &*self.shared.connection() {
            let _ = connection.shutdown(Shutdown::Both); // its thread wakes up
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Shared {
    fn connection(&self) -> std::sync::MutexGuard<'_, Option<UnixStream>> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Answers one VMM after the other.
fn serve(listener: &UnixListener, shared: &Shared, seats: &Arc<[Arc<Seat>]>) {
    while !shared.is_stopped() {
        let mut fds = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, PollTimeout::from(TICK_MS)).unwrap_or(0) == 0 {
            continue;
        }
        let Ok((stream, _)) = listener.accept() else { continue };
        *shared.connection() = stream.try_clone().ok();
        if !shared.is_stopped() {
            let refused = answer(stream, seats);
            *shared.refused.lock().unwrap_or_else(PoisonError::into_inner) = refused;
        }
        *shared.connection() = None;
    }
}

/// Answers until the VMM is gone, or asks for what cannot be done: returns what that was.
fn answer(stream: UnixStream, seats: &Arc<[Arc<Seat>]>) -> Option<String> {
    let control = Arc::new(Mutex::new(Control::new(seats.clone())));
    let locked = || control.lock().unwrap_or_else(PoisonError::into_inner);
    let Ok(socket) = stream.try_clone() else { return Some("the connection cannot be shared".to_owned()) };
    let mut requests = BackendReqHandler::from_stream(stream, control.clone());
    let end = loop {
        let enable = |queue, enabled| locked().set_vring_enable(queue, enabled).is_ok();
        if !locked().has_features() && early::take_enable(&socket, enable).unwrap_or(false) {
            continue;
        }
        if let Err(error) = requests.handle_request() {
            break error;
        }
    };
    locked().stop_all();
    match end {
        Error::Disconnected | Error::SocketBroken(_) => None,
        refused => Some(refused.to_string()),
    }
}
