use super::*;

fn parsed(line: &str) -> Result<Config, ConfigError<'_>> {
    let mut config = Config::default();
    config.apply(line).map(|()| config)
}

#[test]
fn empty_line_keeps_the_defaults() {
    assert_eq!(parsed(" \t "), Ok(Config::default()));
}

#[test]
fn every_key_is_applied() {
    let line = "port=21211 udp-port=21212 http-port=21213 auth-token=user:pass:word cluster-nodes=3:a|192.0.2.1|11211,b|192.0.2.2|11211 \
                protocol=ascii disable-cas idle-timeout=30 memory-limit=64 conn-limit=100 max-item-size=512k disable-evictions \
                disable-flush-all disable-dumping=yes disable-watch enable-shutdown ip=192.0.2.7/24 \
                gateway=192.0.2.1 vlan=100 listen-backlog=64 \
                congestion-control=newreno ecn=yes keepalive=60 console=debug on-crash=halt batch=8 spin=0 threads=3 \
                stage-clock=alone exercise=9 selftest=ud2 selftest-core=1";
    let expected = Config {
        port: 21211,
        udp_port: 21212,
        http_port: 21213,
        auth_token: AuthToken::new("user:pass:word"),
        cluster_nodes: ClusterNodes::new("3:a|192.0.2.1|11211,b|192.0.2.2|11211"),
        protocol: Protocol::Ascii,
        cas: CasUse::Disabled,
        idle_timeout_s: 30,
        memory_limit_mib: Some(64),
        conn_limit: 100,
        max_item_size: 512 << 10,
        evictions: Evictions::Disabled,
        flush_all: Permission::Denied,
        dumping: Permission::Denied,
        watching: Permission::Denied,
        shutdown: Permission::Granted,
        address: Address::Static { ip: Ipv4Addr::new(192, 0, 2, 7), prefix: 24 },
        gateway: Some(Ipv4Addr::new(192, 0, 2, 1)),
        vlan: Some(100),
        listen_backlog: 64,
        congestion_control: CongestionControl::NewReno,
        ecn: Ecn::Offered,
        keepalive_s: 60,
        console: Level::Debug,
        on_crash: OnCrash::Halt,
        batch: 8,
        spin_us: 0,
        threads: Some(3),
        stage_clock: StageClock::Alone,
        exercise: 9,
        selftest: Some(SelfTest::Ud2),
        selftest_core: 1,
    };
    assert_eq!(parsed(line), Ok(expected));
}

#[test]
fn a_fault_is_one_core_s() {
    let faults = |line: &str| [0, 1].map(|core| parsed(line).unwrap().fault_of(core));
    assert_eq!(faults("selftest=ud2"), [Some(SelfTest::Ud2), None]);
    assert_eq!(faults("selftest=ud2 selftest-core=1"), [None, Some(SelfTest::Ud2)]);
    assert_eq!(faults("selftest-core=1"), [None, None]);
}

#[test]
fn every_key_is_known_to_the_parser() {
    for key in KEYS {
        assert!(!matches!(parsed(key), Err(ConfigError::UnknownKey { .. })), "{key}");
    }
}

#[test]
fn later_words_override_earlier_ones() {
    assert_eq!(parsed("port=1 port=2").unwrap().port, 2);
    assert_eq!(parsed("disable-evictions disable-evictions=no").unwrap().evictions, Evictions::Enabled);
}

#[test]
fn unknown_keys_name_the_nearest() {
    for (word, nearest) in [("prt=1", "port"), ("memory=64", "memory-limit"), ("max-itemsize=1m", "max-item-size")] {
        let key = word.split('=').next().unwrap();
        assert_eq!(parsed(word), Err(ConfigError::UnknownKey { key, nearest }));
    }
    let long = "x=".repeat(100);
    assert!(matches!(parsed(&long), Err(ConfigError::UnknownKey { key: "x", .. })));
}

#[test]
fn unknown_values_name_the_nearest() {
    let error = ConfigError::UnknownValue { key: "selftest", value: "nullread", nearest: "null-read" };
    assert_eq!(parsed("selftest=nullread"), Err(error));
}

#[test]
fn malformed_values_are_refused() {
    let words = [
        "port=0",
        "port=65536",
        "port=",
        "port",
        "port=+1",
        "port=1x",
        "port=99999999999999999999",
        "memory-limit=0",
        "memory-limit=-1",
        "conn-limit=0",
        "max-item-size=1023",
        "max-item-size=129m",
        "max-item-size=k",
        "ip=",
        "ip=10.0.0.1",
        "ip=10.0.0.1/0",
        "ip=10.0.0.1/33",
        "ip=0.0.0.0/8",
        "ip=10.0.0.256/8",
        "ip=224.0.0.1/4",
        "gateway=x",
        "listen-backlog=0",
        "keepalive=86401",
        "idle-timeout=86401",
        "cluster-nodes=a|192.0.2.1|11211",
        "vlan=0",
        "vlan=4095",
        "vlan=",
        "batch=0",
        "batch=65",
        "spin=1000001",
    ];
    for word in words {
        assert!(matches!(parsed(word), Err(ConfigError::BadValue { .. })), "{word}");
    }
}
