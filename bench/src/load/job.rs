//! What is measured with a generator: one rate, several, or the highest that keeps a promise.

use super::error::LoadError;
use super::generator::{Generator, Rate};
use super::measured::Measured;
use super::scan::Scan;
use super::search::{Found, PIECES, Sla, highest_rate};

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Job {
    /// The records are stored, and that is all.
    LoadOnly,
    /// One rate.
    One(Rate),
    /// Several rates.
    Scan(Scan),
    /// The highest rate that keeps a promise.
    Search(Sla),
}

/// What has come of it.
#[derive(Clone, Debug)]
pub enum Done {
    /// The records are stored.
    Loaded,
    /// At one rate.
    One(Box<Measured>),
    /// At several.
    Scan(Vec<Measured>),
    /// The highest rate that keeps a promise.
    Search(Sla, Box<Found>),
}

/// What has come of it, and of whom it is said.
#[derive(Clone, Debug)]
pub struct Report {
    /// What the server calls its version, if it says.
    pub server: Option<String>,
    /// The figures.
    pub done: Done,
}

impl Job {
    /// Connects, stores the records, and measures. `progress` hears what takes time.
    pub fn carry_out(self, generator: &mut Generator<'_>, mut progress: impl FnMut(&str)) -> Result<Report, LoadError> {
        progress("connecting");
        generator.connect()?;
        let server = generator.ask("version")?.and_then(|answer| version(&answer));
        progress("storing the records");
        generator.load()?;
        let mut announce = |rate| {
            progress(&match rate {
                Rate::Peak => "measuring, closed loop".to_owned(),
                Rate::PerSecond(rate) => format!("measuring at {rate:.0} requests/s"),
            });
        };
        let mut measure = |rate| {
            announce(rate);
            generator.measure(rate)
        };
        let done = match self {
            Job::LoadOnly => Done::Loaded,
            Job::One(rate) => Done::One(Box::new(measure(rate)?)),
            Job::Scan(scan) => Done::Scan(scan.rates().map(Rate::PerSecond).map(measure).collect::<Result<_, _>>()?),
            Job::Search(sla) => {
                let peak = measure(Rate::Peak)?;
                let measure = |rate| {
                    announce(rate);
                    generator.measure_pieces(rate, PIECES)
                };
                Done::Search(sla, Box::new(highest_rate(sla, peak, measure)?))
            }
        };
        Ok(Report { server, done })
    }
}

/// What follows `VERSION`.
fn version(answer: &str) -> Option<String> {
    answer.trim_end().strip_prefix("VERSION ").map(str::to_owned)
}
