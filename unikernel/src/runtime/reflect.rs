//! A core that sends frames back to where they came from, without a stack: what the driver costs by itself.
//!
//! A frame of EtherType 0x88b6 is an order to account: it goes back with the frames so far, and the cycles of the turns that
//! had any, behind its Ethernet header. It never halts.

use abi::console::Ready;
use abi::exit::Exit;
use netdrv::nic::{BATCH, Batch, ClosedPair as _, Nic, QueuePair, RssConfig, RxQueue, Started, TxQueue};
use netdrv::pktbuf::{PktBuf, Pool};

use super::launch::make_pool;
use crate::platform::console;
use crate::platform::cpu;
use crate::platform::machine::Machine;
use crate::platform::power;

/// Packet buffers: what both rings hold, and a batch.
const BUFFERS: u64 = 1024;

/// Bytes of an Ethernet address, and where a frame has its type and its payload.
const ADDRESS: usize = 6;
const ETHERTYPE: usize = 12;
const PAYLOAD: usize = 14;
/// The second of the types for local experiments (IEEE 802, section 9.2.3.1).
const ACCOUNT: [u8; 2] = [0x88, 0xb6];

/// What was done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Account {
    frames: u64,
    busy_cycles: u64,
}

/// Reflects what `nic` receives, on the first core, for ever.
pub fn reflect<N: Nic>(nic: N, mut machine: Machine) -> ! {
    let pool = make_pool(&mut machine.ram, BUFFERS);
    let one_pair = RssConfig { key: [0; _], table: [0; _] };
    let pair = match nic.into_queue_pairs(1, &one_pair) {
        Ok(Started { mut pairs, .. }) => pairs.pop(),
        Err(error) => power::exit(Exit::NoNic, format_args!("the network device does not start: {error}")),
    };
    let Some(pair) = pair else { power::exit(Exit::NoNic, format_args!("the network device has no queues")) };
    machine.end_phase("nic");
    let ready = Ready {
        ip: core::net::Ipv4Addr::UNSPECIFIED,
        port: 0,
        cores_serving: 1,
        cores_present: machine.apic_ids.len() as u16,
        store_bytes: 0,
        phases: &machine.phases,
    };
    console::print_line(format_args!("{ready}"));
    let mut queues = pair.open();
    let (mut received, mut turned) = (Batch::new(), Batch::new());
    let mut account = Account::default();
    queues.rx.refill(pool);
    loop {
        let begin = cpu::tsc();
        let frames = turn(&mut queues, pool, &mut received, &mut turned, account);
        if frames > 0 {
            account.frames += frames as u64;
            account.busy_cycles += cpu::tsc() - begin;
        }
    }
}

/// Sends back what is there. Returns how many frames.
fn turn<R: RxQueue, T: TxQueue>(
    queues: &mut QueuePair<R, T>,
    pool: &'static Pool,
    received: &mut Batch,
    turned: &mut Batch,
    account: Account,
) -> usize {
    let frames = queues.rx.poll(received, BATCH);
    if frames == 0 {
        return 0;
    }
    while let Some(mut frame) = received.pop_front() {
        turn_round(&mut frame, account);
        let _ = turned.push_back(frame); // as large as what was received
    }
    // As many frames are under way as there are buffers to receive into: what was sent is done with before there is more.
    while !turned.is_empty() {
        queues.tx.reclaim();
        queues.tx.submit(turned);
        queues.tx.doorbell();
    }
    queues.rx.refill(pool);
    frames
}

/// Sends a frame back to its sender.
fn turn_round(frame: &mut PktBuf, account: Account) {
    let Some(bytes) = frame.bytes_mut() else { return };
    if let Some((to, rest)) = bytes.split_first_chunk_mut::<ADDRESS>()
        && let Some(from) = rest.first_chunk_mut::<ADDRESS>()
    {
        core::mem::swap(to, from);
    }
    if bytes.get(ETHERTYPE..PAYLOAD) == Some(&ACCOUNT)
        && let Some((frames, rest)) = bytes[PAYLOAD..].split_first_chunk_mut::<8>()
        && let Some(cycles) = rest.first_chunk_mut::<8>()
    {
        *frames = account.frames.to_le_bytes();
        *cycles = account.busy_cycles.to_le_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netdrv::pktbuf::PoolMemory;

    fn turned(bytes: &[u8]) -> Vec<u8> {
        let mut frame = Pool::leak(PoolMemory::leak(1)).alloc().unwrap();
        frame.extend_from_slice(bytes).unwrap();
        turn_round(&mut frame, Account { frames: 3, busy_cycles: 500 });
        frame.bytes().to_vec()
    }

    #[test]
    fn frames_go_back_to_their_senders() {
        assert_eq!(turned(b"to____from__\x88\xb5payload of a frame"), b"from__to____\x88\xb5payload of a frame");
        assert_eq!(turned(b"short"), b"short");
    }

    #[test]
    fn accounts_are_given_where_there_is_room() {
        let answer = turned(b"to____from__\x88\xb60123456789abcdefrest");
        assert_eq!(answer, b"from__to____\x88\xb6\x03\0\0\0\0\0\0\0\xf4\x01\0\0\0\0\0\0rest");
        assert_eq!(turned(b"to____from__\x88\xb60123"), b"from__to____\x88\xb60123");
    }
}
