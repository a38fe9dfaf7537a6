//! `memccapable`, libmemcached's test of servers, against the protocols on a socket of the host.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use super::testkit::{Client, Speaker};

/// Serves connections for as long as the test runs. Returns the port.
fn serve() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let client = Arc::new(Mutex::new(Client::new()));
        for stream in listener.incoming() {
            let client = client.clone();
            thread::spawn(move || converse(&client, stream.unwrap()));
        }
    });
    port
}

fn converse(client: &Mutex<Client>, mut stream: TcpStream) {
    const CLOSED: &[u8] = b"<closed>";
    let (mut speaker, mut input) = (Speaker::default(), vec![0; 65536]);
    while let Ok(n @ 1..) = stream.read(&mut input) {
        let replies = client.lock().unwrap().send_as(&mut speaker, &input[..n]);
        let (replies, is_over) = match replies.strip_suffix(CLOSED) {
            Some(replies) => (replies, true),
            None => (&replies[..], false),
        };
        if stream.write_all(replies).is_err() || is_over {
            return;
        }
    }
}

#[test]
#[ignore = "needs memccapable of libmemcached-tools"]
fn passes_all_tests_of_memccapable() {
    let port = serve().to_string();
    for (option, count) in [("-a", 27), ("-b", 27)] {
        let output = Command::new("memccapable").args(["-h", "127.0.0.1", "-p", &port, option]).output();
        let Ok(output) = output else {
            println!("skipped: memccapable is not installed");
            return;
        };
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(text.contains("All tests passed"), "{text}");
        assert_eq!(text.matches("[pass]").count(), count, "{text}");
    }
}
