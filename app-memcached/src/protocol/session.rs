//! One client's place in the protocol.

use super::auth;
use super::binary;
use super::dialect::Speech;
use super::dump::Dump;
use super::http::{self, Http};
use super::line::{Words, before_newline};
use super::meta;
use super::output::Output;
use super::payload::Payload;
use super::reply::{self, Answer};
use super::scan;
use super::server::{Dataplane, Server};
use super::step::{After, Home, LINE_LIMIT, Next, REPLY_ROOM, Status, Step};
use super::value::Transfer;
use super::verb;
use super::verb::get::{self, Keys};
use super::verb::stats::Listing;
use super::verb::storage;
use super::watching::Watching;

const _: () = assert!(meta::MAX_LINE <= REPLY_ROOM);

/// One client's state. It has to be [`close`](Session::close)d.
#[derive(Debug, Default)]
pub struct Session {
    pub(super) state: State,
}

/// Where a client stands.
#[derive(Debug, Default)]
pub(super) enum State {
    /// Before the first byte, which says what protocol it speaks.
    #[default]
    Start,
    /// Before a token, without which nothing is answered.
    Locked,
    /// Before a command line.
    Line,
    /// Before a frame of the binary protocol.
    Frame,
    /// Before a key of a `get` or its kin.
    Keys(Keys),
    /// Within a value being sent.
    Value(Transfer, Then),
    /// Within the payload of a storage command.
    Payload(Payload),
    /// Within a payload that nobody wants: bytes left, and what comes then.
    Swallow(usize, Home),
    /// Within a command line that nobody wants, after which `END` may be due.
    Discard(After),
    /// Within the reply of a `stats`.
    Listing(Listing),
    /// Within a walk over all items.
    Dump(Dump),
    /// Told what happens, for good.
    Watching(Watching),
    /// Of HTTP, on its own port.
    Http(Http),
    /// After `quit`, or after a line that did not end.
    Over,
}

/// What comes after a value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Then {
    /// More keys, perhaps.
    Keys(Keys),
    /// Another request.
    Home(Home),
}

impl Home {
    fn state(self) -> State {
        match self {
            Home::Line => State::Line,
            Home::Frame => State::Frame,
        }
    }
}

impl Then {
    fn state(self) -> State {
        match self {
            Then::Keys(keys) => State::Keys(keys),
            Then::Home(home) => home.state(),
        }
    }
}

/// What [`Session::advance`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advance {
    /// Bytes of the input that are done with. The others, fewer than [`LINE_LIMIT`] if more input is wanted, have to be
    /// presented again, with what follows them.
    pub consumed: usize,
    /// What is needed to go on.
    pub status: Status,
}

impl Session {
    /// A client that speaks HTTP.
    pub fn http() -> Session {
        Session { state: State::Http(Http::default()) }
    }

    /// Works through `input`, as far as it and the room in `out` reach.
    pub fn advance(
        &mut self,
        input: &[u8],
        server: &mut Server,
        dataplane: &dyn Dataplane,
        out: &mut impl Output,
    ) -> Advance {
        let mut consumed = 0;
        loop {
            let rest = &input[consumed..];
            let step = self.step(rest, server, dataplane, out);
            consumed += step.consumed;
            if let Next::Stop(status) = step.next {
                return Advance { consumed, status };
            }
        }
    }

    /// Whether a command line comes next.
    #[inline]
    pub fn is_at_line(&self) -> bool {
        matches!(self.state, State::Line)
    }

    /// Whether the client is told what happens, and nothing else.
    pub fn is_watching(&self) -> bool {
        matches!(self.state, State::Watching(_))
    }

    /// Gives back what the session holds of the store, and its place among the watchers.
    pub fn close(&mut self, server: &mut Server) {
        match core::mem::replace(&mut self.state, State::Over) {
            State::Value(transfer, _) => transfer.close(server),
            State::Payload(payload) => payload.close(server),
            State::Watching(watching) => watching.close(server),
            _ => {}
        }
    }

    #[inline]
    fn step(&mut self, input: &[u8], server: &mut Server, dataplane: &dyn Dataplane, out: &mut impl Output) -> Step {
        // By far the most frequent, and kept apart from all others.
        if matches!(self.state, State::Line) {
            return self.line(input, server, out);
        }
        self.step_elsewhere(input, server, dataplane, out)
    }

