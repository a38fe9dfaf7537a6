//! Conversations as an app of our stack: the server's end, and the client's where the stack connects.

use std::cell::RefCell;
use std::net::SocketAddrV4;
use std::rc::Rc;

use netdrv::pktbuf::{Attachment, Fragment, Pool};
use netstack::app::{App, Call, Calls, Event, Events, Flow, MAX_SEND, Progress, Reason, Turn};

use super::PORT;
use super::board::Board;
use super::conversation::{Conversation, Ending};
use super::host::Place;
use super::scenario::Role;
use super::stream::NAME_BYTES;

/// The app keeps its hands off this share of the buffers, so that frames can still be received and acknowledged.
const KEPT: usize = 4;

/// The app.
pub(super) struct Talker {
    role: Role,
    board: Rc<RefCell<Board>>,
    pool: &'static Pool,
    /// By cookie.
    ends: Vec<Option<End>>,
    /// Connections to open, the next one last: when, and their names.
    ahead: Vec<(u64, u32)>,
}

/// One end of a connection.
struct End {
    /// `None` until a connection of ours is open.
    flow: Option<Flow>,
    /// `None` until the connection's name has come.
    conversation: Option<Conversation>,
    name: Vec<u8>,
    credit: u64,
    /// Bytes received and not given back.
    held: u64,
    /// Bytes sent and not acknowledged.
    unacknowledged: u64,
}

impl Talker {
    pub(super) fn new(role: Role, board: Rc<RefCell<Board>>, pool: &'static Pool) -> Talker {
        let mut ahead: Vec<(u64, u32)> = match role {
            Role::Client => board.borrow().plans.iter().map(|plan| (plan.begin_ns, plan.name)).collect(),
            Role::Server => Vec::new(),
        };
        ahead.sort_by(|a, b| b.cmp(a));
        Talker { role, board, pool, ends: Vec::new(), ahead }
    }

    /// When to run it again, if nothing else happens.
    pub(super) fn deadline_ns(&self, now_ns: u64) -> Option<u64> {
        let conversations = self.ends.iter().flatten().filter_map(|end| end.conversation.as_ref());
        let ahead = self.ahead.last().map(|(begin_ns, _)| *begin_ns);
        conversations.filter_map(|conversation| conversation.deadline_ns(now_ns)).chain(ahead).min()
    }

    /// Opens the connections that are due.
    fn connect(&mut self, now_ns: u64, calls: &mut Calls) {
        while !calls.is_full()
            && let Some((_, name)) = self.ahead.pop_if(|(begin_ns, _)| *begin_ns <= now_ns)
        {
            let cookie = self.ends.len() as u32;
            let conversation = self.board.borrow_mut().begin(name, self.role, now_ns);
            self.ends.push(Some(End { conversation, ..End::new(None) }));
            let remote = SocketAddrV4::new(Place::of(Role::Server).ip, PORT);
            let _ = calls.push_back(Call::Connect { cookie, remote });
        }
    }

    fn handle(&mut self, event: Event, now_ns: u64, calls: &mut Calls) {
        match event {
            Event::Knock { flow, .. } => {
                let cookie = self.ends.len() as u32;
                self.ends.push(Some(End::new(Some(flow))));
                let _ = calls.push_back(Call::Accept { flow, cookie });
            }
            Event::Connected { cookie, flow, credit } => self.with(cookie, |end, _, _| {
                end.flow = Some(flow);
                end.credit += u64::from(credit);
            }),
            Event::Recv { cookie, payload } => {
                self.with(cookie, |end, role, board| end.receive(payload.bytes(), role, now_ns, board));
            }
            Event::Sent { cookie, acked, credit } => self.with(cookie, |end, role, board| {
                end.credit += u64::from(credit);
                match end.unacknowledged.checked_sub(acked.into()) {
                    Some(left) => end.unacknowledged = left,
                    None => board.fail(format!("{role:?}: {acked} bytes acknowledged, of {}", end.unacknowledged)),
                }
            }),
            Event::PeerClosed { cookie } => self.with(cookie, |end, role, board| match &mut end.conversation {
                Some(conversation) => {
                    let result = conversation.peer_closes(now_ns);
                    board.check(conversation, role, result);
                }
                None => board.fail(format!("{role:?}: a connection closed without a name")),
            }),
            Event::Dead { cookie, reason } => {
                self.with(cookie, |end, role, board| end.ends(reason, role, board));
                self.ends[cookie as usize] = None;
            }
            Event::UdpRecv { .. } => self.board.borrow_mut().fail("a datagram that nobody sent".to_owned()),
        }
    }

