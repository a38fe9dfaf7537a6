//! `ci`: the commands behind `ci/soak` and `ci/show`.

use anyhow::Result;
use ci::source::{collect_files, figures::Figures};
use clap::{Parser, Subcommand};

/// Memstorm's long runs and figures.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print the sizes of the sources, and where their unsafe code is.
    Figures,
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Figures => print!("{}", Figures::collect(&collect_files(&["rs", "S", "ld"])?)?),
    }
    Ok(())
}
