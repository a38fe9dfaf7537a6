//! The deliberate faults: each ends in a crash report and an exit code of its own.

use std::time::Duration;

use abi::exit::Exit;
use anyhow::{Context, Result, ensure};
use ci::appliance::{Machine, Memstorm};
use ci::host;
use libtest_mimic::Trial;

const SELF_TESTS: [(&str, Exit); 7] = [
    ("write-text", Exit::WriteProtected),
    ("execute-data", Exit::ExecuteData),
    ("null-read", Exit::NullAccess),
    ("stack-overflow", Exit::StackOverflow),
    ("divide-by-zero", Exit::DivideError),
    ("panic", Exit::Panic),
    ("ud2", Exit::InvalidOpcode),
];

/// Those that the second core commits, too: it has bitmaps and stacks of its own.
const ON_ANOTHER_CORE: [(&str, Exit); 2] = [("null-read", Exit::NullAccess), ("panic", Exit::Panic)];

const LIMIT: Duration = Duration::from_secs(20);

pub(crate) fn trials() -> Vec<Trial> {
    let on = |accel, missing| {
        let first = SELF_TESTS.map(|(name, exit)| {
            crate::trial(&format!("selftest {name}, {accel}"), missing, move || crashes(name, accel, 0, exit))
        });
        let second = ON_ANOTHER_CORE.map(|(name, exit)| {
            crate::trial(&format!("selftest {name} on core 1, {accel}"), missing, move || crashes(name, accel, 1, exit))
        });
        first.into_iter().chain(second)
    };
    on("kvm", host::missing_kvm()).chain(on("tcg", None)).collect()
}

fn crashes(name: &str, accel: &'static str, core: u32, exit: Exit) -> Result<()> {
    let memstorm = Memstorm::new()?;
    let append = format!("selftest={name} selftest-core={core}");
    let machine = Machine { accel, cores: core + 1, append, ..Machine::default() };
    let ended = memstorm.run_to_end(&machine, LIMIT)?;
    let console = &ended.console;
    ensure!(
        ended.code == Some(i32::from(exit.code())),
        "expected exit code {} ({}), got {:?}:\n{console}",
        exit.code(),
        exit.describe(),
        ended.code
    );
    let report: Vec<&str> = console.lines().filter(|line| line.contains(abi::console::CRASH)).collect();
    let first = report.first().with_context(|| format!("no crash report in:\n{console}"))?;
    for field in ["cause", "code", "build"] {
        ensure!(abi::console::field(first, field).is_some(), "no {field}= in '{first}'");
    }
    let has_registers = report.iter().any(|line| line.contains("rbp=0x"));
    ensure!(has_registers, "no registers in:\n{console}");
    ensure!(report.iter().any(|line| line.contains(&format!(" core={core} "))), "not core {core}:\n{console}");
    ensure!(report.iter().any(|line| names_function(line)), "no function names in:\n{console}");
    memstorm.finish()
}

/// Whether an address of code in the line is followed by the name of a function of the image.
fn names_function(line: &str) -> bool {
    let is_address = |word: &str| {
        word.strip_prefix("0x")
            .is_some_and(|digits| digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    line.split_ascii_whitespace().skip_while(|word| !is_address(word)).skip(1).any(|word| word.contains("unikernel"))
}
