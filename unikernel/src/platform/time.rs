//! The clock: nanoseconds from the time-stamp counter, whose frequency comes from the best source there is.
//!
//! KVM's clock page, then what hypervisor or CPU say in CPUID, then calibration against the PIT. Wall-clock time comes
//! from KVM, from uhyve, or from the real-time clock.

mod kvmclock;
mod pit;
mod rtc;

use netstack::time::Instant;

use super::boot_info::Uhyve;
use super::cpu;
use crate::monitor::{self, TimerKind};

const NANOS_PER_SECOND: u64 = 1_000_000_000;
/// The farthest that a timer is armed: what a count of 32 bits can hold at 1 GHz and more.
const FARTHEST_NS: u64 = 3_000_000_000;

/// Where the frequency of the time-stamp counter came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// KVM's clock page.
    KvmClock,
    /// uhyve's boot information.
    Uhyve,
    /// CPUID.
    Cpuid,
    /// Counted against the PIT.
    Calibrated,
}

/// The clock of one core.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    tsc_at_zero: u64,
    /// Nanoseconds per tick, times 2^32.
    ns_per_tick: u64,
    /// Ticks of the halt timer per nanosecond, times 2^32.
    timer_per_ns: u64,
    timer: TimerKind,
    /// Unix time at the origin, in seconds.
    unix_at_zero: u64,
    /// Where the frequency came from.
    pub source: Source,
}

impl Clock {
    /// Starts the clock at `tsc_at_zero`. `None` if nothing tells the frequency.
    pub fn start(tsc_at_zero: u64, timer: TimerKind, uhyve: Option<Uhyve>) -> Option<Clock> {
        let kvm = kvmclock::read();
        let known = kvm
            .map(|clock| (clock.tsc_hz, Source::KvmClock))
            .or(uhyve.and_then(|uhyve| Some((u64::from(uhyve.tsc_khz?) * 1000, Source::Uhyve))))
            .or(cpuid_frequency().map(|hz| (hz, Source::Cpuid)));
        let calibrated = if known.is_none() || timer == TimerKind::Count { pit::calibrate() } else { None };
        if uhyve.is_none() {
            pit::silence();
        }
        let (tsc_hz, source) = known.or(calibrated.map(|rates| (rates.tsc_hz, Source::Calibrated)))?;
        let timer_hz = match timer {
            TimerKind::TscDeadline => tsc_hz,
            TimerKind::Count => calibrated?.timer_hz,
        };
        let mut clock = Clock {
            tsc_at_zero,
            ns_per_tick: ratio(NANOS_PER_SECOND, tsc_hz)?,
            timer_per_ns: ratio(timer_hz, NANOS_PER_SECOND)?,
            timer,
            unix_at_zero: 0,
            source,
        };
        let unix_now = match (kvm, uhyve) {
            (Some(kvm), _) => kvm.unix_seconds,
            (None, Some(uhyve)) => uhyve.boot_time,
            (None, None) => rtc::read().unwrap_or(0),
        };
        clock.unix_at_zero = unix_now.saturating_sub(clock.now().as_nanos() / NANOS_PER_SECOND);
        Some(clock)
    }

    /// The time.
    pub fn now(&self) -> Instant {
        Instant::from_nanos(scale(cpu::tsc().wrapping_sub(self.tsc_at_zero), self.ns_per_tick))
    }

    /// The wall-clock time at `now`, in seconds since 1970-01-01 00:00 UTC.
    pub fn unix_seconds(&self, now: Instant) -> u64 {
        self.unix_at_zero + now.as_nanos() / NANOS_PER_SECOND
    }

    /// Halts this core until an interrupt or until `deadline`, whichever comes first. Without a deadline the halt ends at
    /// latest after three seconds.
    pub fn halt_until(&self, deadline: Option<Instant>) {
        let now = self.now();
        let wait_ns = deadline.map_or(FARTHEST_NS, |at| at.as_nanos().saturating_sub(now.as_nanos()).min(FARTHEST_NS));
        if wait_ns == 0 {
            return;
        }
        let ticks = scale(wait_ns, self.timer_per_ns).max(1);
        monitor::halt(match self.timer {
            TimerKind::TscDeadline => cpu::tsc() + ticks,
            TimerKind::Count => ticks.min(u32::MAX.into()),
        });
    }

    /// Spins for `us` microseconds.
    pub fn spin_us(&self, us: u64) {
        let end = self.now().as_nanos() + us * 1000;
        while self.now().as_nanos() < end {
            core::hint::spin_loop();
        }
    }
}

/// `numerator / denominator`, times 2^32.
fn ratio(numerator: u64, denominator: u64) -> Option<u64> {
    u64::try_from((u128::from(numerator) << 32).checked_div(denominator.into())?).ok().filter(|ratio| *ratio > 0)
}

/// `value * ratio / 2^32`.
fn scale(value: u64, ratio: u64) -> u64 {
    ((u128::from(value) * u128::from(ratio)) >> 32) as u64
}

/// The frequency of the time-stamp counter, in Hz, as CPUID tells it: the hypervisor's timing leaf, or the CPU's
/// crystal and ratio (SDM volume 3, section 18.7.3).
fn cpuid_frequency() -> Option<u64> {
    const TIMING_LEAF: u32 = cpu::HYPERVISOR_LEAF + 0x10;
    if cpu::has_hypervisor() && cpu::cpuid(cpu::HYPERVISOR_LEAF).eax >= TIMING_LEAF {
        let khz = cpu::cpuid(TIMING_LEAF).eax;
        if khz != 0 {
            return Some(u64::from(khz) * 1000);
        }
    }
    if cpu::highest_leaf() < 0x15 {
        return None;
    }
    let leaf = cpu::cpuid(0x15);
    let hz = (u64::from(leaf.ecx) * u64::from(leaf.ebx)).checked_div(leaf.eax.into())?;
    (hz != 0).then_some(hz)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_survive_the_round_trip() {
        for hz in [1_000_000, 1_000_000_000, 2_596_145_000, 5_000_000_000u64] {
            let ns_per_tick = ratio(NANOS_PER_SECOND, hz).unwrap();
            let day = scale(hz * 86_400, ns_per_tick);
            assert!(day.abs_diff(86_400 * NANOS_PER_SECOND) < 100_000, "{hz} Hz is off by a day's {day}");
        }
        assert_eq!(ratio(1, 0), None);
    }
}
