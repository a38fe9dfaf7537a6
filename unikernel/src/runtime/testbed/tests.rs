use netstack::reserves;
use netstack::steering::FLOW_GROUPS;

use super::*;

impl Testbed {
    /// Whether anything was lost or overtaken, anywhere; `early` segments came before their connection was accepted.
    fn assert_undisturbed(&self, early: u64) {
        let drops = ["drop_steer_ring_full", "drop_steer_no_buffer", "drop_steer_no_core", "drop_mailbox_no_buffer"];
        let moves = ["drop_migrate_kept_full", "migrate_turned_away", "drop_relay_no_buffer"];
        let tcp = ["tcp_timeouts", "tcp_resets_out", "drop_tcp_no_connection"];
        for name in drops.iter().chain(&moves).chain(&tcp) {
            assert_eq!(self.sum(name), 0, "{name}");
        }
        assert_eq!(self.sum("tcp_out_of_order"), early);
        assert_eq!(statistic(&self.client, "tcp_out_of_order"), 0);
        for name in tcp {
            assert_eq!(statistic(&self.client, name), 0, "{name} of the client");
        }
    }

    /// Ends all connections. Then every buffer is back in its pool.
    fn end(mut self) {
        self.client.app_mut().close();
        self.run(400_000, |bed| bed.client.app_mut().is_closed());
        for _ in 0..200 {
            self.round();
        }
        for core in 0..self.cores.len() {
            let ring = if core == 0 || self.switch.is_some() { 256 } else { 0 };
            let (free, all) = (self.statistic(core, "packet_buffers_free"), self.statistic(core, "packet_buffers"));
            assert!(free + ring >= all - 8, "core {core}: {free} of {all} free");
        }
    }
}

#[test]
fn every_core_serves_and_no_buffer_is_lost() {
    for cores in [1, 2, 4] {
        let mut bed = Testbed::new(cores, 64, 7);
        bed.client.app_mut().limit(8_000);
        bed.run(20_000, |bed| bed.client.app_mut().is_done());
        for core in 0..cores {
            assert!(bed.statistic(core, "stage_requests") > 2_000, "core {core} of {cores}");
        }
        assert_eq!(bed.statistic(0, "steer_passed_on") > 0, cores > 1);
        let early = bed.sum("tcp_out_of_order");
        bed.assert_undisturbed(early);
        bed.end();
    }
}

#[test]
fn all_cores_learn_the_address_and_their_neighbors() {
    let mut bed = Testbed::new(3, 1, 1);
    assert!(bed.cores[0].address().is_none(), "the others have not answered");
    for _ in 0..50 {
        bed.round();
    }
    assert_eq!(bed.cores[0].address().map(|address| address.ip), Some(SERVER));
    assert!(bed.statistic(0, "arp_replies") > 0);
    assert_eq!((bed.statistic(1, "arp_replies"), bed.statistic(2, "arp_replies")), (0, 0));
}

/// Cores that serve 24 connections, all of them open.
fn busy(cores: usize, seed: u64) -> Testbed {
    let mut bed = Testbed::new(cores, 24, seed);
    bed.run(2_000, |bed| bed.client.app_mut().checked > 400_000);
    bed
}

/// So many groups, and connections in them, change cores while every connection is busy.
fn migrate(cores: usize, groups: u64, connections: u64, seed: u64) {
    let mut bed = busy(cores, seed);
    let early = bed.sum("tcp_out_of_order");
    bed.run(4_000_000, |bed| {
        let (group, core) = (bed.random(FLOW_GROUPS), bed.random(cores));
        bed.cores[0].control().unwrap().migrate(group as u8, core);
        bed.sum("migrate_groups") >= groups && bed.sum("migrate_connections") >= connections
    });
    assert_eq!(bed.sum("migrate_refused"), 0);
    bed.assert_undisturbed(early);
    bed.end();
}

/// Cores are parked and unparked while every connection is busy.
fn park(cores: usize, parkings: u64, seed: u64) {
    let mut bed = busy(cores, seed);
    let early = bed.sum("tcp_out_of_order");
    for _ in 0..parkings {
        let core = 1 + bed.random(cores - 1);
        bed.cores[0].control().unwrap().park(core);
        bed.run(20_000, |bed| bed.cores[core].is_parked());
        let checked = bed.client.app_mut().checked;
        bed.run(2_000, |bed| bed.client.app_mut().checked > checked + 5_000);
        bed.cores[0].control().unwrap().unpark(core);
        bed.run(20_000, |bed| !bed.cores[core].is_parked() && bed.is_even(core));
    }
    assert_eq!(bed.statistic(0, "cores_parkings"), parkings);
    bed.assert_undisturbed(early);
    bed.end();
}

