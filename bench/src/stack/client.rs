//! A cheap client of many connections: a few words of state each, and frames made from one template. It loses nothing, and it
//! is not what is measured.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::rc::Rc;

use super::PORT;
use super::dialogue::Dialogue;

/// Addresses of the two ends.
pub(super) const SERVER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
pub(super) const SERVER_IP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const CLIENT_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
/// Hosts of the client, so many connections from each.
const FIRST_HOST: u32 = u32::from_be_bytes([10, 1, 0, 0]);
const PORTS_PER_HOST: usize = 50_000;
const FIRST_PORT: u16 = 10_000;

/// Flags of TCP.
const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const PSH: u8 = 8;
const ACK: u8 = 16;

/// Offsets in a frame, whose TCP header has the timestamp option once the connection is open.
const IP: usize = 14;
const TCP: usize = IP + 20;
const TIMESTAMPS: usize = TCP + 20;
const PAYLOAD: usize = TIMESTAMPS + 12;
/// The most payload of a segment beside the timestamps, in bytes.
pub(super) const SEGMENT: usize = 1448;

/// The client.
pub(super) struct Client {
    connections: Box<[Connection]>,
    /// Connections that have a request to send, in order.
    ready: VecDeque<u32>,
    dialogue: Rc<Dialogue>,
    frame: Vec<u8>,
    clock: u32,
    /// Requests that were sent.
    pub(super) sent: u64,
    /// Those that were answered in full.
    pub(super) answered: u64,
    /// Connections that the server has accepted.
    pub(super) established: usize,
    /// Answers that are not what was asked for, and resets: nothing but a bug.
    pub(super) faults: u64,
}

#[derive(Clone, Copy, Default)]
struct Connection {
    /// The next byte to send, and the next expected.
    seq: u32,
    ack: u32,
    /// The server's last timestamp.
    timestamp: u32,
    /// Requests sent, and those answered in full.
    sent: u32,
    answered: u32,
    /// Bytes of the next answer that have come.
    begun: u32,
}

impl Client {
    /// A client of so many connections, which asks as `dialogue` says.
    pub(super) fn new(connections: usize, dialogue: Dialogue) -> Client {
        Client {
            connections: vec![Connection::default(); connections].into(),
            ready: VecDeque::with_capacity(connections * 64 + 1),
            dialogue: Rc::new(dialogue),
            frame: Vec::with_capacity(2048),
            clock: 1,
            sent: 0,
            answered: 0,
            established: 0,
            faults: 0,
        }
    }

    /// Requests for the server's Ethernet address, by which it learns ours.
    pub(super) fn introductions(&self) -> Vec<Vec<u8>> {
        let hosts = self.connections.len().div_ceil(PORTS_PER_HOST);
        let introduce = |host: u32| {
            let ip = (FIRST_HOST + host).to_be_bytes();
            let arp = [0, 1, 8, 0, 6, 4, 0, 1];
            [&[0xff; 6][..], &CLIENT_MAC, &[8, 6], &arp, &CLIENT_MAC, &ip, &[0; 6], &SERVER_IP.octets()].concat()
        };
        (0..hosts as u32).map(introduce).collect()
    }

    /// Time passes: so do timestamps, in milliseconds.
    pub(super) fn set_clock(&mut self, now_ns: u64) {
        self.clock = 1 + (now_ns / 1_000_000) as u32;
    }

    /// Opens a connection.
    pub(super) fn open(&mut self, index: usize, mut deliver: impl FnMut(&[u8])) {
        self.connections[index] = Connection { seq: 1000, ..Connection::default() };
        // MSS 1460, SACK permitted, timestamps, window scale 7, as Linux offers.
        let clock = self.clock.to_be_bytes();
        let options = [&[2, 4, 0x05, 0xb4, 4, 2, 8, 10][..], &clock, &[0; 4], &[1, 3, 3, 7]].concat();
        self.compose(index, SYN, &options, &[]);
        deliver(&self.frame);
        self.connections[index].seq += 1;
    }

    /// Changes what is asked. Every request was answered.
    pub(super) fn turn_to(&mut self, dialogue: Dialogue) {
        self.dialogue = Rc::new(dialogue);
        for connection in &mut self.connections {
            (connection.sent, connection.answered) = (0, 0);
        }
    }

    /// Has each connection send `depth` requests as soon as it can.
    pub(super) fn begin(&mut self, depth: usize) {
        for _ in 0..depth {
            self.ready.extend(0..self.connections.len() as u32);
        }
    }

    /// Sends the next request, if a connection has one to send. Says whether it did; `deliver` says whether there was room,
    /// and without it the request is lost, so ask for room before.
    pub(super) fn request(&mut self, mut deliver: impl FnMut(&[u8])) -> bool {
        let Some(index) = self.ready.pop_front().map(|index| index as usize) else { return false };
        let dialogue = self.dialogue.clone();
        for payload in dialogue.exchange(index, self.connections[index].sent).request.chunks(SEGMENT) {
            self.compose_established(index, ACK | PSH, payload);
            deliver(&self.frame);
            self.connections[index].seq = self.connections[index].seq.wrapping_add(payload.len() as u32);
        }
        self.connections[index].sent += 1;
        self.sent += 1;
        true
    }

    /// Frames that the longest request takes.
    pub(super) fn frames_per_request(&self) -> usize {
        self.dialogue.longest[0].div_ceil(SEGMENT)
    }

    /// Acknowledges all that came, on every connection.
    pub(super) fn acknowledge(&mut self, index: usize, mut deliver: impl FnMut(&[u8])) {
        self.compose_established(index, ACK, &[]);
        deliver(&self.frame);
    }

