use netdrv::pktbuf::{Parcel, PoolMemory};

use super::*;

#[derive(Debug)]
enum Message {
    Frame(Parcel),
    Note(u32),
}

fn pair() -> (Port<Message>, Port<Message>, [&'static Pool; 2]) {
    let mut ports = mesh(2);
    let (b, a) = (ports.pop().unwrap(), ports.pop().unwrap());
    (a, b, [2048, 2048].map(|buffers| Pool::leak(PoolMemory::leak(buffers))))
}

fn buffer(pool: &'static Pool, byte: u8) -> PktBuf {
    let mut buffer = pool.alloc().unwrap();
    buffer.extend_from_slice(&[byte; 60]).unwrap();
    buffer
}

/// Takes all that came, and says what it was.
fn take(port: &mut Port<Message>, pool: &'static Pool) -> Vec<u32> {
    let mut seen = Vec::new();
    while let Some((from, message)) = port.receive() {
        seen.push(match message {
            Message::Note(note) => note,
            Message::Frame(parcel) => {
                let (buffer, blank) = pool.admit(parcel).unwrap();
                port.return_blank(from, blank);
                u32::from(buffer.bytes()[0])
            }
        });
    }
    seen
}

#[test]
fn everything_arrives_in_order_and_pools_stay_whole() {
    let (mut a, mut b, [pool_a, pool_b]) = pair();
    for round in 0..1000u32 {
        a.send_buffer(1, buffer(pool_a, round as u8), pool_a, Message::Frame).unwrap();
        a.send(1, Message::Note(1000 + round)).unwrap();
        assert_eq!(a.flush(), 0, "nobody halts");
        assert_eq!(take(&mut b, pool_b), [round & 0xff, 1000 + round]);
        b.flush();
        a.collect_blanks(pool_a);
        for pool in [pool_a, pool_b] {
            assert_eq!(pool.available(), pool.capacity());
        }
    }
}

#[test]
fn shared_bytes_are_copied() {
    let (mut a, mut b, [pool_a, pool_b]) = pair();
    let kept = buffer(pool_a, 7);
    a.send_buffer(1, kept.clone(), pool_a, Message::Frame).unwrap();
    a.flush();
    assert!(kept.is_unique());
    assert_eq!(take(&mut b, pool_b), [7]);
}

#[test]
fn frames_are_refused_where_notes_wait() {
    let (mut a, mut b, [pool_a, pool_b]) = pair();
    let mut frames = 0;
    while a.room(1) > 0 {
        a.send_buffer(1, buffer(pool_a, 1), pool_a, Message::Frame).unwrap();
        frames += 1;
    }
    assert_eq!(frames, RING - RESERVED);
    assert_eq!(a.send_buffer(1, buffer(pool_a, 1), pool_a, Message::Frame), Err(NotSent::Full));
    let notes = (0..).take_while(|note| a.send(1, Message::Note(*note)).is_ok()).count();
    assert_eq!(notes, RESERVED + WAITING);
    a.flush();
    assert!(a.is_waiting());
    let first = take(&mut b, pool_b);
    assert_eq!(first.len(), RING);
    b.flush();
    assert_eq!(a.flush(), 0);
    assert!(!a.is_waiting());
    let rest = take(&mut b, pool_b);
    let expected: Vec<u32> = (0..notes as u32).collect();
    assert_eq!([&first[frames..], &rest].concat(), expected);
    b.flush();
    a.collect_blanks(pool_a);
    assert_eq!((pool_a.available(), pool_a.hollow()), (pool_a.capacity(), 0));
}

#[test]
fn unanswered_parcels_are_bounded() {
    let (mut a, mut b, [pool_a, pool_b]) = pair();
    let mut sent = 0;
    // The other core takes messages but its answers are not collected.
    while a.send_buffer(1, buffer(pool_a, 1), pool_a, Message::Frame).is_ok() {
        sent += 1;
        a.flush();
        take(&mut b, pool_b);
    }
    assert_eq!((sent, a.room(1), pool_a.hollow()), (RING, 0, RING));
    b.flush();
    a.collect_blanks(pool_a);
    assert_eq!(a.room(1), RING - RESERVED);
}

#[test]
fn only_a_core_that_halts_is_woken_and_only_once() {
    let mut ports = mesh(3);
    let [a, b, c] = &mut ports[..] else { unreachable!() };
    assert_eq!((b.others(), c.own(), cores_of(b.others()).collect::<Vec<_>>()), (0b101, 2, vec![0, 2]));
    assert!(c.lie_down());
    a.send(2, Message::Note(1)).unwrap();
    a.send(1, Message::Note(1)).unwrap();
    b.send(2, Message::Note(2)).unwrap();
    assert_eq!((a.flush(), b.flush()), (0b100, 0));
    c.get_up();
    assert!(!c.lie_down(), "there are messages");
    c.get_up();
    assert_eq!(c.receive().map(|(from, _)| from), Some(0));
    assert_eq!(c.receive().map(|(from, _)| from), Some(1));
    assert!(c.lie_down());
}

#[test]
fn sets_of_cores() {
    for set in [0, 1, 0b1010, 1 << 63, CoreSet::MAX] {
        let cores: Vec<usize> = cores_of(set).collect();
        assert_eq!(cores.len(), set.count_ones() as usize);
        assert!(cores.is_sorted() && cores.iter().all(|core| set >> core & 1 == 1));
    }
}
