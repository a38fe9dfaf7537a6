//! Instructions per request on 1, 2 and 4 cores: another core must cost the others nothing.
//!
//! The appliance runs under QEMU's translator with `-icount shift=0`, where its time-stamp counter counts instructions, with a
//! queue pair for each core and RSS. The same requests come over as many connections a core, however many cores there are:
//! what a turn costs is shared by its batch, so batches have to be alike, and are printed.
//!
//! ```text
//! machine    the appliance under QEMU
//! load       connections, dealt out evenly among the cores, that ask for keys and check the values
//! account    what each core's stages took, from `stats dataplane`
//! ```

mod account;
mod load;
mod machine;

use std::path::Path;

use anyhow::{Context, Result, ensure};

use self::account::{Account, Reading};
use self::load::Load;
use self::machine::Machine;
use crate::appliance::Memstorm;
use crate::client::Client;
use crate::namespace::{Namespace, Tap};

/// What any two cores may differ by, in percent.
const MOST_DIFFERENCE: f64 = 5.0;
/// Turns that may be left out, in percent: long ones are likelier to be.
const MOST_LEFT_OUT: f64 = 1.0;
/// What their batches may differ by, in percent: beyond that instructions say nothing about cores, and all is measured once
/// more, so many times in all.
const MOST_BATCH_DIFFERENCE: f64 = 25.0;
const ATTEMPTS: u32 = 6;

/// How many, and how much.
#[derive(Clone, Debug)]
pub struct Options {
    /// Numbers of cores.
    pub cores: Vec<u32>,
    /// Connections of each core.
    pub connections: usize,
    /// Requests that each core answers at least.
    pub requests: u64,
}

/// Prints what a request takes on each core. An error names the promise that was broken. Needs root.
pub fn instructions(options: &Options) -> Result<()> {
    let memstorm = Memstorm::new()?;
    let folder = tempfile::tempdir()?;
    memstorm.call(&["build", "--format", "elf", "-o", &folder.path().display().to_string()])?;
    let image = folder.path().join("memstorm.elf");
    for attempt in 1.. {
        let accounts = account_for(&image, options)?;
        let batches = largest_difference(&accounts, Account::mean_batch);
        if batches <= MOST_BATCH_DIFFERENCE {
            memstorm.finish()?;
            return check(&accounts);
        }
        println!("batches differ by {batches:.1} %, as on a busy machine: that says nothing about cores");
        ensure!(attempt < ATTEMPTS, "batches were never alike");
    }
    Ok(())
}

/// What a request takes on each core of each number of cores.
fn account_for(image: &Path, options: &Options) -> Result<Vec<Account>> {
    println!("{}", Account::HEAD);
    let mut accounts = Vec::new();
    for &cores in &options.cores {
        let namespace = Namespace::create_with(if cores == 1 { Tap::OneQueue } else { Tap::ManyQueues })?;
        let of_cores = namespace.run(|| {
            let machine = Machine::boot(image, cores)?;
            measure(cores as usize, options).with_context(|| format!("console:\n{}", machine.console()))
        })?;
        of_cores.iter().for_each(|account| println!("{account}"));
        accounts.extend(of_cores);
    }
    Ok(accounts)
}

fn measure(cores: usize, options: &Options) -> Result<Vec<Account>> {
    let server = machine::address();
    let mut control = Client::connect(server)?;
    let mut load = Load::place(server, &mut control, cores, options.connections)?;
    load.warm_up()?;
    let before = Reading::take(&mut control)?;
    load.drive(options.requests)?;
    let after = Reading::take(&mut control)?;
    load.finish()?;
    Ok((0..cores).map(|core| Account::new(cores, core, &before, &after)).collect())
}

fn check(accounts: &[Account]) -> Result<()> {
    let difference = largest_difference(accounts, Account::instructions_per_request);
    let batches = largest_difference(accounts, Account::mean_batch);
    let left_out = accounts.iter().map(Account::left_out_percent).fold(0.0, f64::max);
    println!(
        "largest difference: {difference:.2} % in instructions per request, {batches:.1} % in batches; left out: {left_out:.2} % of turns"
    );
    ensure!(left_out <= MOST_LEFT_OUT, "{left_out:.2} % of a core's turns were left out, more than {MOST_LEFT_OUT} %");
    ensure!(difference <= MOST_DIFFERENCE, "instructions per request differ by {difference:.2} %");
    Ok(())
}

/// By how many percent the largest exceeds the smallest.
fn largest_difference(accounts: &[Account], of: impl Fn(&Account) -> f64) -> f64 {
    let values = || accounts.iter().map(&of);
    let (least, most) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
    100.0 * (most / least - 1.0)
}
