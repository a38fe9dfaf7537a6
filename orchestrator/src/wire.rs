//! Two requests of the memcached protocol, as a client sends them (memcached `doc/protocol.txt`).

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longest answer that is read, in bytes.
const LONGEST_ANSWER: u64 = 1 << 20;

/// What a server answers to those who have not shown their token: as good a sign of life as a version.
const LOCKED: &str = "CLIENT_ERROR unauthenticated";

/// The answer to `version`: the part behind `VERSION`, or that it takes a token to know.
pub fn version(address: SocketAddr, limit: Duration) -> io::Result<String> {
    let mut line = String::new();
    request(address, "version\r\n", limit)?.read_line(&mut line)?;
    let line = line.strip_suffix("\r\n").ok_or_else(|| unexpected(&line))?;
    match line.strip_prefix("VERSION ") {
        Some(version) => Ok(version.to_owned()),
        None if line == LOCKED => Ok("unauthenticated".to_owned()),
        None => Err(unexpected(line)),
    }
}

/// The answer to `stats`, or to `stats ARGUMENT`: names and values, in the order of the answer.
pub fn stats(address: SocketAddr, argument: Option<&str>, limit: Duration) -> io::Result<Vec<(String, String)>> {
    let command = argument.map_or("stats\r\n".to_owned(), |argument| format!("stats {argument}\r\n"));
    let mut stats = Vec::new();
    for line in request(address, &command, limit)?.lines() {
        let line = line?;
        if line == "END" {
            return Ok(stats);
        }
        let stat = line.strip_prefix("STAT ").and_then(|stat| stat.split_once(' '));
        let (name, value) = stat.ok_or_else(|| unexpected(&line))?;
        stats.push((name.to_owned(), value.to_owned()));
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

/// Sends a command on a connection of its own. Each step may take as long as `limit`.
fn request(address: SocketAddr, command: &str, limit: Duration) -> io::Result<impl io::BufRead + use<>> {
    let mut stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    stream.set_nodelay(true)?;
    stream.write_all(command.as_bytes())?;
    Ok(BufReader::new(stream.take(LONGEST_ANSWER)))
}

fn unexpected(line: &str) -> io::Error {
    match line.trim_end() {
        "" => io::ErrorKind::UnexpectedEof.into(),
        line => io::Error::new(io::ErrorKind::InvalidData, format!("unexpected answer '{line}'")),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    const LIMIT: Duration = Duration::from_millis(500);

    /// A server that answers one request so.
    fn server(answer: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut command = [0; 64];
            let _ = stream.read(&mut command).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        });
        address
    }

    #[test]
    fn reads_versions() {
        assert_eq!(version(server("VERSION 1.6.18\r\n"), LIMIT).unwrap(), "1.6.18");
        for bad in ["ERROR\r\n", "VERSION 1.6.18", "", "\r\n"] {
            assert!(version(server(bad), LIMIT).is_err(), "{bad}");
        }
    }

    #[test]
    fn reads_stats() {
        let answer = "STAT pid 1\r\nSTAT drop tcp checksum 0\r\nEND\r\n";
        let expected = [("pid", "1"), ("drop", "tcp checksum 0")];
        assert_eq!(stats(server(answer), None, LIMIT).unwrap(), expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
        assert_eq!(stats(server("END\r\n"), Some("items"), LIMIT).unwrap(), []);
        for bad in ["STAT pid 1\r\n", "STAT pid\r\nEND\r\n", "ERROR\r\n", ""] {
            assert!(stats(server(bad), None, LIMIT).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_silent_server_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let error = version(listener.local_addr().unwrap(), Duration::from_millis(20)).unwrap_err();
        assert!(matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut));
    }
}
