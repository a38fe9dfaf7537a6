//! `memstorm memcached`: an appliance that behaves as memcached would with the same command line, for scripts that start one.
//!
//! ```text
//! options    memcached's options by its names       extended   what follows -o
//! settings   what they ask of an appliance          refusal    wrong ones, with memcached's exit codes
//! ```

mod extended;
mod options;
mod refusal;
mod settings;

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser as _;
use clap::error::ErrorKind;
use orchestrator::{Error, Host, Lifetime, Memory, Net, Pages, Plan, Spec, StateDir, Validation};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};

use self::options::Options;
use self::refusal::{EX_OSERR, EXIT_FAILURE};
use self::settings::{Resources, Settings};
use crate::foreground::{self, Booted, Console, Foreground, Order};
use crate::{kernel, output};

/// What it calls itself, as the appliance does.
const VERSION: &str = concat!("memcached 1.6.18-memstorm-", env!("CARGO_PKG_VERSION"));
/// How long the appliance may take to serve.
const BOOT: Duration = Duration::from_secs(60);

/// Runs memcached's command line. Returns the exit code.
pub(crate) fn memcached(words: &[OsString]) -> anyhow::Result<u8> {
    let options = match Options::try_parse_from(words) {
        Ok(options) => options,
        Err(error) => {
            error.print()?;
            return Ok(if error.kind() == ErrorKind::DisplayHelp { 0 } else { EXIT_FAILURE });
        }
    };
    if options.version {
        output::line(VERSION)?;
        return Ok(0);
    }
    if options.license {
        output::line(&format!("{VERSION}\n\nMemstorm is licensed as {}.", env!("CARGO_PKG_LICENSE")))?;
        return Ok(0);
    }
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let settings = match Settings::new(&options, Resources { cores, free_port: orchestrator::free_port()? }) {
        Ok(settings) => settings,
        Err(refusal) => {
            eprintln!("{refusal}");
            return Ok(refusal.code);
        }
    };
    settings.notes.iter().for_each(|note| eprintln!("{note}"));
    match serve(&options, &settings) {
        Err(error) => match error.downcast_ref::<Error>() {
            Some(Error::PortTaken { .. } | Error::PortUnusable { .. }) => {
                eprintln!("failed to listen: {error}");
                Ok(EX_OSERR)
            }
            _ => Err(error),
        },
        served => served,
    }
}

/// Boots the appliance, and watches it unless it is to be a daemon.
fn serve(options: &Options, settings: &Settings) -> anyhow::Result<u8> {
    let kernel = kernel::find()?;
    // Into the image, not onto the VMM's command line, where everyone would see the password.
    let image = image::build(&kernel::read(&kernel)?, &settings.words).with_context(|| kernel.display().to_string())?;
    let plan = plan(options, settings)?;
    // memcached reads its authentication file again; there is nothing of that kind here.
    signal_hook::flag::register(SIGHUP, Arc::new(AtomicBool::new(false)))?;
    let booted = foreground::boot(Order {
        state: StateDir::resolve()?,
        plan: &plan,
        image: &image,
        name: None,
        // Of a memcached that is killed nothing is left either.
        lifetime: if options.daemon { Lifetime::Own } else { Lifetime::Launchers },
        limit: BOOT,
        console: if options.verbose == 0 { Console::ErrIfAmiss } else { Console::Err },
        progress: &|name| format!("booting {name} with {} core(s), {}", plan.cores, plan.memory),
        ended_by: &[SIGINT, SIGTERM, SIGUSR1],
    })?;
    let mut run = match booted {
        Booted::Serves(run, _) => run,
        Booted::Ended(code) => return Ok(code),
    };
    let pid_file = options.pidfile.as_deref().map(Path::new);
    let pid = if options.daemon { run.booting.record.process.pid } else { std::process::id() };
    if let Some(path) = pid_file {
        save_pid(path, pid);
    }
    if options.daemon {
        return Ok(0);
    }
    follow(&mut run, pid_file)
}

fn follow(run: &mut Foreground, pid_file: Option<&Path>) -> anyhow::Result<u8> {
    let followed = run.follow();
    if let Some(path) = pid_file {
        // As memcached: one that is gone, or was never written, is nobody's fault.
        let _ = fs::remove_file(path);
    }
    followed
}

/// As memcached: what cannot be written is said, and is no reason not to serve.
fn save_pid(path: &Path, pid: u32) {
    if let Err(error) = fs::write(path, format!("{pid}\n")) {
        eprintln!("Could not open the pid file {} for writing: {error}", path.display());
    }
}

fn plan(options: &Options, settings: &Settings) -> Result<Plan, Error> {
    let mut spec = Spec {
        vmm: None,
        accel: None,
        machine: None,
        net: Net::User,
        cores: settings.cores,
        memory: Memory { mib: settings.machine_mib },
        pages: options.enable_largepages.then_some(Pages::Huge),
        listen: settings.listen.clone(),
        append: String::new(),
        validation: Validation::Host,
    };
    let host = Host::probe();
    match orchestrator::plan(&spec, &host, &settings.words) {
        Err(error @ Error::Missing { .. }) if spec.pages.is_some() => {
            eprintln!("Failed to enable large page: {error}");
            spec.pages = None;
            orchestrator::plan(&spec, &host, &settings.words)
        }
        planned => planned,
    }
}

#[cfg(test)]
mod tests;
