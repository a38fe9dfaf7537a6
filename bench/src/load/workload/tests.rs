use super::*;
use crate::load::goodness::{FACEBOOK_KEY as KEY_CDF, FACEBOOK_VALUE as VALUE_CDF, assert_counts_follow};

fn etc(records: u64) -> Workload {
    let (keys, values, updates) = Preset::Etc.parameters();
    Workload::new(Mix { records, keys, values, updates, seed: 1 }).unwrap()
}

fn key(workload: &Workload, index: u64) -> String {
    workload.record(index).key()
}

fn value(workload: &Workload, index: u64) -> Vec<u8> {
    let mut value = Vec::new();
    workload.record(index).append_value(&mut value);
    value
}

#[test]
fn keys_are_padded_indices() {
    let workload = etc(1_000_000);
    for index in [0, 1, 9, 10, 123_456, 999_999] {
        let key = key(&workload, index);
        assert_eq!(key.parse::<u64>(), Ok(index), "{key}");
        assert!(key.len() >= 6);
    }
}

#[test]
fn lengths_over_all_records_follow_the_definitions() {
    let workload = etc(200_000);
    let keys: Vec<usize> = (0..200_000).map(|index| key(&workload, index).len()).collect();
    // No key is shorter than the largest index.
    assert_counts_follow("keys", &keys, |length| if length < 6 { 0.0 } else { KEY_CDF(length as f64 + 0.5) });
    let values: Vec<usize> = (0..200_000).map(|index| workload.record(index).value_len()).collect();
    let below = |length: usize| VALUE_CDF(if length < 15 { length as f64 } else { length as f64 + 1.0 });
    assert_counts_follow("values", &values, below);
}

#[test]
fn key_and_value_lengths_are_independent() {
    let workload = etc(100_000);
    let (mut short, mut both) = (0, 0);
    for index in 0..100_000 {
        let small = workload.record(index).value_len() < 15;
        if key(&workload, index).len() < 31 {
            short += 1;
            both += u32::from(small);
        }
    }
    let share = f64::from(both) / f64::from(short);
    assert!((share - 0.44155).abs() < 0.01, "{share}");
}

#[test]
fn a_value_is_recognized_in_any_pieces() {
    let workload = Workload::new(Mix { values: Distribution::Fixed(10_000.0), ..*etc(100).mix() }).unwrap();
    let value = value(&workload, 7);
    assert_eq!(value.len(), 10_000);
    let record = workload.record(7);
    for piece in [1, 17, 4096, 5000, 10_000] {
        assert!(value.chunks(piece).enumerate().all(|(n, bytes)| record.holds(n * piece, bytes)), "{piece}");
    }
}

#[test]
fn another_value_is_not() {
    let workload = etc(1000);
    let index = (0..1000).find(|&index| workload.record(index).value_len() > 20).unwrap();
    let mut wrong = value(&workload, index);
    assert!(!workload.record(index).holds(1, &wrong), "longer than it is");
    wrong[9] ^= 1;
    assert!(!workload.record(index).holds(0, &wrong));
    let taken = (0..1000).filter(|&other| other != index && workload.record(other).holds(0, &value(&workload, index)));
    assert_eq!(taken.count(), 0);
}

#[test]
fn updates_and_records_are_drawn_evenly() {
    let workload = etc(100);
    let mut random = Random::with_seed(3);
    let (mut updates, mut records) = (0, [0; 100]);
    for _ in 0..200_000 {
        let (operation, record) = workload.draw(&mut random);
        updates += u32::from(operation == Operation::Update);
        records[record as usize] += 1;
    }
    assert!((6300..6900).contains(&updates), "{updates}");
    assert!(records.iter().all(|&count| (1750..2250).contains(&count)), "{records:?}");
    let always = Workload::new(Mix { updates: 1.0, ..*workload.mix() }).unwrap();
    assert!((0..1000).all(|_| always.draw(&mut random).0 == Operation::Update));
    let never = Workload::new(Mix { updates: 0.0, ..*workload.mix() }).unwrap();
    assert!((0..1000).all(|_| never.draw(&mut random).0 == Operation::Read));
}

#[test]
fn impossible_mixes_are_refused() {
    let mix = *etc(100).mix();
    let refusal = |mix: Mix| Workload::new(mix).unwrap_err().to_string();
    assert!(refusal(Mix { records: 0, ..mix }).contains("at least one record"));
    assert!(refusal(Mix { keys: Distribution::Fixed(251.0), ..mix }).contains("1 to 250"));
    assert!(refusal(Mix { keys: Distribution::Fixed(1.0), ..mix }).contains("100 records need 2"));
    assert!(refusal(Mix { values: Distribution::Fixed(2e6), ..mix }).contains("at most 1048000"));
    assert!(refusal(Mix { updates: 3.3, ..mix }).contains("0 to 1"));
}
