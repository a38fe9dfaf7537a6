use super::*;

#[test]
fn smoltcp_as_the_client() {
    let pools = Pools::leak();
    for seed in 0..50 {
        if let Err(failure) = run(seed, Peer::SmoltcpClient, &pools, None) {
            panic!("seed {seed}: {failure}\n{}", failure.hosts);
        }
    }
}

#[test]
fn a_seed_replays() {
    let pools = Pools::leak();
    for seed in [3, 127] {
        let [first, second] = [(); 2].map(|()| run(seed, Peer::SmoltcpClient, &pools, None));
        assert_eq!(first, second);
    }
}
