//! Holds Debian's memcached to the conversations that the appliance is held to: a test of the tests.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use ci::conversation;

/// A memcached on loopback, ended with this value.
struct Memcached {
    process: Child,
    address: SocketAddr,
}

impl Memcached {
    fn start() -> Memcached {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr());
        let address = free.expect("loopback has a free port");
        let process = Command::new("memcached")
            .args(["-l", "127.0.0.1", "-U", "0", "-u", "nobody", "-p", &address.port().to_string()])
            .stdin(Stdio::null())
            .spawn()
            .expect("memcached (package memcached) starts");
        let memcached = Memcached { process, address };
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(started.elapsed() < Duration::from_secs(10), "memcached does not listen on {address}");
            thread::sleep(Duration::from_millis(10));
        }
        memcached
    }
}

impl Drop for Memcached {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn memcached_passes_every_conversation() {
    let memcached = Memcached::start();
    conversation::hold_all(memcached.address).unwrap_or_else(|error| panic!("{error:#}"));
}
