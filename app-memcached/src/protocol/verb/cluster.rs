//! `config get cluster` and, before it, `get AmazonElastiCache:cluster`: auto discovery, as of Amazon ElastiCache. A client asks one server
//! of a cluster for all of them: a version, by which it knows whether the list is news, and `host|ip|port` of each.

use super::super::line::Words;
use super::super::number::Decimal;
use super::super::output::Output;
use super::super::reply::{END, ERROR};
use super::super::server::Server;
use super::super::step::REPLY_ROOM;

/// The key that clients ask for who do not know `config`.
pub(super) const KEY: &[u8] = b"AmazonElastiCache:cluster";

/// Bytes of the longest list: 512 of servers, and a line with a number of 32 bits.
const MAX_LIST: usize = 512 + 1 + 10 + 1;

const CONFIG: &[u8] = b"CONFIG cluster";
const VALUE: &[u8] = b"VALUE AmazonElastiCache:cluster";

/// An answer, with the line before the list, flags and length, what may follow it, and the end of a `get`.
const _: () = assert!(VALUE.len() + " 0 999\r\n".len() + MAX_LIST + "\r\nEND\r\n".len() <= REPLY_ROOM);

/// The servers of a cluster, as clients are told of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// A line with the version, one with the servers, and zeros.
    list: [u8; MAX_LIST],
    len: u16,
}

impl Cluster {
    /// Servers, each as `host|ip|port`, in the list's version `version`. `None` if they are too long.
    pub fn new<'a>(version: u32, nodes: impl Iterator<Item = &'a str>) -> Option<Cluster> {
        let mut cluster = Cluster { list: [0; MAX_LIST], len: 0 };
        cluster.append(Decimal::new(version.into()).text())?;
        for (i, node) in nodes.enumerate() {
            cluster.append(if i == 0 { b"\n" } else { b" " })?;
            cluster.append(node.as_bytes())?;
        }
        cluster.append(b"\n")?;
        Some(cluster)
    }

    fn append(&mut self, bytes: &[u8]) -> Option<()> {
        let start = usize::from(self.len);
        let end = start + bytes.len();
        self.list.get_mut(start..end)?.copy_from_slice(bytes);
        self.len = end as u16;
        Some(())
    }

    /// Writes the list behind `name`, as a value.
    fn write(&self, name: &[u8], out: &mut impl Output) {
        out.write(name);
        out.write(b" 0 ");
        out.write(Decimal::new(self.len.into()).text());
        out.write(b"\r\n");
        out.write(&self.list[..self.len.into()]);
        out.write(b"\r\n");
    }
}

/// `config <...>`: there is one thing to get, and none to set.
pub(super) fn run(words: &Words<'_>, server: &Server, out: &mut impl Output) {
    match &server.settings.cluster {
        Some(cluster) if words.count() == 3 && words.get(1) == b"get" && words.get(2) == b"cluster" => {
            cluster.write(CONFIG, out);
            END.write(out);
        }
        _ => ERROR.write(out),
    }
}

/// Writes the list as the value of [`KEY`], of which there is no item. Whether there is a list.
#[cold]
#[inline(never)]
pub(super) fn send_value(server: &Server, out: &mut impl Output) -> bool {
    let Some(cluster) = &server.settings.cluster else { return false };
    cluster.write(VALUE, out);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::testkit::{Client, exchange};

    const LIST: &str = "3\na.example|192.0.2.1|11211 b|192.0.2.2|11212\n";

    fn client() -> Client {
        let mut client = Client::new();
        let nodes = ["a.example|192.0.2.1|11211", "b|192.0.2.2|11212"];
        client.server.settings.cluster = Cluster::new(3, nodes.into_iter());
        client
    }

    #[test]
    fn tells_of_the_cluster() {
        let expected = format!("CONFIG cluster 0 {}\r\n{LIST}\r\nEND\r\n", LIST.len());
        assert_eq!(client().send(b"config get cluster\r\n"), expected.as_bytes());
    }

    #[test]
    fn tells_by_a_key() {
        let value = format!("VALUE AmazonElastiCache:cluster 0 {}\r\n{LIST}\r\n", LIST.len());
        let mut client = client();
        assert_eq!(client.send(b"get AmazonElastiCache:cluster\r\n"), format!("{value}END\r\n").as_bytes());
        let among = client.send(b"set a 0 0 1\r\n1\r\nget a AmazonElastiCache:cluster b a\r\n");
        let a = "VALUE a 0 1\r\n1\r\n";
        assert_eq!(among, format!("STORED\r\n{a}{value}{a}END\r\n").as_bytes());
        let counters = client.server.all_counters();
        assert_eq!((counters.cmd_get, counters.get_hits, counters.get_misses), (5, 4, 1));
    }

    #[test]
    fn an_item_and_other_commands_come_first() {
        let mut client = client();
        assert_eq!(
            client.send(b"gets AmazonElastiCache:cluster\r\nmg AmazonElastiCache:cluster v\r\n"),
            b"END\r\nEN\r\n"
        );
        assert_eq!(
            client.send(b"gat 0 AmazonElastiCache:cluster\r\nget AmazonElastiCache:clusteR\r\n"),
            b"END\r\nEND\r\n"
        );
        assert_eq!(
            client.send(b"set AmazonElastiCache:cluster 0 0 1\r\n1\r\nget AmazonElastiCache:cluster\r\n"),
            b"STORED\r\nVALUE AmazonElastiCache:cluster 0 1\r\n1\r\nEND\r\n"
        );
    }

    #[test]
    fn nothing_else_is_configured() {
        let requests = b"config\r\nconfig get\r\nconfig get other\r\nconfig set cluster\r\nconfig get cluster x\r\n";
        assert_eq!(client().send(requests), b"ERROR\r\n".repeat(5));
    }

    /// What 1.6.18 answers.
    #[test]
    fn without_a_cluster() {
        assert_eq!(exchange(b"config get cluster\r\nget AmazonElastiCache:cluster\r\n"), b"ERROR\r\nEND\r\n");
    }

    #[test]
    fn the_longest_list_fits_into_the_least_room() {
        let mut client = Client::new();
        client.room = REPLY_ROOM;
        let node = "a".repeat(512);
        client.server.settings.cluster = Cluster::new(u32::MAX, [node.as_str()].into_iter());
        let list = format!("4294967295\n{node}\n");
        let expected = format!("CONFIG cluster 0 524\r\n{list}\r\nEND\r\n");
        assert_eq!(client.send(b"config get cluster\r\n"), expected.as_bytes());
        let expected = format!("VALUE AmazonElastiCache:cluster 0 524\r\n{list}\r\n").repeat(2) + "END\r\n";
        let request = b"get AmazonElastiCache:cluster AmazonElastiCache:cluster\r\n";
        assert_eq!(client.send(request), expected.as_bytes());
        assert_eq!(Cluster::new(u32::MAX, [format!("{node}a").as_str()].into_iter()), None);
    }
}
