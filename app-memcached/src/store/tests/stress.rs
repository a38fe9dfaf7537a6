//! Several cores at once: nothing torn, nothing lost, no key goes back.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use super::*;

const CORES: usize = 4;

fn shared(bytes: usize, when_full: WhenFull) -> Arc<Shared> {
    Shared::new(StoreMemory::leak(bytes), StoreConfig { cores: CORES, when_full, seed: 42 }).ok().unwrap()
}

/// Runs `work` on as many threads as there are cores, each with a handle and its number.
fn on_all_cores(shared: &Arc<Shared>, work: impl Fn(usize, &mut Handle) + Sync) {
    let handles: Vec<Handle> = (0..CORES).map(|_| shared.handle().unwrap()).collect();
    let work = &work;
    thread::scope(|scope| {
        for (core, mut handle) in handles.into_iter().enumerate() {
            scope.spawn(move || {
                handle.online();
                work(core, &mut handle);
            });
        }
    });
}

/// A value that proves itself: key, number, and bytes that follow from them.
fn sealed(key: u32, number: u64, len: usize) -> Vec<u8> {
    let mut value = [&key.to_le_bytes()[..], &number.to_le_bytes()].concat();
    let mut random = Xorshift(u64::from(key) << 40 ^ number ^ 0x9e37_79b9);
    value.extend((0..len).map(|_| random.below(256) as u8));
    value
}

/// The number in a value of `key`, all of which is as it was written.
fn unseal(key: u32, value: &[u8]) -> u64 {
    let value = value.strip_suffix(b"\r\n").expect("a line end");
    let number = u64::from_le_bytes(value[4..12].try_into().unwrap());
    assert_eq!(value, sealed(key, number, value.len() - 12), "torn");
    number
}

/// The sum of what all threads count in a test.
#[derive(Default)]
struct Sum(AtomicU64);

