//! Joins two descriptors that carry frames: seeded loss, a delay, a bounded queue and perhaps a rate, each way alike.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use netdrv::testkit::random::Random;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use nix::unistd::{read, write};

/// Frames read before others are written.
const BATCH: usize = 64;
/// How long to wait with nothing under way, before the order to stop is looked for.
const IDLE: Duration = Duration::from_millis(50);
/// How soon a descriptor that took no frame is tried again.
const RETRY: Duration = Duration::from_micros(200);
const FRAME_ROOM: usize = 2048;
const ETHERTYPE_IPV4: [u8; 2] = [8, 0];

/// What happens to the frames of one direction.
#[derive(Clone, Copy, Debug)]
pub struct Path {
    /// Frames lost, per million. Which ones follows from the seed and their count: ARP is not counted and never lost.
    pub loss_ppm: u32,
    /// Seed of the losses.
    pub seed: u64,
    /// From the arrival of a frame to its departure.
    pub delay: Duration,
    /// Frames under way at most; one more is dropped.
    pub queue_frames: usize,
    /// Bytes a second, or no limit.
    pub bytes_per_s: Option<u64>,
}

/// What became of the frames of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forwarded {
    /// Frames that left.
    pub frames: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// Lost by the seed.
    pub lost: u64,
    /// Dropped, as the queue was full.
    pub overflowed: u64,
    /// How often the descriptor took no frame at once.
    pub blocked: u64,
    /// The longest that a frame left behind its time.
    pub latest: Duration,
}

/// Two descriptors, joined.
pub struct Forwarder {
    ends: [OwnedFd; 2],
    directions: [Direction; 2],
}

/// What is under way from one end to the other.
struct Direction {
    path: Path,
    random: Random,
    under_way: VecDeque<(Instant, Vec<u8>)>,
    /// When the link is free, if it has a rate.
    free_at: Instant,
    counters: Forwarded,
}

impl Forwarder {
    /// Joins `ends`, which must not block; frames from the first to the second take the first path.
    pub fn new(ends: [OwnedFd; 2], paths: [Path; 2]) -> Forwarder {
        let free_at = Instant::now();
        let directions = paths.map(|path| Direction {
            path,
            random: Random::new(path.seed),
            under_way: VecDeque::new(),
            free_at,
            counters: Forwarded::default(),
        });
        Forwarder { ends, directions }
    }

