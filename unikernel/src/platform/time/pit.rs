//! Calibration against channel 0 of the PIT (Intel 8254), whose frequency every PC has. Its count and output are read back by
//! command: the gate at port 0x61, which other channels need, is missing from small virtual machines.
//!
//! Both ends of what is counted are looks at PIT and time-stamp counter at once. Of a few, the quickest counts: one that the host
//! interrupted would be off by milliseconds. So a few milliseconds are enough.

#![allow(unsafe_code)] // ports

use crate::monitor;
use crate::platform::cpu;
use crate::platform::port::Ports;

/// Frequency of the PIT, in Hz.
const PIT_HZ: u64 = 1_193_182;
/// What is counted at least, and the most that can be: 4 ms, and 55.
const WINDOW: u32 = 4_773;
const COUNT: u16 = u16::MAX;
/// Channel 0; the command register is the fourth.
const PIT_PORT: u16 = 0x40;
const CHANNEL_0: u16 = 0;
const COMMAND: u16 = 3;
/// Channel 0, low byte then high byte, mode 0 (interrupt on terminal count), binary.
const ONE_SHOT: u8 = 0x30;
/// Read-back: latch status and count of channel 0.
const READ_BACK: u8 = 0xc2;
/// Status: the output is high, which in mode 0 is the end of the count; and the count has not been loaded yet.
const OUTPUT: u8 = 1 << 7;
const NULL_COUNT: u8 = 1 << 6;
/// Looks of which the quickest counts.
const LOOKS: usize = 4;
/// Looks before the PIT is given up as stuck: at least seconds where one costs microseconds. Under `-icount` one costs but a few
/// instructions, of a nanosecond each, and 4 ms take a fraction of a million.
const STUCK: u32 = 1_000_000;
/// Attempts: one fails if the host is away for 50 ms.
const ATTEMPTS: usize = 4;

/// What was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rates {
    /// Of the time-stamp counter, in Hz.
    pub(super) tsc_hz: u64,
    /// Of the APIC's timer, in Hz.
    pub(super) timer_hz: u64,
}

/// Counts for 4 ms; `None` without a PIT.
pub(super) fn calibrate() -> Option<Rates> {
    // SAFETY: the PIT does nothing to memory; its interrupt is masked.
    let pit = Pit(unsafe { Ports::grant(PIT_PORT, 4) }.ok()?);
    (0..ATTEMPTS).find_map(|_| pit.count())
}

/// Has the PIT come to rest, where there is one. A reset leaves it counting round and round: QEMU's thread then wakes up 36 times a
/// second for an interrupt that nobody wants, and takes the core from ours.
pub(super) fn silence() {
    // SAFETY: the PIT does nothing to memory; its interrupt is masked.
    if let Ok(ports) = unsafe { Ports::grant(PIT_PORT, 4) } {
        Pit(ports).begin(1); // ends at once, and that was it
    }
}

/// What something that counts down says, and the time-stamp counter then.
#[derive(Clone, Copy, Debug)]
struct Look {
    count: u32,
    tsc: u64,
    /// Cycles that it took.
    took: u64,
}

struct Pit(Ports);

impl Pit {
    /// Counts; `None` if the PIT is not there, or has ended before it was looked at.
    fn count(&self) -> Option<Rates> {
        self.begin(COUNT);
        monitor::timer_count(u32::MAX);
        let look_at_both = || Some([quickest(|| self.read())?, quickest(|| Some(monitor::timer_count(0)))?]);
        let first = look_at_both()?;
        (0..STUCK).find(|_| self.read().is_none_or(|count| first[0].count.saturating_sub(count) >= WINDOW))?;
        let last = look_at_both()?;
        rates([first[0], last[0]], [first[1], last[1]])
    }

    /// Begins to count down, once.
    fn begin(&self, count: u16) {
        self.0.write_u8(COMMAND, ONE_SHOT);
        count.to_le_bytes().into_iter().for_each(|byte| self.0.write_u8(CHANNEL_0, byte));
    }

    /// The count, unless it has ended, or not begun. A bus without a PIT reads as ones, which is an end.
    fn read(&self) -> Option<u32> {
        self.0.write_u8(COMMAND, READ_BACK);
        let [status, low, high] = core::array::from_fn(|_| self.0.read_u8(CHANNEL_0));
        (status & (OUTPUT | NULL_COUNT) == 0).then_some(u16::from_le_bytes([low, high]).into())
    }
}

/// The quickest of a few looks.
fn quickest(read: impl Fn() -> Option<u32>) -> Option<Look> {
    let look = |_| {
        let tsc = cpu::tsc();
        read().map(|count| Look { count, tsc, took: cpu::tsc() - tsc })
    };
    (0..LOOKS).filter_map(look).min_by_key(|look| look.took)
}

/// The rates from a first and a last look at the PIT, and at the timer. Each pair has a time of its own, and what a look takes
/// before it counts is the same at both ends.
fn rates(pit: [Look; 2], timer: [Look; 2]) -> Option<Rates> {
    let passed =
        |[first, last]: [Look; 2]| Some((u64::from(first.count.checked_sub(last.count)?), last.tsc - first.tsc));
    let ((pit_ticks, pit_cycles), (timer_ticks, timer_cycles)) = (passed(pit)?, passed(timer)?);
    let tsc_hz = (pit_cycles * PIT_HZ).checked_div(pit_ticks)?;
    let timer_hz = (u128::from(timer_ticks) * u128::from(tsc_hz)).checked_div(timer_cycles.into())?;
    Some(Rates { tsc_hz, timer_hz: timer_hz as u64 })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_between_the_looks() {
        let look = |count, tsc| Look { count, tsc, took: 1 };
        // 10 ms of the PIT at 3 GHz; 20 ms of a timer at 1 GHz.
        let pit = [look(60_000, 1_000), look(60_000 - 11_932, 30_001_000)];
        let timer = [look(u32::MAX, 7_000), look(u32::MAX - 20_000_000, 60_007_000)];
        let found = rates(pit, timer).unwrap();
        assert!(found.tsc_hz.abs_diff(3_000_000_000) < 100_000, "{found:?}");
        assert!(found.timer_hz.abs_diff(1_000_000_000) < 50_000, "{found:?}");
        assert_eq!(rates([pit[0], pit[0]], timer), None, "stuck");
        assert_eq!(rates(pit, [timer[1], timer[0]].map(|look_at| Look { tsc: 0, ..look_at })), None, "backwards");
    }
}
