//! What watchers are told, and that memcached tells the same.

use super::differential::Theirs;
use super::recorded::Memcached;
use super::testkit::{Client, Speaker};

/// A client's server, and somebody who watches it.
struct Watched {
    client: Client,
    watcher: Speaker,
}

impl Watched {
    /// With what the watcher asks for.
    fn by(kinds: &str) -> Watched {
        let (mut client, mut watcher) = (Client::new(), Speaker::default());
        assert_eq!(client.send_as(&mut watcher, format!("watch {kinds}\r\n").as_bytes()), b"OK\r\n");
        Watched { client, watcher }
    }

    /// The lines that a request leads to.
    fn told(&mut self, request: &[u8]) -> String {
        self.client.send(request);
        self.new_lines()
    }

    fn new_lines(&mut self) -> String {
        String::from_utf8(self.client.send_as(&mut self.watcher, b"")).unwrap()
    }
}

fn ask(client: &mut Client, request: &str) -> String {
    String::from_utf8(client.send_as(&mut Speaker::default(), format!("{request}\r\n").as_bytes())).unwrap()
}

/// What 1.6.18 answers.
#[test]
fn what_may_be_watched() {
    let mut client = Client::new();
    let many = |n, last| format!("watch {}{last}", "fetchers ".repeat(n));
    for (request, answer) in [
        ("watch", "OK\r\n"),
        (" watch ", "OK\r\n"),
        ("watch fetchers", "OK\r\n"),
        ("watch mutations evictions connevents", "OK\r\n"),
        ("watch rawcmds sysevents proxyreqs proxyevents proxyuser", "OK\r\n"),
        ("watch fetchers\0bogus", "OK\r\n"),
        ("watch deletions", "ERROR\r\n"),
        ("watch fetchers bogus", "ERROR\r\n"),
        ("watch Fetchers", "ERROR\r\n"),
        ("watch noreply", ""),
        ("watch fetchers noreply", ""),
        (&many(21, "bogus"), "ERROR\r\n"),
        (&many(22, "bogus"), "OK\r\n"),
        (&many(21, "noreply"), ""),
        (&many(22, "noreply"), "OK\r\n"),
        ("watcher", "ERROR\r\n"),
    ] {
        assert_eq!(ask(&mut client, request), answer, "{request}");
    }
    client.server.settings.permissions.watching = false;
    assert_eq!(ask(&mut client, "watch"), "CLIENT_ERROR watch commands not allowed\r\n");
    assert_eq!(ask(&mut client, "watch noreply"), "");
}

#[test]
fn who_watches_is_not_listened_to() {
    let mut watched = Watched::by("fetchers");
    assert_eq!(watched.client.send_as(&mut watched.watcher, b"version\r\nwatch mutations\r\nquit\r\n"), b"");
    assert_eq!(
        watched.told(b"get a\r\n"),
        "ts=1700000000.7008 gid=1 type=item_get key=a status=not_found clsid=0 cfd=3 size=0\n"
    );
}

#[test]
fn watchers_are_counted_and_not_too_many() {
    let mut client = Client::new();
    let mut watchers: Vec<Speaker> = (0..20).map(|_| Speaker::default()).collect();
    for watcher in &mut watchers {
        assert_eq!(client.send_as(watcher, b"watch\r\n"), b"OK\r\n");
    }
    assert_eq!(client.send(b"watch\r\nmn\r\n"), b"WATCHER_TOO_MANY log watcher limit reached\r\nMN\r\n");
    client.send(b"get a\r\n");
    let lines: usize =
        watchers.iter_mut().map(|watcher| client.send_as(watcher, b"").split(|&b| b == b'\n').count() - 1).sum();
    assert_eq!(lines, 20);
    let stats = |client: &mut Client| String::from_utf8(client.send(b"stats\r\n")).unwrap();
    let told = "log_worker_written 1\r\nSTAT log_watcher_skipped 0\r\nSTAT log_watcher_sent 20\r\nSTAT log_watchers";
    assert!(stats(&mut client).contains(&format!("STAT log_worker_dropped 0\r\nSTAT {told} 20\r\n")));
    watchers.into_iter().for_each(|watcher| client.leave(watcher));
    client.send(b"get a\r\n");
    assert!(stats(&mut client).contains(&format!("{told} 0\r\n")));
    assert_eq!(client.send(b"stats reset\r\n"), b"RESET\r\n");
    assert!(
        stats(&mut client)
            .contains("STAT log_worker_written 0\r\nSTAT log_watcher_skipped 0\r\nSTAT log_watcher_sent 0\r\n")
    );
}

