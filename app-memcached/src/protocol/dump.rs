//! `lru_crawler metadump | mgdump | crawl`: walks over all items, which go on for many turns. As the output has room, and never much
//! in one turn.

use core::fmt::Write as _;

use heapless::String;

use super::meta;
use super::output::Output;
use super::reply::{self, Answer};
use super::server::Server;
use super::step::{REPLY_ROOM, Status};
use super::uri;
use super::verb::CLASS;
use crate::store::{Crawled, Cursor, MAX_KEY, Visited, Walk};

/// Buckets that are walked in one step, where each item is a line, and where it is not: two hundred thousand
/// instructions at most, or so.
const BUCKETS_TO_TELL: u32 = 16;
const BUCKETS_TO_CRAWL: u32 = 64;

/// Bytes of the longest line: a key of which each byte is escaped, and seven words with numbers.
const MAX_LINE: usize = 3 * MAX_KEY + 192;

const _: () = assert!(MAX_LINE <= REPLY_ROOM);

/// What is done with each item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It is told of.
    Metadata,
    /// Its key is told, as an `mg` that asks for it.
    MetaGet,
    /// It is removed, if its time has come.
    Crawl,
}

impl Purpose {
    /// What is answered at the end.
    pub(super) fn end(self) -> Answer {
        match self {
            Purpose::Metadata => reply::END,
            Purpose::MetaGet => Answer::Line("EN"),
            Purpose::Crawl => reply::OK,
        }
    }
}

/// A walk on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dump {
    purpose: Purpose,
    cursor: Cursor,
}

impl Dump {
    pub(super) fn new(purpose: Purpose, server: &Server) -> Dump {
        server.counters.lru_crawler_starts.add(1);
        Dump { purpose, cursor: Cursor::default() }
    }

    /// Goes on. `None` if this was the last step, else what is waited for.
    pub(super) fn advance(&mut self, server: &mut Server, out: &mut impl Output) -> Option<Status> {
        if out.room() < REPLY_ROOM {
            return Some(Status::NeedRoom);
        }
        let walk = match self.purpose {
            Purpose::Metadata => self.tell(server, out, metadata),
            Purpose::MetaGet => self.tell(server, out, |visited, _| meta::get_line(visited.key, visited.details.marks)),
            Purpose::Crawl => self.crawl(server),
        };
        match walk {
            Walk::GoOn if out.room() < REPLY_ROOM => Some(Status::NeedRoom),
            Walk::GoOn => Some(Status::Pause),
            Walk::Stop if out.room() < REPLY_ROOM => Some(Status::NeedRoom),
            Walk::Stop => {
                self.purpose.end().write(out);
                None
            }
        }
    }

