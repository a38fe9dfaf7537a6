//! Peers that want us to hold much for them: what one connection costs the pool has a bound, whatever the size of segments.

use core::time::Duration;

use crate::testkit::*;

/// Buffers that are in use.
fn held(kit: &Kit) -> usize {
    kit.pool.capacity() - kit.pool.available()
}

#[test]
fn answers_that_nobody_acknowledges_share_buffers() {
    let mut kit = Kit::connected(65_535, 1460);
    let mut sent = Vec::new();
    for n in 0..1000u32 {
        kit.send(format!("answer {n:04}\r\n"));
        sent.extend(kit.out());
        assert!(held(&kit) <= 192 + 14_600 / 1460, "{}", held(&kit));
    }
    assert_eq!(sent.len(), 192);
    // They arrive all the same, once the peer acknowledges.
    let mut bytes: Vec<u8> = sent.into_iter().flat_map(|seg| seg.data).collect();
    for _ in 0..20 {
        kit.now = kit.now + Duration::from_millis(1);
        kit.recv(seg(ACK, 1, bytes.len() as u32 + 1));
        bytes.extend(kit.out().into_iter().flat_map(|seg| seg.data));
    }
    let expected: String = (0..1000).map(|n| format!("answer {n:04}\r\n")).collect();
    assert_eq!(bytes, expected.into_bytes());
    kit.saw();
    assert_eq!(held(&kit), 0);
}

#[test]
fn tiny_segments_make_no_long_queue() {
    let mut kit = Kit::new();
    let credit = kit.connect(65_535, 1); // as small as is believed: 88 bytes
    let (mut credit, mut end, mut acked, mut most) = (credit, 1, 1, 0);
    for _ in 0..3000 {
        credit += kit.credited().1;
        // As much as the credit allows, as far as the pool of the test goes.
        while credit >= 1460 && kit.pool.available() > 64 {
            kit.send([7; 1460]);
            credit -= 1460;
        }
        end = kit.out().iter().map(|seg| seg.seq + seg.data.len() as u32).fold(end, u32::max);
        most = most.max((end - acked).div_ceil(88));
        acked += (end - acked).min(88);
        kit.now = kit.now + Duration::from_millis(1);
        kit.recv(seg(ACK, 1, acked));
    }
    assert!((150..=192).contains(&most), "{most} segments in flight");
}