#[test]
fn who_is_too_slow_is_told_how_much_it_has_missed() {
    let mut watched = Watched::by("fetchers");
    for i in 0..1000 {
        watched.client.send(format!("get {i}\r\n").as_bytes());
    }
    let lines = watched.new_lines();
    let (skipped, rest) = lines.split_once('\n').unwrap();
    let skipped: usize = skipped.strip_prefix("skipped=").unwrap().parse().unwrap();
    assert_eq!(skipped + rest.lines().count(), 1000);
    assert!(!rest.contains("skipped") && rest.lines().last().unwrap().contains(" key=999 "));
    let stats = String::from_utf8(watched.client.send(b"stats\r\n")).unwrap();
    assert!(stats.contains(&format!("STAT log_watcher_skipped {skipped}\r\n")));
}

#[test]
fn evictions_are_told_of() {
    let mut watched = Watched::by("evictions");
    let value = "v".repeat(4000);
    let mut lines = String::new();
    for i in 0..4000 {
        let ttl = if i % 2 == 0 { 0 } else { 5000 };
        lines += &watched.told(format!("set k!{i} 0 {ttl} 4000 noreply\r\n{value}\r\n").as_bytes());
    }
    let evictions = watched.client.server.store.counters().evictions as usize;
    assert!(evictions > 1000, "{evictions}");
    // A write that makes much room may have made more of them than a core remembers.
    let skipped: usize =
        lines.lines().filter_map(|line| line.strip_prefix("skipped=")).map(|n| n.parse::<usize>().unwrap()).sum();
    let mut evicted = 0;
    for line in lines.lines().filter(|line| !line.starts_with("skipped")) {
        evicted += 1;
        let (_, event) = line.split_once(" type=eviction key=k%21").expect(line);
        let (number, event) = event.split_once(' ').unwrap();
        let ttl = if number.parse::<u32>().unwrap() % 2 == 0 { -1 } else { 5000 };
        assert_eq!(event, format!("fetch=no ttl={ttl} la=0 clsid=1 size=4000"));
    }
    assert_eq!(evicted + skipped, evictions);
}

#[test]
fn the_longest_key_fits_into_a_line() {
    let mut watched = Watched::by("fetchers mutations");
    let key = [0xff; 250];
    let lines = watched.told(&[b"set ", &key[..], b" 4294967295 -1 3\r\nabc\r\n"].concat());
    let key = format!("key={} status=", "%FF".repeat(250));
    assert_eq!(lines.matches(&key).count(), 2);
    assert!(lines.ends_with("stored cmd=set ttl=4294967295 clsid=1 cfd=3 size=3\n"), "{lines}");
}

/// Requests of all kinds that look up or store items.
fn requests() -> Vec<Vec<u8>> {
    let text = [
        "get a",
        "set a 0 0 3\r\nabc",
        "get a b a",
        "gets a",
        "gat 100 a",
        "gats 100 zz",
        "touch a 0",
        "touch zz 0",
        "mg a v",
        "mg a s t",
        "mg zz v",
        "mg zz v N30",
        "mg zz k",
        "mg a T30 v",
        "mg AAEC b v",
        "mn",
        "me a",
        "me no",
        "incr a 1",
        "set n 5 0 1\r\n1",
        "incr n 1",
        "incr n 100",
        "decr n 1",
        "incr no 1",
        "ma n",
        "ma nn N0 J5",
        "ma no",
        "append n 0 50 1\r\n1",
        "prepend n 9 0 1\r\n1",
        "append no 0 0 1\r\n1",
        "delete n",
        "delete n",
        "md n",
        "md a I",
        "mg a v",
        "add a 0 0 1\r\n1",
        "add new 0 60 1\r\n1",
        "replace no 0 0 1\r\n1",
        "replace a 0 0 2\r\n22",
        "cas a 0 0 1 1\r\n5",
        "cas no 0 0 1 1\r\n5",
        "set a 7 100 3\r\nabc",
        "set x 0 0 0\r\n",
        "get x",
        "set a 0 0 1\r\n1xx",
        "ms a 3\r\nabc",
        "ms a 3 T60 F7\r\nabc",
        "ms a 3 ME\r\nabc",
        "ms no 3 MA\r\nabc",
        "ms a 3 MA\r\nabc",
        "ms a 3 MP T9\r\nabc",
        "ms a 3 MR\r\nabc",
        "ms no 3 MR\r\nabc",
        "ms a 3 C1\r\nabc",
        "ms a 3 C1 I\r\nabc",
        "ms no 3 C1\r\nabc",
        "ms AAEC 1 b\r\nx",
        "mg AAEC b v",
        "ms q 1 q\r\nx",
        "md q q",
        "set f 0 -1 1\r\n1",
        "get f",
        "get f",
        "set g 0 -1 1\r\n1",
        "mg g v",
        "set h 0 0 1\r\n1",
        "flush_all",
        "get h",
        "get h",
        "get a%b\u{e9}c~-_.!*",
        "get  k1 k2  k3 ",
    ];
    let mut requests: Vec<Vec<u8>> = text.iter().map(|line| format!("{line}\r\n").into_bytes()).collect();
    requests.push([b"get ", &[b'k'; 250][..], b"\r\n"].concat());
    requests.push([b"get ", &[b'k'; 251][..], b"\r\n"].concat());
    requests
}

