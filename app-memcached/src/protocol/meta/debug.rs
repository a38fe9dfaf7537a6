//! `me <key> [b]`: what is known of an item, for people to read.

use super::super::line::next_word;
use super::super::output::Output;
use super::super::reply::Answer;
use super::super::server::Server;
use super::super::verb::CLASS;
use super::line::Line;
use super::request::{self, Key};
use super::{BAD_FORMAT, base64, refuse};
use crate::store::MAX_KEY;

pub(super) fn run(rest: &[u8], server: &mut Server, out: &mut impl Output) {
    let Ok((key, rest)) = request::split_key(rest) else { return refuse(BAD_FORMAT, out) };
    let mut decoded = [0; MAX_KEY];
    let key = match next_word(rest) {
        Some((b"b", _)) => match base64::decode(key, &mut decoded) {
            Some(key) => key,
            None => return refuse(BAD_FORMAT, out),
        },
        _ => key,
    };
    server.note_look_up(key);
    match describe(key, server) {
        Some(line) => line.write(out),
        None => Answer::Line("EN").write(out),
    }
}

fn describe(key: &[u8], server: &mut Server) -> Option<Line> {
    let item = server.store.peek(key).ok()?;
    let (flags, cas, exptime) = (item.flags, item.cas, item.exptime);
    let (value_len, place) = (item.value.len() - 2, item.place);
    let details = server.store.details(place)?;
    let mut line = Line::new(b"ME ");
    line.put_key(Key::of(key, details.marks));
    line.put(b" exp=");
    // Negative while it has not come, and cut to 32 bits, as in 1.6.18.
    let since = if exptime == 0 { -1 } else { server.store.now().wrapping_sub(exptime) as i32 };
    line.put(if since < 0 { b"-" } else { b"" });
    line.put_number(since.unsigned_abs().into());
    line.put(b" la=");
    line.put_number(details.idle_seconds.into());
    line.put(b" cas=");
    line.put_number(server.settings.dialect.told(cas));
    line.put(if details.is_fetched { b" fetch=yes" } else { b" fetch=no" });
    line.put(b" cls=");
    line.put_number(CLASS);
    line.put(b" size=");
    line.put_number(Server::item_size(key.len(), flags, value_len) as u64);
    Some(line)
}
