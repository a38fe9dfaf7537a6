//! The console: a 16550 or uhyve's ports.
//!
//! A port access can cost a VMM exit, so a line is put together first and leaves in bursts of the UART's FIFO, or in one
//! hypercall. Any core may print; lines of two cores may interleave burst by burst.

#![allow(unsafe_code)] // ports

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU8, Ordering};

use abi::config::Level;

use super::port::Ports;

/// COM1.
const UART_BASE: u16 = 0x3f8;
const UART_PORTS: u16 = 8;
/// Registers of a 16550, as offsets (datasheet, section 8.0).
const UART_DATA: u16 = 0;
const UART_FIFO_CONTROL: u16 = 2;
const UART_LINE_CONTROL: u16 = 3;
const UART_LINE_STATUS: u16 = 5;
const UART_SCRATCH: u16 = 7;
/// Both FIFOs enabled and cleared.
const FIFO_ENABLE: u8 = 0x07;
/// Eight data bits, no parity, one stop bit.
const LINE_8N1: u8 = 0x03;
/// Line status: the transmit FIFO is empty.
const TRANSMIT_EMPTY: u8 = 0x20;
/// Bytes of the transmit FIFO.
const FIFO_BYTES: usize = 16;
/// Reads of the line status before the UART is given up as stuck: more than it takes to send a FIFO at 1200 baud.
const STUCK: u32 = 200_000;

/// uhyve's serial-buffer hypercall (uhyve-interface, version 2): `rdi` points to a length and an address.
const UHYVE_WRITE_BUFFER: u16 = 0x1030;
/// A hypercall is a write of 32 bits.
const UHYVE_PORTS: u16 = 4;

/// Longest line, in bytes; the rest is cut.
const LINE_BYTES: usize = 512;

/// Which device there is.
const NONE: u8 = 0;
const UART: u8 = 1;
const UHYVE: u8 = 2;
static DEVICE: AtomicU8 = AtomicU8::new(NONE);

/// The least important level that is printed.
static LEVEL: AtomicU8 = AtomicU8::new(Level::Info as u8);

/// Prints a line at a level, formatted as by `format!`.
#[macro_export]
macro_rules! log {
    ($level:ident, $($argument:tt)+) => {
        $crate::platform::console::print(abi::config::Level::$level, format_args!($($argument)+))
    };
}

/// Finds the 16550 at COM1 and sets it up.
pub fn init_uart() {
    // SAFETY: a UART does nothing to memory.
    let Ok(uart) = (unsafe { Ports::grant(UART_BASE, UART_PORTS) }) else { return };
    uart.write_u8(UART_SCRATCH, 0x5a);
    if uart.read_u8(UART_SCRATCH) != 0x5a {
        return;
    }
    uart.write_u8(UART_LINE_CONTROL, LINE_8N1);
    uart.write_u8(UART_FIFO_CONTROL, FIFO_ENABLE);
    DEVICE.store(UART, Ordering::Relaxed);
}

/// Uses uhyve's hypercalls.
pub fn init_uhyve() {
    // SAFETY: uhyve reads memory and writes none.
    let Ok(_) = (unsafe { Ports::grant(UHYVE_WRITE_BUFFER, UHYVE_PORTS) }) else { return };
    DEVICE.store(UHYVE, Ordering::Relaxed);
}

/// Sets the least important level that is printed.
pub fn set_level(level: Level) {
    LEVEL.store(level as u8, Ordering::Relaxed);
}

/// Prints `level: text`, if the level is important enough.
pub fn print(level: Level, text: fmt::Arguments<'_>) {
    if level as u8 > LEVEL.load(Ordering::Relaxed) {
        return;
    }
    let name = match level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
    };
    print_line(format_args!("{name}: {text}"));
}

/// Prints a line as it stands, whatever the level: for those that the host reads (`abi::console`).
pub fn print_line(text: fmt::Arguments<'_>) {
    let mut line = Line { bytes: [0; LINE_BYTES], len: 0 };
    let _ = line.write_fmt(text); // what does not fit is cut
    line.bytes[line.len] = b'\n';
    let bytes = &line.bytes[..=line.len];
    match DEVICE.load(Ordering::Relaxed) {
        UART => write_uart(bytes),
        UHYVE => write_uhyve(bytes),
        _ => {}
    }
}

fn write_uart(bytes: &[u8]) {
    // SAFETY: granted by `init_uart`, without which there is no device to write to.
    let uart = unsafe { Ports::granted(UART_BASE, UART_PORTS) };
    for burst in bytes.chunks(FIFO_BYTES) {
        if (0..STUCK).all(|_| uart.read_u8(UART_LINE_STATUS) & TRANSMIT_EMPTY == 0) {
            return;
        }
        uart.write_bytes(UART_DATA, burst);
    }
}

fn write_uhyve(bytes: &[u8]) {
    let parameters: [u64; 2] = [bytes.len() as u64, bytes.as_ptr() as u64];
    // SAFETY: granted by `init_uhyve`; uhyve reads the parameters and the bytes, and writes nothing.
    unsafe { Ports::granted(UHYVE_WRITE_BUFFER, UHYVE_PORTS) }.write_u32_with(0, parameters.as_ptr() as u64);
}

/// A line being put together; one byte is kept for its end.
struct Line {
    bytes: [u8; LINE_BYTES],
    len: usize,
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = LINE_BYTES - 1 - self.len;
        let taken = text.len().min(room);
        self.bytes[self.len..self.len + taken].copy_from_slice(&text.as_bytes()[..taken]);
        self.len += taken;
        if taken == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}
