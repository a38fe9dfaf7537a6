use crate::protocol::testkit::{Client, exchange};

#[test]
fn one_client_is_told_to_recache() {
    let mut client = Client::new();
    // A miss that is made up for: the first wins, the others see so.
    assert_eq!(client.send(b"mg a N30 v\r\nmg a N30 v\r\nmg a v\r\n"), b"VA 0 W\r\n\r\nVA 0 Z\r\n\r\nVA 0 Z\r\n\r\n");
    assert_eq!(client.send(b"ms a 3 T30\r\nnew\r\nmg a v N30\r\n"), b"HD\r\nVA 3\r\nnew\r\n");
    // Soon to expire.
    assert_eq!(client.send(b"mg a R10\r\nmg a R60\r\nmg a R60\r\n"), b"HD\r\nHD W\r\nHD Z\r\n");
    // Out of date.
    assert_eq!(
        client.send(b"md a I T60\r\nmg a v t\r\nmg a v\r\n"),
        b"HD\r\nVA 3 t60 X W\r\nnew\r\nVA 3 Z X\r\nnew\r\n"
    );
    assert_eq!(client.send(b"ms a 1\r\n1\r\nmg a v\r\n"), b"HD\r\nVA 1\r\n1\r\n");
}

#[test]
fn a_stale_value_with_a_lower_cas_value() {
    let request = b"ms a 1\r\n1\r\nms a 1\r\n2\r\nms a 1 C1 I\r\n3\r\nmg a v c\r\nms a 1 C9 I\r\n4\r\nms a 1 C3\r\n5\r\nmg a v c\r\n";
    assert_eq!(exchange(request), b"HD\r\nHD\r\nHD\r\nVA 1 c3 X W\r\n3\r\nEX\r\nHD\r\nVA 1 c4\r\n5\r\n");
}

#[test]
fn time_is_told_as_it_was_before() {
    let mut client = Client::new();
    client.send(b"ms a 1 T100\r\nx\r\n");
    client.sleep(7);
    assert_eq!(client.send(b"mg a t l h\r\nmg a t l h\r\n"), b"HD t93 l7 h0\r\nHD t93 l0 h1\r\n");
    client.sleep(5);
    assert_eq!(client.send(b"mg a l u\r\nmg a l u\r\nme a\r\n")[..16], b"HD l5\r\nHD l5\r\nME"[..]);
    assert_eq!(client.send(b"mg a t T20\r\nmg a T0 t\r\n"), b"HD t88\r\nHD t-1\r\n");
    assert_eq!(client.send(b"mg a T-1\r\nmg a\r\n"), b"HD\r\nEN\r\n");
}

#[test]
fn a_vivified_item_expires() {
    let mut client = Client::new();
    client.send(b"mg a N5\r\nma n N5 J3\r\nmg b N-1\r\n");
    assert_eq!(client.send(b"mg a\r\nma n v\r\nmg b\r\n"), b"HD Z\r\nVA 1\r\n4\r\nEN\r\n");
    client.sleep(5);
    assert_eq!(client.send(b"mg a\r\nma n\r\n"), b"EN\r\nNF\r\n");
}

#[test]
fn a_payload_may_come_in_pieces() {
    let request = b"ms YWJj 5 b O12 k c C1 I T0\r\nhello\r\nmg YWJj b k v O9\r\n";
    let mut whole = Client::new();
    whole.send(b"set abc 0 0 1\r\n1\r\n");
    let expected = whole.send(request);
    assert_eq!(expected, b"HD O12 kYWJj b c2\r\nVA 5 kYWJj b O9\r\nhello\r\n");
    for at in 1..request.len() {
        let mut client = Client::new();
        client.send(b"set abc 0 0 1\r\n1\r\n");
        let (first, second) = request.split_at(at);
        assert_eq!([client.send(first), client.send(second)].concat(), expected, "cut at {at}");
        assert_eq!(client.server.store.pinned_segments(), 0);
    }
}

#[test]
fn a_client_that_leaves_early_leaves_nothing() {
    let mut client = Client::new();
    client.send(b"ms a 100 Oxyz\r\n12345");
    assert!(client.server.store.pinned_segments() > 0);
    client.session.close(&mut client.server);
    assert_eq!((client.server.store.pinned_segments(), client.server.store.len()), (0, 0));
}

#[test]
fn large_values_wait_for_room() {
    let mut client = Client::new();
    let value = b"0123456789".repeat(5_000);
    client.send(&[&b"ms big 50000 T0\r\n"[..], &value, b"\r\n"].concat());
    client.room = 1200;
    let reply = client.send(b"mg big v O1\r\nmg big v k\r\nmn\r\n");
    let expected = [b"VA 50000 O1\r\n", &value[..], b"\r\nVA 50000 kbig\r\n", &value, b"\r\nMN\r\n"].concat();
    assert_eq!(reply, expected);
    assert_eq!(client.server.store.pinned_segments(), 0);
}

#[test]
fn the_longest_answer_fits() {
    // 186 bytes, which are 248 in base64; as an answer to every flag.
    let key = "A".repeat(248);
    let opaque = "o".repeat(31);
    let request =
        format!("ms {key} 1 b F4294967295 T2591999\r\nx\r\nmg {key} b k O{opaque} t c f s l h v R2592000 q\r\n");
    let reply = String::from_utf8(exchange(request.as_bytes())).unwrap();
    assert!(reply.starts_with("HD\r\nVA 1 k") && reply.ends_with("l0 h0 W\r\nx\r\n"), "{reply}");
    assert!(reply.contains(&format!(" O{opaque} t2591999 c1 f4294967295 s1 ")), "{reply}");
}

#[test]
fn what_later_versions_added() {
    // `s` of `ms`, and `N` for what is joined: 1.6.18 takes both and does nothing.
    assert_eq!(
        exchange(b"ms a 3 s\r\nabc\r\nms n 2 MA N0\r\nxy\r\nms n 1 MP N0\r\n-\r\nmg n v\r\n"),
        b"HD s3\r\nHD\r\nHD\r\nVA 3\r\n-xy\r\n"
    );
}

#[test]
fn counts_as_the_classic_commands() {
    let mut client = Client::new();
    client.send(b"ms a 1\r\n1\r\nmg a\r\nmg b\r\nmg a T5\r\nmd a\r\nmd a\r\nma n\r\nma n N0\r\nma n MD\r\n");
    let counters = client.server.all_counters();
    assert_eq!((counters.cmd_set, counters.get_hits, counters.get_misses, counters.touch_hits), (1, 1, 1, 1));
    assert_eq!((counters.delete_hits, counters.delete_misses), (1, 1));
    assert_eq!((counters.incr_misses, counters.incr_hits, counters.decr_hits), (1, 0, 1));
}
