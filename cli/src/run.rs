//! `memstorm run`: boot, wait until it serves, say so, and stay, or not.

use std::time::Duration;

use orchestrator::{Error, Host, Lifetime, Listen, Plan, StateDir};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::args::{Output, RunOptions};
use crate::foreground::{self, Booted, Console, Order};
use crate::{kernel, output};

mod report;

pub(crate) fn run(options: &RunOptions) -> anyhow::Result<u8> {
    let bootable = kernel::bootable(options.image.as_deref())?;
    let state = StateDir::resolve()?;
    let plan = plan(options, &bootable.baked)?;
    if options.dry_run {
        let name = options.name.as_deref().unwrap_or("memstorm");
        output::line(&orchestrator::vmm_command_line(&plan, name, &state.files(name)).to_string())?;
        return Ok(0);
    }
    let booted = foreground::boot(Order {
        state,
        plan: &plan,
        image: &bootable.image,
        name: options.name.as_deref(),
        lifetime: Lifetime::Own,
        limit: Duration::from_secs(options.timeout),
        console: match options.output {
            Output::Table => Console::Out,
            Output::Json => Console::Err,
        },
        progress: &|name| report::booting(name, &plan),
        ended_by: &[SIGINT, SIGTERM, SIGHUP],
    })?;
    let (mut run, ready) = match booted {
        Booted::Serves(run, ready) => (run, ready),
        Booted::Ended(code) => return Ok(code),
    };
    let reported = report::ready(&run.booting.record, &ready, options.output);
    match reported {
        _ if options.detach => reported.map(|()| 0),
        Ok(()) => run.follow(),
        // Whatever went wrong with printing: nobody watches the appliance.
        Err(error) => run.stop().and(Err(error)),
    }
}

fn plan(options: &RunOptions, baked: &str) -> Result<Plan, Error> {
    let mut spec = options.spec();
    if options.port == 0 && !options.dry_run {
        spec.listen = Listen::on_loopback(orchestrator::free_port()?);
    }
    orchestrator::plan(&spec, &Host::probe(), baked)
}
