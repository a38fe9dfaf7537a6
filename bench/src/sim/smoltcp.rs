//! A host with smoltcp's stack, an implementation that shares nothing with ours.

use std::cell::RefCell;
use std::rc::Rc;

use netdrv::testkit::link::{Link, Port};
use netdrv::testkit::random::Random;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};

use super::board::Board;
use super::conversation::{Conversation, Ending};
use super::host::{Host, Place};
use super::scenario::{Role, Scenario};
use super::stream::NAME_BYTES;
use super::{MTU, PORT};

/// The client's first port.
const FIRST_PORT: u16 = 40_000;
/// Sizes of a socket's buffers, in bytes; beyond 64 KiB windows are scaled.
const BUFFER_BYTES: [usize; 4] = [2_048, 16_384, 65_535, 200_000];
/// Listening sockets beside those that the plans need: a late copy of a SYN may take one.
const SPARE_SOCKETS: usize = 8;

/// The host.
pub(super) struct Smoltcp {
    role: Role,
    board: Rc<RefCell<Board>>,
    nic: Nic,
    interface: Interface,
    sockets: SocketSet<'static>,
    ends: Vec<End>,
}

/// One end of a connection, and its socket.
struct End {
    handle: SocketHandle,
    begin: Begin,
    conversation: Option<Conversation>,
    name: Vec<u8>,
    /// The peer's FIN was seen; the conversation was told.
    fin: bool,
    peer_closed: bool,
    over: bool,
}

/// How a connection begins.
#[derive(Clone, Copy)]
enum Begin {
    /// It is waited for, or under way.
    Done,
    /// We connect: as this plan, at this time.
    At(u32, u64),
}

impl Smoltcp {
    pub(super) fn new(role: Role, scenario: &Scenario, link: &Link, board: &Rc<RefCell<Board>>) -> Smoltcp {
        let place = Place::of(role);
        let mut nic = Nic(link.port(place.side));
        let mut config = Config::new(EthernetAddress(place.mac).into());
        config.random_seed = scenario.host_seeds[role as usize];
        let mut interface = Interface::new(config, &mut nic, Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            let _ = addresses.push(IpCidr::new(IpAddress::Ipv4(place.ip), 24));
        });
        let mut random = Random::new(scenario.host_seeds[role as usize]);
        let mut sockets = SocketSet::new(Vec::new());
        let begins: Vec<Begin> = match role {
            Role::Client => scenario.plans.iter().map(|plan| Begin::At(plan.name, plan.begin_ns)).collect(),
            Role::Server => vec![Begin::Done; scenario.plans.len() + SPARE_SOCKETS],
        };
        let ends = begins.into_iter().map(|begin| {
            let mut buffer = || SocketBuffer::new(vec![0; BUFFER_BYTES[random.below(4) as usize]]);
            let mut socket = Socket::new(buffer(), buffer());
            if role == Role::Server {
                let _ = socket.listen(PORT);
            }
            let handle = sockets.add(socket);
            End { handle, begin, conversation: None, name: Vec::new(), fin: false, peer_closed: false, over: false }
        });
        let ends = ends.collect();
        Smoltcp { role, board: Rc::clone(board), nic, interface, sockets, ends }
    }
}

impl Host for Smoltcp {
    fn turn(&mut self, now_ns: u64) -> usize {
        let now = Instant::from_micros((now_ns / 1000) as i64);
        let mut work = usize::from(self.nic.0.has_received());
        self.interface.poll(now, &mut self.nic, &mut self.sockets);
        let board = &mut self.board.borrow_mut();
        for end in &mut self.ends {
            let socket = self.sockets.get_mut::<Socket<'_>>(end.handle);
            if let Begin::At(name, begin_ns) = end.begin
                && begin_ns <= now_ns
            {
                end.begin = Begin::Done;
                let server = (IpAddress::Ipv4(Place::of(Role::Server).ip), PORT);
                if let Err(error) = socket.connect(self.interface.context(), server, FIRST_PORT + name as u16) {
                    board.fail(format!("smoltcp does not connect: {error}"));
                }
                end.conversation = board.begin(name, Role::Client, now_ns);
                work += 1;
            }
            work += end.serve(socket, self.role, now_ns, board);
        }
        self.interface.poll(now, &mut self.nic, &mut self.sockets);
        work
    }

    fn deadline_ns(&mut self, now_ns: u64) -> Option<u64> {
        let now = Instant::from_micros((now_ns / 1000) as i64);
        let interface = self.interface.poll_at(now, &self.sockets).map(|at| 1000 * at.total_micros() as u64);
        let ends = self.ends.iter().filter(|end| !end.over).filter_map(|end| match (end.begin, &end.conversation) {
            (Begin::At(_, begin_ns), _) => Some(begin_ns),
            (Begin::Done, Some(conversation)) => conversation.deadline_ns(now_ns),
            (Begin::Done, None) => None,
        });
        ends.chain(interface).min()
    }