    fn with(&mut self, cookie: u32, act: impl FnOnce(&mut End, Role, &mut Board)) {
        let board = &mut self.board.borrow_mut();
        match self.ends.get_mut(cookie as usize).and_then(Option::as_mut) {
            Some(end) => act(end, self.role, board),
            None => board.fail(format!("{:?}: an event for a connection that is no more", self.role)),
        }
    }
}

impl App for Talker {
    fn run(&mut self, turn: Turn<'_>, events: &mut Events, calls: &mut Calls) -> Progress {
        let now_ns = turn.now.as_nanos();
        while self.pool.take_back().is_some() {}
        while !calls.is_full() {
            let Some(event) = events.pop_front() else { break };
            self.handle(event, now_ns, calls);
        }
        self.connect(now_ns, calls);
        let mut progress = Progress::Done;
        for end in self.ends.iter_mut().flatten() {
            match end.pump(self.pool, now_ns, calls) {
                Progress::Done => {}
                Progress::More => return Progress::More,
                Progress::Later | Progress::Starved | Progress::Alert => progress = Progress::Starved,
            }
        }
        if events.is_empty() { progress } else { Progress::More }
    }
}

impl End {
    fn new(flow: Option<Flow>) -> End {
        End { flow, conversation: None, name: Vec::new(), credit: 0, held: 0, unacknowledged: 0 }
    }

    /// Takes payload; the first bytes of a server's connection name it.
    fn receive(&mut self, payload: &[u8], role: Role, now_ns: u64, board: &mut Board) {
        self.held += payload.len() as u64;
        board.bytes += payload.len() as u64;
        let mut payload = payload;
        let mut named;
        if self.conversation.is_none() {
            self.name.extend_from_slice(payload);
            named = std::mem::take(&mut self.name);
            let Some(name) = named.first_chunk::<{ NAME_BYTES as usize }>() else {
                self.name = std::mem::take(&mut named);
                return;
            };
            self.conversation = board.begin(u32::from_le_bytes(*name), role, now_ns);
            payload = &named;
        }
        if let Some(conversation) = &mut self.conversation {
            let result = conversation.receive(payload, now_ns);
            board.check(conversation, role, result);
        }
    }

    fn ends(&self, reason: Reason, role: Role, board: &mut Board) {
        // Nobody knows what a connection without a name was to be: whether that was right is seen at the client's end.
        let Some(conversation) = &self.conversation else { return };
        let ending = match reason {
            Reason::Closed => Ending::Closed,
            Reason::Reset => Ending::Broken("reset by the peer"),
            Reason::TimedOut => Ending::Broken("timed out"),
            Reason::Unreachable => Ending::Broken("unreachable"),
            Reason::Unavailable => Ending::Broken("unavailable"),
        };
        board.end(conversation, role, ending);
    }

    /// Makes the calls that are due.
    fn pump(&mut self, pool: &'static Pool, now_ns: u64, calls: &mut Calls) -> Progress {
        let (Some(flow), Some(conversation)) = (self.flow, &mut self.conversation) else { return Progress::Done };
        if calls.is_full() {
            return Progress::More;
        }
        if conversation.aborts(now_ns) {
            let _ = calls.push_back(Call::Abort { flow });
            return Progress::Done;
        }
        let read = conversation.read(self.held, now_ns);
        self.held -= read;
        if read > 0 {
            let _ = calls.push_back(Call::RecvDone { flow, bytes: read as u32 });
        }
        loop {
            let bytes = conversation.next_write().min(self.credit).min(MAX_SEND as u64);
            if bytes == 0 {
                break;
            }
            if calls.is_full() {
                return Progress::More;
            }
            if pool.available() <= pool.capacity() / KEPT {
                return Progress::Starved;
            }
            let Some(mut payload) = pool.alloc() else { return Progress::Starved };
            if let Some(out) = payload.append(bytes as usize) {
                conversation.fill(out);
            }
            let body = conversation.next_body(bytes, self.credit - bytes);
            if let Some(body) = body {
                let body = Some(Fragment::lent_for_ever(body));
                let _ = payload.attach(Attachment { body, segmentation: None }); // unshared: fresh from the pool
            }
            let bytes = bytes + body.map_or(0, <[u8]>::len) as u64;
            conversation.wrote(bytes, now_ns);
            self.credit -= bytes;
            self.unacknowledged += bytes;
            let _ = calls.push_back(Call::Send { flow, payload, done: 0 });
        }
        if calls.is_full() {
            return Progress::More;
        }
        if conversation.closes() {
            let _ = calls.push_back(Call::Close { flow });
        }
        Progress::Done
    }
}