    /// Takes a frame of the server; `deliver` gets what it is to be answered at once.
    pub(super) fn receive(&mut self, frame: &[u8], mut deliver: impl FnMut(&[u8])) {
        if frame[12..14] != [8, 0] {
            return; // ARP: the server's own business
        }
        let Some(index) = self.index_of(frame) else {
            self.faults += 1;
            return;
        };
        let word = |at: usize| u32::from_be_bytes([frame[at], frame[at + 1], frame[at + 2], frame[at + 3]]);
        let flags = frame[TCP + 13];
        let header_len = usize::from(frame[TCP + 12] >> 4) * 4;
        let total_len = usize::from(u16::from_be_bytes([frame[IP + 2], frame[IP + 3]]));
        let payload = &frame[TCP + header_len..IP + total_len];
        let seq = word(TCP + 4);
        if flags & (RST | FIN) != 0 {
            self.faults += 1;
            return;
        }
        if flags & SYN != 0 {
            let options = &frame[TCP + 20..TCP + header_len];
            let at = options.windows(2).position(|pair| pair == [8, 10]).map(|at| TCP + 22 + at);
            self.connections[index].timestamp = at.map_or(0, word);
            self.connections[index].ack = seq.wrapping_add(1);
            self.established += 1;
            return self.acknowledge(index, deliver);
        }
        let connection = &mut self.connections[index];
        if header_len == 32 {
            connection.timestamp = word(TIMESTAMPS + 4);
        }
        if connection.ack != seq {
            self.faults += u64::from(!payload.is_empty());
            return;
        }
        connection.ack = connection.ack.wrapping_add(payload.len() as u32);
        let Some(answered) = connection.check(&self.dialogue, index, payload) else {
            self.faults += 1;
            return;
        };
        self.answered += u64::from(answered);
        self.ready.extend((0..answered).map(|_| index as u32));
        if payload.len() == SEGMENT && answered == 0 {
            self.acknowledge(index, &mut deliver); // in the middle of a large answer, as every second segment asks for
        }
    }

    fn index_of(&self, frame: &[u8]) -> Option<usize> {
        let host = u32::from_be_bytes([frame[IP + 16], frame[IP + 17], frame[IP + 18], frame[IP + 19]]);
        let port = u16::from_be_bytes([frame[TCP + 2], frame[TCP + 3]]);
        let (host, port) = (host.checked_sub(FIRST_HOST)?, port.checked_sub(FIRST_PORT)?);
        let index = host as usize * PORTS_PER_HOST + usize::from(port);
        (index < self.connections.len()).then_some(index)
    }

    fn compose_established(&mut self, index: usize, flags: u8, payload: &[u8]) {
        let (now, echo) = (self.clock.to_be_bytes(), self.connections[index].timestamp.to_be_bytes());
        let options: [u8; 12] = [1, 1, 8, 10, now[0], now[1], now[2], now[3], echo[0], echo[1], echo[2], echo[3]];
        self.compose(index, flags, &options, payload);
    }

    /// Makes the next frame. The device vouches for TCP's checksum.
    fn compose(&mut self, index: usize, flags: u8, options: &[u8], payload: &[u8]) {
        let Connection { seq, ack, .. } = self.connections[index];
        let ip = (FIRST_HOST + (index / PORTS_PER_HOST) as u32).to_be_bytes();
        let port = FIRST_PORT + (index % PORTS_PER_HOST) as u16;
        let total_len = (20 + 20 + options.len() + payload.len()) as u16;
        let mut header = [0; 20];
        header[..10].copy_from_slice(&[0x45, 0, (total_len >> 8) as u8, total_len as u8, 0, 0, 0x40, 0, 64, 6]);
        header[12..16].copy_from_slice(&ip);
        header[16..].copy_from_slice(&SERVER_IP.octets());
        let sum: u32 = header.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
        let sum = (sum & 0xffff) + (sum >> 16);
        header[10..12].copy_from_slice(&(!(sum + (sum >> 16)) as u16).to_be_bytes());
        let frame = &mut self.frame;
        frame.clear();
        frame.extend_from_slice(&SERVER_MAC);
        frame.extend_from_slice(&CLIENT_MAC);
        frame.extend_from_slice(&[8, 0]);
        frame.extend_from_slice(&header);
        frame.extend_from_slice(&port.to_be_bytes());
        frame.extend_from_slice(&PORT.to_be_bytes());
        frame.extend_from_slice(&seq.to_be_bytes());
        frame.extend_from_slice(&ack.to_be_bytes());
        let data_offset = ((20 + options.len()) / 4) as u8;
        frame.extend_from_slice(&[data_offset << 4, flags, 0xff, 0xff, 0, 0, 0, 0]);
        frame.extend_from_slice(options);
        frame.extend_from_slice(payload);
    }
}

impl Connection {
    /// Takes what came of the answers that are due. Returns how many are complete now; `None` if it is something else.
    fn check(&mut self, dialogue: &Dialogue, index: usize, mut payload: &[u8]) -> Option<u32> {
        let before = self.answered;
        while !payload.is_empty() {
            if self.answered == self.sent {
                return None;
            }
            let due = &dialogue.exchange(index, self.answered).answer[self.begun as usize..];
            let len = due.len().min(payload.len());
            if due[..len] != payload[..len] {
                return None;
            }
            payload = &payload[len..];
            self.begun += len as u32;
            if len == due.len() {
                (self.answered, self.begun) = (self.answered + 1, 0);
            }
        }
        Some(self.answered - before)
    }
}

const _: () = assert!(PAYLOAD == 66);
