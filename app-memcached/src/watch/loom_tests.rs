//! Every order of what a core that tells and a watcher that reads do.

use alloc::sync::Arc;

use loom::thread;

use super::Reporter;
use super::board::{Audience, Board, Kinds, Sight};
use super::event::{Event, Fetched, Kind};
use super::record::Record;
use super::ring::{Found, Ring};

/// Runs `test` in every order in which threads are interrupted at most `preemptions` times.
fn model(preemptions: usize, test: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 10_000;
    builder.check(test);
}

#[test]
fn a_record_is_read_whole() {
    model(3, || {
        let ring: Arc<Ring<2>> = Arc::new(Ring::new(2));
        let reader = {
            let ring = ring.clone();
            thread::spawn(move || {
                for position in 0..2 {
                    let mut words = [0; 2];
                    if ring.read(position, &mut words) == Found::Record {
                        assert_eq!(words, [position + 1, position + 1]);
                    }
                }
            })
        };
        for n in 1..5 {
            ring.write(&[n, n]);
        }
        reader.join().unwrap();
    });
}

#[test]
fn nothing_is_told_twice_and_nothing_is_forgotten() {
    model(2, || {
        let board = Arc::new(Board::with_rings_of(2, 1));
        let ticket = board.admit(Kinds::default().and(Kind::Fetch)).unwrap();
        let core = Reporter::new(board.clone(), 0);
        let writer = thread::spawn(move || {
            for _ in 0..3 {
                core.tell(0, &Event::Fetch { key: b"", status: Fetched::Found, size: 0 });
            }
        });
        let mut record = Record::new();
        let mut last = 0;
        let mut look = || {
            while let Sight::Event { skipped } = board.next(&ticket, &mut record) {
                assert_eq!(record.number(), last + skipped + 1);
                last = record.number();
            }
        };
        look();
        writer.join().unwrap();
        look();
        assert_eq!(last, 3);
        board.leave(ticket);
    });
}

#[test]
fn a_place_is_taken_once() {
    model(3, || {
        let board = Arc::new(Board::with_rings_of(1, 1));
        let other = {
            let board = board.clone();
            thread::spawn(move || board.admit(Kinds::default()).unwrap())
        };
        let ours = board.admit(Kinds::default().and(Kind::Fetch)).unwrap();
        let theirs = other.join().unwrap();
        assert!(ours != theirs);
        board.leave(ours);
        board.leave(theirs);
        assert_eq!(board.audience(), Audience::default());
    });
}
