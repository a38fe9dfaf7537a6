//! What AFL++ drives: `fuzz-afl TARGET` hands each input to the target of that name. Built by `cargo afl build`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let name = std::env::args().nth(1).unwrap_or_default();
    let Some(target) = fuzz::TARGETS.iter().find(|target| target.name == name) else {
        let names: Vec<_> = fuzz::TARGETS.iter().map(|target| target.name).collect();
        eprintln!("usage: fuzz-afl TARGET, one of {}", names.join(", "));
        return ExitCode::FAILURE;
    };
    afl::fuzz!(|input: &[u8]| (target.run)(input));
    ExitCode::SUCCESS
}