/// Frames of the binary protocol.
fn frames() -> Vec<Vec<u8>> {
    let frame = |opcode: u8, extras: &[u8], key: &str, value: &str, cas: u8| {
        let (extras_len, key_len) = (extras.len() as u8, key.len() as u8);
        let head = [0x80, opcode, 0, key_len, extras_len, 0, 0, 0, 0, 0, 0, extras_len + key_len + value.len() as u8];
        [&head[..], &[0; 11], &[cas], extras, key.as_bytes(), value.as_bytes()].concat()
    };
    let (set, later) = ([0; 8], [0, 0, 0, 5, 0, 0, 0, 60]);
    let sum = |expiry: [u8; 4]| [&[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7][..], &expiry].concat();
    vec![
        frame(0x01, &set, "bk", "val", 0),
        frame(0x01, &later, "bk", "val", 0),
        frame(0x00, &[], "bk", "", 0),
        frame(0x00, &[], "bz", "", 0),
        frame(0x0c, &[], "bk", "", 0),
        frame(0x09, &[], "bz", "", 0),
        frame(0x02, &set, "bk", "1", 0),
        frame(0x03, &set, "bz", "1", 0),
        frame(0x01, &set, "bk", "v", 5),
        frame(0x01, &set, "bz", "v", 5),
        frame(0x0e, &[], "bk", "app", 0),
        frame(0x0f, &[], "bk", "app", 0),
        frame(0x0e, &[], "bz", "app", 0),
        frame(0x05, &sum([0; 4]), "bn", "", 0),
        frame(0x05, &sum([0; 4]), "bn", "", 0),
        frame(0x06, &sum([0, 0, 0, 60]), "bm", "", 0),
        frame(0x05, &sum([0xff; 4]), "bo", "", 0),
        frame(0x04, &[], "bn", "", 0),
        frame(0x04, &[], "bn", "", 0),
        frame(0x1c, &[0, 0, 0, 60], "bk", "", 0),
        frame(0x1d, &[0, 0, 0, 60], "bk", "", 0),
        frame(0x1d, &[0, 0, 0, 60], "bz", "", 0),
        frame(0x11, &set, "bk", "v", 0),
        frame(0x12, &set, "bk", "v", 0),
    ]
}

/// A line without what is another thing in each server: the time, the number, the client, the class, and times to live that have
/// passed.
fn essence(line: &str) -> String {
    let differs = |word: &&str| !["ts=", "gid=", "cfd="].iter().any(|name| word.starts_with(name));
    let words = line.split(' ').filter(differs).map(|word| match word.strip_prefix("ttl=").map(str::parse::<u32>) {
        Some(Ok(ttl)) if ttl > u32::MAX / 2 => "ttl=passed",
        _ if word.starts_with("clsid=") && word != "clsid=0" => "clsid=some",
        _ => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
#[ignore = "needs memcached 1.6.18"]
fn watchers_are_told_as_memcached_does() {
    let memcached = Memcached::start_with(&["-o", "no_lru_maintainer,no_lru_crawler"]);
    let mut watcher = Theirs::connect(memcached.port);
    assert_eq!(watcher.ask(b"watch fetchers mutations\r\n", b"\r\n"), b"OK\r\n");
    let mut watched = Watched::by("fetchers mutations");
    let (mut text, mut binary) = (Theirs::connect(memcached.port), Theirs::connect(memcached.port));
    let mut speaker = Speaker::default();
    let mut ours = String::new();
    // Its size tells the last line from all others.
    let end = format!("set end 0 0 777\r\n{}\r\n", "v".repeat(777)).into_bytes();
    let requests = requests().into_iter().chain([end]);
    for frame in frames() {
        watched.client.send_as(&mut speaker, &frame);
        ours += &watched.new_lines();
        let last = [&frame[..], &[0x80, 0x0a], &[0; 22]].concat();
        binary.ask(&last, &[&[0x81, 0x0a], &[0; 22][..]].concat());
    }
    for request in requests {
        ours += &watched.told(&request);
        text.ask(&[&request[..], b"mn\r\n"].concat(), b"MN\r\n");
    }
    let theirs = String::from_utf8(watcher.ask(b"", b" size=777\n")).unwrap();
    let essences = |lines: &str| lines.lines().map(essence).collect::<Vec<_>>();
    for (number, (theirs, ours)) in essences(&theirs).iter().zip(essences(&ours)).enumerate() {
        assert_eq!(ours, *theirs, "line {number}");
    }
    assert_eq!(ours.lines().count(), theirs.lines().count());
    assert!(theirs.lines().count() > 100);
}
