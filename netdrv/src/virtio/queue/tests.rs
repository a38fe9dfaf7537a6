#![allow(unsafe_code)] // gives the rings to the device's side

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::testkit::virtio::{DeviceQueue, Piece};
use crate::virtio::{DESC_NEXT, DESC_WRITE};

fn pair(size: u16, suppression: Suppression) -> (SplitQueue, DeviceQueue) {
    let queue = SplitQueue::new(size, suppression).unwrap();
    // SAFETY: the rings are never freed, and what these tests publish is not accessed.
    let device = unsafe { DeviceQueue::new(queue.addresses(), suppression) };
    (queue, device)
}

/// Offers descriptor `id`.
fn offer(queue: &mut SplitQueue, id: u16) {
    queue.describe(DescriptorId(id), Descriptor { addr: 0x1000, len: 1, flags: DESC_WRITE, next: 0 });
    queue.offer(DescriptorId(id));
}

const BOTH: [Suppression; 2] = [Suppression::Flags, Suppression::EventIdx];

#[test]
fn the_device_sees_what_is_published_and_nothing_else() {
    let (mut queue, mut device) = pair(4, Suppression::Flags);
    offer(&mut queue, 2);
    assert_eq!(device.available(), 0);
    queue.publish();
    let chain = device.pop().unwrap();
    assert_eq!((chain.head, chain.pieces[0].addr, chain.pieces[0].writable), (2, 0x1000, true));
    device.stage_used(2, 7);
    assert_eq!(queue.pending(), 0);
    device.flush_used();
    assert_eq!(queue.pending(), 1);
    assert_eq!(queue.take_used(), Some(Used { id: 2, len: 7 }));
    assert_eq!(queue.pending(), 0);
}

#[test]
fn a_descriptor_is_redirected_without_a_change() {
    let (mut queue, mut device) = pair(4, Suppression::Flags);
    queue.describe(DescriptorId(3), Descriptor { addr: 1 << 40, len: 0x8000_0001, flags: DESC_NEXT, next: 2 });
    queue.describe(DescriptorId(2), Descriptor { addr: 0x2000, len: 7, flags: DESC_WRITE, next: 0xffff });
    queue.redirect(DescriptorId(2), 0xffff_ffff_ffff_f000);
    queue.offer(DescriptorId(3));
    queue.publish();
    let chain = device.pop().unwrap();
    let piece = |addr, len, writable| Piece { addr, len, writable };
    assert_eq!(chain.pieces, [piece(1 << 40, 0x8000_0001, false), piece(0xffff_ffff_ffff_f000, 7, true)]);
}

#[test]
fn positions_wrap_after_65_536_entries() {
    for suppression in BOTH {
        let (mut queue, mut device) = pair(8, suppression);
        for round in 0..70_000_u32 {
            let id = (round % 8) as u16;
            offer(&mut queue, id);
            queue.publish();
            assert!(!device.enable_notification() || device.available() == 1);
            assert_eq!(device.pop().unwrap().head, id);
            device.stage_used(id.into(), round);
            device.flush_used();
            assert_eq!(queue.pending(), 1);
            assert_eq!(queue.take_used(), Some(Used { id: id.into(), len: round }));
        }
    }
}

#[test]
fn the_doorbell_rings_only_when_wanted() {
    for suppression in BOTH {
        let (mut queue, mut device) = pair(8, suppression);
        device.enable_notification();
        assert!(!queue.take_notification(), "nothing was published");
        offer(&mut queue, 0);
        queue.publish();
        assert!(queue.take_notification());
        assert!(!queue.take_notification(), "once is enough");
        while device.pop().is_some() {}
        device.disable_notification();
        offer(&mut queue, 1);
        queue.publish();
        assert!(!queue.take_notification(), "{suppression:?}: the device polls");
        while device.pop().is_some() {}
        assert!(!device.enable_notification());
        offer(&mut queue, 2);
        queue.publish();
        assert!(queue.take_notification());
    }
}