    #[inline(never)]
    fn step_elsewhere(
        &mut self,
        input: &[u8],
        server: &mut Server,
        dataplane: &dyn Dataplane,
        out: &mut impl Output,
    ) -> Step {
        match &mut self.state {
            State::Line => Step::go_on(0),
            State::Keys(keys) => {
                let (step, state) = get::next_key(*keys, input, server, out);
                self.state = state;
                step
            }
            State::Value(transfer, then) => {
                let then = *then;
                if !transfer.advance(server, out) {
                    return Step::stop(Status::NeedRoom);
                }
                if let State::Value(transfer, _) = core::mem::replace(&mut self.state, then.state()) {
                    transfer.close(server);
                }
                Step::go_on(0)
            }
            State::Payload(payload) => {
                let (step, done) = payload.take(input, server, out);
                if done && let State::Payload(payload) = core::mem::take(&mut self.state) {
                    self.state = payload.publish(server, out);
                }
                step
            }
            State::Frame => {
                let (step, state) = binary::execute(input, server, out);
                self.state = state;
                step
            }
            State::Start => self.begin(input, server),
            State::Locked => match server.settings.auth {
                Some(token) => {
                    let (step, state) = auth::execute(&token, input, server, out);
                    self.state = state;
                    step
                }
                None => self.begin(input, server),
            },
            State::Swallow(left, home) => {
                let (n, home) = (input.len().min(*left), *home);
                *left -= n;
                if *left > 0 {
                    return Step { consumed: n, next: Next::Stop(Status::NeedInput) };
                }
                self.state = home.state();
                Step::go_on(n)
            }
            State::Discard(after) => {
                let after = *after;
                self.discard(input, after, out)
            }
            State::Listing(listing) => {
                if let Some(status) = listing.advance(server, dataplane, out) {
                    return Step::stop(status);
                }
                self.state = listing.home().state();
                Step::go_on(0)
            }
            State::Dump(dump) => {
                if let Some(status) = dump.advance(server, out) {
                    return Step::stop(status);
                }
                self.state = State::Line;
                Step::go_on(0)
            }
            // What it says is not read.
            State::Watching(watching) => {
                Step { consumed: input.len(), next: Next::Stop(watching.advance(server, out)) }
            }
            State::Http(http) => {
                let (step, state) = http::execute(*http, input, server, dataplane, out);
                self.state = state;
                step
            }
            State::Over => Step { consumed: input.len(), next: Next::Stop(Status::Quit) },
        }
    }

    /// Learns what protocol the client speaks.
    #[cold]
    fn begin(&mut self, input: &[u8], server: &Server) -> Step {
        self.state = match input.first() {
            None => return Step::stop(Status::NeedInput),
            Some(_) if server.settings.auth.is_some() => State::Locked,
            Some(&first) => match server.settings.dialect.speech {
                Speech::Ascii => State::Line,
                Speech::Binary => State::Frame,
                Speech::Auto if first == binary::MAGIC => State::Frame,
                Speech::Auto => State::Line,
            },
        };
        Step::go_on(0)
    }

    /// Executes the command line at the start of `input`.
    #[inline]
    fn line(&mut self, input: &[u8], server: &mut Server, out: &mut impl Output) -> Step {
        if input.is_empty() {
            return Step::stop(Status::NeedInput);
        }
        if out.room() < REPLY_ROOM {
            return Step::stop(Status::NeedRoom);
        }
        if let Some(step) = get::single(input, &mut self.state, server, out) {
            return step;
        }
        if let Some(step) = storage::plain_set(input, &mut self.state, server, out) {
            return step;
        }
        self.command(input, server, out)
    }

    /// Executes any other command line.
    #[inline(never)]
    fn command(&mut self, input: &[u8], server: &mut Server, out: &mut impl Output) -> Step {
        let Some(end) = scan::find_newline(input) else { return self.unfinished(input) };
        let line = before_newline(input, end);
        if line.first() == Some(&b'm')
            && let Some((step, state)) = meta::execute(line, end, &input[end + 1..], server, out)
        {
            self.state = state;
            return step;
        }
        let words = Words::of(line);
        let (step, state) = verb::execute(&words, input, end, server, out);
        self.state = state;
        step
    }

    /// A line without an end so far.
    fn unfinished(&mut self, input: &[u8]) -> Step {
        if input.len() < LINE_LIMIT {
            return Step::stop(Status::NeedInput);
        }
        match get::long_line(input) {
            Some((keys, consumed)) => {
                self.state = State::Keys(keys);
                Step::go_on(consumed)
            }
            None => {
                self.state = State::Over;
                Step { consumed: input.len(), next: Next::Stop(Status::LongLine) }
            }
        }
    }

    fn discard(&mut self, input: &[u8], after: After, out: &mut impl Output) -> Step {
        if out.room() < REPLY_ROOM {
            return Step::stop(Status::NeedRoom);
        }
        let Some(end) = scan::find_newline(input) else {
            return Step { consumed: input.len(), next: Next::Stop(Status::NeedInput) };
        };
        match after {
            After::End => Answer::write(reply::END, out),
            After::Nothing => {}
        }
        self.state = State::Line;
        Step::go_on(end + 1)
    }
}
