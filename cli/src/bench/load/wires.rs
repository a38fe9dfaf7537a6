//! The wires by which a job can be carried out.

use std::net::{SocketAddr, SocketAddrV4};
use std::path::Path;
use std::time::Duration;

use bench::load::wires::own::{Guest, Link, over_tap};
use bench::load::wires::sockets::{Sockets, allow_sockets};
use bench::load::{Generator, Job, LoadError, Plan, Report, with_generator};

use crate::args::{LoadOptions, WireChoice};
use crate::output;

/// How long a guest may take to boot.
const BOOT: Duration = Duration::from_secs(60);

pub(super) fn carry_out(options: &LoadOptions, plan: &Plan, job: Job) -> Result<Report, LoadError> {
    match &options.wire {
        WireChoice::Sockets => over_sockets(options, plan, job),
        WireChoice::Tap(name) => {
            let link = link(options, plan)?;
            with_generator(plan, |_| over_tap(name, &link, plan), |generator| with_progress(generator, job))
        }
        WireChoice::VhostUser(path) => to_guest(path, options, plan, job),
    }
}

fn over_sockets(options: &LoadOptions, plan: &Plan, job: Job) -> Result<Report, LoadError> {
    let server = options.address()?;
    // One more for the server's statistics, and an epoll instance.
    allow_sockets(plan.threads * (plan.connections + 2))?;
    let make_wire = |thread| Sockets::new(server, plan.transport, thread, plan.connections);
    with_generator(plan, make_wire, |generator| with_progress(generator, job))
}

fn to_guest(path: &Path, options: &LoadOptions, plan: &Plan, job: Job) -> Result<Report, LoadError> {
    let link = link(options, plan)?;
    let guest = Guest::listen(path, options.queues)?;
    let make_wire = |_| guest.wire(&link, plan);
    with_generator(plan, make_wire, |generator| {
        let shown = output::progress(format!("waiting for a guest at {}", path.display()));
        let waited = guest.wait(BOOT);
        shown.finish_and_clear();
        waited?;
        with_progress(generator, job)
    })
}

fn with_progress(generator: &mut Generator<'_>, job: Job) -> Result<Report, LoadError> {
    let mut shown = output::progress("starting".to_owned());
    let report = job.carry_out(generator, |what| {
        shown.finish_and_clear();
        shown = output::progress(what.to_owned());
    });
    shown.finish_and_clear();
    report
}

/// Both ends of a wire of our own.
fn link(options: &LoadOptions, plan: &Plan) -> Result<Link, LoadError> {
    let impossible = |what: &str| LoadError::Impossible(what.to_owned());
    if plan.threads != 1 {
        return Err(impossible("several threads: this wire is polled by one"));
    }
    let server = match options.address()? {
        SocketAddr::V4(server) => server,
        SocketAddr::V6(_) => return Err(impossible("an IPv6 server: our own stack has IPv4")),
    };
    let own =
        options.client.ok_or_else(|| impossible("--client IP/PREFIX is needed with this wire: our own address"))?;
    Ok(Link { server: SocketAddrV4::new(*server.ip(), server.port()), ip: own.ip, prefix: own.prefix })
}
