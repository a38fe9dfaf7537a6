//! Whatever comes in: no panic, no leak, no wedge.

use proptest::prelude::*;

use super::peer::{Credit, Stack};
use crate::store::lend;

/// What a peer does.
#[derive(Clone, Debug)]
enum Action {
    Send(Vec<u8>),
    Finish,
    Kill,
    Connect,
    Credit(Option<u32>),
    Sleep(u64),
}

/// Bytes that are likely to mean something.
fn fragment() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(vec![
        "get ",
        "gets ",
        "gat 1 ",
        "set ",
        "add ",
        "append ",
        "prepend ",
        "cas ",
        "incr ",
        "decr ",
        "touch ",
        "delete ",
        "flush_all",
        "stats",
        "stats settings",
        "version",
        "quit",
        "a ",
        "b ",
        "0 ",
        "0 0 5",
        "0 0 5000",
        "9 -1 3",
        "1 ",
        " noreply",
        "\r\n",
        "\n",
        "\0",
        "hello\r\n",
        "18446744073709551615",
        "-1 ",
    ]);
    prop_oneof![
        8 => words.prop_map(|word| word.as_bytes().to_vec()),
        2 => Just(b"set a 0 0 5\r\nhello\r\n".to_vec()),
        2 => Just([&b"set b 0 0 9000\r\n"[..], &[b'v'; 9000], b"\r\n"].concat()),
        1 => prop::collection::vec(any::<u8>(), 0..40),
        1 => (any::<u8>(), 200usize..3000).prop_map(|(byte, n)| vec![byte; n]),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        20 => prop::collection::vec(fragment(), 1..12).prop_map(|parts| Action::Send(parts.concat())),
        1 => Just(Action::Finish),
        1 => Just(Action::Kill),
        2 => Just(Action::Connect),
        3 => prop::option::of(0u32..20_000).prop_map(Action::Credit),
        1 => (0u64..3).prop_map(Action::Sleep),
    ]
}

/// Performs the actions, and then checks that all comes back.
fn run(actions: &[(usize, Action)], segment: usize, mut stack: Stack) {
    for _ in 0..4 {
        stack.connect(Credit::Window(4000));
    }
    for &(number, ref action) in actions {
        match action {
            Action::Send(bytes) => {
                for piece in bytes.chunks(segment) {
                    stack.deliver(number, piece);
                    stack.settle();
                }
            }
            Action::Finish => stack.finish(number),
            Action::Kill => stack.kill(number),
            Action::Connect => drop(stack.connect(Credit::Window(1460))),
            Action::Credit(Some(window)) => stack.set_credit(number, Credit::Window(*window)),
            Action::Credit(None) => stack.set_credit(number, Credit::Stalled),
            Action::Sleep(seconds) => stack.sleep(*seconds),
        }
    }
    for number in 0..stack.peers.len() {
        stack.set_credit(number, Credit::Window(65_536));
    }
    stack.assert_nothing_leaked();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_leaked(
        actions in prop::collection::vec((0usize..4, action()), 1..60),
        segment in 1usize..1460,
        buffers in prop::sample::select(vec![24usize, 64, 512]),
    ) {
        lend(6 << 20, |memory| run(&actions, segment, Stack::with_memory(buffers, memory)));
    }
}
