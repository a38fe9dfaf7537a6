//! Authentication by a token, as memcached's `-Y`: a client first sends a `set` of any key, whose value is `user password`. Until then
//! all else is refused, frames included: they are taken for text.

use super::line::{Words, before_newline};
use super::number::parse_u32;
use super::output::Output;
use super::reply::{self, Answer};
use super::scan;
use super::server::Server;
use super::session::State;
use super::step::{LINE_LIMIT, Next, REPLY_ROOM, Status, Step};
use super::value::CRLF;

/// Bytes of the longest token.
pub const MAX_TOKEN: usize = 128;

const UNAUTHENTICATED: Answer = Answer::Line("CLIENT_ERROR unauthenticated");
const BAD_END: Answer = Answer::Line("CLIENT_ERROR bad command line termination");
const BAD_TOKEN: Answer = Answer::Line("CLIENT_ERROR bad authentication token format");
const FAILURE: Answer = Answer::Line("CLIENT_ERROR authentication failure");

/// A user and a password.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// `user:password`, and zeros.
    text: [u8; MAX_TOKEN],
    /// Bytes before the colon, and all of them.
    user_len: u8,
    len: u8,
}

impl Token {
    /// The token `user:password`. `None` if it is too long, or has no user or no password.
    pub fn new(text: &[u8]) -> Option<Token> {
        let user_len = text.iter().position(|&byte| byte == b':')?;
        let mut copy = [0; MAX_TOKEN];
        copy.get_mut(..text.len())?.copy_from_slice(text);
        let is_whole = user_len > 0 && user_len + 1 < text.len();
        is_whole.then_some(Token { text: copy, user_len: user_len as u8, len: text.len() as u8 })
    }

    /// Whether it is this user's with this password. Takes as long for any two of the same lengths.
    fn is(&self, user: &[u8], password: &[u8]) -> bool {
        let (user_len, len) = (usize::from(self.user_len), usize::from(self.len));
        let same_len = user.len() == user_len && password.len() == len - user_len - 1;
        let given = user.iter().chain(b":").chain(password);
        let differing = self.text[..len].iter().zip(given).fold(0, |bits, (own, given)| bits | (own ^ given));
        same_len && core::hint::black_box(differing) == 0
    }
}

impl core::fmt::Debug for Token {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Token")
    }
}

/// Takes a command of a client that has not shown `token` yet.
#[cold]
pub(super) fn execute(token: &Token, input: &[u8], server: &mut Server, out: &mut impl Output) -> (Step, State) {
    if out.room() < REPLY_ROOM {
        return (Step::stop(Status::NeedRoom), State::Locked);
    }
    let too_long = (Step { consumed: input.len(), next: Next::Stop(Status::LongLine) }, State::Over);
    let more = (Step::stop(Status::NeedInput), State::Locked);
    let Some(end) = scan::find_newline(input) else { return if input.len() < LINE_LIMIT { more } else { too_long } };
    let Some(len) = value_len(&Words::of(before_newline(input, end))) else {
        UNAUTHENTICATED.write(out);
        return (Step::go_on(end + 1), State::Locked);
    };
    let all = len.saturating_add(end + 1 + CRLF);
    if all > LINE_LIMIT {
        return too_long;
    }
    let Some(value) = input.get(end + 1..all) else { return more };
    let (answer, state) = judge(token, value, server);
    answer.write(out);
    (Step::go_on(all), state)
}

/// The length of the value, if the command is a `set`. What else it says does not matter.
fn value_len(words: &Words<'_>) -> Option<usize> {
    let is_set = words.count() >= 5 && words.get(0) == b"set";
    if is_set { parse_u32(words.get(4)).map(|len| len as usize) } else { None }
}

