use super::super::event::{Fetched, Stored, Verb};
use super::*;

fn fetch(reporter: &Reporter, key: &[u8]) {
    reporter.tell(1, &Event::Fetch { key, status: Fetched::Found, size: 1 });
}

fn store(reporter: &Reporter, key: &[u8]) {
    reporter.tell(1, &Event::Mutation { key, status: Stored::Stored, verb: Verb::Set, ttl: 0, size: 1 });
}

/// What a watcher is told: skipped events, and keys.
fn read(board: &Board, ticket: &Ticket) -> Vec<(u64, String)> {
    let (mut record, mut told) = (Record::new(), Vec::new());
    while let Sight::Event { skipped } = board.next(ticket, &mut record) {
        let key = match record.event() {
            Some(Event::Fetch { key, .. } | Event::Mutation { key, .. }) => key.to_vec(),
            other => panic!("{other:?}"),
        };
        told.push((skipped, String::from_utf8(key).unwrap()));
    }
    told
}

fn told(keys: &[&str]) -> Vec<(u64, String)> {
    keys.iter().map(|key| (0, String::from(*key))).collect()
}

#[test]
fn each_watcher_is_told_what_it_asked_for() {
    let board = Board::new(2);
    let cores = [0, 1].map(|core| Reporter::new(board.clone(), core));
    fetch(&cores[0], b"nobody watches");
    let fetches = Kinds::default().and(Kind::Fetch);
    let (some, all) = (board.admit(fetches).unwrap(), board.admit(fetches.and(Kind::Mutation)).unwrap());
    assert!(read(&board, &some).is_empty());
    fetch(&cores[0], b"a");
    store(&cores[0], b"b");
    fetch(&cores[1], b"c");
    assert_eq!((read(&board, &some), read(&board, &all)), (told(&["a", "c"]), told(&["a", "b", "c"])));
    board.leave(some);
    let late = board.admit(fetches).unwrap();
    fetch(&cores[0], b"d");
    assert_eq!((read(&board, &late), read(&board, &all)), (told(&["d"]), told(&["d"])));
    assert_eq!((board.told(), board.audience().watchers()), (4, 2));
    board.leave(late);
    board.leave(all);
    fetch(&cores[0], b"nobody watches");
    assert_eq!((board.told(), board.audience()), (4, Audience::default()));
}

#[test]
fn what_was_overwritten_is_counted_by_kind() {
    let board = Board::new(1);
    let core = Reporter::new(board.clone(), 0);
    let [fetches, mutations] =
        [Kind::Fetch, Kind::Mutation].map(|kind| board.admit(Kinds::default().and(kind)).unwrap());
    for i in 0..3 * REMEMBERED {
        fetch(&core, format!("{i}").as_bytes());
        if i % 4 == 0 {
            store(&core, format!("s{i}").as_bytes());
        }
    }
    let (fetched, stored) = (read(&board, &fetches), read(&board, &mutations));
    let of = |told: &[(u64, String)]| {
        (told[0].0 + told.len() as u64, told.iter().filter(|(skipped, _)| *skipped > 0).count())
    };
    assert_eq!((of(&fetched), of(&stored)), ((3 * REMEMBERED as u64, 1), (3 * REMEMBERED as u64 / 4, 1)));
    assert_eq!(fetched.last().unwrap().1, format!("{}", 3 * REMEMBERED - 1));
    assert!(fetched.len() > REMEMBERED / 3);
}

#[test]
fn places_are_few() {
    let board = Board::new(1);
    let silent = || board.admit(Kinds::default());
    let mut tickets: Vec<Ticket> = (0..MAX_WATCHERS).map(|_| silent().unwrap()).collect();
    assert_eq!((silent(), board.audience().watchers()), (None, MAX_WATCHERS as u64));
    assert!(!board.audience().wants(Kind::Fetch) && !board.audience().is_empty());
    board.leave(tickets.pop().unwrap());
    assert!(silent().is_some_and(|ticket| ticket == Ticket(MAX_WATCHERS as u8 - 1)));
}