impl Sum {
    fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What `check` needs to be the only one to look, after a test.
fn check_alone(shared: &Arc<Shared>) {
    for (number, segment) in shared.segments.iter() {
        assert!(segment.state() != State::Cleaning, "segment {number} was left claimed");
        assert!(!shared.pins.are_held(number), "segment {number} was left pinned");
    }
}

#[test]
fn each_key_only_moves_on() {
    // Each key has one writer, whose numbers grow; all cores read all keys and must never see one go back. Memory is full.
    let shared = shared(8 << 20, WhenFull::Evict);
    let (hits, writes) = (Sum::default(), Sum::default());
    on_all_cores(&shared, |core, store| {
        let mut random = Xorshift(core as u64 + 1);
        let mut seen = HashMap::new();
        for round in 1..40_000u64 {
            store.pass();
            let key = random.below(4_000) as u32;
            if random.below(3) == 0 {
                let key = key / CORES as u32 * CORES as u32 + core as u32;
                let len = if random.below(200) == 0 { random.below(60_000) } else { random.below(4_000) };
                let done = store.put(&key.to_le_bytes(), &sealed(key, round, len)).is_ok();
                writes.add(u64::from(done));
                if done {
                    seen.insert(key, round);
                }
            } else if let Ok(item) = store.get(&key.to_le_bytes()) {
                let number = unseal(key, item.value);
                let last = seen.insert(key, number).unwrap_or(0);
                assert!(number >= last, "key {key} went back from {last} to {number}");
                hits.add(1);
            }
            if random.below(500) == 0 {
                store.offline();
                thread::yield_now();
                store.online();
            }
        }
    });
    assert!(hits.get() > 20_000 && writes.get() > 20_000, "{} hits, {} writes", hits.get(), writes.get());
    assert!(shared.counters().evictions > 0 && shared.counters().cleaned_segments > 0);
    check_alone(&shared);
}

#[test]
fn counting_loses_nothing() {
    // All cores count up the same few numbers, while the table grows, items move and expiry times change.
    const KEYS: u32 = 7;
    let shared = shared(64 << 20, WhenFull::Refuse);
    let counts: Vec<Sum> = (0..KEYS).map(|_| Sum::default()).collect();
    let counts = &counts;
    on_all_cores(&shared, |core, store| {
        let mut random = Xorshift(core as u64 + 77);
        for round in 0..20_000u32 {
            store.pass();
            let number = random.below(KEYS as usize);
            let key = [b'n', number as u8];
            loop {
                let (cas, old) = match store.get(&key) {
                    Ok(item) => (Some(item.cas), u64::from_le_bytes(item.value[..8].try_into().unwrap())),
                    Err(_) => (None, 0),
                };
                let condition = cas.map_or(Condition::Add, Condition::Derived);
                if store.put_if(condition, &key, &(old + 1).to_le_bytes(), 0) == Ok(Outcome::Stored) {
                    counts[number].add(1);
                    break;
                }
            }
            // Other keys come and go around them.
            let noise = (random.below(50_000) as u32).to_le_bytes();
            if round % 4 == 0 {
                store.delete(&noise);
            } else {
                store.put(&noise, &[b'x'; 100]).unwrap();
            }
        }
    });
    let mut store = reader(&shared);
    for (number, count) in counts.iter().enumerate() {
        let value = store.value(&[b'n', number as u8]).unwrap();
        assert_eq!(u64::from_le_bytes(value.try_into().unwrap()), count.get());
    }
    assert_eq!(shared.sum(|counts| counts.items.get()) as usize, recount(&mut store));
    check_alone(&shared);
}

/// A handle for looking after all cores are done: that of core 0 once more.
fn reader(shared: &Arc<Shared>) -> Handle {
    let mut handle = Handle::new(shared.clone(), 0);
    handle.online();
    handle
}

/// How many of the keys that the tests use there are.
fn recount(store: &mut Handle) -> usize {
    let numbers = (0..=255u8).filter(|&number| store.get(&[b'n', number]).is_ok()).count();
    numbers + (0..50_000u32).filter(|key| store.get(&key.to_le_bytes()).is_ok()).count()
}

#[test]
fn one_of_many_wins() {
    // All cores invalidate a few items and try to win them, while the cleaners move them: nobody wins twice what has one CAS value.
    let shared = shared(8 << 20, WhenFull::Evict);
    let won = std::sync::Mutex::new(std::collections::HashSet::new());
    let won = &won;
    on_all_cores(&shared, |core, store| {
        let mut random = Xorshift(core as u64 + 5);
        let mut noise = core as u32;
        for _ in 0..10_000 {
            store.pass();
            let key = [b'w', random.below(3) as u8];
            let Ok(item) = store.peek(&key) else {
                let _ = store.put_if(Condition::Add, &key, &[b'v'; 300], 0);
                continue;
            };
            let (cas, place) = (item.cas, item.place);
            let is_won = store.details(place).unwrap().marks.has(Marks::WON);
            if random.below(8) == 0 {
                let _ = store.remark(&key, cas, Remark::Invalidate);
            } else if !is_won && let Ok(Some(place)) = store.remark(&key, cas, Remark::Win) {
                assert_eq!(store.value_at(place).unwrap().len(), 302);
                assert!(won.lock().unwrap().insert((key, cas)), "won twice");
            }
            noise += 4;
            store.put(&noise.to_le_bytes(), &[b'x'; 1000]).unwrap();
        }
    });
    assert!(won.lock().unwrap().len() > 3);
    check_alone(&shared);
}

#[test]
fn one_of_many_adds() {
    let shared = shared(64 << 20, WhenFull::Evict);
    let added = Sum::default();
    const KEYS: u32 = 20_000;
    on_all_cores(&shared, |core, store| {
        for key in 0..KEYS {
            store.pass();
            let value = sealed(key, core as u64, 10);
            added.add(u64::from(store.put_if(Condition::Add, &key.to_le_bytes(), &value, 0) == Ok(Outcome::Stored)));
        }
    });
    let mut store = reader(&shared);
    assert_eq!((added.get(), store.len()), (u64::from(KEYS), KEYS as usize));
    // No key is there twice.
    for key in 0..KEYS {
        assert!(store.delete(&key.to_le_bytes()));
        assert!(!store.delete(&key.to_le_bytes()), "key {key} was there twice");
    }
    check_alone(&shared);
}

#[test]
fn appending_loses_nothing() {
    let shared = shared(32 << 20, WhenFull::Refuse);
    on_all_cores(&shared, |core, store| {
        store.pass();
        let _ = store.put_if(Condition::Add, b"log", b"", 0);
        for i in 0..800u32 {
            store.pass();
            let condition = if i % 2 == 0 { Condition::Append } else { Condition::Prepend };
            while store.put_if(condition, b"log", format!("{core}:{i};").as_bytes(), 0) != Ok(Outcome::Stored) {
                store.pass();
            }
            let _ = store.put(&(i % 100).to_le_bytes(), &[b'x'; 3_000]);
        }
    });
    let log = String::from_utf8(reader(&shared).value(b"log").unwrap()).unwrap();
    let mut parts: Vec<&str> = log.split_terminator(';').collect();
    assert_eq!(parts.len(), CORES * 800);
    parts.sort_unstable();
    parts.dedup();
    assert_eq!(parts.len(), CORES * 800);
    check_alone(&shared);
}

#[test]
fn a_touch_is_not_lost() {
    // One core per key gives it ever later expiry times; the others make it move: by cleaning, counting, appending.
    let shared = shared(8 << 20, WhenFull::Evict);
    let done = AtomicBool::new(false);
    let touched = Sum::default();
    on_all_cores(&shared, |core, store| {
        if core > 1 {
            let mut i = core as u32;
            while !done.load(Ordering::Relaxed) {
                store.pass();
                i = i.wrapping_add(1);
                let _ = store.put(&(i % 9_000).to_le_bytes(), &[b'x'; 900]);
                if let Ok(item) = store.get(b"touched") {
                    let cas = item.cas;
                    let _ = store.put_if(Condition::Derived(cas), b"touched", b"1", 7);
                }
            }
            return;
        }
        if core == 1 {
            // Not in anybody's way.
            return store.offline();
        }
        for round in 0..30_000u32 {
            store.pass();
            let exptime = 1_000 + round;
            if store.get_and_touch(b"touched", exptime).is_ok() {
                if let Ok(item) = store.get(b"touched") {
                    assert_eq!(item.exptime, exptime, "in round {round}");
                    touched.add(1);
                }
            } else {
                let _ = store.put_if(Condition::Set, b"touched", b"1", exptime);
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(touched.get() > 1_000, "{} touches", touched.get());
    check_alone(&shared);
}

#[test]
fn pinned_values_outlive_what_other_cores_do() {
    let shared = shared(16 << 20, WhenFull::Evict);
    let pinned = Sum::default();
    on_all_cores(&shared, |core, store| {
        let mut random = Xorshift(core as u64 + 5);
        let mut pins = Vec::new();
        let mut open = Vec::new();
        for round in 0..6_000u64 {
            store.pass();
            let key = random.below(600) as u32;
            match random.below(8) {
                0..3 => drop(store.put(&key.to_le_bytes(), &sealed(key, round, random.below(30_000)))),
                3 => drop(store.delete(&key.to_le_bytes())),
                4 if open.len() < 10 => {
                    let value = sealed(key, round, random.below(30_000));
                    let item = NewItem { key: &key.to_le_bytes(), flags: 0, exptime: 0, marks: Marks::NONE };
                    if let Ok(reservation) = store.reserve(&item, value.len()) {
                        open.push((reservation, value));
                    }
                }
                5 if !open.is_empty() => {
                    let (mut reservation, value) = open.swap_remove(random.below(open.len()));
                    store.fill(&mut reservation, &value[..value.len() / 2]);
                    store.fill(&mut reservation, &value[value.len() / 2..]);
                    store.fill(&mut reservation, b"\r\n");
                    let _ = store.publish(reservation, Condition::Set);
                }
                6 if !pins.is_empty() => {
                    let (key, number, pin) = pins.swap_remove(random.below(pins.len()));
                    assert_eq!(unseal(key, store.pinned_value(&pin)), number);
                    store.unpin(pin);
                }
                _ => {
                    if let Ok(item) = store.get(&key.to_le_bytes()) {
                        let (number, place) = (unseal(key, item.value), item.place);
                        if let Some(pin) = store.pin(place) {
                            pins.push((key, number, pin));
                            pinned.add(1);
                        }
                    }
                }
            }
        }
        for (key, number, pin) in pins {
            assert_eq!(unseal(key, store.pinned_value(&pin)), number);
            store.unpin(pin);
        }
        open.into_iter().for_each(|(reservation, _)| store.abandon(reservation));
    });
    assert!(pinned.get() > 500, "{} pins", pinned.get());
    check_alone(&shared);
}

#[test]
fn large_items_of_several_cores() {
    let shared = shared(16 << 20, WhenFull::Evict);
    let stored = Sum::default();
    on_all_cores(&shared, |core, store| {
        let mut random = Xorshift(core as u64 + 31);
        for round in 0..300u64 {
            store.pass();
            let key = random.below(12) as u32;
            let len = if random.below(3) == 0 { 900_000 + random.below(100_000) } else { random.below(100_000) };
            stored.add(u64::from(store.put(&key.to_le_bytes(), &sealed(key, round, len)).is_ok()));
            let key = random.below(12) as u32;
            if let Ok(item) = store.get(&key.to_le_bytes()) {
                unseal(key, item.value);
            }
        }
    });
    assert!(stored.get() > 300, "{} stored", stored.get());
    check_alone(&shared);
}

#[test]
fn a_flush_takes_what_came_before() {
    let shared = shared(16 << 20, WhenFull::Evict);
    let mut handles: Vec<Handle> = (0..CORES).map(|_| shared.handle().unwrap()).collect();
    for (core, store) in handles.iter_mut().enumerate() {
        store.pass();
        for i in 0..=core as u32 * 10 {
            store.put(&(core as u32 * 100 + i).to_le_bytes(), b"1").unwrap();
        }
    }
    handles[1].flush(FIRST_SECOND);
    for (core, store) in handles.iter_mut().enumerate() {
        assert_eq!(store.get(&(core as u32 * 100).to_le_bytes()).err(), Some(Miss::Flushed));
        store.put(&(core as u32 * 100).to_le_bytes(), b"2").unwrap();
    }
    handles[2].flush(FIRST_SECOND + 3);
    handles[0].set_now(FIRST_SECOND + 2);
    assert!(handles[3].get(&0u32.to_le_bytes()).is_ok());
    handles[0].set_now(FIRST_SECOND + 3);
    assert!((0..CORES as u32).all(|core| handles[3].get(&(core * 100).to_le_bytes()).is_err()));
}

#[test]
fn cas_values_are_unique_and_grow() {
    let shared = shared(16 << 20, WhenFull::Evict);
    let mut handles: Vec<Handle> = (0..CORES).map(|_| shared.handle().unwrap()).collect();
    let mut seen = std::collections::HashSet::new();
    let mut random = Xorshift(3);
    let mut last = 0;
    for _ in 0..1_000 {
        let store = &mut handles[random.below(CORES)];
        store.pass();
        store.put(b"a", b"1").unwrap();
        store.put(b"b", b"1").unwrap();
        let (a, b) = (store.get(b"a").unwrap().cas, store.get(b"b").unwrap().cas);
        assert!(seen.insert(a) && seen.insert(b), "given twice");
        assert!(a > last);
        last = a;
    }
}

#[test]
fn pins_given_back_on_another_core_do_not_add_up() {
    let shared = shared(8 << 20, WhenFull::Evict);
    let [mut one, mut two, ..] = [(); CORES].map(|()| shared.handle().unwrap());
    let total = shared.segments.total() as u32;
    for round in 0..20 * total {
        one.pass();
        two.pass();
        one.put(&round.to_le_bytes(), &vec![b'v'; 50_000]).unwrap();
        let pin = one.find_and_pin(&round.to_le_bytes()).expect("one is never refused for what it no longer holds");
        two.unpin(pin);
        one.delete(&round.to_le_bytes());
    }
    assert_eq!(one.pinned_segments(), 0);
    check_alone(&shared);
}
