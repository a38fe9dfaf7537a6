//! Tap devices.

#![allow(unsafe_code)] // ioctls that no library wraps

use std::fs::OpenOptions;
use std::io;
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::ptr::{from_mut, from_ref};

/// The commands of `SIOCETHTOOL` that set one word (linux/ethtool.h).
const SET_TSO: u32 = 0x1f;
const SET_GSO: u32 = 0x24;
const SET_GRO: u32 = 0x2c;

/// An attached tap device.
pub struct Tap;

impl Tap {
    /// Attaches to a tap device of the calling thread's network namespace, without blocking; makes it if there is none.
    pub fn open(name: &str) -> io::Result<OwnedFd> {
        let file = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/net/tun")?;
        let mut request = request_for(name)?;
        request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI) as libc::c_short;
        // SAFETY: TUNSETIFF reads and writes an `ifreq`, which lives across the call.
        let status = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, from_mut(&mut request)) };
        if status < 0 { Err(io::Error::last_os_error()) } else { Ok(file.into()) }
    }
}

/// The argument of `SIOCETHTOOL` for one word.
#[repr(C)]
struct EthtoolValue {
    command: u32,
    data: u32,
}

/// Has a device of the calling thread's network namespace send and receive no segment larger than a frame, and merge none: no
/// TSO, GSO or GRO.
pub fn disable_offloads(name: &str) -> io::Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    for command in [SET_TSO, SET_GSO, SET_GRO] {
        let value = EthtoolValue { command, data: 0 };
        let mut request = request_for(name)?;
        request.ifr_ifru.ifru_data = from_ref(&value).cast_mut().cast();
        // SAFETY: SIOCETHTOOL reads an `ifreq` that points to a value of the form that these commands take; both live
        // across the call, and a command that sets does not write.
        let status = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL, from_mut(&mut request)) };
        let error = io::Error::last_os_error();
        // What a device cannot do at all needs not be turned off.
        if status < 0 && error.raw_os_error() != Some(libc::EOPNOTSUPP) {
            return Err(error);
        }
    }
    Ok(())
}

fn request_for(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: `ifreq` is made of integers, arrays and pointers, for which zeros are values.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.len() >= request.ifr_name.len() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{name} is no name of a device")));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    Ok(request)
}
