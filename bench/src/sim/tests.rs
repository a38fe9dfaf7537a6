use super::*;

/// The seeds of the ordinary tests; `ci/soak netsim` runs more.
const SEEDS: u64 = 200;

fn run_all(peer: Peer) {
    let pools = Pools::leak();
    for seed in (0..SEEDS).filter(|seed| peers_own(peer, *seed).is_none()) {
        if let Err(failure) = run(seed, peer, &pools, None) {
            panic!("ci/soak netsim --peer {peer} --seed {seed} --seeds 1: {failure}\n{}", failure.hosts);
        }
    }
}

#[test]
fn both_ends_ours() {
    run_all(Peer::Memstorm);
}

#[test]
fn smoltcp_as_the_client() {
    run_all(Peer::SmoltcpClient);
}

#[test]
fn smoltcp_as_the_server() {
    run_all(Peer::SmoltcpServer);
}

#[test]
fn a_seed_replays() {
    let pools = Pools::leak();
    for (seed, peer) in [3, 127].into_iter().flat_map(|seed| Peer::ALL.map(|peer| (seed, peer))) {
        let [first, second] = [(); 2].map(|()| run(seed, peer, &pools, None));
        assert_eq!(first, second);
    }
}
