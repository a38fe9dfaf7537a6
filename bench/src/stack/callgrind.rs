//! Instructions, counted by Callgrind: the program runs itself under it and reads the profile.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Error;

/// The stages of a turn, and the functions of [`Core`](crate::turn::Core) that make them up.
const STAGES: [(&str, &[&str]); 7] = [
    ("rx", &["receive", "refill"]),
    ("timers", &["expire"]),
    ("ingress", &["ingress"]),
    ("app", &["run_app"]),
    ("calls", &["execute"]),
    ("egress", &["egress"]),
    ("tx", &["reclaim", "submit", "doorbell"]),
];
/// The function that calls them, and what is left of it: the loop around the stages.
const TURN: &str = "turn";

/// What counts must not depend on: which of the C library's variants of `memcpy` and its like this processor is given.
const PLAIN_PROCESSOR: &str = "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX2,-AVX,-AVX_Fast_Unaligned_Load,-ERMS,-FSRM,-SSSE3,\
                               -SSE4_1,-SSE4_2,-BMI2,-MOVBE";
/// Nor on where things are: the program goes by this name, in a folder of its own.
const PROGRAM: &str = "./program";
const PROFILE: &str = "profile";

/// Instructions of a request by stage, in the order of a turn.
pub type Stages = Vec<(&'static str, f64)>;

/// Instructions of the server for a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Instructions {
    /// All of them.
    pub per_rpc: f64,
    /// Where they go.
    pub stages: Stages,
}

impl Instructions {
    /// Runs `program` with `arguments` under Callgrind. It is to call [`probe`](super::probe) and to print how many requests
    /// that was.
    pub fn count(program: &Path, arguments: &[String]) -> Result<Instructions, Error> {
        let folder = tempfile::tempdir().map_err(|error| Error::Callgrind(format!("a temporary folder: {error}")))?;
        symlink(program, folder.path().join(PROGRAM)).map_err(|error| Error::Callgrind(format!("a link: {error}")))?;
        // Arguments and environment lie on the stack, whose place they change: so they are always the same.
        let output = valgrind()?
            .args(["--tool=callgrind", "--quiet", "--instr-atstart=no", "--collect-atstart=no"])
            .args(["--compress-strings=no", "--compress-pos=no", "--demangle=no"])
            .arg(format!("--callgrind-out-file={PROFILE}"))
            .arg(PROGRAM)
            .args(arguments)
            .env("GLIBC_TUNABLES", PLAIN_PROCESSOR)
            .current_dir(folder.path())
            .output()
            .map_err(|error| Error::Callgrind(format!("cannot run valgrind: {error}")))?;
        let printed = String::from_utf8_lossy(&output.stdout);
        let requests = printed.trim().parse::<u64>().ok().filter(|_| output.status.success()).ok_or_else(|| {
            let complaint = String::from_utf8_lossy(&output.stderr);
            Error::Callgrind(format!("valgrind failed: {}", complaint.trim()))
        })?;
        let text = fs::read_to_string(folder.path().join(PROFILE))
            .map_err(|error| Error::Callgrind(format!("no profile: {error}")))?;
        Instructions::read(&text, requests)
    }

    /// Reads a profile (Callgrind's format, "cl-format": names and positions written out).
    fn read(profile: &str, requests: u64) -> Result<Instructions, Error> {
        let inclusive = collect_calls(profile);
        let of = |function: &str| -> u64 {
            inclusive.iter().filter(|(name, _)| is_of_core(name, function)).map(|(_, cost)| cost).sum()
        };
        // Not the profile's total, which has a part of what switches the collection on and off.
        let total = of(TURN);
        if total == 0 || requests == 0 {
            return Err(Error::Callgrind("the profile has no turns".to_owned()));
        }
        let mut stages: Stages = STAGES
            .iter()
            .map(|(stage, functions)| (*stage, functions.iter().map(|f| of(f)).sum::<u64>() as f64 / requests as f64))
            .collect();
        let per_rpc = total as f64 / requests as f64;
        stages.push((TURN, per_rpc - stages.iter().map(|(_, cost)| cost).sum::<f64>()));
        Ok(Instructions { per_rpc, stages })
    }
}

/// Valgrind's version, as "3.19.0".
pub fn valgrind_version() -> Result<String, Error> {
    let output = valgrind()?.arg("--version").output();
    let output = output.map_err(|error| Error::Callgrind(format!("cannot run valgrind: {error}")))?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let version = printed.trim().strip_prefix("valgrind-").filter(|_| output.status.success());
    version.map(str::to_owned).ok_or_else(|| Error::Callgrind(format!("valgrind --version says '{}'", printed.trim())))
}

/// Valgrind, with none of the user's settings.
fn valgrind() -> Result<Command, Error> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let programs = std::env::split_paths(&path).map(|folder| folder.join("valgrind"));
    let found: PathBuf = programs.into_iter().find(|program| program.is_file()).ok_or(Error::NoValgrind)?;
    let mut command = Command::new(found);
    command.env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
    Ok(command)
}

/// The cost of all calls of each function: "cfn=NAME", "calls=COUNT LINE", and "LINE COST" on the line behind.
fn collect_calls(profile: &str) -> BTreeMap<&str, u64> {
    let mut costs = BTreeMap::new();
    let mut callee = "";
    let mut lines = profile.lines();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("cfn=") {
            callee = name;
        } else if line.starts_with("calls=") {
            let cost = lines.next().and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
            *costs.entry(callee).or_default() += cost.unwrap_or(0);
        }
    }
    costs
}

/// Whether a mangled name, old style or new, is that of a function of `turn::Core`.
fn is_of_core(mangled: &str, function: &str) -> bool {
    let name = format!("{}{function}", function.len());
    let method = mangled.split_once("5bench4turn").and_then(|(_, path)| path.split_once("Core"));
    method.is_some_and(|(_, method)| method.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = "\
events: Ir
fn=_ZN5bench5stack7measure5Bench4turn17h0123456789abcdefE
9 40
cfn=_ZN5bench4turn17Core$LT$R$C$T$C$A$GT$4turn17h0123456789abcdefE
calls=2 4
10 1500
fn=_ZN5bench4turn17Core$LT$R$C$T$C$A$GT$4turn17h0123456789abcdefE
10 50
cfn=_ZN5bench4turn17Core$LT$R$C$T$C$A$GT$7ingress17h0123456789abcdefE
calls=2 5
11 1000
cfn=_RNvMs_NtCs1_5bench4turnINtB4_4CorepppE7receiveB6_
calls=2 5
12 300
cfn=_RNvMs_NtCs1_5bench4turnINtB4_4CorepppE6refillB6_
calls=2 5
13 100
fn=_RNvMs_NtCs1_5bench4turnINtB4_4CorepppE7receiveB6_
5 300
cfn=memcpy
calls=1 1
5 9
totals: 1540
";

    #[test]
    fn stages_are_told_apart() {
        let read = Instructions::read(PROFILE, 2).unwrap();
        assert_eq!(read.per_rpc, 750.0);
        let stage = |name| read.stages.iter().find(|(stage, _)| *stage == name).unwrap().1;
        assert_eq!((stage("rx"), stage("ingress"), stage("app"), stage("turn")), (200.0, 500.0, 0.0, 50.0));
    }

    #[test]
    fn an_empty_profile_is_an_error() {
        assert!(Instructions::read("", 1).is_err());
        assert!(Instructions::read(PROFILE, 0).is_err());
    }
}