    fn is_idle(&self) -> bool {
        true // what it keeps for itself is its own affair
    }

    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    fn report(&self, out: &mut String) {
        out.push_str(&format!("{:?}: smoltcp\n", self.role));
        for end in self.ends.iter().filter(|end| end.conversation.is_some()) {
            let socket = self.sockets.get::<Socket<'_>>(end.handle);
            out.push_str(&format!(
                "  {} -> {:?}: {}, {} bytes to send, {} to read; {:?}\n",
                socket.local_endpoint().map_or(0, |endpoint| endpoint.port),
                socket.remote_endpoint().map(|endpoint| endpoint.port),
                socket.state(),
                socket.send_queue(),
                socket.recv_queue(),
                end.conversation
            ));
        }
    }
}

impl End {
    /// Reads, writes and closes as the conversation goes. Returns how much there was to do.
    fn serve(&mut self, socket: &mut Socket<'_>, role: Role, now_ns: u64, board: &mut Board) -> usize {
        if self.over || matches!(self.begin, Begin::At(..)) {
            return 0;
        }
        let mut work = self.read(socket, role, now_ns, board);
        let Some(conversation) = &mut self.conversation else { return work };
        // Its FIN may overtake what the conversation is slow to read, and a reset may follow in TIME-WAIT.
        self.fin |= matches!(socket.state(), State::CloseWait | State::LastAck | State::Closing | State::TimeWait);
        if self.fin && socket.recv_queue() == 0 && !self.peer_closed {
            self.peer_closed = true;
            let result = conversation.peer_closes(now_ns);
            board.check(conversation, role, result);
        }
        if conversation.aborts(now_ns) {
            socket.abort();
            work += 1;
        }
        while socket.can_send() {
            let bytes = conversation.next_write().min((socket.send_capacity() - socket.send_queue()) as u64);
            if bytes == 0 {
                break;
            }
            let mut written = vec![0; bytes as usize];
            conversation.fill(&mut written);
            let taken = socket.send_slice(&written).unwrap_or(0);
            conversation.wrote(taken as u64, now_ns);
            work += taken;
        }
        if !matches!(socket.state(), State::SynSent | State::SynReceived) && conversation.closes() {
            socket.close();
            work += 1;
        }
        let ending = match socket.state() {
            State::TimeWait if self.peer_closed => Some(Ending::Closed),
            State::Closed if self.peer_closed => Some(Ending::Closed),
            State::Closed if self.fin => None, // still to be read
            State::Closed => Some(Ending::Broken("reset by the peer")),
            // A listening socket that is reset before it is established listens again.
            State::Listen => Some(Ending::Broken("reset by the peer, and listening again")),
            _ => None,
        };
        if let Some(ending) = ending {
            self.over = true;
            board.end(conversation, role, ending);
        }
        work
    }

    /// Reads what the conversation wants to read now.
    fn read(&mut self, socket: &mut Socket<'_>, role: Role, now_ns: u64, board: &mut Board) -> usize {
        let mut work = 0;
        while socket.can_recv() {
            let available = socket.recv_queue() as u64;
            let wanted = match &mut self.conversation {
                Some(conversation) => conversation.read(available, now_ns),
                None => (NAME_BYTES - self.name.len() as u64).min(available),
            };
            if wanted == 0 {
                break;
            }
            let mut bytes = vec![0; wanted as usize];
            let taken = socket.recv_slice(&mut bytes).unwrap_or(0);
            bytes.truncate(taken);
            work += taken;
            board.bytes += taken as u64;
            if self.conversation.is_none() {
                self.name.extend_from_slice(&bytes);
                let Some(name) = self.name.first_chunk::<{ NAME_BYTES as usize }>() else { continue };
                self.conversation = board.begin(u32::from_le_bytes(*name), role, now_ns);
                bytes = self.name.clone();
                if let Some(conversation) = &mut self.conversation {
                    conversation.read_name();
                }
            }
            if let Some(conversation) = &mut self.conversation {
                let result = conversation.receive(&bytes, now_ns);
                board.check(conversation, role, result);
            }
        }
        work
    }
}

/// smoltcp's view of an end of the link.
struct Nic(Port);

struct Rx(Vec<u8>);
struct Tx<'a>(&'a Port);

impl RxToken for Rx {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl TxToken for Tx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.0.send(&frame);
        result
    }
}

impl Device for Nic {
    type RxToken<'a> = Rx;
    type TxToken<'a> = Tx<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Rx, Tx<'_>)> {
        let frame = self.0.receive(<[u8]>::to_vec)?;
        Some((Rx(frame), Tx(&self.0)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Tx<'_>> {
        Some(Tx(&self.0))
    }

    /// The default has it write and verify all checksums.
    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = usize::from(MTU) + 14;
        capabilities
    }
}
