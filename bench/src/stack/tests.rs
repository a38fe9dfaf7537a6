use super::*;

fn load(connections: usize, size: usize, depth: usize) -> Load {
    Load { work: Work::Echo, connections, size, depth, batch: 64, arrivals: Arrivals::Batch }
}

/// Every request is answered by its own bytes: anything else is an error of the measurement.
#[test]
fn requests_of_all_sizes_are_answered() {
    for (connections, size, depth) in
        [(1, 1, 1), (1, 64, 16), (3, 1448, 1), (3, 1449, 2), (100, 64, 1), (2, MAX_SIZE, 1)]
    {
        let load = load(connections, size, depth);
        let answered = probe(&load, 1000).unwrap_or_else(|error| panic!("{load:?}: {error}"));
        assert!(answered >= 1000, "{load:?}");
    }
}

#[test]
fn batches_are_as_large_as_arrivals_and_bound_allow() {
    let batch = |load: Load| measure(&load, 1000).unwrap().batch;
    assert_eq!(batch(load(1, 64, 1)), (1, 1.0, 1));
    assert_eq!(batch(Load { batch: 8, arrivals: Arrivals::Overload, ..load(512, 64, 1) }), (8, 8.0, 8));
}

/// The same of what the protocol says, with values that are copied and values that are lent.
#[test]
fn values_are_what_was_stored() {
    for work in [Work::Get { key: 19 }, Work::Set { key: 31 }] {
        for (connections, size, depth) in [(3, 330, 16), (100, 4096, 1), (2, MAX_SIZE, 2)] {
            let load = Load { work, ..load(connections, size, depth) };
            let answered = probe(&load, 1000).unwrap_or_else(|error| panic!("{load:?}: {error}"));
            assert!(answered >= 1000, "{load:?}");
        }
    }
}
