//! `memstorm run`: boot, wait until it serves, say so, and stay, or not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use image::Symbols;
use orchestrator::{Booting, Ending, Entry, Error, Host, Listen, NotReady, Plan, StateDir, annotate};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::args::{Output, RunOptions};
use crate::{FAILURE, kernel, output};

mod report;

/// How often the console is looked at once the appliance serves.
const POLL: Duration = Duration::from_millis(20);
/// Lines of the console that a failed boot shows.
const LAST_LINES: usize = 40;

/// An appliance that is being run, and all that is needed to follow and to end it.
struct Run {
    state: StateDir,
    booting: Booting,
    symbols: Symbols,
    interrupted: Arc<AtomicBool>,
}

pub(crate) fn run(options: &RunOptions) -> anyhow::Result<u8> {
    let bootable = kernel::bootable(options.image.as_deref())?;
    let state = StateDir::resolve()?;
    let plan = plan(options, &bootable.baked)?;
    if options.dry_run {
        let name = options.name.as_deref().unwrap_or("memstorm");
        output::line(&orchestrator::vmm_command_line(&plan, name, &state.files(name)).to_string())?;
        return Ok(0);
    }
    let symbols = Symbols::parse(&bootable.image.bytes)?;
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted))?;
    }
    let reservation = state.reserve(options.name.as_deref())?;
    let progress = output::progress(report::booting(&reservation.name, &plan));
    let booting = orchestrator::launch(&state, reservation, &plan, &bootable.image)?;
    let mut run = Run { state, booting, symbols, interrupted };
    let limit = Duration::from_secs(options.timeout);
    let ready = orchestrator::wait_ready(&run.state, &mut run.booting, limit, &run.interrupted);
    progress.finish_and_clear();
    match ready {
        Ok(ready) if options.detach => {
            report::ready(&run.booting.record, &ready, options.output)?;
            Ok(0)
        }
        Ok(ready) => {
            let followed =
                report::ready(&run.booting.record, &ready, options.output).and_then(|()| run.follow(options.output));
            // Whatever went wrong with printing: nobody watches the appliance any more.
            followed.or_else(|error| run.stop().and(Err(error)))
        }
        Err(reason) => run.not_ready(reason),
    }
}

fn plan(options: &RunOptions, baked: &str) -> Result<Plan, Error> {
    let mut spec = options.spec();
    if options.port == 0 && !options.dry_run {
        spec.listen = Listen::on_loopback(orchestrator::free_port()?);
    }
    orchestrator::plan(&spec, &Host::probe(), baked)
}

impl Run {
    /// Shows the console until the appliance ends, or ends it when interrupted. Returns the exit code.
    fn follow(&mut self, format: Output) -> anyhow::Result<u8> {
        let mut shown = 0;
        loop {
            let ended = self.booting.try_wait()?;
            self.booting.read_console()?;
            for text in &self.booting.console[shown..] {
                self.show(text, format)?;
            }
            shown = self.booting.console.len();
            if let Some(ending) = ended {
                return self.ended(&ending);
            }
            if self.interrupted.load(Ordering::Relaxed) {
                self.stop()?;
                return Ok(0);
            }
            thread::sleep(POLL);
        }
    }

    /// Prints a line of the console; with JSON on standard output it goes to standard error.
    fn show(&self, text: &str, format: Output) -> anyhow::Result<()> {
        let text = annotate(text, &self.symbols);
        match format {
            Output::Table => output::line(&text)?,
            Output::Json => eprintln!("{text}"),
        }
        Ok(())
    }

    /// The appliance has ended. After a good end nothing is left to be looked at.
    fn ended(&self, ending: &Ending) -> anyhow::Result<u8> {
        eprintln!("{}: {ending}", self.booting.record.name);
        if ending.code() == 0 {
            self.state.forget(&self.booting.record)?;
        }
        Ok(ending.code())
    }

    fn stop(&mut self) -> anyhow::Result<()> {
        let entry = Entry { record: self.booting.record.clone(), files: self.booting.files.clone() };
        orchestrator::stop(&self.state, &entry)?;
        self.booting.try_wait()?;
        Ok(())
    }

    /// The appliance does not serve: shows why, and leaves nothing running.
    fn not_ready(&mut self, reason: NotReady) -> anyhow::Result<u8> {
        self.booting.read_console()?;
        match reason {
            NotReady::Interrupted => {
                self.stop()?;
                Ok(0)
            }
            NotReady::Ended(ending) => {
                self.show_last_lines();
                self.ended(&ending)
            }
            NotReady::TimedOut(what) => {
                self.show_last_lines();
                self.stop()?;
                eprintln!("{}: not ready in time: {what}; --timeout gives it longer", self.booting.record.name);
                Ok(FAILURE)
            }
            NotReady::Failed(error) => {
                self.stop()?;
                Err(error.into())
            }
        }
    }

    fn show_last_lines(&self) {
        let console = &self.booting.console;
        for text in &console[console.len().saturating_sub(LAST_LINES)..] {
            eprintln!("{}", annotate(text, &self.symbols));
        }
    }
}
