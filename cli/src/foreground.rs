//! An appliance that is booted and then watched: until it ends, or until the user ends it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use image::{Image, Symbols};
use orchestrator::{Booting, Ending, Entry, Lifetime, NotReady, Plan, Ready, StateDir, annotate};

use crate::{FAILURE, output};

/// How often the console is looked at once the appliance serves.
const POLL: Duration = Duration::from_millis(20);
/// Lines of the console that a failed boot shows.
const LAST_LINES: usize = 40;

/// Where the console goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Console {
    /// To standard output.
    Out,
    /// To standard error.
    Err,
    /// What is amiss goes to standard error, the rest nowhere.
    ErrIfAmiss,
}

/// An appliance to be booted.
pub(crate) struct Order<'a> {
    pub(crate) state: StateDir,
    pub(crate) plan: &'a Plan,
    pub(crate) image: &'a Image,
    /// The instance's name; `None` takes one that is free.
    pub(crate) name: Option<&'a str>,
    /// Whether it goes on when we are gone.
    pub(crate) lifetime: Lifetime,
    /// How long it may take to serve.
    pub(crate) limit: Duration,
    pub(crate) console: Console,
    /// What is said while it boots, of the name that it has.
    pub(crate) progress: &'a dyn Fn(&str) -> String,
    /// Signals that end it.
    pub(crate) ended_by: &'a [i32],
}

/// What became of an order.
pub(crate) enum Booted {
    /// It serves.
    Serves(Box<Foreground>, Ready),
    /// It does not, as was said on standard error: the exit code.
    Ended(u8),
}

/// An appliance that is being run, and all that is needed to follow and to end it.
pub(crate) struct Foreground {
    state: StateDir,
    pub(crate) booting: Booting,
    symbols: Symbols,
    console: Console,
    interrupted: Arc<AtomicBool>,
}

/// Boots an appliance, and waits until it serves.
pub(crate) fn boot(order: Order<'_>) -> anyhow::Result<Booted> {
    let symbols = Symbols::parse(&order.image.bytes)?;
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in order.ended_by {
        signal_hook::flag::register(*signal, Arc::clone(&interrupted))?;
    }
    let reservation = order.state.reserve(order.name)?;
    let progress = match order.console {
        Console::ErrIfAmiss => None,
        Console::Out | Console::Err => Some(output::progress((order.progress)(&reservation.name))),
    };
    let booting = orchestrator::launch(&order.state, reservation, order.plan, order.image, order.lifetime)?;
    let mut run = Foreground { state: order.state, booting, symbols, console: order.console, interrupted };
    let ready = orchestrator::wait_ready(&run.state, &mut run.booting, order.limit, &run.interrupted);
    if let Some(progress) = progress {
        progress.finish_and_clear();
    }
    match ready {
        Ok(ready) => Ok(Booted::Serves(Box::new(run), ready)),
        Err(reason) => run.not_ready(reason).map(Booted::Ended),
    }
}

impl Foreground {
    /// Shows the console until the appliance ends, or ends it when interrupted. Returns the exit code.
    pub(crate) fn follow(&mut self) -> anyhow::Result<u8> {
        let followed = self.follow_to_the_end();
        // Whatever went wrong with printing: nobody watches the appliance any more.
        followed.or_else(|error| self.stop().and(Err(error)))
    }

    fn follow_to_the_end(&mut self) -> anyhow::Result<u8> {
        let mut shown = 0;
        loop {
            let ended = self.booting.try_wait()?;
            self.booting.read_console()?;
            for text in &self.booting.console[shown..] {
                self.show(text)?;
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

    /// Shows a line of the console.
    fn show(&self, text: &str) -> anyhow::Result<()> {
        let is_usual = || ["info:", "debug:", "ready:", "exit:"].iter().any(|level| text.starts_with(level));
        match self.console {
            Console::Out => output::line(&annotate(text, &self.symbols))?,
            Console::ErrIfAmiss if is_usual() => {}
            Console::Err | Console::ErrIfAmiss => eprintln!("{}", annotate(text, &self.symbols)),
        }
        Ok(())
    }

    /// The appliance has ended. After a good end nothing is left to be looked at.
    fn ended(&self, ending: &Ending) -> anyhow::Result<u8> {
        let code = ending.code();
        if code != 0 || self.console != Console::ErrIfAmiss {
            eprintln!("{}: {ending}", self.booting.record.name);
        }
        if code == 0 {
            self.state.forget(&self.booting.record)?;
        }
        Ok(code)
    }

    /// Ends the appliance.
    pub(crate) fn stop(&mut self) -> anyhow::Result<()> {
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
