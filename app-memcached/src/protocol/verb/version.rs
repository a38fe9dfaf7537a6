//! `version`

use super::super::reply::Answer;

/// What the server calls itself. Clients read major, minor and patch of memcached's version at the front to learn the dialect,
/// stopping at the first byte that is not a digit; what follows says which program answers.
pub const VERSION: &str = concat!("1.6.18-memstorm-", env!("CARGO_PKG_VERSION"));

pub(super) const ANSWER: Answer = Answer::Line(concat!("VERSION 1.6.18-memstorm-", env!("CARGO_PKG_VERSION")));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::testkit::exchange;

    #[test]
    fn names_itself() {
        assert_eq!(exchange(b"version with words\r\n"), format!("VERSION {VERSION}\r\n").as_bytes());
    }
}
