//! Random operations against a map.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Op {
    Put(Condition, u8, usize, u32),
    Delete(u8),
    Touch(u8, u32),
    Get(u8),
    Tick(u32),
    Flush(u32),
    /// Items of other keys, so that memory fills.
    Noise(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let condition = prop::sample::select(vec![
        Condition::Set,
        Condition::Set,
        Condition::Set,
        Condition::Add,
        Condition::Replace,
        Condition::Append,
        Condition::Prepend,
        Condition::Cas(0),
    ]);
    let len = prop_oneof![8 => 0usize..300, 3 => 1_000usize..30_000, 1 => 60_000usize..900_000];
    let ttl = prop_oneof![3 => Just(0u32), 1 => 1u32..20];
    prop_oneof![
        10 => (condition, any::<u8>(), len, ttl.clone()).prop_map(|(c, key, len, ttl)| Op::Put(c, key, len, ttl)),
        2 => any::<u8>().prop_map(Op::Delete),
        1 => (any::<u8>(), ttl).prop_map(|(key, ttl)| Op::Touch(key, ttl)),
        6 => any::<u8>().prop_map(Op::Get),
        1 => (1u32..5).prop_map(Op::Tick),
        1 => (0u32..5).prop_map(Op::Flush),
        4 => (1usize..200).prop_map(Op::Noise),
    ]
}

/// What the store should hold: value, expiry and CAS value.
#[derive(Default)]
struct Model {
    items: HashMap<u8, (Vec<u8>, u32, u64)>,
    flush_at: Option<u32>,
    now: u32,
}

impl Model {
    fn set_now(&mut self, now: u32) {
        self.now = now;
        if self.flush_at.is_some_and(|at| at <= now) {
            self.items.clear();
            self.flush_at = None;
        }
        self.items.retain(|_, (_, exptime, _)| *exptime == 0 || *exptime > now);
    }

    fn put(&mut self, condition: Condition, key: u8, value: &[u8], exptime: u32) -> Outcome {
        let old = self.items.get(&key);
        let (value, exptime) = match (condition, old) {
            (Condition::Add, Some(_)) => return Outcome::NotStored,
            (Condition::Replace | Condition::Append | Condition::Prepend, None) => return Outcome::NotStored,
            (Condition::Cas(_), None) => return Outcome::NotFound,
            (Condition::Cas(cas), Some((_, _, old))) if cas != *old => return Outcome::Exists,
            (Condition::Append, Some((old, exptime, _))) => ([old, value].concat(), *exptime),
            (Condition::Prepend, Some((old, exptime, _))) => ([value, old].concat(), *exptime),
            _ => (value.to_vec(), exptime),
        };
        self.items.insert(key, (value, exptime, 0));
        Outcome::Stored
    }
}

/// Runs the operations. Where memory is ample, nothing may be missing; where it is not, what is there must be right.
fn run(ops: &[Op], bytes: usize, when_full: WhenFull, is_ample: bool) {
    lend(bytes, |memory| {
        run_in(ops, &mut store_in(memory, when_full), is_ample);
    });
}

fn run_in(ops: &[Op], store: &mut Handle, is_ample: bool) {
    let memory = store.capacity();
    let mut model = Model { now: FIRST_SECOND, ..Model::default() };
    let mut noise = 0u32;
    for (version, op) in ops.iter().enumerate() {
        match *op {
            Op::Put(condition, key, len, ttl) => {
                // Evicted items leave the model first, so that conditions agree.
                if !is_ample && store.get(&[key]).is_err() {
                    model.items.remove(&key);
                }
                let condition = match condition {
                    Condition::Cas(_) => Condition::Cas(store.get(&[key]).map_or(7, |item| item.cas)),
                    other => other,
                };
                if let (Condition::Cas(cas), Some(item)) = (condition, model.items.get_mut(&key)) {
                    item.2 = cas;
                }
                let exptime = if ttl == 0 { 0 } else { model.now + ttl };
                let value = pattern(key.into(), version as u32, len);
                match store.put_if(condition, &[key], &value, exptime) {
                    Ok(outcome) if is_ample => assert_eq!(outcome, model.put(condition, key, &value, exptime)),
                    // Making room may have evicted the very item that the condition asks for.
                    Ok(Outcome::Stored) => drop(model.put(condition, key, &value, exptime)),
                    Ok(_) => {}
                    Err(OutOfMemory) => assert!(!is_ample || len > memory / 2, "{len} bytes do not fit"),
                }
            }
            Op::Delete(key) => {
                let deleted = store.delete(&[key]);
                let expected = model.items.remove(&key).is_some();
                assert!(deleted == expected || (!is_ample && !deleted));
            }
            Op::Touch(key, ttl) => {
                let exptime = if ttl == 0 { 0 } else { model.now + ttl };
                if store.get_and_touch(&[key], exptime).is_ok() {
                    model.items.get_mut(&key).expect("a ghost").1 = exptime;
                }
            }
            Op::Get(key) => check(store, &model, key, is_ample),
            Op::Tick(seconds) => {
                store.set_now(model.now + seconds);
                model.set_now(model.now + seconds);
            }
            Op::Flush(delay) => {
                store.flush(model.now + delay);
                model.flush_at = Some(model.now + delay);
                model.set_now(model.now);
            }
            Op::Noise(items) => {
                for _ in 0..items {
                    noise += 1;
                    let key = if is_ample { noise % 500 } else { noise };
                    let _ = store.put(&key.to_le_bytes(), &[b'n'; 1_500]);
                }
            }
        }
    }
    for key in 0..=255 {
        check(store, &model, key, is_ample);
    }
    store.check();
    assert_eq!(store.pinned_segments(), 0);
}

fn check(store: &mut Handle, model: &Model, key: u8, is_ample: bool) {
    let expected = model.items.get(&key).map(|(value, _, _)| value);
    let found = store.value(&[key]);
    assert!(found.as_ref() == expected || (!is_ample && found.is_none()), "key {key}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn ample_memory_loses_nothing(ops in prop::collection::vec(op(), 1..120)) {
        // At most 120 items, a twelfth of them of 1 MB.
        run(&ops, 160 << 20, WhenFull::Evict, true);
    }

    #[test]
    fn what_is_found_is_right(ops in prop::collection::vec(op(), 1..400)) {
        run(&ops, 6 << 20, WhenFull::Evict, false);
    }

    #[test]
    fn what_is_found_is_right_without_evictions(ops in prop::collection::vec(op(), 1..300)) {
        run(&ops, 6 << 20, WhenFull::Refuse, false);
    }
}
