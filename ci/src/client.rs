//! A memcached client of a few lines: it sends bytes and compares what comes back.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::libc::linger;
use nix::sys::socket::{setsockopt, sockopt};

/// How long a reply may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection to a memcached server.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects to a server. Nagle's algorithm is off, so that one [`send`](Client::send) is one segment.
    pub fn connect(address: SocketAddr) -> Result<Client> {
        let stream =
            TcpStream::connect_timeout(&address, PATIENCE).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Client { stream: BufReader::new(stream) })
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.get_mut().write_all(bytes).with_context(|| format!("cannot send {}", abridged(bytes)))
    }

    /// Reads as many bytes as `expected` has, which must be those.
    pub fn expect(&mut self, expected: &[u8]) -> Result<()> {
        let mut reply = vec![0; expected.len()];
        let mut filled = 0;
        while filled < reply.len() {
            match self.stream.read(&mut reply[filled..]) {
                Ok(0) => bail!("closed after {}, expected {}", abridged(&reply[..filled]), abridged(expected)),
                Ok(n) => filled += n,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    bail!("{error} after {}, expected {}", abridged(&reply[..filled]), abridged(expected));
                }
            }
            // A wrong reply may be a short one: stop at the first difference rather than wait for the rest of it.
            ensure!(
                reply[..filled] == expected[..filled],
                "expected {}, got {}",
                abridged(expected),
                abridged(&reply[..filled])
            );
        }
        Ok(())
    }

    /// Sends a request whose reply must be `reply`.
    pub fn exchange(&mut self, request: &[u8], reply: &[u8]) -> Result<()> {
        self.send(request)?;
        self.expect(reply).with_context(|| format!("request {}", abridged(request)))
    }

    /// Reads one line, its end included.
    pub fn line(&mut self) -> Result<String> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).context("cannot read a line")?;
        ensure!(line.ends_with(b"\n"), "closed after {}", abridged(&line));
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    /// Waits until the server closes the connection, by a FIN or by a reset.
    pub fn expect_closed(&mut self) -> Result<()> {
        let mut byte = [0];
        match self.stream.read(&mut byte) {
            Ok(0) => Ok(()),
            Ok(_) => bail!("got {} from a connection that should be closed", abridged(&byte)),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(()),
            Err(error) => Err(error).context("waiting for the connection to be closed"),
        }
    }

    /// The socket, for those who do not want to wait for it.
    pub fn stream(&mut self) -> &mut TcpStream {
        self.stream.get_mut()
    }

    /// This side's port.
    pub fn local_port(&self) -> Result<u16> {
        Ok(self.stream.get_ref().local_addr()?.port())
    }

    /// Makes the connection end by a reset instead of a handshake once this value is dropped.
    pub fn reset_on_close(&self) {
        // It fails on a broken connection, which needs no reset.
        let _ = setsockopt(self.stream.get_ref(), sockopt::Linger, &linger { l_onoff: 1, l_linger: 0 });
    }

    /// The server's `stats` about `topic`, which may be empty, in its order.
    pub fn stats(&mut self, topic: &str) -> Result<Vec<(String, String)>> {
        self.send(format!("stats {topic}\r\n").as_bytes())?;
        let mut stats = Vec::new();
        loop {
            let line = self.line()?;
            let mut words = line.split_ascii_whitespace();
            match (words.next(), words.next()) {
                (Some("END"), None) => return Ok(stats),
                (Some("STAT"), Some(name)) => {
                    stats.push((name.to_owned(), words.collect::<Vec<_>>().join(" ")));
                }
                _ => bail!("'{}' in the reply to stats", line.trim_end()),
            }
        }
    }
}

/// Bytes as text, cut where they go on for long.
pub fn abridged(bytes: &[u8]) -> String {
    const SHOWN: usize = 80;
    let head = bytes[..bytes.len().min(SHOWN)].escape_ascii();
    if bytes.len() > SHOWN { format!("\"{head}...\" ({} bytes)", bytes.len()) } else { format!("\"{head}\"") }
}
