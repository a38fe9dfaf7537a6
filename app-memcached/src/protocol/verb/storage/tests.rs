use crate::protocol::testkit::{Client, exchange};

#[test]
fn conditions() {
    assert_eq!(
        exchange(b"add a 0 0 1\r\n1\r\nadd a 0 0 1\r\n2\r\nget a\r\n"),
        b"STORED\r\nNOT_STORED\r\nVALUE a 0 1\r\n1\r\nEND\r\n"
    );
    assert_eq!(
        exchange(b"replace a 0 0 1\r\n1\r\nset a 0 0 1\r\n1\r\nreplace a 9 0 1\r\n2\r\nget a\r\n"),
        b"NOT_STORED\r\nSTORED\r\nSTORED\r\nVALUE a 9 1\r\n2\r\nEND\r\n"
    );
}

#[test]
fn append_and_prepend_keep_flags() {
    assert_eq!(exchange(b"append a 0 0 1\r\n1\r\nprepend a 0 0 1\r\n1\r\n"), b"NOT_STORED\r\nNOT_STORED\r\n");
    assert_eq!(
        exchange(b"set a 7 0 1\r\n1\r\nappend a 9 0 1\r\nA\r\nprepend a 3 0 2\r\nPP\r\nget a\r\n"),
        b"STORED\r\nSTORED\r\nSTORED\r\nVALUE a 7 4\r\nPP1A\r\nEND\r\n"
    );
}

#[test]
fn cas_compares() {
    assert_eq!(
        exchange(b"cas a 0 0 1 1\r\n1\r\nset a 0 0 1\r\n1\r\ncas a 0 0 1 9\r\n2\r\ncas a 0 0 1 1\r\n3\r\ngets a\r\n"),
        b"NOT_FOUND\r\nSTORED\r\nEXISTS\r\nSTORED\r\nVALUE a 0 1 2\r\n3\r\nEND\r\n"
    );
    assert_eq!(exchange(b"cas a 0 0 1\r\n"), b"ERROR\r\n");
    assert_eq!(exchange(b"cas a 0 0 1 x\r\n"), b"CLIENT_ERROR bad command line format\r\n");
}

#[test]
fn bad_arguments_leave_the_payload() {
    let error = b"CLIENT_ERROR bad command line format\r\nERROR\r\n";
    for line in ["set a b 0 1", "set a 0 b 1", "set a 0 0 b", "set a 0 0 -1", "set a -1 0 1", "set a 0 0 2147483646"] {
        assert_eq!(exchange(format!("{line}\r\n1\r\n").as_bytes()), error, "{line}");
    }
    assert_eq!(exchange(b"set a 0 0\r\nset a 0 0 1 noreply x\r\n"), b"ERROR\r\nERROR\r\n");
}

#[test]
fn a_bad_chunk_ends_where_it_should_have_ended() {
    assert_eq!(
        exchange(b"set a 0 0 3\r\nabcdefgh\r\nversion x\r\n")[..37],
        b"CLIENT_ERROR bad data chunk\r\nERROR\r\n"[..].iter().chain(b"V").copied().collect::<Vec<u8>>()[..]
    );
    assert_eq!(exchange(b"set a 0 0 3 noreply\r\nabcdefgh\r\nget a\r\n"), b"ERROR\r\nEND\r\n");
}

#[test]
fn too_large_deletes_and_swallows() {
    let big = [b"set a 0 0 1048517\r\n", &vec![b'v'; 1_048_519][..], b"get a\r\n"].concat();
    assert_eq!(
        exchange(&[b"set a 0 0 1\r\n1\r\n", &big[..]].concat()),
        b"STORED\r\nSERVER_ERROR object too large for cache\r\nEND\r\n"
    );
    let add = [b"set a 0 0 1\r\n1\r\nadd a 0 0 1048517 noreply\r\n", &vec![b'v'; 1_048_519][..], b"get a\r\n"].concat();
    assert_eq!(exchange(&add), b"STORED\r\nVALUE a 0 1\r\n1\r\nEND\r\n");
}

#[test]
fn the_size_limit_is_memcacheds() {
    for (flags, limit) in [(0, 1_048_516), (1, 1_048_512)] {
        let request =
            |len: usize| [format!("set a {flags} 0 {len}\r\n").as_bytes(), &vec![b'v'; len], b"\r\n"].concat();
        assert_eq!(exchange(&request(limit)), b"STORED\r\n");
        assert_eq!(exchange(&request(limit + 1)), b"SERVER_ERROR object too large for cache\r\n");
    }
    let joined =
        [&b"set b 0 0 1048500\r\n"[..], &vec![b'v'; 1_048_500], b"\r\nappend b 0 0 50\r\n", &[b'a'; 50], b"\r\n"]
            .concat();
    assert_eq!(exchange(&joined), b"STORED\r\nNOT_STORED\r\n");
}

#[test]
fn expiry() {
    let mut client = Client::new();
    assert_eq!(
        client.send(b"set a 0 -1 1\r\n1\r\nget a\r\nset a 0 2592001 1\r\n1\r\nget a\r\n"),
        b"STORED\r\nEND\r\nSTORED\r\nEND\r\n"
    );
    let date = client.unix_seconds + 5;
    client.send(format!("set a 0 {date} 1\r\n1\r\nset b 0 5 1\r\n1\r\nset c 0 0 1\r\n1\r\n").as_bytes());
    client.sleep(4);
    assert_eq!(client.send(b"get a b c\r\n"), b"VALUE a 0 1\r\n1\r\nVALUE b 0 1\r\n1\r\nVALUE c 0 1\r\n1\r\nEND\r\n");
    client.sleep(1);
    assert_eq!(client.send(b"get a b c\r\nadd a 0 0 1\r\n2\r\n"), b"VALUE c 0 1\r\n1\r\nEND\r\nSTORED\r\n");
}

#[test]
fn flags_are_cut_to_32_bits() {
    assert_eq!(exchange(b"set a 4294967297 0 1\r\n1\r\nget a\r\n"), b"STORED\r\nVALUE a 1 1\r\n1\r\nEND\r\n");
}

#[test]
fn a_client_that_leaves_early_leaves_nothing() {
    let mut client = Client::new();
    client.send(b"set a 0 0 100\r\n12345");
    assert_eq!(client.server.store.pinned_segments(), 1);
    client.session.close(&mut client.server);
    assert_eq!((client.server.store.pinned_segments(), client.server.store.len()), (0, 0));
}
