//! Waiting until an appliance serves.
//!
//! The console comes first: it says when the appliance listens, and where. Only then is a request sent, for a VMM that
//! forwards a port accepts connections long before the guest does, and would leave a client to the retransmission of lost SYNs.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::record::ReadyLine;
use crate::{Booting, Ending, Error, Net, Ready, StateDir, wire};

/// How often the console is looked at.
const POLL: Duration = Duration::from_millis(1);
/// How long one request may take before another connection is tried.
const ANSWER: Duration = Duration::from_millis(250);

/// Why an appliance does not serve.
#[derive(Debug)]
pub enum NotReady {
    /// It ended.
    Ended(Ending),
    /// It was not ready within the time given: what it was waited for.
    TimedOut(String),
    /// Whoever waited was interrupted.
    Interrupted,
    /// The host failed.
    Failed(Error),
}

impl From<Error> for NotReady {
    fn from(error: Error) -> NotReady {
        NotReady::Failed(error)
    }
}

/// Waits until the appliance serves, for `limit` from the exec of its VMM at most, or until `interrupted` is set. On success
/// the instance's record has the times.
pub fn wait_ready(
    state: &StateDir,
    booting: &mut Booting,
    limit: Duration,
    interrupted: &AtomicBool,
) -> Result<Ready, NotReady> {
    let wait = Wait { deadline: booting.executed + limit, interrupted };
    let line = loop {
        let first = booting.read_console()?;
        if let Some(line) = booting.console[first..].iter().find_map(|line| ReadyLine::parse(line)) {
            break line;
        }
        wait.go_on(booting, || "the appliance did not say that it is ready".to_owned())?;
        thread::sleep(POLL);
    };
    let seen_us = elapsed_us(booting);
    let address = booting.record.address.unwrap_or(line.address);
    let answered_us = match booting.net {
        Net::VhostUser(_) => None,
        Net::User | Net::Tap(_) => {
            wait.first_answer(booting, address)?;
            Some(elapsed_us(booting))
        }
    };
    let ready_ms = answered_us.unwrap_or(seen_us) as f64 / 1e3;
    let ready = Ready { address, ready_ms, phases: line.phases(seen_us, answered_us) };
    booting.record.address = Some(address);
    if booting.record.http.is_none() && booting.http_port != 0 {
        booting.record.http = Some((line.address.ip(), booting.http_port).into());
    }
    booting.record.ready = Some(ready.clone());
    state.write(&booting.record)?;
    Ok(ready)
}

/// What ends the waiting early.
struct Wait<'a> {
    deadline: Instant,
    interrupted: &'a AtomicBool,
}

impl Wait<'_> {
    /// Asks for the version until it is told.
    fn first_answer(&self, booting: &mut Booting, address: SocketAddr) -> Result<(), NotReady> {
        while let Err(error) = wire::version(address, ANSWER) {
            let advice = match booting.net {
                Net::Tap(_) => format!("; is there a way to it? (`ip route get {}`)", address.ip()),
                Net::User | Net::VhostUser(_) => String::new(),
            };
            let what = || format!("the appliance says it is ready, but {address} does not answer ({error}){advice}");
            self.go_on(booting, what)?;
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// Whether to go on waiting; `what` says for what.
    fn go_on(&self, booting: &mut Booting, what: impl FnOnce() -> String) -> Result<(), NotReady> {
        if self.interrupted.load(Ordering::Relaxed) {
            return Err(NotReady::Interrupted);
        }
        if let Some(ending) = booting.try_wait()? {
            return Err(NotReady::Ended(ending));
        }
        if Instant::now() >= self.deadline { Err(NotReady::TimedOut(what())) } else { Ok(()) }
    }
}

fn elapsed_us(booting: &Booting) -> u64 {
    booting.executed.elapsed().as_micros() as u64
}
