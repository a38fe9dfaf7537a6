//! HTTP/1.1 (RFC 9110, RFC 9112) for those who watch the appliance, on a port of its own: `GET` and `HEAD` of `/metrics`, in
//! Prometheus' text format 0.0.4, and of `/healthz`.
//!
//! ```text
//! lines -> Head (request line, the fields that matter) -> answer: short ones at once, metrics sample by sample in chunks
//! ```
//!
//! Nothing can be changed from here, and no token is asked for. A request has no business having a body: one that says it has is
//! answered, and the connection closed, as after all that cannot be parsed.

mod date;
mod metrics;
mod request;
mod response;

use super::line::before_newline;
use super::output::Output;
use super::scan;
use super::server::{Dataplane, Server};
use super::session::State;
use super::step::{LINE_LIMIT, Next, REPLY_ROOM, Status, Step};
use request::{Head, Resource};
use response::{After, Body, Code, Sender};

/// Bytes of a request's head at most.
const MAX_HEAD: usize = 4096;

/// Where a connection stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Http {
    /// Before or within the head of a request.
    Head(Head),
    /// Within the metrics.
    Metrics {
        /// Samples that were sent.
        sent: u32,
        /// Whether there are chunks, which need a last one.
        body: Body,
        after: After,
    },
}

impl Default for Http {
    fn default() -> Http {
        Http::Head(Head::default())
    }
}

/// Takes a line, or goes on with an answer. Returns the state after it.
pub(super) fn execute(
    http: Http,
    input: &[u8],
    server: &Server,
    dataplane: &dyn Dataplane,
    out: &mut impl Output,
) -> (Step, State) {
    if out.room() < REPLY_ROOM {
        return (Step::stop(Status::NeedRoom), State::Http(http));
    }
    match http {
        Http::Head(head) => take_line(head, input, server, out),
        Http::Metrics { mut sent, body, after } => {
            let is_done = metrics::send(&mut sent, body, server, dataplane, out);
            let state = if is_done { next(after) } else { State::Http(Http::Metrics { sent, body, after }) };
            (if is_done { Step::go_on(0) } else { Step::stop(Status::NeedRoom) }, state)
        }
    }
}

fn take_line(mut head: Head, input: &[u8], server: &Server, out: &mut impl Output) -> (Step, State) {
    let too_long = if head.is_empty() { Code::TargetTooLong } else { Code::HeadTooLarge };
    let Some(end) = scan::find_newline(input) else {
        if input.len() >= LINE_LIMIT || head.bytes() + input.len() > MAX_HEAD {
            return refuse(too_long, input.len(), server, out);
        }
        return (Step::stop(Status::NeedInput), State::Http(Http::Head(head)));
    };
    if head.bytes() + end + 1 > MAX_HEAD {
        return refuse(too_long, end + 1, server, out);
    }
    // Here a carriage return alone is an empty line.
    let line = if &input[..end] == b"\r" { b"" } else { before_newline(input, end) };
    let state = match head.take(line, end + 1) {
        Ok(None) => State::Http(Http::Head(head)),
        Ok(Some(request)) => answer(request, server, out),
        Err(code) => return refuse(code, end + 1, server, out),
    };
    (Step::go_on(end + 1), state)
}

/// Answers a request that is complete.
fn answer(request: request::Request, server: &Server, out: &mut impl Output) -> State {
    let sender = Sender { after: request.after, server };
    let short = match (request.resource, request.is_read) {
        (Resource::Other, _) => Some(Code::NotFound),
        (_, false) => Some(Code::MethodNotAllowed),
        (Resource::Health, true) => Some(Code::Ok),
        (Resource::Metrics, true) => None,
    };
    match short {
        Some(code) => sender.send_text(code, request.body, out),
        None => {
            sender.begin_metrics(request.body, out);
            if request.body != Body::Absent {
                return State::Http(Http::Metrics { sent: 0, body: request.body, after: request.after });
            }
        }
    }
    next(request.after)
}

/// Answers what is no request, and closes: where the next one begins is not known.
fn refuse(code: Code, consumed: usize, server: &Server, out: &mut impl Output) -> (Step, State) {
    Sender { after: After::Close, server }.send_text(code, Body::Whole, out);
    (Step { consumed, next: Next::GoOn }, State::Over)
}

fn next(after: After) -> State {
    match after {
        After::Stay => State::Http(Http::default()),
        After::Close => State::Over,
    }
}

#[cfg(test)]
mod tests;
