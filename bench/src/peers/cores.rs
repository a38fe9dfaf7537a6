//! The cores of a comparison, and what they have done.

use std::fs;
use std::time::Duration;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::{Pid, SysconfVar, sysconf};

use super::PeerError;

/// Which cores serve, and which one asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cores {
    /// The server's first, all of its threads included.
    pub server: usize,
    /// How many serve: the first, and those that follow but for the client's.
    pub servers: usize,
    /// The client's.
    pub client: usize,
}

impl Cores {
    /// The cores that serve.
    pub fn serving(self) -> Vec<usize> {
        (self.server..).filter(|&core| core == self.server || core != self.client).take(self.servers).collect()
    }
}

/// Runs `body` with the calling thread, and whatever it starts, on these cores; then the thread may run where it could before.
pub fn on_cores<T>(cores: &[usize], body: impl FnOnce() -> Result<T, PeerError>) -> Result<T, PeerError> {
    let this = Pid::from_raw(0);
    let before = sched_getaffinity(this).map_err(|error| PeerError::system("sched_getaffinity", error))?;
    let mut allowed = CpuSet::new();
    let set = cores.iter().try_for_each(|&core| allowed.set(core));
    let pinned = set.and_then(|()| sched_setaffinity(this, &allowed));
    pinned.map_err(|error| PeerError::system(format!("cannot run on cores {cores:?}"), error))?;
    let result = body();
    sched_setaffinity(this, &before).map_err(|error| PeerError::system("sched_setaffinity", error))?;
    result
}

/// What cores have done since the boot, by `/proc/stat` (proc(5)): every tick is counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CoreTime {
    /// Everything but idle, iowait and steal: user, nice, system, irq, softirq (guests are within user and nice).
    pub busy: Duration,
    /// Of it, softirq: mostly the network's receiving side.
    pub softirq: Duration,
}

impl CoreTime {
    /// Of these cores together, until now.
    pub fn read(cores: &[usize]) -> Result<CoreTime, PeerError> {
        let text = fs::read_to_string("/proc/stat").map_err(|error| PeerError::system("/proc/stat", error))?;
        let ticks_per_s = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100) as f64;
        let mut sum = CoreTime::default();
        for &core in cores {
            let time = parse(&text, core, ticks_per_s);
            let time = time.ok_or_else(|| PeerError::Missing(format!("there is no core {core} in /proc/stat")))?;
            sum = CoreTime { busy: sum.busy + time.busy, softirq: sum.softirq + time.softirq };
        }
        Ok(sum)
    }

    /// What they have done since `earlier`.
    pub fn since(self, earlier: CoreTime) -> CoreTime {
        CoreTime { busy: self.busy.saturating_sub(earlier.busy), softirq: self.softirq.saturating_sub(earlier.softirq) }
    }
}

fn parse(text: &str, core: usize, ticks_per_s: f64) -> Option<CoreTime> {
    let name = format!("cpu{core}");
    let line = text.lines().find(|line| line.split_ascii_whitespace().next() == Some(&name))?;
    let mut fields = [0; 7];
    for (field, word) in fields.iter_mut().zip(line.split_ascii_whitespace().skip(1)) {
        *field = word.parse::<u64>().ok()?;
    }
    let [user, nice, system, _idle, _iowait, irq, softirq] = fields;
    let time = |ticks: u64| Duration::from_secs_f64(ticks as f64 / ticks_per_s);
    Some(CoreTime { busy: time(user + nice + system + irq + softirq), softirq: time(softirq) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_time_is_not_busy() {
        let text = "cpu  9 9 9 9 9 9 9 9 9 0\ncpu0 1 1 1 1 1 1 1 1 1 0\ncpu1 100 20 30 5000 600 7 8 900 50 0\nintr 1\n";
        let time = parse(text, 1, 100.0).unwrap();
        assert_eq!(time, CoreTime { busy: Duration::from_millis(1650), softirq: Duration::from_millis(80) });
        assert_eq!(parse(text, 2, 100.0), None);
        assert_eq!(parse("cpu1 1 x 2\n", 1, 100.0), None);
    }

    #[test]
    fn a_thread_comes_back_from_its_core() {
        let allowed = || sched_getaffinity(Pid::from_raw(0)).unwrap();
        let before = allowed();
        let last = (0..CpuSet::count()).rfind(|core| before.is_set(*core).unwrap()).unwrap();
        let pinned = on_cores(&[last], || Ok(allowed())).unwrap();
        assert_eq!((0..CpuSet::count()).filter(|core| pinned.is_set(*core).unwrap()).collect::<Vec<_>>(), [last]);
        assert_eq!(allowed(), before);
        let error = on_cores(&[CpuSet::count() - 1], || Ok(())).unwrap_err();
        assert!(error.to_string().starts_with("cannot run on core"), "{error}");
    }

    #[test]
    fn the_client_s_core_does_not_serve() {
        let serving = |server, servers, client| Cores { server, servers, client }.serving();
        assert_eq!(serving(1, 1, 0), [1]);
        assert_eq!(serving(0, 3, 1), [0, 2, 3]);
        assert_eq!(serving(2, 2, 0), [2, 3]);
    }

    #[test]
    fn a_core_gets_older() {
        let first = CoreTime::read(&[0]).unwrap();
        assert!(first.busy > Duration::ZERO);
        assert!(CoreTime::read(&[0]).unwrap().busy >= first.busy);
        assert!(CoreTime::read(&[0, 100_000]).is_err());
    }
}