    /// Forwards until `stop` is set. Returns what became of the frames.
    pub fn run(mut self, stop: &AtomicBool) -> io::Result<[Forwarded; 2]> {
        let mut spare: Vec<Vec<u8>> = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let mut moved = 0;
            for (from, direction) in self.directions.iter_mut().enumerate() {
                moved += direction.take(&self.ends[from], &mut spare)?;
                moved += direction.give(&self.ends[1 - from], &mut spare);
            }
            if moved == 0 {
                self.wait()?;
            }
        }
        Ok(self.directions.map(|direction| direction.counters))
    }

    /// Sleeps until a frame comes or is due.
    fn wait(&self) -> io::Result<()> {
        let now = Instant::now();
        let due = self.directions.iter().filter_map(|direction| direction.under_way.front()).map(|(due, _)| *due).min();
        // One that is due already was refused by its descriptor.
        let span = due.map_or(IDLE, |due| if due <= now { RETRY } else { due - now }).min(IDLE);
        let mut fds = [0, 1].map(|end| PollFd::new(self.ends[end].as_fd(), PollFlags::POLLIN));
        match ppoll(&mut fds, Some(TimeSpec::from_duration(span)), None) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Direction {
    /// Reads frames. Returns how many.
    fn take(&mut self, from: &OwnedFd, spare: &mut Vec<Vec<u8>>) -> io::Result<usize> {
        for taken in 0..BATCH {
            let mut frame = spare.pop().unwrap_or_default();
            frame.resize(FRAME_ROOM, 0);
            match read(from, &mut frame) {
                Ok(len) => frame.truncate(len),
                Err(Errno::EAGAIN | Errno::EINTR) => {
                    spare.push(frame);
                    return Ok(taken);
                }
                Err(error) => return Err(error.into()),
            }
            match self.departure(&frame) {
                Some(due) => self.under_way.push_back((due, frame)),
                None => spare.push(frame),
            }
        }
        Ok(BATCH)
    }

    /// When a frame that arrives now leaves; `None` if it is lost.
    fn departure(&mut self, frame: &[u8]) -> Option<Instant> {
        let is_ip = frame.get(12..14) == Some(&ETHERTYPE_IPV4);
        if is_ip && self.random.chance(self.path.loss_ppm) {
            self.counters.lost += 1;
            return None;
        }
        if self.under_way.len() >= self.path.queue_frames {
            self.counters.overflowed += 1;
            return None;
        }
        let mut leaves = Instant::now();
        if let Some(rate) = self.path.bytes_per_s {
            let takes = Duration::from_nanos(frame.len() as u64 * 1_000_000_000 / rate.max(1));
            leaves = self.free_at.max(leaves) + takes;
            self.free_at = leaves;
        }
        Some(leaves + self.path.delay)
    }

    /// Writes the frames that are due. Returns how many.
    fn give(&mut self, to: &OwnedFd, spare: &mut Vec<Vec<u8>>) -> usize {
        let mut given = 0;
        let now = Instant::now();
        while let Some((due, frame)) = self.under_way.front()
            && *due <= now
        {
            match write(to, frame) {
                Err(Errno::EAGAIN | Errno::ENOBUFS | Errno::EINTR) => {
                    self.counters.blocked += 1;
                    break;
                }
                // A device that is down takes nothing.
                Err(_) => self.counters.overflowed += 1,
                Ok(_) => {
                    self.counters.frames += 1;
                    self.counters.bytes += frame.len() as u64;
                    self.counters.latest = self.counters.latest.max(now - *due);
                }
            }
            given += 1;
            spare.extend(self.under_way.pop_front().map(|(_, frame)| frame));
        }
        given
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    const PATH: Path =
        Path { loss_ppm: 0, seed: 1, delay: Duration::from_millis(5), queue_frames: 1000, bytes_per_s: None };

    /// Frames of an IPv4 ethertype, numbered.
    fn frame(number: u16) -> Vec<u8> {
        let mut frame = vec![0; 60];
        frame[12] = 8;
        frame[14..16].copy_from_slice(&number.to_be_bytes());
        frame
    }

    /// The numbers of the frames that pass.
    fn pass(path: Path, frames: u16) -> (Vec<u16>, Duration) {
        let ([near, left], [right, far]) = (crate::tap::wire().unwrap(), crate::tap::wire().unwrap());
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| Forwarder::new([left, right], [path, path]).run(&stop).unwrap());
            let began = Instant::now();
            for number in 0..frames {
                write(&near, &frame(number)).unwrap();
            }
            let (mut passed, mut first) = (Vec::new(), None);
            let mut buffer = [0; 2000];
            while began.elapsed() < Duration::from_millis(300) {
                if read(&far, &mut buffer).is_ok() {
                    first.get_or_insert(began.elapsed());
                    passed.push(u16::from_be_bytes([buffer[14], buffer[15]]));
                } else {
                    thread::sleep(Duration::from_millis(1));
                }
            }
            stop.store(true, Ordering::Relaxed);
            (passed, first.unwrap())
        })
    }

    #[test]
    fn all_pass_in_order_after_the_delay() {
        let (passed, first) = pass(PATH, 500);
        assert_eq!(passed, (0..500).collect::<Vec<u16>>());
        assert!(first >= PATH.delay);
    }

    #[test]
    fn a_seed_loses_the_same_frames_again() {
        let lossy = Path { loss_ppm: 100_000, ..PATH };
        let (passed, _) = pass(lossy, 500);
        assert!((400..490).contains(&passed.len()), "{} of 500", passed.len());
        assert_eq!(passed, pass(lossy, 500).0);
        assert_ne!(passed, pass(Path { seed: 2, ..lossy }, 500).0);
    }
}
