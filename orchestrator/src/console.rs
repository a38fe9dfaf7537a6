//! Reading a console while it is being written.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// The lines of a growing file, each handed out once.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    file: Option<File>,
    partial: Vec<u8>,
}

impl Tail {
    /// From the first line on. The file need not exist yet.
    pub fn new(path: &Path) -> Tail {
        Tail { path: path.to_owned(), file: None, partial: Vec::new() }
    }

    /// The lines completed since the last call.
    pub fn lines(&mut self) -> io::Result<Vec<String>> {
        if self.file.is_none() {
            match File::open(&self.path) {
                Ok(file) => self.file = Some(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                Err(error) => return Err(error),
            }
        }
        if let Some(file) = &mut self.file {
            file.read_to_end(&mut self.partial)?;
        }
        let complete = self.partial.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let lines = self.partial[..complete].split_inclusive(|byte| *byte == b'\n').map(text).collect();
        self.partial.drain(..complete);
        Ok(lines)
    }

    /// The last lines, and what stands after them without an end of line: for a console that is written no more.
    pub fn finish(&mut self) -> io::Result<Vec<String>> {
        let mut lines = self.lines()?;
        if !self.partial.is_empty() {
            lines.push(text(&self.partial));
            self.partial.clear();
        }
        Ok(lines)
    }
}

/// A line without its end. A serial port carries CR LF, and whatever a crash leaves: control characters, which could steer a
/// terminal, are dropped.
fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).chars().filter(|c| !c.is_control() || *c == '\t').collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn hands_out_lines_once_they_are_complete() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("console.log");
        let mut tail = Tail::new(&path);
        assert_eq!(tail.lines().unwrap(), Vec::<String>::new(), "not there yet");
        let mut file = File::create(&path).unwrap();
        file.write_all(b"info: a\r\ninf").unwrap();
        assert_eq!(tail.lines().unwrap(), ["info: a"]);
        assert_eq!(tail.lines().unwrap(), Vec::<String>::new());
        file.write_all(b"o: b\n\ncra").unwrap();
        assert_eq!(tail.lines().unwrap(), ["info: b", ""]);
        assert_eq!(tail.finish().unwrap(), ["cra"]);
        assert_eq!(tail.finish().unwrap(), Vec::<String>::new());
    }

    #[test]
    fn garbage_cannot_steer_a_terminal() {
        assert_eq!(text(b"\x1b[2Ja\x07\tb\xff\r\n"), "[2Ja\tb\u{fffd}");
    }
}
