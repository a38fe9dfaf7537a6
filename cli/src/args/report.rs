//! The command line of `bench report`.

use std::path::PathBuf;

use bench::peers::Cores;
use bench::report::{Earlier, PARTS, Pace, Part, Setting, parts};
use clap::Args;
use clap::builder::PossibleValuesParser;

use super::AccelChoice;

const NOTES: &str = "\
Parts, and what each measures with --run (about half an hour in all; each says how long it takes):
  compare                   all that `bench compare` has, etc and usr, five rounds
  connections               1 to 100,000
  cores                     as many as there are beside the client's
  value-bytes               64 B to 64 KiB, one message at a time (NetPIPE's figure)
  requests-per-connection   1 to 1,024, and connections that are kept
  batch                     1 to 64 frames a turn
Each part is written as soon as it is measured. After an interrupt, the same command goes on with what is missing: rows that
were measured in the same way stay. What fails is named in the report, and the others go on.";

/// The options of `bench report`.
#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub(crate) struct ReportOptions {
    /// Where rows are, as `bench compare --save` writes them [default: the latest in bench/results; with --run, the one of today]
    pub(crate) directory: Option<PathBuf>,
    /// Also replace the marked section of this text
    #[arg(long, value_name = "README.md")]
    pub(crate) readme: Option<PathBuf>,
    /// Measure first what is missing
    #[arg(long)]
    pub(crate) run: bool,
    /// Measure these parts alone
    #[arg(long, value_delimiter = ',', value_name = "PART", requires = "run", value_parser = PossibleValuesParser::new(PARTS))]
    only: Vec<String>,
    /// Measure again what is there
    #[arg(long, requires = "run")]
    again: bool,
    /// One short round of everything, to see that it works: its figures are none
    #[arg(long, requires = "run")]
    quick: bool,
    /// What executes our guests
    #[arg(long, value_enum, default_value_t)]
    accel: AccelChoice,
    /// The core that serves, or the first of them
    #[arg(long, default_value_t = 1)]
    server_core: usize,
    /// The core that asks
    #[arg(long, default_value_t = 0)]
    client_core: usize,
}

impl ReportOptions {
    /// What is to be measured, on a host with so many cores, where KVM works or does not.
    pub(crate) fn parts(&self, kvm_works: bool, host_cores: usize) -> Vec<Part> {
        let setting = Setting {
            accel: self.accel.chosen(kvm_works),
            cores: Cores { server: self.server_core, servers: 1, client: self.client_core },
            host_cores,
            pace: if self.quick { Pace::Quick } else { Pace::Full },
        };
        let mut parts = parts(&setting);
        parts.retain(|part| self.only.is_empty() || self.only.iter().any(|name| name == part.name));
        parts
    }

    /// What becomes of rows that are there.
    pub(crate) fn earlier(&self) -> Earlier {
        if self.again { Earlier::Replaced } else { Earlier::Kept }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Arguments, BenchCommand, Command};

    fn parsed(words: &str) -> Result<ReportOptions, String> {
        let line = ["memstorm", "bench", "report"].into_iter().chain(words.split_ascii_whitespace());
        match Arguments::try_parse_from(line).map_err(|error| error.to_string())?.command {
            Command::Bench { command: BenchCommand::Report(options) } => Ok(options),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn parts_are_chosen_by_name() {
        let names =
            |words: &str| -> Vec<&str> { parsed(words).unwrap().parts(true, 2).iter().map(|part| part.name).collect() };
        assert_eq!(names("--run"), PARTS);
        assert_eq!(names("results --run --only batch,compare"), ["compare", "batch"]);
        assert!(parsed("--run --only colours").unwrap_err().contains("value-bytes"));
        assert!(parsed("--only batch").unwrap_err().contains("--run"));
        assert_eq!(parsed("results").unwrap().directory, Some(PathBuf::from("results")));
    }
}