/// uhyve 0.10 goes to sleep without a second look at the ring.
#[test]
fn a_notification_stays_owed_to_a_device_that_was_busy() {
    let (mut queue, mut device) = pair(8, Suppression::Flags);
    device.disable_notification();
    assert!(device.pop().is_none());
    offer(&mut queue, 0);
    queue.publish();
    assert!(!queue.take_notification());
    device.enable_notification(); // and it ignores the answer
    assert!(queue.take_notification());
    assert!(!queue.take_notification());
}

#[test]
fn nothing_is_owed_to_a_device_that_has_used_everything() {
    let (mut queue, mut device) = pair(8, Suppression::Flags);
    device.disable_notification();
    offer(&mut queue, 0);
    queue.publish();
    assert!(!queue.take_notification());
    device.pop();
    device.stage_used(0, 0);
    device.flush_used();
    assert!(!queue.take_notification());
    device.enable_notification();
    assert!(!queue.take_notification());
}

#[test]
fn interrupts_come_only_when_requested() {
    for suppression in BOTH {
        let (mut queue, mut device) = pair(8, suppression);
        let mut use_one = || {
            device.stage_used(0, 0);
            device.flush_used()
        };
        assert!(!use_one(), "{suppression:?}: queues start quiet");
        queue.take_used();
        queue.request_interrupt();
        assert_eq!(queue.pending(), 0);
        assert!(use_one());
        queue.take_used();
        queue.suppress_interrupts();
        assert!(!use_one());
    }
}

/// The three places where an entry can fall while the driver goes to sleep.
#[test]
fn no_wakeup_is_missed() {
    for suppression in BOTH {
        let (mut queue, mut device) = pair(8, suppression);
        device.stage_used(0, 0);
        assert!(!device.flush_used(), "before the request: no interrupt ...");
        queue.request_interrupt();
        assert_eq!(queue.pending(), 1, "... but it is seen");
        queue.take_used();

        queue.request_interrupt();
        device.stage_used(0, 0);
        assert!(device.flush_used() && queue.pending() == 1, "between request and look: both");
        queue.take_used();

        queue.request_interrupt();
        assert_eq!(queue.pending(), 0);
        device.stage_used(0, 0);
        assert!(device.flush_used(), "after the look: an interrupt");
    }
}

/// Driver and device on threads of their own, each sleeping whenever it may: a barrier too few ends in a timeout.
#[test]
fn two_cores_never_both_sleep() {
    const ROUNDS: u32 = 20_000;
    for suppression in BOTH {
        let (mut queue, mut device) = pair(4, suppression);
        let kicked = Arc::new(AtomicBool::new(false));
        let interrupted = Arc::new(AtomicBool::new(false));
        let driver_thread = thread::current();
        let (device_kicked, device_interrupts) = (Arc::clone(&kicked), Arc::clone(&interrupted));
        let device_thread = thread::spawn(move || {
            for _ in 0..ROUNDS {
                let chain = loop {
                    if let Some(chain) = device.pop() {
                        break chain;
                    }
                    if !device.enable_notification() {
                        sleep_until(&device_kicked, "kick");
                    }
                    device.disable_notification();
                };
                device.stage_used(chain.head.into(), 0);
                if device.flush_used() {
                    device_interrupts.store(true, Ordering::Release);
                    driver_thread.unpark();
                }
            }
        });
        for _ in 0..ROUNDS {
            offer(&mut queue, 0);
            queue.publish();
            // Asked again while waiting, as a turn does.
            while queue.pending() == 0 {
                if queue.take_notification() {
                    kicked.store(true, Ordering::Release);
                    device_thread.thread().unpark();
                }
                queue.request_interrupt();
                if queue.pending() == 0 {
                    sleep_until(&interrupted, "interrupt");
                }
                queue.suppress_interrupts();
            }
            queue.take_used();
        }
        assert!(device_thread.join().is_ok());
    }
}

/// Sleeps until `flag` is set, and takes it.
fn sleep_until(flag: &AtomicBool, what: &str) {
    let start = Instant::now();
    while !flag.swap(false, Ordering::Acquire) {
        thread::park_timeout(Duration::from_secs(1));
        assert!(start.elapsed() < Duration::from_secs(20), "a {what} was missed");
    }
}
