//! As much of the QEMU Machine Protocol as ends a VMM (QEMU `docs/interop/qmp-spec.txt`).

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long QEMU may take for an answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// Asks the QEMU behind `socket` to quit. On success the request was taken; QEMU ends a little later.
pub(crate) fn quit(socket: &Path) -> io::Result<()> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut answers = BufReader::new(stream.try_clone()?);
    read_until(&mut answers, "QMP")?;
    for command in ["qmp_capabilities", "quit"] {
        writeln!(stream, "{{\"execute\":\"{command}\"}}")?;
        read_until(&mut answers, "return")?;
    }
    Ok(())
}

/// Reads messages until one has this member. Events come in between.
fn read_until(answers: &mut BufReader<UnixStream>, member: &str) -> io::Result<()> {
    let mut line = String::new();
    loop {
        line.clear();
        if answers.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let message: serde_json::Value = serde_json::from_str(&line)?;
        if message.get("error").is_some() {
            return Err(io::Error::other(line.trim_end().to_owned()));
        }
        if message.get(member).is_some() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;

    const GREETING: &str = "{\"QMP\": {\"version\": {}}}\r\n";

    /// A QEMU that answers with these lines, one after each of ours. Returns what it was sent.
    fn qemu(answers: &'static [&'static str]) -> (io::Result<()>, Vec<String>) {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("qmp.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut commands = BufReader::new(stream.try_clone().unwrap()).lines();
            let mut sent = Vec::new();
            for answer in answers {
                stream.write_all(answer.as_bytes()).unwrap();
                sent.extend(commands.next().and_then(Result::ok));
            }
            sent
        });
        (quit(&socket), server.join().unwrap())
    }

    #[test]
    fn greets_and_quits() {
        let (result, sent) = qemu(&[GREETING, "{\"return\": {}}\r\n", "{\"event\": \"STOP\"}\r\n{\"return\": {}}\r\n"]);
        result.unwrap();
        assert_eq!(sent, ["{\"execute\":\"qmp_capabilities\"}", "{\"execute\":\"quit\"}"]);
    }

    #[test]
    fn a_refusal_or_garbage_is_an_error() {
        assert!(qemu(&[GREETING, "{\"error\": {\"desc\": \"no\"}}\n"]).0.is_err());
        assert!(qemu(&["garbage\n"]).0.is_err());
        assert!(quit(Path::new("/nowhere/qmp.sock")).is_err());
    }
}
