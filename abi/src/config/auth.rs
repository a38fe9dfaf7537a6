//! What clients have to show before they are served.

use core::fmt;

/// Bytes of the longest token.
const MAX_LEN: usize = 128;

/// A user and a password. Does not show itself in logs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AuthToken {
    text: [u8; MAX_LEN],
    len: u8,
}

impl AuthToken {
    /// The token `user:password`. `None` if it is too long, or has no user or no password.
    pub fn new(token: &str) -> Option<AuthToken> {
        let (user, password) = token.split_once(':')?;
        let mut text = [0; MAX_LEN];
        text.get_mut(..token.len())?.copy_from_slice(token.as_bytes());
        let is_whole = !user.is_empty() && !password.is_empty();
        is_whole.then_some(AuthToken { text, len: token.len() as u8 })
    }

    /// `user:password`
    pub fn text(&self) -> &str {
        core::str::from_utf8(&self.text[..self.len.into()]).unwrap_or_default()
    }
}

impl fmt::Debug for AuthToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthToken")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_and_a_password() {
        assert_eq!(AuthToken::new("a:b:c").unwrap().text(), "a:b:c");
        for bad in ["", "a", ":a", "a:", &"a:".repeat(MAX_LEN)] {
            assert_eq!(AuthToken::new(bad), None, "{bad}");
        }
    }
}
