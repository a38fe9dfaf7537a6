//! The booted image, from outside: every machine it runs on, real clients, and all that can be wrong with a start.
//!
//! What this machine lacks for a test stands in the test's name, and the test counts as ignored.

mod clients;
mod configuration;
mod dropin;
mod machines;
mod operations;
mod oracle;
mod selftests;
mod vhost;
mod watching;

use anyhow::Result;
use ci::host::Missing;
use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let mut arguments = Arguments::from_args();
    // Two guests at a time would share two cores with their VMMs, and the clocks of the tests with them.
    arguments.test_threads.get_or_insert(1);
    let trials = [
        oracle::trials(),
        machines::trials(),
        operations::trials(),
        clients::trials(),
        configuration::trials(),
        dropin::trials(),
        selftests::trials(),
        vhost::trials(),
        watching::trials(),
    ];
    libtest_mimic::run(&arguments, trials.into_iter().flatten().collect()).exit();
}

/// A test, ignored if something is missing for it.
fn trial(name: &str, missing: Missing, body: impl FnOnce() -> Result<()> + Send + 'static) -> Trial {
    let name = match missing {
        Some(what) => format!("{name} (needs {what})"),
        None => name.to_owned(),
    };
    let run = move || body().map_err(|error| Failed::from(format!("{error:#}")));
    Trial::test(name, run).with_ignored_flag(missing.is_some())
}