    fn tell<L: AsRef<[u8]>>(
        &mut self,
        server: &Server,
        out: &mut impl Output,
        line: impl Fn(&Visited<'_>, &Server) -> L,
    ) -> Walk {
        let mut checked = 0;
        let walk = server.store.walk(&mut self.cursor, BUCKETS_TO_TELL, |visited| {
            if out.room() < REPLY_ROOM {
                return Walk::Stop;
            }
            checked += 1;
            out.write(line(visited, server).as_ref());
            Walk::GoOn
        });
        server.counters.crawler_items_checked.add(checked);
        walk
    }

    fn crawl(&mut self, server: &mut Server) -> Walk {
        let (walk, Crawled { checked, reclaimed }) = server.store.crawl(&mut self.cursor, BUCKETS_TO_CRAWL);
        server.counters.crawler_items_checked.add(checked);
        server.counters.crawler_reclaimed.add(reclaimed);
        walk
    }
}

/// A line of `metadump`. Times are of the wall clock.
fn metadata(visited: &Visited<'_>, server: &Server) -> String<MAX_LINE> {
    let mut line = String::new();
    let now = server.unix_seconds() as i64;
    let exptime = match visited.exptime {
        0 => -1,
        at => now + i64::from(at) - i64::from(server.store.now()),
    };
    let read = now - i64::from(visited.details.idle_seconds);
    let fetched = if visited.details.is_fetched { "yes" } else { "no" };
    let size = Server::item_size(visited.key.len(), visited.flags, visited.value_len);
    let _ = line.push_str("key="); // fits, as all that follows
    uri::escape(visited.key, &mut line);
    let written =
        writeln!(line, " exp={exptime} la={read} cas={} fetch={fetched} cls={CLASS} size={size}", visited.cas);
    debug_assert!(written.is_ok(), "MAX_LINE is too small");
    line
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use crate::protocol::REPLY_ROOM;
    use crate::protocol::testkit::{Client, exchange};

    fn text(client: &mut Client, request: &[u8]) -> String {
        String::from_utf8(client.send(request)).unwrap()
    }

    /// As 1.6.18 writes it.
    #[test]
    fn items_are_told_of() {
        let mut client = Client::new();
        client.send(b"set b\xff\x01!*~-_.()/,: 0 0 1\r\n1\r\nms YWI= 1 b\r\nx\r\nset e 0 -1 1\r\n1\r\n");
        client.send(b"set f 5 7 3\r\nfff\r\n");
        client.sleep(2);
        client.send(b"get f\r\n");
        client.sleep(1);
        let answer = text(&mut client, b"lru_crawler metadump all\r\nversion\r\n");
        let (dump, rest) = answer.split_once("END\r\n").unwrap();
        assert!(rest.starts_with("VERSION"));
        let lines: HashSet<&str> = dump.split_inclusive('\n').collect();
        let expected = [
            "key=b%FF%01%21%2A~-_.%28%29%2F%2C%3A exp=-1 la=1700000000 cas=1 fetch=no cls=1 size=74\n",
            "key=ab exp=-1 la=1700000000 cas=2 fetch=no cls=1 size=62\n",
            "key=f exp=1700000007 la=1700000002 cas=4 fetch=yes cls=1 size=67\n",
        ];
        assert_eq!(lines, HashSet::from(expected));
        assert_eq!(text(&mut client, b"lru_crawler metadump hash\r\n").lines().count(), 4);
        assert_eq!(text(&mut client, b"lru_crawler metadump 2,1\r\n").lines().count(), 4);
    }

    #[test]
    fn keys_are_told_to_be_asked_for() {
        let mut client = Client::new();
        client.send(b"set a! 0 0 1\r\n1\r\nms AAE= 1 b\r\nx\r\n");
        let answer = text(&mut client, b"lru_crawler mgdump all\r\n");
        let keys = answer.strip_suffix("EN\r\n").unwrap();
        assert_eq!(keys.lines().collect::<HashSet<_>>(), HashSet::from(["mg a!", "mg AAE= b"]));
        assert_eq!(client.send(b"mg AAE= b v\r\n"), b"VA 1\r\nx\r\n");
    }

    #[test]
    fn the_longest_key_fits() {
        let mut client = Client::new();
        client.room = REPLY_ROOM;
        let key = [0xff; 250];
        client.send(&[b"set ", &key[..], b" 4294967295 2147483647 1\r\n1\r\n"].concat());
        let answer = text(&mut client, b"lru_crawler metadump all\r\n");
        assert!(answer.starts_with(&format!("key={} exp=", "%FF".repeat(250))) && answer.ends_with("\nEND\r\n"));
    }

    #[test]
    fn all_of_many_items_are_told_of_in_little_room() {
        let mut client = Client::new();
        for i in 0..2000 {
            client.send(format!("set key{i} 0 0 1 noreply\r\n1\r\n").as_bytes());
        }
        client.room = REPLY_ROOM + 300;
        let answer = text(&mut client, b"lru_crawler metadump all\r\n");
        let keys: Vec<&str> = answer.lines().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!((keys.len(), keys.iter().collect::<HashSet<_>>().len()), (2001, 2001));
    }

    #[test]
    fn what_has_expired_goes() {
        let mut client = Client::new();
        for i in 0..300 {
            client.send(format!("set key{i} 0 {} 1 noreply\r\n1\r\n", i % 3 * 5).as_bytes());
        }
        client.sleep(7);
        assert_eq!(client.server.store.len(), 300);
        assert_eq!(client.send(b"lru_crawler crawl all\r\n"), b"OK\r\n");
        assert_eq!(client.server.store.len(), 200);
        let stats = text(&mut client, b"stats\r\n");
        for line in
            ["crawler_reclaimed 100", "crawler_items_checked 300", "lru_crawler_starts 1", "expired_unfetched 100"]
        {
            assert!(stats.contains(&format!("STAT {line}\r\n")), "{line}");
        }
        assert_eq!(client.send(b"flush_all\r\nlru_crawler crawl 1\r\n"), b"OK\r\nOK\r\n");
        assert!(client.server.store.is_empty());
    }

    /// What 1.6.18 answers.
    #[test]
    fn classes() {
        for (classes, answer) in [
            ("all", "END"),
            ("hash", "END"),
            ("1", "END"),
            ("63", "END"),
            ("1,", "END"),
            ("1,,2", "END"),
            (",", "NOTSTARTED no items to crawl"),
            ("0", "BADCLASS invalid class id"),
            ("64", "BADCLASS invalid class id"),
            ("2,x", "BADCLASS invalid class id"),
            ("1x", "BADCLASS invalid class id"),
            ("all x", "ERROR"),
            ("", "ERROR"),
            ("all noreply", "ERROR"),
        ] {
            let request = format!("lru_crawler metadump {classes}\r\n");
            assert_eq!(String::from_utf8(exchange(request.as_bytes())).unwrap(), format!("{answer}\r\n"), "{request}");
        }
        let mut client = Client::new();
        client.send(b"set a 0 0 1\r\n1\r\n");
        assert_eq!(
            client.send(b"lru_crawler metadump 2,3\r\nlru_crawler crawl 99\r\n"),
            b"END\r\nBADCLASS invalid class id\r\n"
        );
        assert_eq!(
            client.send(b"lru_crawler crawl hash\r\nlru_crawler crawl\r\n"),
            b"ERROR an unknown error happened\r\nERROR\r\n"
        );
    }

    #[test]
    fn dumps_may_be_refused() {
        let mut client = Client::new();
        client.server.settings.permissions.dumping = false;
        assert_eq!(
            client.send(b"lru_crawler metadump all\r\nlru_crawler metadump 99\r\nlru_crawler mgdump all\r\nlru_crawler crawl all\r\n"),
            b"ERROR metadump not allowed\r\nERROR metadump not allowed\r\nERROR mgdump not allowed\r\nOK\r\n"
        );
    }
}
