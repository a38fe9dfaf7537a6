//! The `memstorm` command: parses, prints, and leaves the work to `image` and `orchestrator`.
//!
//! One file per command. Each returns its exit code; an error that reaches [`main`] is printed there, once.

mod args;
mod bench;
mod build;
mod doctor;
mod foreground;
mod inspect;
mod kernel;
mod logs;
mod memcached;
mod output;
mod ps;
mod run;
mod stats;
mod stop;

use std::io;
use std::process::ExitCode;

use ::bench::stack::Counting;
use clap::Parser as _;

use crate::args::{Arguments, Command};

/// Exit code of a failure of the host.
const FAILURE: u8 = 1;
/// Exit code of a wrong command line, as clap's own.
const USAGE: u8 = 2;

/// So that `bench stack` can say what a connection takes.
#[global_allocator]
static HEAP: Counting = Counting;

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Run(options) => run::run(&options),
        Command::Memcached { options } => memcached::memcached(&options),
        Command::Ps { output } => ps::ps(output),
        Command::Logs { name, follow } => logs::logs(name.as_deref(), follow),
        Command::Console { name } => logs::console(name.as_deref()),
        Command::Stop { name, all } => stop::stop(name.as_deref(), all),
        Command::Stats { name, section, output } => stats::stats(name.as_deref(), section.as_deref(), output),
        Command::Build(options) => build::build(&options),
        Command::Inspect { image, output } => inspect::inspect(&image, output),
        Command::Bench { command } => bench::bench(command),
        Command::Doctor { output } => doctor::doctor(output),
    };
    ExitCode::from(result.unwrap_or_else(|error| report(&error)))
}

/// Prints an error. Returns the exit code that it stands for.
fn report(error: &anyhow::Error) -> u8 {
    // The reader of a pipe had enough: `memstorm logs | head`.
    if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        return 0;
    }
    eprintln!("memstorm: {error:#}");
    let usage = error.downcast_ref::<orchestrator::Error>().is_some_and(orchestrator::Error::is_usage)
        || error.downcast_ref::<image::ImageError>().is_some_and(image::ImageError::is_usage);
    if usage { USAGE } else { FAILURE }
}
