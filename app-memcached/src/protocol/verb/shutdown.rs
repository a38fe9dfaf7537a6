//! `shutdown [graceful]`: powers the machine off, if that is allowed (`-A`). There is no answer: the connection ends, like all others.

use super::super::line::Words;
use super::super::reply::Answer;
use super::super::server::{Ending, Server};

pub(super) fn run(words: &Words<'_>, server: &mut Server) -> Result<(), Answer> {
    if !server.settings.permissions.shutdown {
        return Err(Answer::Line("ERROR: shutdown not enabled"));
    }
    let ending = match (words.get(1), words.count()) {
        (_, 1) => Ending::Now,
        (b"graceful", 2) => Ending::Gracefully,
        _ => return Err(Answer::Line("CLIENT_ERROR invalid shutdown mode")),
    };
    server.ending = Some(ending);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::protocol::Ending;
    use crate::protocol::testkit::Client;

    /// What 1.6.18 answers.
    #[test]
    fn only_if_it_is_allowed() {
        let mut client = Client::new();
        assert_eq!(client.send(b"shutdown\r\nshutdown x\r\n"), b"ERROR: shutdown not enabled\r\n".repeat(2));
        client.server.settings.permissions.shutdown = true;
        let refused = b"CLIENT_ERROR invalid shutdown mode\r\n".repeat(3);
        assert_eq!(client.send(b"shutdown x\r\nshutdown graceful x\r\nshutdown noreply\r\n"), refused);
        assert_eq!(client.server.ending, None);
        assert_eq!(client.send(b"shutdown graceful\r\nversion\r\n"), b"<closed>");
        assert_eq!(client.server.ending, Some(Ending::Gracefully));
    }

    #[test]
    fn at_once() {
        let mut client = Client::new();
        client.server.settings.permissions.shutdown = true;
        assert_eq!(client.send(b"shutdown\r\n"), b"<closed>");
        assert_eq!(client.server.ending, Some(Ending::Now));
    }
}
