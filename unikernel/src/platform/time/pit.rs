//! Calibration against channel 0 of the PIT (Intel 8254), whose frequency every PC has. Its output is read back by
//! command: the gate at port 0x61, which other channels need, is missing from small virtual machines.

#![allow(unsafe_code)] // ports

use crate::monitor;
use crate::platform::cpu;
use crate::platform::port::Ports;

/// Frequency of the PIT, in Hz.
const PIT_HZ: u64 = 1_193_182;
/// What is counted: 10 ms.
const COUNT: u16 = 11_932;
/// Channel 0; the command register is the fourth.
const PIT_PORT: u16 = 0x40;
const CHANNEL_0: u16 = 0;
const COMMAND: u16 = 3;
/// Channel 0, low byte then high byte, mode 0 (interrupt on terminal count), binary.
const ONE_SHOT: u8 = 0x30;
/// Read-back: latch the status of channel 0.
const READ_STATUS: u8 = 0xe2;
/// Status: the output is high, which in mode 0 is the end of the count.
const OUTPUT: u8 = 1 << 7;
/// Reads of the status before the PIT is given up as stuck: at least seconds where a read costs a microsecond. Under `-icount` a
/// read costs but a few instructions, of a nanosecond each, and 10 ms take a million.
const STUCK: u32 = 5_000_000;

/// What was counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rates {
    /// Of the time-stamp counter, in Hz.
    pub(super) tsc_hz: u64,
    /// Of the APIC's timer, in Hz.
    pub(super) timer_hz: u64,
}

/// Counts for 10 ms; `None` without a PIT.
pub(super) fn calibrate() -> Option<Rates> {
    // SAFETY: the PIT does nothing to memory; its interrupt is masked.
    let pit = unsafe { Ports::grant(PIT_PORT, 4) }.ok()?;
    let output = || {
        pit.write_u8(COMMAND, READ_STATUS);
        pit.read_u8(CHANNEL_0) & OUTPUT != 0
    };
    pit.write_u8(COMMAND, ONE_SHOT);
    pit.write_u8(CHANNEL_0, COUNT as u8);
    let timer_start = u32::MAX;
    monitor::timer_count(timer_start);
    pit.write_u8(CHANNEL_0, (COUNT >> 8) as u8); // counting begins
    let tsc_start = cpu::tsc();
    if output() {
        return None; // high from the start: nothing is there, and the bus reads as ones
    }
    let ended = (0..STUCK).any(|_| output());
    let ticks = cpu::tsc() - tsc_start;
    let timer_ticks = timer_start - monitor::timer_count(0);
    let per_second = |count: u64| count * PIT_HZ / u64::from(COUNT);
    ended.then_some(Rates { tsc_hz: per_second(ticks), timer_hz: per_second(timer_ticks.into()) })
}
