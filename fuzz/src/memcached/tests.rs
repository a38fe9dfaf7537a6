//! The model against what memcached 1.6.18 itself has answered.

use super::answer::{Extent, is_as_expected};
use super::items::Items;
use super::server::UNIX_SECONDS;
use super::talk::Talk;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../app-memcached/src/protocol/fixtures/");

/// The bytes of an escaped line; a run of a byte is `{byte*count}`.
fn unescape(text: &str) -> Vec<u8> {
    let (mut bytes, mut chars) = (Vec::new(), text.chars());
    while let Some(c) = chars.next() {
        match c {
            '{' => {
                let run: String = chars.by_ref().take_while(|c| *c != '}').collect();
                let (byte, count) = run.split_once('*').unwrap();
                bytes.extend(unescape(byte).repeat(count.parse().unwrap()));
            }
            '\\' => bytes.push(match chars.next().unwrap() {
                'r' => b'\r',
                'n' => b'\n',
                't' => b'\t',
                'x' => u8::from_str_radix(&chars.by_ref().take(2).collect::<String>(), 16).unwrap(),
                c => c as u8,
            }),
            c => bytes.push(c as u8),
        }
    }
    bytes
}

/// The exchanges of a recording: what was sent, and what came back.
fn exchanges(name: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let text = std::fs::read_to_string([FOLDER, name].concat()).unwrap();
    let lines =
        |block: &str, mark: &str| block.lines().filter_map(|line| line.strip_prefix(mark)).flat_map(unescape).collect();
    text.split("\n\n")
        .map(|block| (lines(block, "> "), lines(block, "< ")))
        .filter(|(sent, _)| !Vec::is_empty(sent))
        .collect()
}

/// Version numbers tell the programs apart.
fn is_about_version(request: &[u8]) -> bool {
    request.windows(7).any(|word| word == b"version") || request.windows(2).any(|head| head == [0x80, 0x0b])
}

fn replay(name: &str) {
    let exchanges = exchanges(name);
    assert!(exchanges.len() > 40);
    for (request, answer) in exchanges.iter().filter(|(request, _)| !is_about_version(request)) {
        let (mut talk, mut items) = (Talk::new(), Items::new(UNIX_SECONDS, 1 << 20));
        talk.hear(request);
        talk.finish(&mut items);
        let closed: &[u8] = if talk.is_closed() { b"<closed>" } else { b"" };
        let said = answer.strip_suffix(closed).unwrap_or(b"not closed");
        assert!(
            is_as_expected(said, &talk.parts, Extent::All),
            "{name}\n asked {}\n  said {}\n model {:?}",
            request[..request.len().min(300)].escape_ascii(),
            answer[..answer.len().min(300)].escape_ascii(),
            talk.parts
        );
    }
}

#[test]
fn text_as_recorded() {
    replay("memcached-1.6.18.txt");
}

#[test]
fn meta_as_recorded() {
    replay("memcached-1.6.18-meta.txt");
}

#[test]
fn binary_as_recorded() {
    replay("memcached-1.6.18-binary.txt");
}
