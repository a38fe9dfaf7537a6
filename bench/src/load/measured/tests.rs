use super::*;

/// Ten seconds at a rate.
fn measured(rate: Rate, intended: u64, answered: u64, idle_share: f64) -> Measured {
    let mut record = Record::new(1);
    (record.intended, record.answered) = (intended, answered);
    record.reads.record_n(100_000, answered).unwrap();
    record.lag.record_n(1000, intended.max(1)).unwrap();
    Measured { rate, time: Duration::from_secs(10), record, idle_share, server: None }
}

#[test]
fn the_limit_is_named() {
    let rate = Rate::PerSecond(1000.0);
    assert_eq!(measured(rate, 10_000, 9_990, 0.5).limit(), Limit::Rate);
    assert_eq!(measured(rate, 10_000, 9_000, 0.5).limit(), Limit::Server);
    assert_eq!(measured(rate, 10_000, 9_000, 0.01).limit(), Limit::Generator);
    assert_eq!(measured(rate, 9_000, 9_000, 0.5).limit(), Limit::Generator, "fewer arrivals than asked for");
    assert_eq!(measured(rate, 9_800, 9_800, 0.5).limit(), Limit::Rate, "by chance");
    assert_eq!(measured(Rate::Peak, 1, 10_000, 0.5).limit(), Limit::Server);
    assert_eq!(measured(Rate::Peak, 1, 10_000, 0.04).limit(), Limit::Generator);
}

#[test]
fn a_generator_that_sends_late_is_the_limit() {
    let mut late = measured(Rate::PerSecond(1000.0), 10_000, 10_000, 0.5);
    late.record.lag.record_n(50_000, 200).unwrap();
    assert_eq!((late.limit(), late.is_reached()), (Limit::Generator, true));
    late.record.reads.record_n(900_000, 200).unwrap();
    assert_eq!(late.limit(), Limit::Rate, "a tenth of the latency is no matter");
}

#[test]
fn lateness_is_to_blame_where_it_is_most_of_the_latency() {
    let mut disturbed = measured(Rate::PerSecond(1000.0), 10_000, 10_000, 0.5);
    disturbed.record.reads.record_n(4_000_000, 200).unwrap();
    disturbed.record.lag.record_n(50_000, 200).unwrap();
    assert!(!disturbed.is_held_up());
    disturbed.record.lag.record_n(3_000_000, 200).unwrap();
    assert!(disturbed.is_held_up());
    assert!(measured(Rate::PerSecond(1000.0), 10_000, 10_000, 0.04).is_held_up(), "no time to spare");
}

#[test]
fn an_appliance_s_busy_cycles_are_counted() {
    let statistics = |requests: u64, cycles: u64| {
        format!(
            "STAT rx_frames 9\r\nSTAT stage_turns 7\r\nSTAT stage_empty_cycles {cycles}\r\nSTAT stage_requests {requests}\r\n\
             STAT stage_receive_cycles {cycles}\r\nSTAT stage_app_cycles {}\r\nSTAT 0:stage_app_cycles 77\r\n\
             STAT stage_app_items 5\r\nEND\r\n",
            2 * cycles
        )
    };
    let server = ServerTime::between(&[statistics(100, 1000), statistics(200, 31_000)], None).unwrap();
    assert_eq!((server.busy_cycles_per_request, server.busy_share), (900.0, 0.75));
    assert_eq!(server.stages, [("app".to_owned(), 600.0), ("receive".to_owned(), 300.0)].into());
    let of_echo = ServerTime::between(&[statistics(100, 1000), statistics(200, 31_000)], Some(400)).unwrap();
    assert_eq!(of_echo.busy_cycles_per_request, 225.0, "four in each segment");
    let none = [statistics(100, 1000), statistics(100, 31_000)];
    assert_eq!(ServerTime::between(&none, None), None);
    assert_eq!(ServerTime::between(&["ERROR\r\n".into(), "ERROR\r\n".into()], None), None);
}
