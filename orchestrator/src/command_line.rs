//! A program with its arguments.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;

/// The command line of a VMM. Displays as a line that a shell reads back to the same arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    /// The program.
    pub program: PathBuf,
    /// Its arguments, without its name.
    pub arguments: Vec<OsString>,
}

impl CommandLine {
    /// A program without arguments.
    pub fn new(program: impl Into<PathBuf>) -> CommandLine {
        CommandLine { program: program.into(), arguments: Vec::new() }
    }

    /// Adds one argument.
    pub fn arg(&mut self, argument: impl Into<OsString>) {
        self.arguments.push(argument.into());
    }

    /// Adds an option with its value.
    pub fn option(&mut self, name: &str, value: impl Into<OsString>) {
        self.arg(name);
        self.arg(value);
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&quoted(self.program.as_os_str()))?;
        self.arguments.iter().try_for_each(|argument| write!(f, " {}", quoted(argument)))
    }
}

/// The word as a shell takes it.
fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_back_what_was_meant() {
        let mut line = CommandLine::new("/usr/bin/printf");
        line.arg("%s|");
        line.option("-append", "ip=dhcp batch=8");
        line.arg("it's $HOME");
        line.arg("");
        assert_eq!(line.to_string(), r"/usr/bin/printf '%s|' -append 'ip=dhcp batch=8' 'it'\''s $HOME' ''");
        let output = std::process::Command::new("sh").arg("-c").arg(line.to_string()).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "-append|ip=dhcp batch=8|it's $HOME||");
    }
}