fn judge(token: &Token, value: &[u8], server: &Server) -> (Answer, State) {
    let Some(value) = value.strip_suffix(b"\r\n") else { return (BAD_END, State::Locked) };
    let words = Words::of(value);
    if words.count() < 2 {
        return (BAD_TOKEN, State::Locked);
    }
    server.counters.auth_cmds.add(1);
    if token.is(words.get(0), words.get(1)) {
        return (reply::STORED, State::Line);
    }
    server.counters.auth_errors.add(1);
    (FAILURE, State::Locked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::testkit::Client;

    const SHOWN: &[u8] = b"set a 0 0 12\r\nalice secret\r\n";

    fn client() -> Client {
        let mut client = Client::new();
        client.server.settings.auth = Token::new(b"alice:secret");
        assert!(client.server.settings.auth.is_some());
        client
    }

    /// What 1.6.18 answers, each to a connection of its own.
    #[test]
    fn as_memcached_does() {
        let cases: [(&[u8], &str); 16] = [
            (SHOWN, "STORED\r\n"),
            (b"get a\r\n", "CLIENT_ERROR unauthenticated\r\n"),
            (b"\r\n", "CLIENT_ERROR unauthenticated\r\n"),
            (b"quit\r\n", "CLIENT_ERROR unauthenticated\r\n"),
            (b"set a 0 0 11\r\nalice wrong\r\n", "CLIENT_ERROR authentication failure\r\n"),
            (b"set a 0 0 12\r\nalicf secret\r\n", "CLIENT_ERROR authentication failure\r\n"),
            (b"set a 0 0 13\r\nalice secrets\r\n", "CLIENT_ERROR authentication failure\r\n"),
            (b"set a 0 0 12\r\nalice:secret\r\n", "CLIENT_ERROR bad authentication token format\r\n"),
            (b"set a 0 0 19\r\nalice  secret  more\r\n", "STORED\r\n"),
            (b"set a 0 0 14\r\n alice secret \r\n", "STORED\r\n"),
            (b"set a 1 2 12 x y z\r\nalice secret\r\n", "STORED\r\n"),
            (b"set a 0 0 12 noreply\nalice secret\r\n", "STORED\r\n"),
            (b"set a 0 0 12\r\nalice secretX\r", "CLIENT_ERROR bad command line termination\r\n"),
            (b"set a 0 0 0\r\n\r\n", "CLIENT_ERROR bad authentication token format\r\n"),
            (b"set a 0 0\r\n", "CLIENT_ERROR unauthenticated\r\n"),
            (b"set a 0 0 x\r\n", "CLIENT_ERROR unauthenticated\r\n"),
        ];
        for (request, expected) in cases {
            let answer = String::from_utf8(client().send(request)).unwrap();
            assert_eq!(answer, expected, "{}", request.escape_ascii());
        }
    }

    #[test]
    fn all_is_open_to_who_has_shown_the_token() {
        let mut client = client();
        assert_eq!(client.send(b"get a\r\n"), b"CLIENT_ERROR unauthenticated\r\n");
        assert_eq!(
            client.send(&[SHOWN, SHOWN, b"get a\r\n"].concat()),
            [&b"STORED\r\nSTORED\r\nVALUE a 0 12\r\nalice secret\r\nEND\r\n"[..]].concat()
        );
        let counters = client.server.all_counters();
        assert_eq!((counters.auth_cmds, counters.auth_errors, counters.cmd_set), (1, 0, 1));
    }

    #[test]
    fn in_pieces() {
        let mut client = client();
        for byte in &SHOWN[..SHOWN.len() - 1] {
            assert_eq!(client.send(&[*byte]), b"");
        }
        assert_eq!(client.send(b"\n"), b"STORED\r\n");
    }

    #[test]
    fn frames_are_text() {
        let mut frame = [0; 24];
        (frame[0], frame[1]) = (0x80, b'\n');
        assert_eq!(client().send(&frame), b"CLIENT_ERROR unauthenticated\r\n");
    }

    #[test]
    fn too_much_closes() {
        assert_eq!(client().send(&[b'x'; 2048]), b"<closed>");
        assert_eq!(client().send(b"set a 0 0 2040\r\n"), b"<closed>");
        assert_eq!(client().send(b"set a 0 0 4294967295\r\n"), b"<closed>");
    }

    #[test]
    fn tokens() {
        assert!(Token::new(&[b':'; MAX_TOKEN]).is_none());
        assert!(Token::new(b"a:").is_none() && Token::new(b":a").is_none() && Token::new(b"a").is_none());
        assert!(Token::new(&[&[b'u', b':'][..], &[b'p'; MAX_TOKEN - 2]].concat()).is_some());
        assert!(Token::new(&[&[b'u', b':'][..], &[b'p'; MAX_TOKEN - 1]].concat()).is_none());
        assert!(Token::new(b"a:b:c").unwrap().is(b"a", b"b:c"));
    }
}
