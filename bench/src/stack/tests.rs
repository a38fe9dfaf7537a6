use super::*;

fn load(connections: usize, size: usize, depth: usize) -> Load {
    Load { connections, size, depth, batch: 64, arrivals: Arrivals::Batch }
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