impl Testbed {
    /// Whether a core has its share of the groups.
    fn is_even(&self, core: usize) -> bool {
        let cores = self.cores.len();
        (0..FLOW_GROUPS as u8).filter(|group| self.cores[0].owner(*group) == core).count() >= FLOW_GROUPS / cores
    }
}

#[test]
fn migrations_lose_and_reorder_nothing() {
    for (cores, seed) in [(2, 1), (4, 3)] {
        migrate(cores, 50, 20, seed);
    }
}

#[test]
fn parkings_lose_and_reorder_nothing() {
    for (cores, seed) in [(2, 1), (3, 2)] {
        park(cores, 2, seed);
    }
}

/// Groups move and cores are parked while the service serves large values from little memory: no connection may stand still.
fn move_caches(cores: usize, groups: u64, seed: u64) {
    const CONNECTIONS: usize = 16;
    let mut bed = cache::cache(cores, CONNECTIONS, seed);
    // From a client that answers at once to one that rests for long.
    bed.client_rest = 1 + seed as usize % 6 * 4;
    let (mut replies, mut answered_at) = ([0; CONNECTIONS], [bed.now; CONNECTIONS]);
    let mut rounds = 0;
    while !(bed.client.app_mut().ending && bed.client.app_mut().is_idle()) {
        rounds += 1;
        match rounds {
            _ if bed.sum("migrate_groups") >= groups => bed.client.app_mut().ending = true,
            _ if rounds % 400 == 0 => bed.park_one(),
            _ if rounds % 400 == 200 => (1..cores).for_each(|core| bed.cores[0].control().unwrap().unpark(core)),
            _ if rounds % 4 == 0 => bed.move_one(),
            _ => {}
        }
        bed.round();
        let (now, app) = (bed.now, bed.client.app_mut());
        assert_eq!(app.dead, None, "seed {seed}, round {rounds}");
        for n in 0..CONNECTIONS {
            if app.is_idle_on(n) || app.replies[n] != replies[n] {
                (replies[n], answered_at[n]) = (app.replies[n], now);
            }
            let waited = now.since(answered_at[n]);
            assert!(waited < Duration::from_secs(1), "seed {seed}, round {rounds}, a stall: {}", app.state(n));
        }
    }
    let lost = ["drop_mailbox_no_buffer", "drop_migrate_kept_full", "migrate_turned_away", "migrate_refused"];
    lost.iter().for_each(|name| assert_eq!(bed.sum(name), 0, "{name}"));
    assert!(bed.sum("migrate_connections") > groups / 20);
}

impl<A: Movable, C: Movable> Testbed<A, C> {
    fn move_one(&mut self) {
        let (group, core) = (self.random(FLOW_GROUPS), self.random(self.cores.len()));
        self.cores[0].control().unwrap().migrate(group as u8, core);
    }

    fn park_one(&mut self) {
        let core = 1 + self.random(self.cores.len() - 1);
        self.cores[0].control().unwrap().park(core);
    }
}

/// Many large values on their way to a client that rests, on cores without a queue pair of their own: some buffers are always
/// left, or what frees the others could not come in.
#[test]
fn large_values_leave_buffers_to_acknowledgements() {
    let mut bed = cache::cache(4, 40, 0);
    bed.client.app_mut().gets_per_set = 40;
    bed.client_rest = 20;
    for round in 0..4_000 {
        match round % 800 {
            0 => (2..4).for_each(|core| bed.cores[0].control().unwrap().park(core)),
            400 => (2..4).for_each(|core| bed.cores[0].control().unwrap().unpark(core)),
            _ => {
                let group = bed.random(FLOW_GROUPS) as u8;
                bed.cores[0].control().unwrap().migrate(group, 1);
            }
        }
        bed.round();
        assert_eq!(bed.client.app_mut().dead, None, "round {round}");
        for core in 0..4 {
            let (free, all) = (bed.cores[core].pool.available(), bed.cores[core].pool.capacity());
            assert!(free >= all / reserves::COPIES, "round {round}: {free} buffers left to core {core}");
        }
    }
    assert!(bed.sum("migrate_connections") > 0);
}

#[test]
fn caches_that_move() {
    move_caches(4, 60, 1);
}

#[test]
#[ignore = "ci/soak cores"]
fn many_caches_that_move() {
    (0..40).for_each(|seed| move_caches(2 + seed as usize % 3, 1_000, seed));
}

#[test]
#[ignore = "ci/soak cores"]
fn ten_thousand_migrations() {
    (0..10).for_each(|seed| migrate(2 + seed as usize % 3, 1_000, 200, seed));
}

#[test]
#[ignore = "ci/soak cores"]
fn a_thousand_parkings() {
    (0..10).for_each(|seed| park(2 + seed as usize % 3, 100, seed));
}
